"""The tables of the conversations' database, as numbered migrations; see `vectorstores/database.py`."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,                 -- random
        owner TEXT NOT NULL,
        title TEXT NOT NULL,                 -- what the user called it; empty for the first question
        searched TEXT NOT NULL,              -- the title, as service.conversations.search.searchable
        kbs TEXT NOT NULL,                   -- JSON list of names
        mode TEXT NOT NULL,
        created REAL NOT NULL,               -- seconds since the epoch
        updated REAL NOT NULL
    ) STRICT;
    CREATE INDEX conversations_by_owner ON conversations (owner, updated);

    CREATE TABLE exchanges (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, so that a late answer cannot meet another question
        conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
        question TEXT NOT NULL,
        title TEXT NOT NULL,                 -- the beginning of the question, on one line
        state TEXT NOT NULL CHECK (state IN ('writing', 'done', 'stopped', 'failed')),
        text TEXT NOT NULL,
        mode TEXT,                           -- who wrote the answer; NULL unless it is done
        rating INTEGER NOT NULL DEFAULT 0,
        created REAL NOT NULL,               -- seconds since the epoch
        writer INTEGER NOT NULL,             -- number of the process that answers, see conversation_writers.py
        searched TEXT NOT NULL               -- question and text, as service.conversations.search.searchable
    ) STRICT;
    CREATE INDEX exchanges_by_conversation ON exchanges (conversation_id);
    CREATE INDEX exchanges_being_written ON exchanges (writer) WHERE state = 'writing';

    CREATE TABLE answers (                   -- apart from the exchanges, so that a search does not read through them
        exchange_id INTEGER PRIMARY KEY REFERENCES exchanges ON DELETE CASCADE,
        answer TEXT NOT NULL                 -- JSON, as service.answers.trace_json.answer_json
    ) STRICT;
    """,
)
