"""An answer while it is written: from token ids to increments of text that nothing later can change."""

import re
from collections.abc import Callable, Iterable, Sequence

from models.chatglm.chat_format import CJK, MARKS, TRAINING_TIME
from models.chatglm.tokenizer import WHITESPACE_PIECES

_WINDOW_IDS = 32  # decoded again with each new id, at least


def _beginnings(words: Iterable[str]) -> str:
    """Return a pattern of all that a word may begin with, short of the word; it also matches nothing."""
    found = {word[:length] for word in words for length in range(len(word))}
    return f"(?:{'|'.join(map(re.escape, sorted(found, reverse=True)))})"


_UNSETTLED = re.compile(
    r"(?!\Z)"
    rf"(?:\s*+(?<![{CJK}])[{MARKS}])?"  # becomes full-width before a CJK character
    r"\s*+"  # disappears at the end of an answer; above, so that what is settled never ends in it
    f"{_beginnings([TRAINING_TIME, *WHITESPACE_PIECES])}"
    r"\ufffd{0,3}"  # bytes of a character that is not complete
    r"\Z"
)


class TextStream:
    """Turns the ids of an answer, one by one, into its text.

    All pieces together are exactly `response(decode(ids))`, cut before the first stop word. Each piece comes as soon
    as no later id can change it. Only the last few ids are decoded again for each new one.

    Args:
        decode: ids to text, as a `Tokenizer` does it: what an id adds depends on the id before it at most, but for
            characters of several bytes and pieces of whitespace that are spelled out.
        response: generated text to answer, as a `ChatFormat` does it.
        stops: words that end the answer, looked for in its final text.

    Attributes:
        stopped: whether a stop word has occurred; later ids are ignored.
    """

    def __init__(
        self, decode: Callable[[Sequence[int]], str], response: Callable[[str], str], stops: Sequence[str] = ()
    ) -> None:
        self.stopped = False
        self._decode, self._response = decode, response
        words = [word for word in stops if word]
        self._stop = re.compile("|".join(map(re.escape, words)) or r"(?!)")
        self._stop_beginning = re.compile(rf"{_beginnings(words)}\Z")
        self._ids: list[int] = []
        self._settled_chars = 0  # of the text of `_ids`
        self._last = ""  # character of the final text, which decides about a mark after it
        self._held = ""  # final text that may be the beginning of a stop word

    def push(self, token_id: int) -> str:
        """Return the text that is certain now and was not before, often none."""
        if self.stopped:
            return ""
        self._ids.append(token_id)
        decoded = self._decode(self._ids)
        text = self._last + decoded[self._settled_chars :]
        end = _start(_UNSETTLED, text, len(self._last))
        self._settled_chars += end - len(self._last)
        if self._settled_chars == len(decoded) and len(self._ids) > _WINDOW_IDS:
            self._forget()
        return self._release(self._finish_text(text[:end]))

    def finish(self) -> str:
        """Return the rest of the text, now that there are no more ids."""
        if self.stopped:
            return ""
        rest = self._decode(self._ids)[self._settled_chars :]
        text = self._held + self._finish_text(self._last + rest)
        stop = self._stop.search(text)
        self.stopped = stop is not None
        return text[: stop.start()] if stop else text

    def _forget(self) -> None:
        """Keep the last id only, unless it is without text: at the beginning of a text, a space would vanish."""
        if text := self._decode(self._ids[-1:]):
            self._ids, self._settled_chars = self._ids[-1:], len(text)

    def _finish_text(self, text: str) -> str:
        """Return the final form of text that begins with the last final character, without that character."""
        final = self._response(text)
        new, self._last = final[len(self._last) :], final[-1:]
        return new

    def _release(self, new: str) -> str:
        """Return what may be shown after more final text: up to a stop word or what may become one."""
        text = self._held + new
        stop, end = self._stop.search(text), _start(self._stop_beginning, text)
        if stop and stop.start() <= end:
            self.stopped, end = True, stop.start()
        self._held = text[end:]
        return text[:end]


def _start(pattern: re.Pattern[str], text: str, position: int = 0) -> int:
    """Return where a pattern first matches from `position` on, or the end of the text."""
    match = pattern.search(text, position)
    return match.start() if match else len(text)
