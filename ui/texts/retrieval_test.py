"""What the retrieval test says, in both languages."""

from core.evaluation import Origin as QuestionOrigin
from core.kb_settings import Origin
from core.messages import Message
from ui.texts import rendering

# --- a question ---
KNOWLEDGE_BASES = Message("测试哪些知识库", "Knowledge bases to test")
KNOWLEDGE_BASES_ABOUT = Message("只影响本页，不改变对话里的选择", "For this tab only; the chat keeps its own choice")
TRY = Message("试一个问题", "Try a question")
QUESTION = Message("问题", "Question")
QUESTION_HINT = Message("边输入边检索，不经过语言模型", "Searches as you type, without the language model")
TYPE_A_QUESTION = Message("输入一个问题，这里列出全部候选段落。", "Type a question; every candidate is listed here.")
CHOOSE_KB = Message("先选一个知识库。", "Choose a knowledge base first.")

# --- settings ---
SETTINGS = Message("检索设置", "Retrieval settings")
SETTINGS_A = Message("设置一", "Settings A")
SETTINGS_B = Message("设置二", "Settings B")
COMPARE = Message("与另一组设置对照", "Compare with other settings")
LABELS = {
    "threshold": Message("相关度阈值（%）", "Relevance threshold (%)"),
    "top_k": Message("取用条数", "Top-k"),
    "dense_weight": Message("向量份额（%）", "Share of the dense leg (%)"),
    "passage_chars": Message("每段最多字数", "Characters a passage"),
    "context_chars": Message("资料总字数", "Characters of all passages"),
}
NAMES = rendering.SETTINGS
NOW = Message("现在 {value}，{source}", "Now {value}, {source}")
SOURCES: dict[Origin, Message] = {
    "explicit": Message("由启动参数或环境变量 {variable} 指定", "set by a flag or the variable {variable}"),
    "kb": Message("知识库自己的设置", "saved with the knowledge base"),
    "default": Message("默认值", "the default"),
}
APPLY = Message("用于对话", "Apply to chat")
DEFAULTS = Message("恢复默认", "Back to defaults")
ONE_TO_SAVE = Message(
    "设置随知识库保存：只选一个知识库才能保存。",
    "Settings are saved with a knowledge base: choose exactly one to save them.",
)
SAVED = Message("已保存到“{kb}”：{settings}。", "Saved with “{kb}”: {settings}.")
IN_FORCE_AT_ONCE = Message(
    "对话、命令行和评测从现在起都用它。", "Chat, command line and evaluation use it from now on."
)
NO_EFFECT = Message(
    "{name} 不会起作用：启动参数或环境变量 {variable} 优先，现在仍是 {value}。",
    "{name} has no effect: a flag or the variable {variable} wins, which says {value}.",
)
NOT_OF_KB = Message(
    "{names}不随知识库保存，要改请设环境变量 {variables}。",
    "{names}: not saved with a knowledge base; set {variables} to change it for good.",
)
NOTHING_TO_SAVE = Message("没有改动：这些就是现在的设置。", "Nothing to save: these are the settings in force.")
CLEARED = Message(
    "“{kb}”不再有自己的检索设置：{settings}。", "“{kb}” has no retrieval settings of its own any more: {settings}."
)
VALUE = Message("{name} {value}", "{name} {value}")
LIST_SEPARATOR = Message("、", ", ")

# --- marks ---
LISTED = Message("问题列表", "Question list")
NOT_LISTED = Message(
    "还不在问题列表里；把下面的段落标为“对”或“错”就会列入。",
    "Not in the question list yet; mark passages below as right or wrong to put it there.",
)
NOT_LISTED_FOR_READERS = Message("不在问题列表里。", "Not in the question list.")
LISTED_WITH = Message("已列入，认可的答案位置 {count} 处", "In the list; places expected: {count}")
LISTED_OPEN = Message("已列入，还没有人说明该找到什么", "In the list; nobody has said yet what should be found")
LISTED_UNANSWERABLE = Message("已列入：这个知识库里没有答案", "In the list: this knowledge base has no answer")
UNANSWERABLE = Message("这个知识库里没有答案", "No answer in this knowledge base")
TAKE_OUT = Message("移出列表", "Take out of the list")
RESULTS_CHANGED = Message(
    "检索结果已经变了，请在新的结果上再标一次。", "The results have changed; mark it in the new ones."
)

# --- why was it not found? ---
WHY = Message("为什么没找到？", "Why was it not found?")
EXPECTED = Message("应该找到什么", "What should be found")
EXPECTED_HINT = Message("文件名、“文件:页码”，或原文里的一句话", "A file, “file:page”, or a sentence of the text")
EXPLAIN = Message("查原因", "Explain")
SAY_WHAT = Message("先写问题和应该找到的内容。", "Write the question and what should be found first.")

# --- the list ---
QUESTIONS = Message("问题列表和曲线", "Question list and curve")
ONE_LIST = Message(
    "每个知识库有自己的问题列表：请只选一个知识库。", "Each knowledge base has a list of its own: choose exactly one."
)
EMPTY_LIST = Message(
    "列表是空的。可以在“试一个问题”里给段落标对错，让程序从文档起草，或导入文件。",
    "The list is empty. Mark passages under “Try a question”, have questions drafted from the documents, or import a "
    "file.",
)
COUNTED = Message("{count} 个问题，其中 {open} 个待说明", "{count} questions, {open} of them open")
ASKED = Message("问题", "Question")
WANTED = Message("应该找到", "Expected")
ORIGIN = Message("来源", "Origin")
DO = Message("操作", "Actions")
ORIGINS: dict[QuestionOrigin, Message] = {
    "user": Message("自己写的", "written"),
    "draft": Message("起草", "draft"),
    "feedback": Message("反馈", "feedback"),
}
NO_ANSWER = Message("没有答案", "no answer")
OPEN = Message("待说明：还没人说该找到什么", "open: nobody has said what should be found")
AT_PAGE = Message("第 {page} 页", "page {page}")
MORE = Message("另有 {count} 处", "{count} more")
USE = Message("试这个问题", "Try it")
USE_THIS = Message("试这个问题：{question}", "Try this question: {question}")
DELETE = Message("删除", "Delete")
DELETE_THIS = Message("删除问题：{question}", "Delete the question: {question}")
EXPORT = Message("导出", "Export")
IMPORT = Message("导入文件（CSV、JSONL、XLSX）", "Import a file (CSV, JSONL, XLSX)")
IMPORTED = Message(
    "“{kb}”的列表新增或改动了 {count} 个问题。", "Questions new or changed in the list of “{kb}”: {count}."
)
PASTE_PART = Message("粘贴一份列表", "Paste a list")
PASTE = Message(
    "第一行是列名：问题、文件、页、原文、答案、无答案", "First row: question, file, page, text, answer, unanswerable"
)
PASTE_EXAMPLE = Message(
    "问题,文件,原文\n年假有几天？,员工手册.md,五天", "question,file,text\nHow many days of leave?,handbook.md,five days"
)
TAKE_OVER = Message("加入列表", "Add to the list")
DRAFT_COUNT = Message("起草几个", "How many drafts")
DRAFT = Message("从文档起草", "Draft from the documents")
DRAFTED = Message(
    "起草了 {count} 个，新增或改动 {added} 个。用语取自文档，比真人的问题好找；请再加一些真实的问题。",
    "Drafted: {count}; new or changed: {added}. They use the documents' words and are easier to find than what people "
    "ask; add real questions too.",
)
NOTHING_DRAFTED = Message(
    "没有起草出问题：文档里没有可用的定义、数字、日期、标题或表格行。",
    "Nothing was drafted: the documents hold no definition, number, date, heading or table row that could be used.",
)

# --- the list, run ---
RUN = Message("运行列表", "Run the list")
CANCEL = Message("取消", "Cancel")
RUNNING = Message("已测 {done} / {total}", "{done} of {total} asked")
CANCELLED = Message("已取消，没有结果。", "Cancelled; there is no result.")
REPORT_JSON = Message("报告（JSON）", "Report (JSON)")
OUTCOMES_CSV = Message("每题结果（CSV）", "Outcomes (CSV)")
SUGGESTION_SAVED = Message(
    "已把建议的设置保存到“{kb}”：{settings}。", "The suggested settings are saved with “{kb}”: {settings}."
)
REPORT_GONE = Message("这次的结果已经不在了，请再运行一次。", "These results are gone; run the list again.")
