"""Rows of the conversations' database, found for their owner only, and the objects that they stand for."""

import json
import sqlite3
import time
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from core.answers import Answer
from core.conversation_errors import ConversationNotFound, ExchangeNotFound
from core.conversations import Conversation, ConversationSummary, Exchange, ExchangeState
from core.messages import well_formed
from service.answers.trace_json import answer_json, read_answer
from service.conversations.search import conditions, searchable


def require(connection: sqlite3.Connection, owner: str, id: str) -> sqlite3.Row:
    """Return the row of an owner's conversation.

    Raises:
        ConversationNotFound: it is not there, or somebody else's.
    """
    wanted = (well_formed(id), well_formed(owner))
    found = connection.execute("SELECT * FROM conversations WHERE id = ? AND owner = ?", wanted)
    return _only(found.fetchone(), ConversationNotFound)


def require_exchange(connection: sqlite3.Connection, owner: str, exchange_id: int) -> sqlite3.Row:
    """Return the row of an exchange in one of an owner's conversations.

    Raises:
        ExchangeNotFound: it is not there, or somebody else's.
    """
    row = None
    with suppress(OverflowError):  # a number that SQLite cannot hold is none of ours
        row = connection.execute(
            """SELECT exchanges.* FROM exchanges JOIN conversations AS c ON c.id = conversation_id
               WHERE exchanges.id = ? AND owner = ?""",
            (exchange_id, well_formed(owner)),
        ).fetchone()
    return _only(row, ExchangeNotFound)


def _only(row: sqlite3.Row | None, error: type[ConversationNotFound]) -> sqlite3.Row:
    if row is None:
        raise error
    return row


def exchange_rows(connection: sqlite3.Connection, id: str) -> Sequence[sqlite3.Row]:
    """Return the exchanges of a conversation with their answers, oldest first."""
    return connection.execute(
        """SELECT exchanges.*, answer FROM exchanges LEFT JOIN answers ON exchange_id = id
           WHERE conversation_id = ? ORDER BY id""",
        (id,),
    ).fetchall()


def summary_rows(connection: sqlite3.Connection, owner: str, query: str) -> Sequence[sqlite3.Row]:
    """Return what `read_summary` needs of each conversation in which the words of a query stand, latest first."""
    found, values = conditions(query)
    return connection.execute(
        f"""SELECT id, kbs, updated,
                   (SELECT count(*) FROM exchanges WHERE conversation_id = c.id) AS exchanges,
                   coalesce(nullif(title, ''), (SELECT title FROM exchanges WHERE conversation_id = c.id
                                                ORDER BY id LIMIT 1), '') AS title
            FROM conversations AS c WHERE owner = :owner {found} ORDER BY updated DESC, rowid DESC""",
        {"owner": well_formed(owner), **values},
    ).fetchall()


def settle(connection: sqlite3.Connection, owner: str, exchange_id: int, state: ExchangeState, text: str) -> bool:
    """Say how an exchange ended; False where that has been said before."""
    row, text = require_exchange(connection, owner, exchange_id), well_formed(text)
    if row["state"] != "writing":
        return False
    searched = searchable(row["question"], "" if state == "failed" else text)
    ended = (state, text, searched, exchange_id)
    connection.execute("UPDATE exchanges SET state = ?, text = ?, searched = ? WHERE id = ?", ended)
    touched = (time.time(), row["conversation_id"])
    connection.execute("UPDATE conversations SET updated = ? WHERE id = ?", touched)
    return True


def rename_in_conversations(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Ask the next questions of the knowledge base `new` where they were asked of `old`."""
    found = connection.execute("SELECT id, kbs FROM conversations WHERE instr(kbs, ?)", (_json_text(old),))
    for id, kbs in found.fetchall():
        renamed = kbs_text([new if kb == old else kb for kb in json.loads(kbs)])
        connection.execute("UPDATE conversations SET kbs = ? WHERE id = ?", (renamed, id))


def rename_in_answers(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Look for the sources of answers in the knowledge base `new` where they were in `old`."""
    found = connection.execute("SELECT exchange_id FROM answers WHERE instr(answer, ?)", (_json_text(old),))
    for (id,) in found.fetchall():
        [(text,)] = connection.execute("SELECT answer FROM answers WHERE exchange_id = ?", (id,))
        with suppress(ValueError):  # a damaged answer is told of when it is read
            answer = json.loads(text, object_hook=lambda part: {**part, "kb": new} if part.get("kb") == old else part)
            connection.execute("UPDATE answers SET answer = ? WHERE exchange_id = ?", (_json_text(answer), id))


# --- as objects ------------------------------------------------------------------------------------------------------


def read_conversation(row: sqlite3.Row, exchanges: Sequence[sqlite3.Row]) -> Conversation:
    """Return a conversation.

    Raises:
        ValueError, KeyError, TypeError: an answer is not what it should be.
    """
    return Conversation(
        id=row["id"],
        title=row["title"] or (exchanges[0]["title"] if exchanges else ""),
        kbs=tuple(json.loads(row["kbs"])),
        mode=row["mode"],
        created=row["created"],
        updated=row["updated"],
        exchanges=tuple(_read_exchange(exchange) for exchange in exchanges),
    )


def read_summary(row: sqlite3.Row) -> ConversationSummary:
    """Return one line of the list."""
    kbs = tuple(json.loads(row["kbs"]))
    return ConversationSummary(row["id"], row["title"], kbs, row["updated"], row["exchanges"])


def _read_exchange(row: sqlite3.Row) -> Exchange:
    return Exchange(
        id=row["id"],
        question=row["question"],
        answer=None if row["answer"] is None else read_answer(json.loads(row["answer"])),
        state=row["state"],
        text=row["text"],
        rating=row["rating"],
        created=row["created"],
    )


def answer_text(answer: Answer) -> str:
    """Return an answer as JSON; of its candidates those that are shown, the ones used and the nearest misses."""
    retrieval = answer.retrieval
    misses = retrieval.nearest_misses
    shown = tuple(hit for hit in retrieval.hits if hit.kept or hit in misses)
    return _json_text(answer_json(replace(answer, retrieval=replace(retrieval, hits=shown))))


def kbs_text(kbs: Sequence[str]) -> str:
    """Return names of knowledge bases as JSON, each once."""
    return _json_text(list(dict.fromkeys(kbs)))


def _json_text(value: Any) -> str:
    return well_formed(json.dumps(value, ensure_ascii=False))


def one_line(text: str, limit: int) -> str:
    """Return a text on one line, cut to `limit` characters with an ellipsis."""
    line = " ".join("".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
