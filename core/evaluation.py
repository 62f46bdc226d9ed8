"""Nouns of evaluation: questions whose answers are known."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """Where the answer to a question stands. Empty fields do not matter.

    Attributes:
        file: name of the document.
        page: counted from 1.
        text: what the passage contains, such as the answer itself.
    """

    file: str = ""
    page: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question with what should be found; nothing expected means that the knowledge base has no answer.

    Attributes:
        expected: any one of them is right.
    """

    question: str
    expected: tuple[Expected, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the knowledge base should have an answer."""
        return bool(self.expected)
