"""What `trace` says on the command line, in both languages."""

from core.messages import Message

TRACE = Message("记录：每个回答是怎么来的", "Traces: how each answer came about")
LIST = Message("列出保留的记录，新的在前", "List the traces that are kept, newest first")
SHOW = Message("逐步显示一个回答：问题、检索、提示词、回答", "Show an answer stage by stage, from question to text")
REPLAY = Message("用当时的设置再检索一次，与当时比较", "Retrieve again with the settings of then, and compare")
CLEAR = Message("删除所有记录", "Delete all traces")
ARGUMENT_ID = Message(
    "记录的编号，见 trace list；不写则取最新的", "the trace's id, see trace list; the newest if left out"
)
OPTION_LIMIT = Message("最多列出多少条", "how many are listed at most")
NOTHING = Message(
    "没有记录：还没有回答过问题，或者 KNOWGLM_TRACES 是 0。",
    "There are no traces: no question was answered yet, or KNOWGLM_TRACES is 0.",
)
CLEARED = Message("记录已全部删除。", "All traces are deleted.")

COLUMN_ID = Message("编号（UTC 时间）", "id (time in UTC)")
COLUMN_KB = Message("知识库", "base")
COLUMN_QUESTION = Message("问题", "question")
COLUMN_OUTCOME = Message("结果", "outcome")
REFUSED = Message("拒答", "refused")
OUTCOMES = {
    "extractive": Message("摘录", "quoted"),
    "llm": Message("模型回答", "written"),
    "small_talk": Message("寒暄", "small talk"),
    "none": Message("只检索", "search"),
}

HEADER = Message("记录 {id} · {time} · 知识库：{kb}", "Trace {id} · {time} · knowledge base: {kb}")
STAGE_QUESTION = Message("1 问题", "1 Question")
STAGE_SETTINGS = Message("2 当时的设置", "2 Settings in force")
STAGE_LEGS = Message("3 两路检索与融合", "3 Both legs and their fusion")
STAGE_FATES = Message("4 筛选", "4 Selection")
STAGE_PASSAGES = Message("5 扩展成段落", "5 Growth into passages")
STAGE_BUDGET = Message("6 篇幅", "6 Budget")
STAGE_PROMPT = Message("7 发给模型的提示词", "7 Prompt as sent")
STAGE_ANSWER = Message("8 回答", "8 Answer")
STAGE_TIMES = Message("9 用时", "9 Timings")

ASKED = Message("提问：{question}", "asked: {question}")
REWRITTEN = Message("改写为：{question}", "rewritten: {question}")
NOT_REWRITTEN = Message("未改写", "not rewritten")
TURN = Message("之前问：{question}　答：{answer}", "before, Q: {question} A: {answer}")
LEGS = Message(
    "词面一路 {lexical} 个候选，向量一路 {dense} 个，# 是在该路的名次。",
    "{lexical} candidates of the lexical leg, {dense} of the dense one; # is the rank in the leg.",
)
FUSION = Message(
    "相关度 = {lexical:.2f} × 词面 + {dense:.2f} × 向量", "relevance = {lexical:.2f} × lexical + {dense:.2f} × dense"
)
LEXICAL_ALONE = Message("没有向量一路：相关度就是词面分数。", "No dense leg: the relevance is the lexical score.")
FATES = {
    "threshold": Message("低于阈值", "threshold"),
    "duplicate": Message("重复", "duplicate"),
    "top_k": Message("超出条数", "top-k"),
    "budget": Message("超出篇幅", "budget"),
    None: Message("采用", "used"),
}
SELECTION = Message(
    "{all} 个候选 − 低于阈值 {limit:.3f} 的 {threshold} 个 − 重复 {duplicate} 个 − 超出前 {top_k_limit} 条的 {top_k} 个"
    " − 超出篇幅的 {budget} 个 = 采用 {used} 个",
    "{all} candidates − {threshold} below the threshold of {limit:.3f} − {duplicate} duplicates − {top_k} beyond the "
    "first {top_k_limit} − {budget} over the budget = {used} used",
)
PASSAGE = Message(
    "[{n}] {place} · 第 {start}–{end} 字（命中块 {hit_start}–{hit_end}）· {relevance:.3f}",
    "[{n}] {place} · characters {start}–{end} (hit {hit_start}–{hit_end}) · {relevance:.3f}",
)
NO_PASSAGES = Message("没有段落", "no passages")
BUDGET = Message("段落共 {chars} 字，上限 {limit} 字。", "{chars} characters of passages, {limit} at most.")
LEFT_OUT = Message(
    "模型放不下而没给它的：{turns} 轮历史，{passages} 个段落。",
    "Not given to the model for want of room: {turns} turns, {passages} passages.",
)
NO_PROMPT = Message("没有用语言模型。", "No language model was asked.")
WRITTEN_BY = Message("{outcome} · {model}", "{outcome} · {model}")
REMOVED = Message("去掉了编造的引用：{numbers}", "removed citations that were made up: {numbers}")
GROUNDED = Message("逐句核对，{score:.0%} 有依据：", "checked sentence by sentence, {score:.0%} supported:")
LEVELS = {"supported": "✓", "partly": "~", "unsupported": "✗"}
TIMES = Message(
    "检索 {retrieval:.3f} 秒 · 其余 {rest:.3f} 秒 · 共 {total:.3f} 秒",
    "retrieval {retrieval:.3f} s · the rest {rest:.3f} s · {total:.3f} s in all",
)

REPLAYED = Message("重做 {id}（{time}）：{question}", "Replay of {id} ({time}): {question}")
IDENTICAL = Message(
    "完全一致：候选、分数、去向和段落都与当时相同。",
    "Identical: the candidates, scores, fates and passages are what they were.",
)
DIFFERENT = Message(
    "与当时不同：{count} 个候选有变化（{kinds}）。", "Different: {count} candidates have changed ({kinds})."
)
PASSAGES_DIFFER = Message("采用的段落变了，当时是：", "The passages in use have changed; they were:")
KB_CHANGED = {
    True: Message("知识库的内容在那之后有改动。", "The content of the knowledge base has changed since."),
    False: Message("知识库的内容没有改动。", "The content of the knowledge base has not changed."),
    None: Message("知识库的内容有没有改动，无从得知。", "Whether the knowledge base has changed is unknown."),
}
SETTING_CHANGED = Message(
    "设置 {name} 当时是 {then}（重做用的就是它），现在是 {now}。",
    "{name} was {then} (as in this replay) and is {now} now.",
)
CHANGES = {
    "came": Message("新出现", "new"),
    "went": Message("消失", "gone"),
    "moved": Message("名次", "rank"),
    "rescored": Message("分数", "score"),
    "refated": Message("去向", "fate"),
    "relocated": Message("位置", "place"),
}
COLUMN_CHANGE = Message("变化", "change")
COLUMN_RANKS = Message("名次", "rank")
COLUMN_FATES = Message("去向", "fate")
