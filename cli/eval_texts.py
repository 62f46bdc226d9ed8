"""What `eval` says on the command line, in both languages."""

from core.messages import Message

EVAL = Message(
    "用一份问题列表评测知识库，并建议阈值和条数",
    "Measure a knowledge base on a list of questions, and suggest threshold and top-k",
)
ARGUMENT_NAME = Message("知识库的名字", "name of the knowledge base")
ARGUMENT_FILE = Message(
    "问题列表（.csv .jsonl .xlsx）；不写就用知识库自己的列表",
    "list of questions (.csv .jsonl .xlsx); by default the knowledge base's own list",
)
OPTION_APPLY = Message("把建议的设置存到知识库", "save the suggested settings on the knowledge base")
OPTION_KEEP = Message(
    "把文件里的问题存进知识库自己的列表", "put the file's questions into the knowledge base's own list"
)
OPTION_COMPARE = Message("比较两份报告；变差时退出码为 1", "compare two reports; exit with 1 where the second is worse")
OPTION_FAIL_UNDER = Message(
    "指标低于它时退出码为 1，如 hit@5=0.9；可以写多次", "exit with 1 below this, such as hit@5=0.9; may be repeated"
)
OPTION_DRAFT = Message(
    "从文档起草这么多问题，存进知识库自己的列表或 --out 的文件",
    "draft so many questions from the documents, into the own list or the file of --out",
)
OPTION_OUT = Message("把报告（JSON）或起草的问题写到这个文件", "write the report (JSON) or the drafted questions here")

MISSING_NAME = Message("请给出知识库的名字。", "Give the name of a knowledge base.")
KEEP_NEEDS_FILE = Message("--keep 需要一个问题文件。", "--keep needs a file of questions.")
UNWRITABLE = Message("写不进文件 {path}（{detail}）", "the file {path} cannot be written ({detail})")

HEAD = Message(
    "知识库“{kb}”：{questions} 个问题（{unanswerable} 个没有答案），{chunks} 块。阈值 {threshold}，取 {top_k} 条。",
    "Knowledge base “{kb}”: {questions} questions ({unanswerable} unanswerable), {chunks} chunks. "
    "Threshold {threshold}, top-k {top_k}.",
)
FIGURES = {
    "hit@1": Message("第 1 条就是正确段落", "right chunk first"),
    "hit@3": Message("前 3 条里有正确段落", "right chunk among the first 3"),
    "hit@5": Message("前 5 条里有正确段落", "right chunk among the first 5"),
    "hit@10": Message("前 10 条里有正确段落", "right chunk among the first 10"),
    "mrr": Message("名次倒数平均（MRR@10）", "mean reciprocal rank (MRR@10)"),
    "ndcg": Message("nDCG@10", "nDCG@10"),
    "answer_hit": Message("摘出的句子里有答案", "quoted sentences hold the answer"),
    "refusal_precision": Message("拒答中该拒的", "refusals that are right"),
    "refusal_recall": Message("该拒的被拒", "unanswerable questions refused"),
    "p50_ms": Message("耗时中位数", "time, median"),
    "p95_ms": Message("耗时 95 分位", "time, 95th percentile"),
}
MILLISECONDS = Message("{value:.1f} 毫秒", "{value:.1f} ms")

THRESHOLDS = Message("阈值曲线", "by threshold")
TOP_KS = Message("条数曲线", "by top-k")
WEIGHTS = Message("向量份额曲线", "by share of the dense leg")
COLUMN_VALUE = {
    "threshold": Message("阈值", "threshold"),
    "top_k": Message("条数", "top-k"),
    "dense_weight": Message("向量份额", "dense weight"),
}
COLUMN_PRECISION = Message("回答有据", "precision")
COLUMN_RECALL = Message("用上正确段落", "recall")
COLUMN_REFUSED = Message("该拒被拒", "refused")
COLUMN_WRONGLY = Message("误拒", "wrongly refused")
COLUMN_USED = Message("平均用几条", "chunks used")
COLUMN_MRR = Message("MRR@10", "MRR@10")
COLUMN_SCORE = Message("目标得分", "objective")
LEGEND = Message(
    "回答有据：作答的问题里，用到正确段落的份额。用上正确段落：有答案的问题里的份额。",
    "precision: of the questions answered, those that used a right chunk; recall: of the answerable ones.",
)

MISSED = Message("没有答对的问题", "questions that went wrong")
MORE = Message("另有 {count} 个，见 --out 的报告。", "{count} more, see the report of --out.")
WRONGLY_REFUSED = Message("被拒答（最高相关度 {relevance}）", "refused (best relevance {relevance})")
WRONGLY_ANSWERED = Message(
    "本应拒答（相关度 {relevance}，{source}）", "should be refused (relevance {relevance}, {source})"
)
NOT_FOUND = Message(
    "正确段落不在前 20 条；第 1 条来自 {source}", "right chunk not among the first 20; first is {source}"
)
TOO_LOW = Message("正确段落排第 {rank}；第 1 条来自 {source}", "right chunk at rank {rank}; first is {source}")
NOT_QUOTED = Message("找到了段落，但摘出的句子里没有答案", "chunk found, but the quoted sentences lack the answer")

SUGGESTED = Message(
    "建议 {setting} = {value}（现在 {in_force}）。目标得分 {before} → {after}，目标：{objective}。",
    "Suggested {setting} = {value} (now {in_force}). Objective {before} → {after}: {objective}.",
)
APPLIED = Message("已存到知识库“{kb}”：{entries}", "Saved on the knowledge base “{kb}”: {entries}")
NOTHING_TO_APPLY = Message("没有可存的建议。", "There is nothing to save.")
HOW_TO_APPLY = Message("加上 --apply 把建议存到知识库。", "Add --apply to save the suggestion on the knowledge base.")
WRITTEN = Message("已写入 {path}", "Written to {path}")
KEPT = Message("问题列表新增或更新 {count} 个问题。", "{count} questions of the own list are new or changed.")
DRAFTED = Message("起草了 {count} 个问题。", "Drafted {count} questions.")
NOTHING_DRAFTED = Message(
    "没有起草出问题：文档里没有定义、数字、日期、标题或表格行可用。",
    "Nothing was drafted: the documents hold no definition, number, date, heading or table row that could be used.",
)
DRAFT_NOTE = Message(
    "它们用的是文档自己的词，比真人提问好找。请改写一部分，并加入文档答不了的问题。",
    "They use the documents' own words, so they are easier to find than what people ask. "
    "Reword some, and add questions that the documents cannot answer.",
)

COLUMN_FIGURE = Message("指标", "figure")
COLUMN_BEFORE = Message("之前", "before")
COLUMN_AFTER = Message("之后", "after")
COLUMN_CHANGE = Message("变化", "change")
LOST = Message("变错的问题（{count}）", "questions that went wrong since ({count})")
WON = Message("变对的问题（{count}）", "questions that came right since ({count})")
DIFFERENT_LISTS = Message(
    "两份报告的问题不同：{before} 个只在前一份，{after} 个只在后一份；指标不能直接比较。",
    "The lists differ: {before} questions only before, {after} only after; the figures do not compare directly.",
)
WORSE = Message("下降超过 1 个百分点：{figures}", "fell by more than a point: {figures}")
GATE_FAILED = Message(
    "{figure} 是 {measured}，低于要求的 {floor}", "{figure} is {measured}, below the floor of {floor}"
)
NOT_MEASURED = Message("无法测出", "not measured")
