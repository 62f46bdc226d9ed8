"""Nouns of looking into a document and correcting it: its chunks, a splitting in preview, and what was corrected."""

from dataclasses import dataclass

from core.documents import Chunk


@dataclass(frozen=True, slots=True)
class Correction:
    """What a user changed of a document's text. It outlives the chunks, and versions of the file.

    Attributes:
        document: name of the document.
        before: the text that it is about: of an edit, as the file has it; of a disabled passage, as the edits left it.
        after: the text in its place; None for a passage that is disabled.
        start: where the passage begins in the document's corrected text, in characters; where it last began, if it
            does not apply.
        lead, trail: the text on either side when it was made, which tells it from the same words elsewhere.
        applies: whether its text is in the document as it is now.
        created_at: seconds since the epoch.
    """

    id: int
    document: str
    before: str
    after: str | None
    start: int
    lead: str
    trail: str
    applies: bool
    created_at: float

    @property
    def end(self) -> int:
        """Where the passage ends in the corrected text."""
        return self.start + len(self.before if self.after is None else self.after)

    @property
    def growth(self) -> int:
        """Characters by which the correction makes the text longer."""
        return 0 if self.after is None else len(self.after) - len(self.before)


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One chunk in the list of a document's chunks.

    Attributes:
        enabled: whether it can be found and quoted.
        edited: whether any of its text is a user's, in the place of the file's.
    """

    chunk: Chunk
    enabled: bool
    edited: bool


@dataclass(frozen=True, slots=True)
class PreviewChunk:
    """A chunk as a splitting would make it, not stored anywhere.

    Attributes:
        page: page or slide, from 1; None where the format has none.
        start, end: range in the document's text, in characters.
    """

    text: str
    heading: str
    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SourceView:
    """A range of a document with the text around it.

    Attributes:
        page: page or slide of its beginning, from 1; None where the format has none.
        before, after: neighbouring text of the same document.
        start, end: range of `text` in the document's text, in characters.
    """

    kb: str
    document: str
    heading: str
    page: int | None
    before: str
    text: str
    after: str
    start: int
    end: int
