"""What is added to an answer's text: a button for each citation, a mark after each sentence that was checked.

The parser does not say where in the source its text stood. What it shows are the source's characters in their order
without those of the markup, so that their places are found by walking along both.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from markdown_it.token import Token
from markupsafe import Markup

from core.answers import Citation
from core.grounding import Verdict, VerdictLevel
from core.messages import Language
from ui.rendering.formats import percent, visible
from ui.texts import rendering as texts

_MARK = re.compile(r"[\[\uff3b【] *(\d{1,3}) *[\]\uff3d】]")  # every bracket that a citation may stand in
_CITE = Markup(
    '<button type="button" class="cite" data-action="source" data-n="{n}" title="{label}" aria-label="{label}">'
    "{mark}</button>"
)
_VERDICT = Markup(
    '<span class="verdict {level}" role="img" title="{label}" aria-label="{label}"{reached}>{sign}</span>'
)
_FOCUSABLE = Markup(' tabindex="0"')  # so that a finger or a keyboard reaches the label
_SIGNS: dict[VerdictLevel, str] = {"supported": "✓", "partly": "≈", "unsupported": "!"}
_REACH = 40  # characters; no entity or escape is longer


@dataclass(frozen=True, slots=True)
class Annotations:
    """What is known of an answer's text."""

    citations: Sequence[Citation]
    verdicts: Sequence[Verdict]
    language: Language

    def cite(self, mark: re.Match[str]) -> Markup | None:
        """Return the button of a citation's mark; None for a number that none has."""
        citation = next((one for one in self.citations if one.n == int(mark[1])), None)
        if citation is None:
            return None
        label = texts.SOURCE_OF.text(self.language, n=citation.n, file=visible(citation.chunk.source))
        return _CITE.format(n=citation.n, label=label, mark=mark[0])

    def verdict(self, verdict: Verdict) -> Markup:
        """Return the mark of a sentence that was checked."""
        label = texts.VERDICTS[verdict.level].text(self.language, score=percent(verdict.score))
        label = "\n".join([label, *(visible(problem.text(self.language)) for problem in verdict.problems)])
        reached = Markup() if verdict.level == "supported" else _FOCUSABLE
        return _VERDICT.format(level=verdict.level, label=label, reached=reached, sign=_SIGNS[verdict.level])


@dataclass(frozen=True, slots=True)
class _Shown:
    """A token whose text is shown.

    Attributes:
        offsets: where in the source each of its characters stands, rising.
    """

    token: Token
    offsets: Sequence[int]
    in_link: bool


def annotate(tokens: Iterable[Token], source: str, annotations: Annotations) -> None:
    """Put the annotations among the parsed tokens of a text."""
    inlines = [token for token in tokens if token.type == "inline"]
    shown = [one for one in _shown(inlines, source) if one.offsets]
    cuts = _cuts(shown, annotations.verdicts)
    pieces = {id(one.token): list(_pieces(one, cuts[number], annotations)) for number, one in enumerate(shown)}
    for inline in inlines:
        inline.children = [piece for child in inline.children or () for piece in pieces.get(id(child), [child])]


def _shown(inlines: Iterable[Token], source: str) -> Iterator[_Shown]:
    starts = [0, *accumulate(len(line) + 1 for line in source.split("\n"))]
    position = 0
    for inline in inlines:
        first, last = inline.map or (0, len(starts))
        position, end = max(position, starts[first]), starts[min(last, len(starts) - 1)]
        links = 0
        for child in inline.children or ():
            links += child.nesting if child.type.startswith("link") else 0
            if child.type in ("text", "code_inline"):
                offsets = _offsets(child.content, source, position, end)
                position = offsets[-1] + 1 if offsets else position
                yield _Shown(child, offsets, links > 0)


def _offsets(content: str, source: str, position: int, end: int) -> Sequence[int]:
    """Return where each character of a token stands in the source, from `position` on."""
    start = source.find(content, position, end)
    if start >= 0:
        return range(start, start + len(content))
    offsets = []  # an escape or an entity is among them
    for character in content:
        found = source.find(character, position, min(position + _REACH, end))
        offsets.append(max(found, position))
        position = found + 1 if found >= 0 else position
    return offsets


def _cuts(shown: Sequence[_Shown], verdicts: Iterable[Verdict]) -> dict[int, list[tuple[int, Verdict]]]:
    """Return for each shown token after how many of its characters a verdict's sentence ends."""
    firsts = [one.offsets[0] for one in shown]
    cuts: dict[int, list[tuple[int, Verdict]]] = defaultdict(list)
    for verdict in verdicts:
        number = bisect_left(firsts, verdict.end) - 1
        if number >= 0 and shown[number].offsets[-1] >= verdict.start:  # else none of it is shown
            cuts[number].append((bisect_left(shown[number].offsets, verdict.end), verdict))
    return cuts


def _pieces(shown: _Shown, cuts: Iterable[tuple[int, Verdict]], annotations: Annotations) -> Iterator[Token]:
    """Yield what a token becomes: its text, with buttons in the place of marks, and marks where sentences end."""
    text = shown.token.content
    added = [(cut, cut, annotations.verdict(verdict)) for cut, verdict in cuts]
    if shown.token.type != "text":
        yield shown.token
        yield from (Token("html_inline", "", 0, content=str(html)) for _, _, html in added)
        return
    buttons = [] if shown.in_link else [(mark, annotations.cite(mark)) for mark in _MARK.finditer(text)]
    added += [(mark.start(), mark.end(), button) for mark, button in buttons if button is not None]
    position = 0
    for start, end, html in sorted(added, key=lambda one: one[:2]):
        yield Token("text", "", 0, content=text[position:start])
        yield Token("html_inline", "", 0, content=str(html))
        position = max(position, end)
    yield Token("text", "", 0, content=text[position:])
