"""The sentences of an answer that state something, each with the passages that it cites."""

import re
from dataclasses import dataclass, replace

from analysis.sentences import Span, sentence_spans
from analysis.terms import is_searchable
from chains.grounding.citations import cited, without_marks

_MATERIAL = "信息|资料|内容|文档|文件|材料|段落|知识库|文本|上文|上下文|原文|出处"
_ENGLISH_MATERIAL = "information|documents?|materials?|context|passages?|texts?|sources?"
_LEAD_IN = re.compile(  # a list's number, and what says where a statement comes from
    r"(?:[-*•·]\s+|\d{1,3}[.、)）]\s*|[（(]\d{1,3}[)）]\s*)?"
    rf"(?:(?:根据|依据|基于|按照|从)[^，。：:,]{{0,12}}?(?:{_MATERIAL})[^，。：:,]{{0,6}}[，,：:]\s*"
    rf"|(?:according to|based on|from)\s[^,.:]{{0,30}}?(?:{_ENGLISH_MATERIAL})[^,.:]{{0,12}}[,:]\s*)?",
    re.I,
)
_STATES_NOTHING = re.compile(  # courtesies, and that there is no answer
    r"很?抱歉|对不起|不好意思|您好|你好|谢谢|感谢您?的|希望.{0,12}(?:帮助|帮到)|(?:如果|如|若)(?:您|你|还有|有).{0,30}(?:请|欢迎|告诉)"
    rf"|.{{0,16}}(?:{_MATERIAL})[里中]?(?:并|也|都)?(?:没有|未|无)(?:提到|提及|找到|说明|涉及|给出|包含|相关)"
    r"|我?(?:无法|不能)(?:根据.{0,12})?(?:回答|确定|得知)|我?不知道"
    r"|(?:sorry|hello|thank|i hope|let me know|please let|if you have)\b"
    rf"|.{{0,24}}(?:{_ENGLISH_MATERIAL}) (?:do|does)(?: not|n't) (?:say|mention|contain|provide|state)"
    r"|i (?:do not|don't|cannot|can't) (?:know|answer|say)",
    re.I,
)

_ANNOUNCEMENT_CHARS = 24  # "年假的规定如下："; what is longer states something too


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence that states something.

    Attributes:
        span: range in the answer, in characters.
        text: without citation marks.
        stated: without what leads in: a list's number, "根据已知信息，".
        cited: numbers of the passages that it cites, in it or directly after it.
    """

    span: Span
    text: str
    stated: str
    cited: frozenset[int]


def statements_of(answer: str) -> list[Statement]:
    """Return the statements of an answer in their order.

    Left out are "根据已知信息：", marks alone, questions, announcements, courtesies, and sentences that say that there
    is no answer.
    """
    statements: list[Statement] = []
    after_statement = False  # marks alone belong to the sentence before them
    for span in sentence_spans(answer):
        text, numbers = without_marks(span.of(answer)).strip(), frozenset(cited(span.of(answer)))
        if not is_searchable(text):
            if after_statement:
                statements[-1] = replace(statements[-1], cited=statements[-1].cited | numbers)
            continue
        stated = _LEAD_IN.sub("", text, count=1)
        after_statement = _states_something(stated)
        if after_statement:
            statements.append(Statement(span, text, stated, numbers))
    return statements


def _states_something(text: str) -> bool:
    announces = text.endswith((":", "：")) and len(text) <= _ANNOUNCEMENT_CHARS
    return is_searchable(text) and text[-1] not in "?？" and not announces and not _STATES_NOTHING.match(text)
