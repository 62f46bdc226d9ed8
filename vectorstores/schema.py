"""The tables of `kb.sqlite`, as numbered migrations; `PRAGMA user_version` holds the number of the last one applied."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE manifest (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL                  -- JSON
    ) STRICT;
    -- tells an index file of this database from one of an earlier database in the same folder
    INSERT INTO manifest (key, value) VALUES ('database_id', '"' || lower(hex(randomblob(16))) || '"');

    CREATE TABLE documents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        sha256 TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('indexed', 'duplicate', 'failed')),
        reason TEXT,                         -- JSON {"zh", "en"}
        size INTEGER NOT NULL,               -- bytes
        pages INTEGER,
        chars INTEGER NOT NULL,
        title TEXT NOT NULL,
        stored_as TEXT NOT NULL,             -- file below content/
        added_at REAL NOT NULL,              -- seconds since the epoch
        metadata TEXT NOT NULL               -- JSON, what a program attached to it
    ) STRICT;
    CREATE INDEX documents_by_hash ON documents (sha256);

    CREATE TABLE text_blocks (               -- a document's extracted text, in blocks of equal length
        document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (document_id, ordinal)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, so that a stale index cannot name another chunk
        document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,              -- characters of the document's text
        "end" INTEGER NOT NULL,
        kind TEXT NOT NULL,
        heading TEXT NOT NULL,
        page INTEGER,
        slide INTEGER,
        sheet TEXT,
        row INTEGER,
        sha256 TEXT NOT NULL,                -- of the chunk's text
        runs TEXT NOT NULL,                  -- analysis.terms.IndexForm of title, heading and text
        length INTEGER NOT NULL,
        UNIQUE (document_id, ordinal)
    ) STRICT;

    CREATE VIRTUAL TABLE chunk_terms USING fts5 (terms, content='', tokenize="ascii tokenchars '.'");
    CREATE VIRTUAL TABLE term_statistics USING fts5vocab (chunk_terms, row);

    CREATE TABLE embeddings (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL UNIQUE,    -- JSON: what makes two embeddings the same vector space
        dimensions INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE vectors (
        embedding_id INTEGER NOT NULL REFERENCES embeddings ON DELETE CASCADE,
        chunk_id INTEGER NOT NULL REFERENCES chunks ON DELETE CASCADE,
        vector BLOB NOT NULL,                -- unit length, fp16, little endian
        PRIMARY KEY (embedding_id, chunk_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX vectors_by_chunk ON vectors (chunk_id);
    """,
    """
    CREATE TABLE questions (                 -- the knowledge base's own list for evaluations
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        question TEXT NOT NULL UNIQUE,
        expected TEXT NOT NULL,              -- JSON [{"file", "page", "text"}], empty for an unanswerable question
        origin TEXT NOT NULL CHECK (origin IN ('user', 'draft', 'feedback')),
        created_at REAL NOT NULL             -- seconds since the epoch
    ) STRICT;
    """,
    """
    ALTER TABLE chunks ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1));
    ALTER TABLE chunks ADD COLUMN table_header TEXT;  -- head of the table it was cut from; NULL: not known

    CREATE TABLE corrections (               -- what users changed of the documents' texts
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document TEXT NOT NULL,              -- a name: corrections outlive versions of the document
        before TEXT NOT NULL,
        after TEXT,                          -- NULL: the passage is disabled
        start INTEGER NOT NULL,              -- characters of the document's corrected text
        lead TEXT NOT NULL,
        trail TEXT NOT NULL,
        applies INTEGER NOT NULL CHECK (applies IN (0, 1)),
        dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)),  -- gone when the document is next stored
        created_at REAL NOT NULL             -- seconds since the epoch
    ) STRICT;
    CREATE INDEX corrections_by_document ON corrections (document);
    """,
)
