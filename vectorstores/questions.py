"""A knowledge base's own list of questions, which evaluations ask where no other list is given."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict

from core.evaluation import Expected, LabelledQuestion, Origin, StoredQuestion
from core.messages import well_formed
from vectorstores.database import Database


class QuestionList:
    """The questions of one knowledge base, each in it once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, questions: Sequence[LabelledQuestion], origin: Origin) -> int:
        """Add questions, and return how many are new or changed.

        One that is there already is replaced; but not what a user has written, except by the user, and not what says
        where the answer stands by what does not.
        """
        rows = [(well_formed(one.question).strip(), _as_json(one.expected), origin, time.time()) for one in questions]
        with self._database.write() as connection:
            before = connection.total_changes
            connection.executemany(
                """INSERT INTO questions (question, expected, origin, created_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (question) DO UPDATE SET expected = excluded.expected, origin = excluded.origin
                   WHERE (excluded.origin = 'user' OR origin <> 'user' AND excluded.expected <> '[]')
                     AND (expected, origin) <> (excluded.expected, excluded.origin)""",
                rows,
            )
            return connection.total_changes - before

    def all(self) -> list[StoredQuestion]:
        """Return every question, in the order in which they came."""
        with self._database.snapshot() as connection:
            return [_as_stored(row) for row in connection.execute("SELECT * FROM questions ORDER BY id")]

    def labelled(self) -> list[LabelledQuestion]:
        """Return the questions that can be evaluated: all but those of which nobody has said what should be found."""
        return [stored.labelled for stored in self.all() if not stored.is_open]

    def remove(self, ids: Sequence[int]) -> int:
        """Remove questions, and return how many there were."""
        with self._database.write() as connection:
            return sum(connection.execute("DELETE FROM questions WHERE id = ?", (id,)).rowcount for id in ids)


def _as_json(expected: Sequence[Expected]) -> str:
    return well_formed(json.dumps([asdict(one) for one in expected], ensure_ascii=False))


def _as_stored(row: sqlite3.Row) -> StoredQuestion:
    expected = tuple(Expected(**one) for one in json.loads(row["expected"]))
    return StoredQuestion(row["id"], LabelledQuestion(row["question"], expected), row["origin"], row["created_at"])
