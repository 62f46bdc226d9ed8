"""Lengths as a reader and a tokenizer feel them."""

from bisect import bisect_right

_LATIN = 0.25  # four ASCII characters say about as much as one ideograph


class Ruler:
    """Measures ranges of one text in ideographs: 1 for any character, a quarter for an ASCII one."""

    def __init__(self, text: str) -> None:
        self._text = text

    def length(self, start: int, end: int) -> float:
        """Return the length of [start, end)."""
        ascii_count = len(self._text[start:end].encode("ascii", "ignore"))
        return end - start - (1 - _LATIN) * ascii_count

    def reach(self, start: int, length: float) -> int:
        """Return the farthest end for which [start, end) is not longer than `length`."""
        farthest = min(len(self._text), start + int(length / _LATIN))
        ends = range(start, farthest + 1)
        return start + bisect_right(ends, length, key=lambda end: self.length(start, end)) - 1
