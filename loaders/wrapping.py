"""Mending text that was wrapped into lines."""

import re
from collections.abc import Sequence

SOFT_HYPHEN = "\u00ad"  # stands for a hyphen at the end of a line
CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f\U00020000-\U0003ffff“”‘’…—"


def join_lines(lines: Sequence[str]) -> str:
    """Mend a wrapped text: Chinese without a space, other scripts with one, words cut at a hyphen made whole.

    Between Chinese and Latin stands a space if the text itself writes one there more often than not.
    """
    text, whole = "", "\n".join(lines)
    spaced = len(re.findall(rf"[{CJK}] (?=[A-Za-z0-9])|[A-Za-z0-9] (?=[{CJK}])", whole))
    mixed = " " if spaced > len(re.findall(rf"[{CJK}](?=[A-Za-z0-9])|[A-Za-z0-9](?=[{CJK}])", whole)) else ""
    for line in (line.strip() for line in lines):
        if not text or not line:
            text += line
        elif text.endswith((SOFT_HYPHEN, "-")) and len(text) > 1 and text[-2].isalpha() and line[0].islower():
            text = text[:-1] + line
        else:
            one_side = mixed if (text[-1] + line[0]).isalnum() else ""
            between = (" ", one_side, "")[is_cjk(text[-1]) + is_cjk(line[0])]
            text = text.replace(SOFT_HYPHEN, "-") + between + line
    return _close_up(text.replace(SOFT_HYPHEN, "-"))


def is_cjk(character: str) -> bool:
    """Tell whether a character is an ideograph, kana or full-width punctuation."""
    return re.match(f"[{CJK}]", character) is not None


def _close_up(text: str) -> str:
    """Take the spaces out of Chinese that is s p a c e d letter by letter; single spaces elsewhere have a meaning."""
    spaced = len(re.findall(rf"[{CJK}]\s+(?=[{CJK}])", text))
    if spaced > len(re.findall(rf"[{CJK}](?=[{CJK}])", text.replace("\u3000", " "))):
        return re.sub(rf"(?<=[{CJK}])\s+(?=[{CJK}])", "", text)
    return text
