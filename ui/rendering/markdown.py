"""Answers as HTML: Markdown without HTML or images, `[n]` as buttons, a quiet mark after each sentence checked.

Two walls stand between a model's text and the page: the parser makes text of every tag, and its result is sanitised.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline.state_inline import Delimiter, StateInline
from markupsafe import Markup

from core.answers import Citation
from core.grounding import Verdict
from core.messages import Language
from ui.rendering.annotations import Annotations, annotate
from ui.rendering.formats import visible

_LINK = re.compile(r"(?:https?://|mailto:)", re.I)
_OFF = (
    "image",  # nothing is fetched for an answer
    "reference",  # "[1]: handbook.pdf" below an answer would make a link of the citation [1]
    "code",  # four blanks in front of a line are seldom meant as code
    "lheading",  # a line of dashes below a paragraph divides
)
_HEADING_SHIFT = 2  # the page has headings of its own
_OPENINGS = " \t>*+-=#|~`.0123456789"  # a line of these alone may yet become anything
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.M)

_SANITISER = nh3.Cleaner(
    tags={"a", "blockquote", "br", "button", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"}
    | {"s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"},
    attributes={
        "a": {"href"},
        "ol": {"start"},
        "button": {"data-n", "title", "aria-label"},
        "span": {"title", "aria-label", "tabindex"},
    },
    tag_attribute_values={
        "button": {"type": {"button"}, "class": {"cite"}, "data-action": {"source"}},
        "span": {"role": {"img"}},
    },
    allowed_classes={"span": {"verdict", "supported", "partly", "unsupported"}},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)


def answer_html(
    text: str,
    citations: Sequence[Citation],
    verdicts: Sequence[Verdict],
    *,
    language: Language,
    is_partial: bool = False,
    is_quoted: bool = False,
) -> Markup:
    """Return an answer as HTML.

    `[n]` of one of the citations is a button with `data-action="source"`; other numbers stay text. Links lead to
    http, https and mailto addresses only.

    Args:
        verdicts: on sentences of `text`.
        is_partial: more is to come: Markdown that has only begun is held back or closed.
        is_quoted: sentences of documents, line by line, whose characters mean nothing but themselves.
    """
    parser, source = _quotes() if is_quoted else _markdown(), visible(text)
    tokens = parser.parse(_settled(source) if is_partial and not is_quoted else source)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1:]) + _HEADING_SHIFT, 6)}"
    annotate(tokens, source, Annotations(citations, verdicts, language))
    html: str = parser.renderer.render(tokens, parser.options, {})
    return Markup(_SANITISER.clean(html))  # noqa: S704 - the sanitiser's result


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Tell whether a link may lead to this address."""
        return _LINK.match(url) is not None


@cache
def _markdown() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "breaks": True})
    parser.enable(["table", "strikethrough"]).disable(_OFF)
    parser.inline.ruler.at("emphasis", _emphasis)
    return parser


@cache
def _quotes() -> MarkdownIt:
    return _Parser("zero", {"breaks": True}).enable("newline")


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Read asterisks and underscores as CommonMark does, but asterisks beside Chinese as those beside letters.

    Otherwise `**注意：**请` would not be bold: by the letter of the rules, asterisks between a full-width colon and a
    character do not close.
    """
    marker, start = state.src[state.pos], state.pos
    if silent or marker not in "*_":
        return False
    scanned = state.scanDelims(start, marker == "*")
    state.pos += scanned.length
    before, after = state.src[start - 1 : start] or " ", state.src[state.pos : state.pos + 1] or " "
    is_wide = marker == "*" and any(unicodedata.east_asian_width(one) in "WF" for one in (before, after))
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=scanned.length,
                token=len(state.tokens) - 1,
                end=-1,
                open=not after.isspace() if is_wide else scanned.can_open,
                close=not before.isspace() if is_wide else scanned.can_close,
            )
        )
    return True


def _settled(source: str) -> str:
    """Return what is clear of a text that is still being written: no mark that has only begun, no bold left open."""
    if len(_FENCE.findall(source)) % 2:  # in a block of code, where marks mean nothing
        return source
    text = source.rstrip()
    before, _, line = text.rpartition("\n")
    text = (text if line.strip(_OPENINGS) else before).rstrip("*_~`")
    return text + "**" if text.rpartition("\n\n")[2].count("**") % 2 else text
