"""Chinese follow-up questions, made to stand alone by rules: pronouns, comparisons, 那…呢, and missing subjects."""

import re

from analysis.answer_types import asked_type
from chains.follow_ups.parallels import is_value, replaced
from chains.follow_ups.question_words import CODE, CODES, HAN, PREDICATE, RELATIONAL, TITLE, any_of
from chains.follow_ups.subjects import Before, core, joined, named_by, owner, subject_of

_GO_ON = re.compile(
    r"(?:能|可以)?(?:再|请|更)?(?:详细|具体|展开|仔细|多)(?:地|一?点|些)*(?:说|讲|介绍|解释|谈)*(?:一下|说|讲|吗|一?点|些)*"
    r"|还有(?:吗|呢|别的吗|其他的?吗)?|继续(?:说)?|接着说|然后呢|举(?:个|一个)例子?|比如(?:说)?呢?|真的吗|确定吗|再说一[遍次]"
)
_WHY = re.compile(r"(?:这是|那是)?(?:为(?:什么|何|啥)|怎么会|怎么回事|原因(?:是什么|呢)?|依据(?:是什么|呢)?)(?:呢|啊)?")
_COMPARED = re.compile(
    r"(?:和|与|跟|同|比起|相比于?)\s*(?P<other>[\w ./+-]{1,20}?)\s*(?:相比|比起来|比较|比|对比)?(?:的话)?"
    r"(?:呢|怎么样|如何|[有又](?:什么|啥|哪些|何)(?:区别|差别|不同|差异)|哪个.{1,6})"
)
_WHAT_ABOUT = re.compile(
    r"(?P<lead>那么?|如果是?|换成|要是|至于|而)?\s*(?P<other>.{1,20}?)\s*(?:的话)?"
    r"(?P<end>呢|又?(?:怎么样|如何|怎样)|又是(?:多少|什么|谁|哪里))?"
)
# After these a word begins: 巴吞他尼 holds no 他.
_FREE = r"(?:^|(?<=[年月日时候后前在是对和与跟给让把被为向比于从由，,、到去用买看画写改的么样而但请问说当得]))"
_MEASURE = "个家本款种部座幅条项位台张篇首所只类份件间栋门届次代场支辆艘名些"
_KIND = any_of("""
    分?公司 企业 机构 学校 大学 博物馆 书 小说 画 作品 电影 歌 曲子 人 作者 产品 设备 型号 机器 模型 程序 软件 系统
    工具 命令 设置 选项 变量 文件 城市 地方 国家 部门 制度 假 馆 东西 项目
""")
_DEMONSTRATIVE = re.compile(
    rf"{_FREE}(?:上述|刚才(?:说|提到)的|(?<![应不活本])该(?![怎如用选放去做找设写填交向在不是有多几让])|本(?=公司|馆|校|书)"
    rf"|[这那此](?!次)(?:一?[{_MEASURE}])+)(?P<kind>{_KIND})?(?!时|么)"
)
_IS_NAMED = re.compile(rf"(?:(?!{PREDICATE.pattern}|[的中里上下]){HAN}){{3,}}")  # 这个鲤鱼门天后庙
_PRONOUN = re.compile(
    r"(?P<both>[它他她]们(?:俩|两个|之间)?|(?:这|那)?[两二]者|这两[个种款])|(?P<former>前者)|(?P<latter>后者)"
    rf"|(?P<person>{_FREE}[他她](?![人乡们]))|(?P<thing>(?<!其)它(?!们))"
    rf"|(?P<whose>{_FREE}其(?![他它中实余次间二三]))|(?P<place>[这那](?:里|儿|边))"
    r"|(?P<that>^[这那](?=[是有在能可会要]|个?(?:怎么|为什么|多少|需要)))"
)
_ADVERBS = any_of(
    "最[低高多少长短晚早大小] 一共 总共 大[概约] 默认 通常 一般 具体 现在 目前 还 也 又 都 每[天年月次人晚] 至少"
)
_LACKS_SUBJECT = re.compile(
    rf"{_ADVERBS}*(?:(?P<verb>"
    + any_of("""
    需要 要(?!求) 有(?![限效]) 没有 是(?!否) 能(?![力源]) 可以 可否 会(?!议) 应该 支持 包[括含] 属于 位于 占用? 采用
    使用 适合 得过 获得
    """)
    + r")|(?P<way>怎[么样]|如何)|(?P<why>为[什何啥]么?)|(?P<asks>"
    + any_of("""
    什么时[候间] 哪[一年天里儿] 在哪 何[时地] 多[少久长大高远重快宽深] 几[个天年月日点号次岁人位条台楼] [周星]期?几
    """)
    + ")|(?P<who>谁|哪[个位些种家]|什么))"
)
_NAMES_ALL = re.compile(r"《|什么是|谁是|[我你您]")
_QUESTION_PHRASE = re.compile(r"什么|多少|哪[个些里一种]?|几|怎么|谁|吗$|呢$")
_PROPERTY = re.compile(rf"{RELATIONAL}(?=有|是|在|叫|呢|多|几|要|怎|如何|为|最|一共|大约|包|$)")
_SHORT = 8
_NAME_CHARS = 4  # beginning of a question from which on a pronoun may stand for it
_ROOM = {"verb": 6, "way": 6, "why": 5, "asks": 6, "who": 2}  # characters that may follow where a subject is missing


def standing_alone(question: str, before: Before) -> str | None:
    """Return a Chinese follow-up question with what it leaves out; None if it leaves nothing out."""
    text = core(question)
    bare = text.rstrip("吗呢啊呀吧")
    if _GO_ON.fullmatch(text) or _GO_ON.fullmatch(bare):
        return before.question
    if _WHY.fullmatch(text):
        return before.question + question.strip()
    for rule in (_with_antecedent, _compared, _with_parallel, _with_owner, _with_subject):
        rewritten = rule(text, before)
        if rewritten is not None:
            return rewritten if rewritten[-1] in "？?。" else f"{rewritten}？"
    return None


def _with_antecedent(text: str, before: Before) -> str | None:
    """它 他 其 该 这个 …: put what is meant in its place."""
    match = _PRONOUN.search(text) or _DEMONSTRATIVE.search(text)
    if match is None or _names_something(text[: match.start()]):
        return None
    meant = _meant(match, before)
    if not meant:
        return None
    rest = text[match.end() :]
    if _IS_NAMED.match(rest) and match.re is _DEMONSTRATIVE and not match["kind"]:
        return None
    if match.lastgroup == "whose" and not rest.startswith("的"):
        rest = f"的{rest}"
    return joined(text[: match.start()], meant, rest)


def _meant(match: re.Match[str], before: Before) -> str:
    kind, subject = match.lastgroup, before.subject
    asked = asked_type(before.question)
    if kind == "both":
        both = re.search(r"[和与跟]", subject) or not before.earlier
        return subject if both else joined(owner(subject_of(before.earlier)), "和", owner(subject))
    if kind in ("former", "latter"):
        sides = re.split(r"\s*(?:和|与|跟|还是)\s*", subject)
        return sides[0 if kind == "former" else -1]
    if asked is not None and asked.name == "name" and kind not in ("thing", "place"):
        person = named_by(before.answer, before.question)
        if person and (kind in ("person", "whose") or match[0].endswith(("人", "位", "作者"))):
            return person
    if kind == "kind" and re.search("[书说画品影歌子]$", match[0]):
        title = TITLE.search(before.question) or TITLE.search(before.answer)
        return title[0] if title else owner(subject)
    return owner(subject)


def _names_something(text: str) -> bool:
    """Tell whether the beginning of a question holds what a pronoun after it can stand for."""
    plain = PREDICATE.sub("", text)
    return bool(TITLE.search(text) or CODES.search(plain) or len(re.findall(HAN, plain)) >= _NAME_CHARS)


def _compared(text: str, before: Before) -> str | None:
    """和 X 相比呢: say what is compared with X."""
    match = _COMPARED.fullmatch(text)
    if match is None or not before.subject:
        return None
    one = owner(before.subject)
    other = replaced(one, one, match["other"].strip())
    compared = before.question.replace(one, joined(one, "和", other, "相比，"), 1)
    return re.sub(r"，[\s的]+", "，", compared)


def _with_parallel(text: str, before: Before) -> str | None:
    """那 X 呢: ask the last question of X, or for X where X is a property."""
    match = _WHAT_ABOUT.fullmatch(text)
    if match is None or not before.subject:
        return None
    other = match["other"].strip()
    is_marked = match["end"] == "呢" or (match["lead"] and (match["end"] or len(other) <= _SHORT))
    if PREDICATE.search(TITLE.sub("", other)) or not (is_marked or is_value(other)):
        return None
    if _PROPERTY.fullmatch(other):
        return joined(owner(before.subject), "的", other, "是什么")
    return replaced(before.question, before.subject, other)


def _with_owner(text: str, before: Before) -> str | None:
    """词表有多大: say of what."""
    return joined(owner(before.subject), "的", text) if _PROPERTY.match(text) and before.subject else None


def _with_subject(text: str, before: Before) -> str | None:
    """需要多少显存: say what needs it."""
    match = _LACKS_SUBJECT.match(text)
    if match is None or not before.subject or _NAMES_ALL.search(text):
        return None
    kind = match.lastgroup or ""
    said = len(re.findall(HAN, _QUESTION_PHRASE.sub("", text[match.end() :])))
    room = _ROOM["asks" if text.endswith("的") else kind]
    if said > room or (kind != "verb" and re.search(CODE, text)):
        return None
    return joined(owner(before.subject), text)
