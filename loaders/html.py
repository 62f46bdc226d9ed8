"""Web pages: the main text with headings, lists and tables, without what surrounds it on the page."""

import re
from collections.abc import Iterator
from typing import Any

from langchain_core.documents import Document

from loaders.elements import element_blocks, filled_rows
from loaders.encodings import decode_text, read_text
from loaders.parts import Block, FileLoader, assemble
from loaders.unstructured_offline import LANGUAGES, prepare_unstructured

_DECLARED_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_SUPERSETS = {b"gb2312": "gb18030", b"gbk": "gb18030", b"big5": "cp950"}
_NOISE = (
    "//script|//style|//noscript|//template|//iframe|//svg|//button|//select|//input|//textarea|//link|//comment()"
    "|//nav|//footer|//aside|//*[@hidden]|//*[@aria-hidden='true']"
    "|//*[@role='navigation' or @role='banner' or @role='contentinfo' or @role='search' or @role='complementary']"
)
_NOISE_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navbox|menu|sidebar|breadcrumbs?|footer|cookie|pagination|share|comments?|catlinks|noprint|"
    r"mw-editsection|mw-jump-link|toc)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NAMED_CONTAINERS = "//div|//ul|//ol|//section|//table|//span|//form|//p|//header"
_LINK_SOUP_LINKS = 8
_MAIN_TEXT_SHARE = 0.3
_FILLER = "\u200b"


class HtmlLoader(FileLoader):
    """A saved web page or a document exported as HTML. Nothing that the page refers to is fetched."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a heading and one a table.

        Raises:
            CorruptFile: the bytes are no text.
        """
        title, blocks = html_blocks(_read_html(self))
        yield from assemble(blocks, **({"title": title} if title else {}))


def html_blocks(html: str) -> tuple[str, list[Block]]:
    """Return the page's title, empty if it has none, and the blocks of its main text."""
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring

    prepare_unstructured()
    from unstructured.partition.html import partition_html

    if not html.strip():
        return "", []
    # As bytes, because lxml refuses a str with an encoding declaration.
    try:
        page = document_fromstring(html.encode(), parser=HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # nothing but comments or white space
        return "", []
    title = " ".join((page.findtext(".//title") or "").split())
    _clean(page)
    elements = partition_html(text=etree.tostring(page, encoding="unicode", method="html"), languages=LANGUAGES)
    return title, [_tidy(block) for block in element_blocks(elements)]


def _tidy(block: Block) -> Block:
    """Drop the zero-width characters: our filler, and those that site generators put behind headings for anchors."""
    return Block(block.text.replace(_FILLER, "").rstrip(), block.kind, block.level)


def _read_html(loader: FileLoader) -> str:
    """Decode a page by the charset it declares where that holds, by the general rules otherwise."""
    data = loader.path.read_bytes()
    declared = _DECLARED_CHARSET.search(data[:4096])
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        charset = declared[1].lower()
        try:
            return decode_text(data.decode(_SUPERSETS.get(charset, charset.decode())).encode())
        except (UnicodeError, LookupError):
            pass  # the declaration is wrong, which is common
    return read_text(loader.path, loader.name)


def _clean(page: Any) -> None:
    """Leave the main text in `page`: drop navigation, lists of links and layout, keep what a reader came for."""
    _keep_main(page)
    for node in page.xpath(_NOISE):
        _drop(node)
    for node in page.xpath("//header[not(ancestor::article or ancestor::main)]"):
        if not node.xpath(".//h1"):
            _drop(node)
    total = len(page.text_content())
    for node in page.xpath(_NAMED_CONTAINERS):
        named = _NOISE_NAMES.search(f"{node.get('class') or ''} {node.get('id') or ''}")
        if (named and len(node.text_content()) * 2 < total) or _is_link_soup(node, total):
            _drop(node)
    for node in page.iter("p", "li", "div", "dd", "dt"):
        if len(node) == 0 and len((node.text or "").strip()) == 1:
            node.text = f"{node.text}{_FILLER}"  # `unstructured` drops paragraphs of one character, such as 是
    for table in page.xpath("//table"):
        if table.xpath(".//table|.//h1|.//h2|.//h3") or not table.xpath(".//tr[count(td|th) > 1]"):
            _open_layout(table)
        else:
            _fill_spans(table)


def _open_layout(table: Any) -> None:
    """Turn a table that only lays out the page into plain blocks; tables within it stay."""
    own = [
        node for node in table.iter("tbody", "thead", "tr", "td", "th") if next(node.iterancestors("table")) is table
    ]
    for node in [*own, table]:
        node.tag = "div"


def _fill_spans(table: Any) -> None:
    """Write merged cells out, because `unstructured` forgets the spans."""
    from lxml.html import builder

    rows = filled_rows(table.xpath(".//tr"))
    tail = table.tail
    table.clear()
    table.tail = tail
    table.extend(builder.TR(*(builder.TD(cell) for cell in row)) for row in rows)


def _keep_main(page: Any) -> None:
    body = page.find("body")
    mains = page.xpath("//main|//*[@role='main']") or page.xpath("//article")
    if body is None or len(mains) != 1 or mains[0].tag == "body":
        return
    if len(mains[0].text_content()) > _MAIN_TEXT_SHARE * len(body.text_content()):
        main = mains[0]
        body.clear()
        body.append(main)


def _is_link_soup(node: Any, total: int) -> bool:
    """A block with many links and hardly any words beside them is a menu, unless it is the page itself."""
    links = node.xpath(".//a")
    if node.tag not in ("div", "ul", "ol", "table") or len(links) < _LINK_SOUP_LINKS:
        return False
    linked, words = sum(len(link.text_content()) for link in links), len(node.text_content())
    return linked > 0.8 * words and words * 2 < total


def _drop(node: Any) -> None:
    """Remove `node` but not the text that follows it."""
    parent = node.getparent()
    if parent is None:
        return
    if node.tail:
        before = node.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + node.tail
        else:
            parent.text = (parent.text or "") + node.tail
    parent.remove(node)
