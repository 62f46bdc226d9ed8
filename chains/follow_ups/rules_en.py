"""English follow-up questions, made to stand alone by rules: pronouns, what about …, and missing subjects."""

import re

from analysis.answer_types import asked_type
from chains.follow_ups.parallels import english_replaced
from chains.follow_ups.question_words import AUXILIARY, ENGLISH_PROPERTY, any_of
from chains.follow_ups.subjects import Before, english_names, named_by

_GO_ON = re.compile(
    r"(?:please )?(?:tell me more(?: about (?:it|this|that))?|explain(?: (?:it|this|that|more))?|more(?: details?)?"
    r"|(?:give me )?an? example|for example|go on|continue|(?:any|what) ?(?:thing )?else|really|are you sure)",
    re.I,
)
_BARE = re.compile(
    r"(?:and |but )?(?:why(?: not| so| is that)?|when|where|how(?: so| come| exactly)?|since when|who)", re.I
)
_WHAT_ABOUT = re.compile(
    r"(?:(?:and|but|so|then|ok),? )?(?:(?:what|how) about|and|what if it is) "
    r"(?P<preposition>for|in|on|at|with)? ?(?P<other>.+)",
    re.I,
)
_QUESTION_WORD = re.compile(rf"(?:what|which|who|whom|whose|when|where|why|how|if|{AUXILIARY})\b", re.I)
_KIND = any_of("""
    place one company model setting option command file book person man woman city country product device machine
    program tool building museum library value number limit rule policy case mode version
""")
_EXPLETIVE = re.compile(  # "it" that stands for nothing that was said before
    r"\bit (?:take|cost|mean|common|possible|necessary|allowed|better|worth|legal|important)s?"
    r" (?:to|for|an?|\w+ to)\b"
    r"|\bit (?:(?:is|was) )?(?:said|believed|thought|known|considered|determined|true|possible|necessary)\b|time is it"
    r"|\bit called\b.*\b(?:when|if)\b",
    re.I,
)
_PRONOUN = re.compile(
    r"\b(?:(?P<whose>its|their|his|her(?= [a-z]))|(?P<person>he|she|him|her)|(?P<place>there(?=$|,))"
    r"|(?P<former>the former)|(?P<latter>the latter)|(?P<thing>it|they|them)"
    rf"|(?:this|that|these|those|the same) (?P<kind>{_KIND})s?"
    r"|(?P<that>(?<=^is )that|(?:this|that)(?=$| (?:mean|work|cost|happen|take|apply))))\b",
    re.I,
)
_ADJECTIVE = r"(?:first|last|latest|new|old|main|most \w+|default|maximum|minimum|own|next|\w+est|\w+al|\w+ous|\w+ive) "
_LACKS_OWNER = re.compile(
    r"(?:what|who|which|when|where|how (?:much|long|large|big|high))(?:'s| is| are| was| were)"
    rf" (?:the )?(?:{_ADJECTIVE})?{ENGLISH_PROPERTY}",
    re.I,
)
_LACKS_SUBJECT = re.compile(
    rf"(?:how (?:much|many|long|often|far|old|large|heavy)\b(?!.*\b{AUXILIARY}\b)(?: [\w'-]+){{0,5}}"
    r"|(?:which|what|at what|on which|in which) \w+)",
    re.I,
)
_STOP_WORDS = re.compile(
    rf"\b(?:what|which|who|whom|when|where|why|how|much|many|long|{AUXILIARY}|the|a|an|of|in|on|at|for|to|and|kind|sort)\b",
    re.I,
)
_EXISTENCE_WORDS = 5  # "how many seats are there", longer questions say where
_WORDS_BEFORE = 2  # words before a pronoun, beyond which it may stand for one of them


def standing_alone(question: str, before: Before) -> str | None:
    """Return an English follow-up question with what it leaves out; None if it leaves nothing out."""
    text = " ".join(question.split()).strip(" ?!.")
    if _GO_ON.fullmatch(text):
        return before.question
    if _BARE.fullmatch(text):
        return f"{before.question} {text[0].upper()}{text[1:]}?"
    for rule in (_with_antecedent, _with_parallel, _with_owner):
        rewritten = rule(text, before)
        if rewritten:
            return f"{rewritten[0].upper()}{rewritten[1:].rstrip('?. ')}?"
    return None


def _with_antecedent(text: str, before: Before) -> str | None:
    """Put what a pronoun means in its place."""
    match = _PRONOUN.search(text)
    if match is None or _EXPLETIVE.search(text) or _has_antecedent(text, match):
        return None
    meant = _meant(match.lastgroup or "", before)
    if not meant:
        return None
    head, rest = re.sub(r"^(?:and|but|so|then),? ", "", text[: match.start()], flags=re.I), text[match.end() :]
    if match["whose"]:
        owned = re.match(rf" (?P<noun>(?:{_ADJECTIVE})?\w+)(?P<rest>.*)", rest)
        return f"{head}the {owned['noun']} of {meant}{owned['rest']}" if owned else None
    return f"{head}{'at ' if match['place'] else ''}{meant}{rest}"


def _has_antecedent(text: str, pronoun: re.Match[str]) -> bool:
    """Tell whether the question itself names what the pronoun can stand for, before it."""
    head, rest = text[: pronoun.start()], text[pronoun.end() :]
    opens_with_question = _QUESTION_WORD.match(text) is not None
    if english_names(re.sub(r"^\w+", "", head) if opens_with_question else head) or "," in head:
        return True
    if head and not opens_with_question and ("," in rest or english_names(rest)):
        return True
    if pronoun["whose"] and re.match(rf"(?:which|what|who|how many) (?!{AUXILIARY}\b)", head, re.I):
        return True
    if re.search(rf"\b{AUXILIARY} $", head, re.I):
        return pronoun["place"] is not None and len(text.split()) > _EXISTENCE_WORDS
    is_far = len(_STOP_WORDS.sub(" ", head).split()) > _WORDS_BEFORE
    return is_far and pronoun["kind"] is None and pronoun["place"] is None


def _meant(kind: str, before: Before) -> str:
    subject, asked = before.subject, asked_type(before.question)
    if kind in ("former", "latter"):
        sides = re.split(r" (?:and|or) ", subject)
        return sides[0 if kind == "former" else -1]
    if kind in ("person", "whose") and asked is not None and asked.name == "name":
        return named_by(before.answer, before.question) or subject
    return subject


def _with_parallel(text: str, before: Before) -> str | None:
    """What about X: ask the last question of X."""
    match = _WHAT_ABOUT.fullmatch(text)
    if match is None or len(match["other"].split()) > 6 or _QUESTION_WORD.match(match["other"]):
        return None
    return english_replaced(before.question, before.subject, match["other"], match["preposition"])


def _with_owner(text: str, before: Before) -> str | None:
    """Say of what a property, or for what an amount, is asked."""
    if not before.subject or english_names(re.sub(r"^\w+", "", text)):
        return None
    if _LACKS_OWNER.fullmatch(text):
        return f"{text} of {before.subject}"
    return f"{text} for {before.subject}" if _LACKS_SUBJECT.fullmatch(text) else None
