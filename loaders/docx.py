"""Word documents."""

from collections.abc import Iterator
from io import BytesIO

from langchain_core.documents import Document

from loaders.docx_flatten import flatten, number_in_hanzi
from loaders.elements import element_blocks
from loaders.parts import Block, FileLoader, assemble
from loaders.unstructured_offline import LANGUAGES, prepare_unstructured


class DocxLoader(FileLoader):
    """Headings by style, by outline level or by their number; headers and footers are left out."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a heading and one a table."""
        import docx

        prepare_unstructured()
        from unstructured.partition.docx import partition_docx

        with self.path.open("rb") as file:
            word = docx.Document(file)
        flatten(word)
        number_in_hanzi()
        with BytesIO() as flat:
            word.save(flat)
            elements = partition_docx(file=flat, languages=LANGUAGES, include_page_breaks=False)
        blocks = list(element_blocks(elements, numbered_headings=True))
        title = (word.core_properties.title or "").strip() or _opening_heading(blocks)
        yield from assemble(blocks, **({"title": title} if title else {}))


def _opening_heading(blocks: list[Block]) -> str:
    return blocks[0].text if blocks and blocks[0].level == 1 else ""
