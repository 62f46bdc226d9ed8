"""Plain text, in any encoding that Chinese text is found in."""

import re
from collections.abc import Iterator

from langchain_core.documents import Document

from loaders.encodings import read_text
from loaders.outline import find_headings
from loaders.parts import FileLoader, HeadingPath


class TextLoader(FileLoader):
    """Cuts a text file at its headings; the parts joined are the decoded file, character for character."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part for what precedes the first heading and one for each heading.

        Raises:
            CorruptFile: the bytes are no text.
        """
        # Not splitlines(), which also splits at form feeds and the like, where no line ends.
        lines = [line for line in re.split(r"(?<=\n)", read_text(self.path, self.name)) if line]
        headings = find_headings(lines)
        path = HeadingPath()
        starts = [index for index in headings if any(line.strip() for line in lines[:index])]
        for start, end in zip([0, *starts], [*starts, len(lines)], strict=True):
            if opened := next((headings[index] for index in range(start, end) if index in headings), None):
                path.open(opened.level, opened.title)
            yield Document(page_content="".join(lines[start:end]), metadata={**path.metadata(), "kind": "text"})
