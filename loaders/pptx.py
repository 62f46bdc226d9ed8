"""PowerPoint presentations."""

from collections.abc import Iterator
from typing import Any

from langchain_core.documents import Document

from loaders.elements import element_blocks
from loaders.parts import Block, FileLoader, assemble
from loaders.unstructured_offline import LANGUAGES, prepare_unstructured


class PptxLoader(FileLoader):
    """One heading a slide, its title; the speaker's notes follow the slide's text."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a slide, and one for each table on it."""
        from pptx import Presentation

        prepare_unstructured()
        from unstructured.partition.pptx import partition_pptx

        with self.path.open("rb") as file:
            deck = Presentation(file)
            elements = partition_pptx(
                file=file, languages=LANGUAGES, include_page_breaks=False, include_slide_notes=False
            )
        title = (deck.core_properties.title or "").strip()
        known = {"title": title} if title and title != "PowerPoint Presentation" else {}  # the program's own default
        for number, slide in enumerate(deck.slides, start=1):
            own = [element for element in elements if element.metadata.page_number == number]
            # Slide by slide, because a slide without a title does not belong to the one before.
            yield from assemble(_slide_blocks(slide, own), slide=number, pages=len(deck.slides), **known)


def _slide_blocks(slide: Any, elements: list[Any]) -> Iterator[Block]:
    """The title first, wherever it stands on the slide; every other "Title" is just a short line to `unstructured`."""
    shape = slide.shapes.title
    title = " ".join(shape.text_frame.text.split()) if shape is not None else ""
    if title:
        yield Block(title, "heading", 1)
    in_title = {line.strip() for line in shape.text_frame.text.split("\n")} if title else set()
    for block in element_blocks(elements):
        if block.kind != "heading":
            yield block
        elif block.text not in in_title:
            yield Block(block.text)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) and frame.text.strip():
        yield Block(f"备注：{frame.text.strip()}")
