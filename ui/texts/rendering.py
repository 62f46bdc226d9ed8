"""What the views say that the tabs are made of: answers, sources, hits, files, models."""

from core.messages import Message

# --- everywhere ---
RELEVANCE = Message("相关度 {share}", "relevance {share}")
PAGE = Message("第 {n} 页", "page {n}")
SLIDE = Message("第 {n} 张幻灯片", "slide {n}")
ROW = Message("第 {n} 行", "row {n}")
CLOSE = Message("关闭", "Close")
APPLY = Message("采用这些设置", "Apply these settings")
WHY_NOT_FOUND = Message("为什么没找到？", "Why was it not found?")
WHAT_IS_EXPECTED = Message(
    "应该找到什么？写文件名、“文件:页码”或原文片段", "What should be found? A file, “file:page”, or words of the text"
)
SETTINGS = {
    "top_k": Message("取用条数", "top-k"),
    "threshold": Message("相关度阈值", "relevance threshold"),
    "dense_weight": Message("向量份额", "share of the dense leg"),
    "passage_chars": Message("每段最多字数", "characters a passage"),
    "context_chars": Message("资料总字数", "characters of all passages"),
}

# --- an answer ---
SOURCE_OF = Message("出处 {n}：{file}", "Source {n}: {file}")
VERDICTS = {
    "supported": Message("有依据（{score}）", "supported ({score})"),
    "partly": Message("部分有依据（{score}）", "partly supported ({score})"),
    "unsupported": Message("缺乏依据（{score}）", "not supported ({score})"),
}
SEARCHING = Message("正在查找…", "Searching …")
STOPPED = Message("已停止，回答不完整。", "Stopped; the answer is not complete.")
SEARCHED_FOR = Message("检索用的问题：{question}", "Searched for: {question}")
ACTIONS = Message("对这个回答", "About this answer")
COPY = Message("复制", "Copy")
RETRY = Message("重试", "Retry")
GOOD = Message("答得好", "Good answer")
BAD = Message("答得不好", "Poor answer")
SOURCES = Message("出处", "Sources")
PASSAGES = Message("资料", "Passages")
NEAREST = Message("最接近的几段（阈值 {threshold}）", "The nearest passages (threshold {threshold})")
NOTHING_NEAR = Message("没有与问题有共同词语的段落。", "No passage shares a term with the question.")
WRITTEN_BY = {
    "extractive": Message("内置模式：摘录原句", "Embedded mode: quoted sentences"),
    "llm": Message("语言模型", "Language model"),
    "small_talk": Message("寒暄", "Small talk"),
    "none": Message("没有用语言模型", "No language model was asked"),
}
DETAILS = Message("经过和设置", "How it came about")
MODE = Message("方式", "Mode")
KNOWLEDGE_BASES = Message("知识库", "Knowledge bases")
MODEL = Message("模型", "Model")
TIMES = Message("用时", "Time")
TIMES_VALUE = Message(
    "检索 {retrieval:.2f} 秒，其余 {rest:.2f} 秒，共 {total:.2f} 秒",
    "retrieval {retrieval:.2f} s, the rest {rest:.2f} s, {total:.2f} s in all",
)
GROUNDED = Message("有依据的部分", "Supported")
LEFT_OUT = Message("放不下而没有交给模型", "Left out for want of room")
LEFT_OUT_VALUE = Message("{turns} 轮对话，{passages} 段资料", "turns: {turns}, passages: {passages}")
REMOVED = Message("去掉的出处编号（并不存在）", "Citations removed (they do not exist)")
TRACE = Message("记录编号", "Trace")
PROMPT = Message("发给模型的提示词", "Prompt as sent")

# --- a source ---
SOURCE = Message("出处 {n}", "Source {n}")
PREVIOUS_SOURCE = Message("上一处", "Previous source")
NEXT_SOURCE = Message("下一处", "Next source")
DOWNLOAD_ORIGINAL = Message("下载原文件", "Download the original")

# --- the retrieval test ---
FOUND = Message(
    "{candidates} 个候选，采用 {used} 个，{seconds:.2f} 秒", "{candidates} candidates, {used} used, {seconds:.2f} s"
)
HITS = Message("候选段落", "Candidates")
THRESHOLD_LINE = Message("阈值 {share}", "Threshold {share}")
LEXICAL = Message("词面 {share}", "lexical {share}")
DENSE = Message("向量 {share}", "dense {share}")
FATES = {
    None: Message("采用", "used"),
    "threshold": Message("低于阈值", "below the threshold"),
    "duplicate": Message("与上面某段相同", "same text as one above"),
    "top_k": Message("超出条数", "beyond top-k"),
    "budget": Message("超出总字数", "over the budget"),
}
RIGHT = Message("对", "Right")
WRONG = Message("错", "Wrong")
RIGHT_HIT = Message("第 {rank} 条是正确的", "Number {rank} is right")
WRONG_HIT = Message("第 {rank} 条不对", "Number {rank} is wrong")
GROWN = Message("扩展后的段落（{count}）", "Passages after growth ({count})")
CHARS = Message("{count} 字", "{count} characters")
CHANGES = {
    "in": Message("新采用", "now used"),
    "out": Message("不再采用", "no longer used"),
    "up": Message("上升 {by}", "up {by}"),
    "down": Message("下降 {by}", "down {by}"),
    "came": Message("新出现", "new"),
    "went": Message("消失", "gone"),
}
SETTINGS_A = Message("设置一", "Settings A")
SETTINGS_B = Message("设置二", "Settings B")

# --- why was it not found? ---
STAGES = {
    "file": Message("文件", "file"),
    "loading": Message("读取", "loading"),
    "copy": Message("副本", "copy"),
    "page": Message("页", "page"),
    "text": Message("文字", "text"),
    "splitter": Message("切分", "splitter"),
    "lexical": Message("词面检索", "lexical leg"),
    "dense": Message("向量检索", "dense leg"),
    "fusion": Message("合并", "fusion"),
    "threshold": Message("阈值", "threshold"),
    "duplicate": Message("重复", "duplicate"),
    "top_k": Message("条数", "top-k"),
    "budget": Message("总字数", "budget"),
}
STEP_OUTCOMES = {
    "passed": Message("通过", "passed"),
    "missed": Message("没有带来", "missed"),
    "lost": Message("丢在这里", "lost here"),
}
LOST = Message("没有找到，丢在：{stage}", "Not found, lost at: {stage}")
REACHED = Message("找到了，交给了回答。", "Found, and handed to the answer.")

# --- the list of questions, measured ---
CURVE = Message("各阈值下的精确率、召回率和拒答率", "Precision, recall and refusal by threshold")
LINES = {
    "precision": Message(
        "精确率：作答的问题里用到正确段落的", "precision: of the questions answered, those with a right passage"
    ),
    "recall": Message(
        "召回率：有答案的问题里用到正确段落的", "recall: of the answerable questions, those with a right passage"
    ),
    "refused": Message("拒答率：没有答案的问题里被拒答的", "refusal: of the unanswerable questions, those refused"),
}
COLUMNS = {
    "value": Message("阈值", "threshold"),
    "precision": Message("精确率", "precision"),
    "recall": Message("召回率", "recall"),
    "refused": Message("拒答率", "refusal"),
    "wrongly_refused": Message("误拒", "wrongly refused"),
}
IN_FORCE = Message("现在的阈值 {share}", "in force: {share}")
SUGGESTED = Message("建议的阈值 {share}", "suggested: {share}")
AS_TABLE = Message("数值", "Figures")
MEASURED = Message(
    "知识库“{kb}”：{questions} 个问题，其中 {unanswerable} 个没有答案；{chunks} 块",
    "Knowledge base “{kb}”: {questions} questions, {unanswerable} of them unanswerable; {chunks} chunks",
)
FIGURES = {
    "hit@1": Message("第 1 条就是正确段落", "right chunk first"),
    "hit@3": Message("前 3 条里有正确段落", "right chunk among the first 3"),
    "hit@5": Message("前 5 条里有正确段落", "right chunk among the first 5"),
    "hit@10": Message("前 10 条里有正确段落", "right chunk among the first 10"),
    "mrr": Message("名次倒数平均（MRR@10）", "mean reciprocal rank (MRR@10)"),
    "ndcg": Message("排序质量（nDCG@10）", "quality of the order (nDCG@10)"),
    "answer_hit": Message("摘出的句子里有答案", "quoted sentences hold the answer"),
    "refusal_precision": Message("拒答中该拒的", "refusals that are right"),
    "refusal_recall": Message("该拒的被拒", "unanswerable questions refused"),
    "p50_ms": Message("耗时中位数", "time, median"),
    "p95_ms": Message("耗时 95 分位", "time, 95th percentile"),
}
MILLISECONDS = Message("{value:.0f} 毫秒", "{value:.0f} ms")
SUGGESTION = Message("建议：{setting} {value}（现在 {in_force}）", "Suggested: {setting} {value} (now {in_force})")
OBJECTIVE = Message(
    "{objective}：{before} → {after}；95 % 落在 {low}–{high}",
    "{objective}: {before} → {after}; 95 % within {low}–{high}",
)
OUTCOMES_OF_QUESTIONS = Message("每个问题的结果", "What became of each question")
QUESTION = Message("问题", "Question")
RANK = Message("正确段落的名次", "Rank of the right chunk")
BEST_RELEVANCE = Message("最高相关度", "Best relevance")
REFUSED = Message("拒答", "Refused")
YES = Message("是", "yes")
NO = Message("否", "no")
