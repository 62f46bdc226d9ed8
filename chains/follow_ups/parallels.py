"""What stands parallel to what: "那北京呢？" asks the last question of Beijing, in the place of the city it named."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from chains.follow_ups.question_words import AMOUNT, CODE, CODES, ORDINAL, PERSON, PLACE, PREDICATE, TIME, TITLE
from chains.follow_ups.subjects import STOPS, english_names, is_chinese, joined

_LONE_CODE = re.compile(rf"(?=.*(?:\d|_|[A-Z]{{2}})){CODE}(?: [\w.-]+)?")  # what cannot be an English question


def is_value(text: str) -> bool:
    """Tell whether a text is nothing but a title, a date, an ordinal, a place or a code: "INT8", "2023 年"."""
    patterns = TITLE, AMOUNT, TIME, ORDINAL, PLACE, _LONE_CODE
    return any(pattern.fullmatch(text) for pattern in patterns)


def replaced(question: str, subject: str, new: str) -> str:
    """Return a Chinese question with `new` in the place of what stands parallel to it.

    Parallel are two titles, dates, places, codes of like form, persons, or texts that end alike (年假, 病假). What has
    no counterpart takes the place of the subject's last part; dates and ordinals are added.
    """
    for old in _counterparts(question, subject, new):
        if old and old in question:
            return question.replace(old, new, 1)
    if ORDINAL.fullmatch(new) or TIME.fullmatch(new):
        return joined(new, question)
    last = subject.rsplit("的", 1)[-1].strip()
    return question.replace(last, new, 1) if last and last in question else joined(new, "，", question)


def english_replaced(question: str, subject: str, new: str, preposition: str | None = None) -> str:
    """Return an English question with `new` in the place of what stands parallel to it; see `replaced`.

    Args:
        preposition: what led to `new`; it is then added where nothing is parallel ("And for digital goods?").
    """
    bare = re.sub(r"^(?:the|an?) ", "", new, flags=re.I)
    time, names = TIME.search(question), english_names(re.sub(r"^\w+", "", question))
    if TIME.fullmatch(bare):
        return question.replace(time[0], bare, 1) if time else f"{question.rstrip('?')} in {bare}?"
    if names and english_names(bare):
        return question.replace(max(names, key=lambda name: _likeness(name, bare)), bare, 1)
    *modifiers, last = bare.split()
    alike = re.search(rf"(?:\b[\w-]+ ){{{len(modifiers)}}}{re.escape(last)}\b", question) if modifiers else None
    old = alike[0] if alike else subject
    if not old or (preposition and not alike):
        return f"{question.rstrip('?')} {preposition or 'for'} {new}?"
    return question.replace(old, bare, 1)


def _counterparts(question: str, subject: str, new: str) -> Iterator[str]:
    for pattern in (TITLE, AMOUNT, TIME, ORDINAL, PLACE):
        if pattern.match(new):
            yield next((match[0] for match in pattern.finditer(question)), "")
    if CODES.fullmatch(new):
        yield _likest_code(question, new)
    if PERSON.fullmatch(new):
        parts = re.split(r"[的和与、]", subject)
        yield next((part for part in parts if PERSON.fullmatch(part)), "")
    if is_chinese(new):
        yield _ends_alike(question, new)


def _likest_code(question: str, new: str) -> str:
    """Return the run of Latin words whose form is most like that of `new`, as many words long."""
    size = len(new.split())
    runs: list[str] = []
    for match in CODES.finditer(question):
        words = match[0].split()
        runs += [" ".join(words[start : start + size]) for start in range(max(1, len(words) - size + 1))]
    return max(runs, key=lambda run: _likeness(run, new), default="")


def _likeness(one: str, other: str) -> float:
    """Return how much two codes are alike, in letters and in form: INT8 and FP16 are both capitals and digits."""
    return sum(SequenceMatcher(None, *pair).ratio() for pair in ((one, other), (_form(one), _form(other))))


def _form(code: str) -> str:
    return re.sub(r"\d", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", code)))


def _ends_alike(question: str, new: str) -> str:
    """Return the part of a question that ends like `new`."""
    parts = [part.strip(STOPS) for part in re.split(rf"{PREDICATE.pattern}|的|[，,、。？?]|{TIME.pattern}", question)]
    for size in range(min(3, len(new) - 1), 0, -1):
        for part in parts:
            if part.endswith(new[-size:]) and part != new:
                return part if len(part) <= len(new) + 2 else part[-len(new) :]
    return ""
