"""Whether a text that is to support another has its numbers, dates and names, and which ones it has instead."""

import unicodedata
from itertools import takewhile

from chains.grounding.dates import Date
from chains.grounding.facts import Fact, Name, Number, canonical, figures_in

_REACH = 8  # characters on either side by which the place of a figure is told
_SAME_PLACE = 2  # of which so many must be the same on each side to tell that a figure stands in the wrong place


class Figures:
    """The numbers and dates of a text, and its words for names to be found in."""

    def __init__(self, text: str) -> None:
        self._text = unicodedata.normalize("NFKC", text)
        self._facts = figures_in(text)
        self._canonical = canonical(text)

    def hold(self, fact: Fact) -> bool:
        """Tell whether the text says the same.

        A date of which it has the year and the day apart, as in "1969年……7月20日", is said too.
        """
        meaning = fact.meaning
        if canonical(fact.written) in self._canonical:
            return True
        if isinstance(meaning, Name):
            return meaning.form in self._canonical
        others = [other.meaning for other in self._facts]
        if any(meaning.agrees(other) or (isinstance(other, Number) and other.agrees(meaning)) for other in others):
            return True
        return isinstance(meaning, Date) and meaning.is_said_by([other for other in others if isinstance(other, Date)])

    def in_place_of(self, fact: Fact, sentence: str) -> Fact | None:
        """Return the figure that the text has where the sentence has `fact`, if it is another one.

        The place is told by the characters before and after.

        Args:
            sentence: what `fact` was found in.
        """
        meaning = fact.meaning
        if isinstance(meaning, Name):
            return None
        sentence = unicodedata.normalize("NFKC", sentence)
        places = [
            (self._nearness(fact, sentence, other), meaning.agrees(other.meaning), other)
            for other in self._facts
            if meaning.may_stand_for(other.meaning)
        ]
        if not places:
            return None
        (before, after), is_same, nearest = max(places, key=lambda place: (sum(place[0]), place[1]))
        right = [max(nearness) for nearness, agrees, _ in places if agrees]
        if right:  # the figure is there: only a place that is like its own on both sides tells that it is wrong here
            is_other = not is_same and min(before, after) >= _SAME_PLACE > max(right)
        else:
            is_other = bool(before or after or len(places) == 1)
        return nearest if is_other else None

    def _nearness(self, fact: Fact, sentence: str, other: Fact) -> tuple[int, int]:
        before = _shared(sentence[: fact.start][::-1], self._text[: other.start][::-1])
        return before, _shared(sentence[fact.end :], self._text[other.end :])


def _shared(one: str, other: str) -> int:
    """Count the characters with which both begin, blanks left out, as far as the reach."""
    pairs = zip(*("".join(text[: 2 * _REACH].split())[:_REACH] for text in (one, other)), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
