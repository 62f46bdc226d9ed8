"""What an explanation says at each stage, in both languages."""

from collections.abc import Mapping, Sequence

from core.answers import RetrievalSettings
from core.documents import Chunk
from core.messages import Language, Message, literal

_EXCERPT_CHARS = 40

FILE_THERE = Message("知识库里有“{name}”", "the knowledge base has “{name}”")
FILE_MISSING = Message(
    "知识库里没有“{name}”；名字相近的：{near}", "the knowledge base has no “{name}”; the nearest names: {near}"
)
ADD_FILE = Message(
    "改用现有的名字，或用 kb add 添加这个文件；要找的若是一段文字，把它放在引号里再给出。",
    "Use a name there is, or add the file with kb add; if it is a text, give it inside quotation marks.",
)
LOADED = Message("读出 {chars} 字，切成 {chunks} 块", "{chars} characters in {chunks} chunks")
NOT_LOADED = Message("没能读取：{reason}", "could not be read: {reason}")
NOTHING_SEARCHABLE = Message("没有可检索的文字", "nothing to search for")
LOAD_AGAIN = Message("解决后再用 kb add 添加它。", "Cure that, then add it again with kb add.")
NO_COPY = Message("不是别的文件的副本", "no copy of another file")
COPY = Message("与“{twin}”内容相同，只以那个名字检索", "same content as “{twin}”, searched by that name only")
EXPECT_TWIN = Message("改用 --expect “{twin}”：它的文字都在那里。", "Use --expect “{twin}”: all its text is there.")

PAGE_THERE = Message("第 {page} 页有 {count} 块", "{count} chunks on page {page}")
PAGE_BEYOND = Message("没有第 {page} 页：这个文件有 {pages} 页", "there is no page {page}: the file has {pages}")
NO_PAGES = Message("这种文件不分页", "files of this format have no pages")
PAGE_EMPTY = Message(
    "没有哪一块始于第 {page} 页：它是空白、扫描图片，或文字接着上一页、与别处相同",
    "no chunk begins on page {page}: it is blank, a scan, goes on with the page before or repeats other text",
)
RECOGNISE_PAGE = Message(
    "若是扫描页，先做文字识别（OCR）再用 kb add 添加；否则看有文字的页：{pages}。",
    "If it is a scan, run text recognition (OCR) and add the file again; otherwise see the pages with text: {pages}.",
)
OTHER_PAGE = Message("只给文件名，或改用这些页：{pages}。", "Give the file alone, or one of the pages {pages}.")
FILE_ALONE = Message("只给文件名，不带页码。", "Give the file alone, without a page.")

TEXT_THERE = Message("{count} 处：{names}", "in {count} place(s): {names}")
TEXT_MISSING = Message("读出的文字里没有这段话{nearest}", "the extracted text does not hold it{nearest}")
NEAREST = Message("；最接近的：{place}“{excerpt}”", "; the nearest is {place}: “{excerpt}”")
COPY_TEXT = Message(
    "照文件里的原文给出这段话。若文件里确有它而这里没有，它在图片里，或读取时丢了：改用有文字层的版本。",
    "Give it as the file says it. If the file does hold it, it is in an image or was lost in reading: use a version "
    "with a text layer.",
)

WHOLE = Message("完整地在一块里：{place}", "whole in one chunk: {place}")
CUT = Message(
    "被切开：{place} 到第 {last} 块（chunk_chars={chars}，chunk_overlap_chars={overlap}）",
    "cut: {place} to {last} (chunk_chars={chars}, chunk_overlap_chars={overlap})",
)
MENDED = Message("{cut}；扩展前后文后又完整", "{cut}; whole again once grown by its neighbours")
NO_CHUNK = Message(
    "没有哪一块含有它：没有可检索的文字，或与同一文件里别处相同",
    "in no chunk: nothing to search for, or the same text as elsewhere in the file",
)
SPLIT_AGAIN = Message(
    "要让它在一块里：chunk_overlap_chars={overlap}、chunk_chars={chars}，再运行 kb rebuild。",
    "To have it in one chunk: chunk_overlap_chars={overlap} and chunk_chars={chars}, then run kb rebuild.",
)
EXPECT_LESS = Message(
    "给出其中更短的一段：跨页、跨节、跨表格行的文字不会在一块里。",
    "Give a shorter part of it: no chunk crosses pages, sections or table rows.",
)

EXPECT_WORDS = Message("给出一段含有词语的文字。", "Expect a text that has words in it.")

LEXICAL = Message(
    "第 {rank} 名，词面 {score:.1%}；共同的词：{terms}", "rank {rank}, lexical {score:.1%}; shared terms: {terms}"
)
NO_TERMS = Message(
    "{place}和问题没有共同的词；问题的词在候选里：{where}",
    "{place} shares no term with the question; where its terms are among the candidates: {where}",
)
LOW_LEXICAL = Message(
    "{place}词面 {score:.1%}，不在最好的 {count} 条里{rank}；共同的词：{terms}",
    "{place}: lexical {score:.1%}, not among the best {count}{rank}; shared terms: {terms}",
)
RANK = Message("（第 {rank} 名）", " (rank {rank})")
TERM = Message("“{term}” {places}", "“{term}” {places}")
NOWHERE = Message("无", "nowhere")

DENSE = Message("第 {rank} 名，向量 {score:.1%}", "rank {rank}, dense {score:.1%}")
NO_VECTOR = Message("这一块没有向量，只凭词面判断", "the chunk has no vector, it is judged lexically only")
LOW_DENSE = Message("向量 {score:.1%}，不在最近的 {count} 条里", "dense {score:.1%}, not among the nearest {count}")
USE_WORDS = Message(
    "在问题里用上文中的话，例如“{words}”。", "Use words of the passage in the question, such as “{words}”."
)
OR_USE_WORDS = Message(
    "或者在问题里用上文中的话，例如“{words}”。", "Or use words of the passage in the question, such as “{words}”."
)
USE_ITS_WORDS = Message("在问题里用上文中的词。", "Use words of the passage in the question.")
USE_EMBEDDING = Message(
    "启用嵌入模型（见 models list）后，也按意思查找。", "An embedding model (see models list) finds by meaning, too."
)
ADD_VECTORS = Message("运行 kb rebuild 补上向量。", "Run kb rebuild to give it a vector.")

FUSED = Message(
    "第 {rank} 名，相关度 {relevance:.1%}（dense_weight={weight:g}）",
    "rank {rank}, relevance {relevance:.1%} (dense_weight={weight:g})",
)
PUSHED_DOWN = Message(
    "{rank}，相关度 {relevance:.1%}：词面 {lexical}、向量 {dense}，被{leg}挤下去（dense_weight={weight:g}）",
    "{rank}, relevance {relevance:.1%}: lexical {lexical}, dense {dense}, pushed down by the {leg} leg "
    "(dense_weight={weight:g})",
)
RANKED = Message("第 {rank} 名", "rank {rank}")
UNRANKED = Message("不在前 {count} 名里", "not among the best {count}")
LEGS = {"lexical": Message("词面一路", "lexical"), "dense": Message("向量一路", "dense")}

ABOVE = Message(
    "相关度 {relevance:.1%} ≥ 阈值 {threshold:.1%}", "relevance {relevance:.1%} ≥ threshold {threshold:.1%}"
)
BELOW = Message(
    "{place}：相关度 {relevance:.1%} < 阈值 {threshold:.1%}；第 {rank} 名{around}",
    "{place}: relevance {relevance:.1%} < threshold {threshold:.1%}; rank {rank}{around}",
)
BETTER = Message("，上一名 {relevance:.1%} {place}", ", above it {relevance:.1%} {place}")
WORSE = Message("，下一名 {relevance:.1%} {place}", ", below it {relevance:.1%} {place}")
ONLY_ONE = Message("没有相同文字排在前面", "no equal text ranks higher")
SAME_TEXT = Message("与第 {rank} 名文字相同：{place}", "same text as rank {rank}: {place}")
EXPECT_OTHER = Message(
    "那一段代表它；改用 --expect “{source}” 看那一段。",
    "That one stands for it; use --expect “{source}” to see its way.",
)
WITHIN_TOP_K = Message("第 {taken} 条，取 {top_k} 条", "number {taken} of {top_k}")
BEYOND_TOP_K = Message("{place}：第 {taken} 条，只取 {top_k} 条", "{place}: number {taken}, only {top_k} are taken")
IN_PASSAGE = Message(
    "在交给回答的第 {number} 段里（{chars} 字，共 {used} / {limit} 字）",
    "in passage {number} of the answer ({chars} characters, {used} of {limit} in all)",
)
OVER_BUDGET = Message(
    "{place}：交给回答的段落已有 {used} 字，上限 {limit} 字，放不下它",
    "{place}: the passages for the answer have {used} characters, at most {limit}: it does not fit in",
)

CHANGE = Message("{name}={value:g}（现在 {now:g}）", "{name}={value:g} (now {now:g})")
FOUND_WITH = Message(
    "设 {changes}，它就会交给回答；一共取用 {count} 条，现在 {now} 条。",
    "With {changes} it reaches the answer, which then rests on {count} chunks, not {now}.",
)
PASSES_WITH = Message(
    "设 {changes}，它就不再丢在这一步；再解释一次，看下一步。",
    "With {changes} it is no longer lost here; explain again to see the next stage.",
)

_PLACE = Message("{source} 第 {n} 块", "{source}, chunk {n}")
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_SEPARATORS = {"zh": "、", "en": ", "}


def said(message: Message, **values: object) -> Message:
    """Return a message with values filled in; those that are messages are told in the language of the whole."""
    zh, en = (
        message.text(language, **{name: _in(language, value) for name, value in values.items()})
        for language in _LANGUAGES
    )
    return literal(zh, en)


def listed(messages: Sequence[Message]) -> Message:
    """Return messages as one, separated as in an enumeration."""
    return literal(*(_SEPARATORS[one].join(message.text(one) for message in messages) for one in _LANGUAGES))


def run_on(messages: Sequence[Message], *, between: str = "") -> Message:
    """Return parts of a sentence as one, or English sentences `between` which a blank stands."""
    zh, en = ([message.text(language) for message in messages] for language in _LANGUAGES)
    return literal("".join(zh), between.join(en))


def place(chunk: Chunk) -> Message:
    """Return where a chunk is: its document, and its number there, from 1."""
    return _PLACE.filled(source=chunk.source, n=chunk.ordinal + 1)


def excerpt(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_CHARS else line[:_EXCERPT_CHARS] + "…"


def described(changes: Mapping[str, float], settings: RetrievalSettings) -> Message:
    """Return changed settings with their values, new and in force."""
    now = {name: round(getattr(settings, name), 3) for name in changes}
    return listed([CHANGE.filled(name=name, value=value, now=now[name]) for name, value in changes.items()])


def _in(language: Language, value: object) -> object:
    return value.text(language) if isinstance(value, Message) else value
