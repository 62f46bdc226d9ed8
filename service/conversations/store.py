"""The conversations of every user, kept until they delete them: through reloads, restarts and crashes."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from core.answers import Answer, AskMode, Turn
from core.conversation_errors import ConversationsUnreadable, ExchangeNotFound
from core.conversations import Conversation, ConversationSummary, Rating
from core.messages import well_formed
from service.conversations.file import ConversationFile
from service.conversations.records import (
    answer_text,
    exchange_rows,
    kbs_text,
    one_line,
    read_conversation,
    read_summary,
    rename_in_answers,
    rename_in_conversations,
    require,
    require_exchange,
    settle,
    summary_rows,
)
from service.conversations.search import searchable

_TITLE_CHARS, _NAMED_TITLE_CHARS = 40, 100  # of a first question, and as the user calls it


class Conversations:
    """The conversations in one database file. Threads may share an instance, and processes the file.

    Every method but `rename_kb` is given whose conversations are meant, and raises `ConversationNotFound` for those
    of somebody else as for those that are not there. Each change is one transaction. The file is opened with the first
    call, so that one that is damaged (`ConversationsUnreadable`) keeps nothing else from working.

    Args:
        path: the file; it is made with its folder if need be, for the eyes of its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._file = ConversationFile(path)

    def close(self) -> None:
        """Close the file; what is being written then counts as stopped."""
        self._file.close()

    # --- conversations ---------------------------------------------------------------------------------------------

    def create(self, owner: str, kbs: Sequence[str], mode: AskMode) -> str:
        """Begin a conversation about knowledge bases and return its id."""
        id, now = secrets.token_hex(16), time.time()
        entries = (id, well_formed(owner), kbs_text(kbs), _known(mode), now, now)
        with self._file.database().write() as connection:
            connection.execute(
                """INSERT INTO conversations (id, owner, title, searched, kbs, mode, created, updated)
                   VALUES (?, ?, '', '', ?, ?, ?, ?)""",
                entries,
            )
        return id

    def list(self, owner: str, query: str = "") -> Sequence[ConversationSummary]:
        """Return the conversations, the one with the latest question or answer first.

        Args:
            query: words, or parts of words, each of which stands somewhere in the title, the questions or the answers;
                upper and lower case, full and half width, simplified and traditional characters are the same.
        """
        with self._file.database().snapshot() as connection:
            return [read_summary(row) for row in summary_rows(connection, owner, query)]

    def load(self, owner: str, id: str) -> Conversation:
        """Return a conversation with everything in it.

        What a process was writing that has ended since counts as stopped from now on.

        Raises:
            ConversationsUnreadable: an answer in it is damaged, or of a newer version.
        """
        with self._file.database().snapshot() as connection:
            row, exchanges = require(connection, owner, id), exchange_rows(connection, id)
        writers = {exchange["writer"] for exchange in exchanges if exchange["state"] == "writing"}
        if self._file.stop_abandoned(writers):
            return self.load(owner, id)
        try:
            return read_conversation(row, exchanges)
        except (ValueError, KeyError, TypeError) as error:
            detail = f"{id}: {type(error).__name__}: {error}"
            raise ConversationsUnreadable(path=self._file.path, detail=detail) from error

    def rename(self, owner: str, id: str, title: str) -> None:
        """Call a conversation something; an empty title goes back to the first question."""
        title = one_line(well_formed(title), _NAMED_TITLE_CHARS)
        with self._file.database().write() as connection:
            require(connection, owner, id)
            entries = (title, searchable(title), id)
            connection.execute("UPDATE conversations SET title = ?, searched = ? WHERE id = ?", entries)

    def delete(self, owner: str, id: str) -> None:
        """Delete a conversation with everything in it."""
        with self._file.database().write() as connection:
            require(connection, owner, id)
            connection.execute("DELETE FROM conversations WHERE id = ?", (id,))

    def clear(self, owner: str, id: str) -> None:
        """Remove every question and answer of a conversation, which stays with its settings."""
        with self._file.database().write() as connection:
            require(connection, owner, id)
            connection.execute("DELETE FROM exchanges WHERE conversation_id = ?", (id,))

    def choose(self, owner: str, id: str, *, kbs: Sequence[str] | None = None, mode: AskMode | None = None) -> None:
        """Change which knowledge bases the next questions are asked of, or how they are answered."""
        with self._file.database().write() as connection:
            row = require(connection, owner, id)
            entries = (row["kbs"] if kbs is None else kbs_text(kbs), row["mode"] if mode is None else _known(mode), id)
            connection.execute("UPDATE conversations SET kbs = ?, mode = ? WHERE id = ?", entries)

    def rename_kb(self, old: str, new: str) -> None:
        """Follow a knowledge base to its new name, in everybody's conversations and in the sources of old answers."""
        old, new = well_formed(old), well_formed(new)
        with self._file.database().write() as connection:
            rename_in_conversations(connection, old, new)
            rename_in_answers(connection, old, new)

    # --- questions and answers -------------------------------------------------------------------------------------

    def begin(self, owner: str, id: str, question: str) -> int:
        """Keep a question before it is answered, and return the id of the exchange."""
        database, question, now = self._file.database(), well_formed(question), time.time()
        title = one_line(question, _TITLE_CHARS)
        entries = (id, question, title, now, self._file.own_number(), searchable(question))
        with database.write() as connection:
            require(connection, owner, id)
            connection.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, id))
            [(exchange,)] = connection.execute(
                """INSERT INTO exchanges (conversation_id, question, title, state, text, created, writer, searched)
                   VALUES (?, ?, ?, 'writing', '', ?, ?, ?) RETURNING id""",
                entries,
            )
        return int(exchange)

    def finish(self, owner: str, exchange_id: int, answer: Answer) -> None:
        """Keep the answer; nothing where the exchange has ended already, which goes for `stop` and `fail` as well.

        Raises:
            ExchangeNotFound: the question was removed in the meantime, or is somebody else's.
        """
        kept = answer_text(answer)
        with self._file.database().write() as connection:
            if settle(connection, owner, exchange_id, "done", answer.text):
                connection.execute("UPDATE exchanges SET mode = ? WHERE id = ?", (answer.mode, exchange_id))
                connection.execute("INSERT INTO answers (exchange_id, answer) VALUES (?, ?)", (exchange_id, kept))

    def stop(self, owner: str, exchange_id: int, text: str) -> None:
        """Keep as much of an answer as was written when the user stopped it."""
        with self._file.database().write() as connection:
            settle(connection, owner, exchange_id, "stopped", text)

    def fail(self, owner: str, exchange_id: int, text: str) -> None:
        """Keep why there is no answer."""
        with self._file.database().write() as connection:
            settle(connection, owner, exchange_id, "failed", text)

    def drop_last(self, owner: str, id: str) -> str:
        """Remove the last exchange and return its question, to ask it again.

        Raises:
            ExchangeNotFound: the conversation is empty.
        """
        with self._file.database().write() as connection:
            require(connection, owner, id)
            newest = "SELECT max(id) FROM exchanges WHERE conversation_id = ?"
            removed = connection.execute(f"DELETE FROM exchanges WHERE id = ({newest}) RETURNING question", (id,))
            questions = [str(row["question"]) for row in removed]
        if not questions:
            raise ExchangeNotFound
        return questions[0]

    def rate(self, owner: str, exchange_id: int, rating: Rating) -> None:
        """Keep what the user thinks of an answer."""
        if rating not in get_args(Rating):
            raise ValueError(f"no such rating: {rating}")
        with self._file.database().write() as connection:
            require_exchange(connection, owner, exchange_id)
            connection.execute("UPDATE exchanges SET rating = ? WHERE id = ?", (rating, exchange_id))

    def history(self, owner: str, id: str) -> Sequence[Turn]:
        """Return what a follow-up may refer to, oldest first: the answers, but neither refusals nor small talk."""
        with self._file.database().snapshot() as connection:
            require(connection, owner, id)
            rows = connection.execute(
                """SELECT question, text FROM exchanges
                   WHERE conversation_id = ? AND mode IN ('extractive', 'llm') ORDER BY id""",
                (id,),
            )
            return [Turn(row["question"], row["text"]) for row in rows]


def _known(mode: AskMode) -> AskMode:
    if mode not in get_args(AskMode):
        raise ValueError(f"no such mode: {mode}")
    return mode
