"""Makes everything in a Word document visible to readers that see plain paragraphs and tables only.

`unstructured` reads through python-docx, which passes over content controls, tracked insertions, text boxes and
formulas, and knows headings by the names of the built-in styles. So the document is rewritten in memory: wrappers are
opened, text boxes are put behind the paragraph that holds them, formulas become text, and each style with an outline
level gets a heading's name.
"""

import re
from functools import cache
from typing import Any

_WRAPPERS = ("w:ins", "w:moveTo", "w:smartTag", "w:customXml", "w:bdo", "w:dir", "mc:AlternateContent", "mc:Choice")
_HIDDEN = ("w:del", "w:moveFrom", "mc:Fallback")
_NAMESPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
}
_HANZI_FORMATS = (
    "chineseCounting",
    "chineseCountingThousand",
    "japaneseCounting",
    "taiwaneseCounting",
    "taiwaneseCountingThousand",
)


def flatten(word: Any) -> None:
    """Rewrite a python-docx document in place, as told in the module's docstring."""
    body = word.element.body
    for control in _all(body, "w:sdt"):
        if _all(control, "w:docPartGallery[@w:val='Table of Contents']"):
            control.getparent().remove(control)
        else:
            _unwrap(control, control.find("w:sdtContent", _NAMESPACES))
    for tag in _HIDDEN:
        for node in _all(body, tag):
            node.getparent().remove(node)
    for tag in _WRAPPERS:
        for node in _all(body, tag):
            _unwrap(node, node)
    for formula in _all(body, "m:oMath"):
        _write_formula(formula)
    for line in _all(body, "m:oMathPara"):
        _unwrap(line, line)
    for box in reversed(_all(body, "w:txbxContent")):
        _empty_box(box)
    _name_headings(word)


def _all(node: Any, tag: str) -> list[Any]:
    from lxml import etree

    found: list[Any] = etree._Element.xpath(node, f".//{tag}", namespaces=_NAMESPACES)
    return found


def _unwrap(node: Any, content: Any) -> None:
    """Put the children of `content` in the place of `node`."""
    for child in list(content) if content is not None else []:
        node.addprevious(child)
    node.getparent().remove(node)


def _empty_box(box: Any) -> None:
    holder = next(node for node in box.iterancestors() if node.tag == f"{{{_NAMESPACES['w']}}}p")
    for child in reversed(list(box)):
        holder.addnext(child)


def _write_formula(formula: Any) -> None:
    from docx.oxml import OxmlElement

    run, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = _formula_text(formula)
    run.append(text)
    formula.addprevious(run)
    formula.getparent().remove(formula)


def _formula_text(node: Any) -> str:
    """Write a formula on one line, so that a half does not become twelve."""
    tag = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
    if tag == "t":
        return node.text or ""
    parts = {child.tag.rpartition("}")[2]: _formula_text(child) for child in node if isinstance(child.tag, str)}
    if tag == "f":
        return f"({parts.get('num', '')})/({parts.get('den', '')})"
    if tag == "sSup":
        return f"{parts.get('e', '')}^{parts.get('sup', '')}"
    if tag == "sSub":
        return f"{parts.get('e', '')}_{parts.get('sub', '')}"
    if tag == "rad":
        return f"√({parts.get('e', '')})"
    return "".join(_formula_text(child) for child in node)


def _name_headings(word: Any) -> None:
    """Give every style with an outline level, and every paragraph with one of its own, a built-in heading's name.

    Where the document has a paragraph in the style Title, headings go one level down, below it.
    """
    styles = {style.style_id: style for style in word.styles if style.type == 1}
    levels = {style_id: _style_level(style) for style_id, style in styles.items()}
    titles = [style_id for style_id, style in styles.items() if style.name == "Title"]
    for paragraph in _all(word.element.body, "w:p"):
        own = _all(paragraph, "w:pPr/w:outlineLvl")
        outline = int(own[0].get(f"{{{_NAMESPACES['w']}}}val", "9")) if own else 9
        if outline < 9 and levels.get(paragraph.style) is None:
            paragraph.style = _outlined_style(word, paragraph.style, outline, levels)
    shift = int(any(paragraph.style in titles for paragraph in _all(word.element.body, "w:p")))
    for style in word.styles:
        level = levels.get(style.style_id, 9) if style.type == 1 and style.style_id not in titles else None
        if level is not None and level < 9:
            style.element.name_val = f"heading {min(level + 1 + shift, 9)}"


def _outlined_style(word: Any, base: str | None, level: int, levels: dict[str, int | None]) -> str:
    """Return the id of a heading style that looks and counts like `base`, made on first use."""
    from docx.enum.style import WD_STYLE_TYPE

    style_id = f"outlined-{level}-{base or ''}"
    if style_id not in levels:
        style = word.styles.add_style(style_id, WD_STYLE_TYPE.PARAGRAPH)
        style.element.styleId = style_id
        if base:
            style.element.basedOn_val = base
        levels[style_id] = level
    return style_id


def _style_level(style: Any) -> int | None:
    """Return the outline level, 0 to 8, that a style has or inherits; None for body text."""
    while style is not None:
        if named := re.fullmatch(r"heading ([1-9])", style.name or "", re.IGNORECASE):
            return int(named[1]) - 1
        if own := style.element.xpath("./w:pPr/w:outlineLvl/@w:val"):
            return int(own[0]) if int(own[0]) < 9 else None
        style = style.base_style
    return None


@cache
def number_in_hanzi() -> None:
    """Teach `unstructured` the Chinese number formats (第一章, 一、), which it leaves out. Cheap to repeat."""
    from unstructured.partition.docx import _ListLabels

    plain = _ListLabels._format_number

    def format_number(value: int, number_format: str) -> str:
        return hanzi_number(value) if number_format in _HANZI_FORMATS and value > 0 else plain(value, number_format)

    setattr(_ListLabels, "_format_number", staticmethod(format_number))  # noqa: B010  mypy forbids the assignment


def hanzi_number(value: int) -> str:
    """Write 1 to 9999 as in 第十二章 or 一百零三."""
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += ("零" if zero and text else "") + "零一二三四五六七八九"[digit] + name
        zero = not digit
    return text.removeprefix("一") if text.startswith("一十") else text
