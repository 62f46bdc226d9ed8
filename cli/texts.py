"""What the command line says, in both languages."""

from core.messages import Message

ABOUT = Message(
    "KnowGLM：在本机对自己的文档提问，回答附出处。", "KnowGLM: ask your own documents, on this machine, with sources."
)
ASK = Message("回答一个问题", "Answer one question")
SEARCH = Message("列出每个候选段落：用了还是没用，为什么", "List every candidate passage: used or not, and why")
KB = Message("管理知识库", "Manage knowledge bases")
KB_CREATE = Message("新建知识库", "Create a knowledge base")
KB_LIST = Message("列出知识库", "List the knowledge bases")
KB_ADD = Message("添加文件，或文件夹里的所有文件", "Add files, or all files in folders")
KB_FILES = Message("列出知识库里的文件", "List a knowledge base's files")
KB_REMOVE = Message("从知识库里删除文件", "Remove files from a knowledge base")
KB_RENAME = Message("给知识库改名", "Give a knowledge base another name")
KB_SETTINGS = Message(
    "显示知识库正在用的设置，--set 和 --reset 修改它自己的",
    "Show the settings in force for a knowledge base; --set and --reset change its own",
)
KB_DELETE = Message("删除整个知识库", "Delete a knowledge base")
KB_REBUILD = Message(
    "按当前设置，从原始文件重建知识库", "Build a knowledge base anew from its originals, with the settings in force"
)

OPTION_KB = Message("知识库的名字", "name of the knowledge base")
OPTION_KBS = Message(
    "知识库的名字；可以给几次，一起检索", "name of a knowledge base; give several to search them together"
)
OPTION_SET = Message(
    "存一项它自己的设置，写成 设置=值，如 threshold=0.4；可以写多次",
    "save a setting of its own, as SETTING=VALUE, such as threshold=0.4; may be repeated",
)
OPTION_RESET = Message(
    "不再用它自己的这一项，恢复默认；可以写多次", "go back to the default of a setting; may be repeated"
)
NO_ASSIGNMENT = Message("“{text}”应写成 设置=值。", "“{text}” must be written as SETTING=VALUE.")
OPTION_JSON = Message("输出 JSON", "print JSON")
OPTION_TOP_K = Message("最多取用的结果数", "most results used")
OPTION_THRESHOLD = Message("相关度阈值，如 0.4 或 40%", "relevance threshold, such as 0.4 or 40%")
OPTION_MODE = Message(
    "怎样回答：kb 依据知识库，chat 只由语言模型，retrieval 只列段落，web 联网搜索，kb+web 两者都用",
    "how to answer: kb from the knowledge base, chat by the language model alone, retrieval with passages only, "
    "web from a web search, kb+web from both",
)
PROMPTS = Message("管理提示词", "Manage prompts")
PROMPT_SHOW = Message("显示知识库正在用的提示词", "Show the prompt in force for a knowledge base")
PROMPT_SET = Message("给知识库存一份自己的提示词", "Save a prompt of its own with a knowledge base")
PROMPT_RESET = Message("恢复设置里的提示词", "Go back to the prompt of the settings")
OPTION_TEMPLATE = Message(
    "模板文件，含 {{passages}} 和 {{question}}", "file of the template, with {{passages}} and {{question}}"
)
OPTION_SYSTEM = Message("系统提示词", "system prompt")
PROMPT_SYSTEM = Message("系统提示词：{system}", "System prompt: {system}")
PROMPT_TEMPLATE = Message("模板：\n{template}", "Template:\n{template}")
NO_PROMPT = Message("请给出 --template 或 --system。", "Give --template or --system.")
PROMPT_SAVED = Message("知识库“{name}”的提示词已更新。", "The prompt of the knowledge base “{name}” is changed.")
ARGUMENT_QUESTION = Message("问题", "the question")
ARGUMENT_NAME = Message("知识库的名字（也可用 --kb）", "name of the knowledge base (or use --kb)")
ARGUMENT_OLD_NAME = Message("知识库的名字", "name of the knowledge base")
ARGUMENT_NEW_NAME = Message("新名字", "its new name")
ARGUMENT_PATHS = Message(
    "知识库的名字（没用 --kb 时），然后是文件或文件夹", "the knowledge base's name (unless --kb), then files or folders"
)
ARGUMENT_FILES = Message(
    "知识库的名字（没用 --kb 时），然后是文件名", "the knowledge base's name (unless --kb), then file names"
)

WELCOME = Message(
    "知识库“{kb}”：{documents} 个文件，{chunks} 块。输入问题后回车；clear 清空对话，"
    "/model 名字 [精度] 换语言模型，/bad 标记答得不好，stop 或 Ctrl-D 结束。",
    "Knowledge base “{kb}”: {documents} files, {chunks} chunks. Type a question; clear forgets the conversation, "
    "/model NAME [PRECISION] changes the language model, /bad marks a poor answer, stop or Ctrl-D ends.",
)
PROMPT = Message("问> ", "Q> ")
CLEARED = Message("对话已清空。", "The conversation is forgotten.")
MODEL_USAGE = Message(
    "写法：/model 名字 [精度]；名字里有空格时加引号。",
    "Write /model NAME [PRECISION]; a name with blanks stands in quotes.",
)
MODEL = Message("语言模型：{model}", "Language model: {model}")
GOODBYE = Message("再见。", "Goodbye.")
STOPPED = Message("（已停止）", "(stopped)")
SOURCES = Message("出处", "Sources")
NEAREST = Message(
    "最接近、但低于阈值 {threshold} 的段落：", "The nearest passages, all below the threshold of {threshold}:"
)
NOTHING_NEAR = Message("知识库里没有任何与问题有共同词语的段落。", "No passage shares a single term with the question.")
TIMING = Message(
    "{mode} · {seconds:.2f} 秒 · 相关度阈值 {threshold}", "{mode} · {seconds:.2f} s · relevance threshold {threshold}"
)
MODES = {
    "extractive": Message("摘录原句", "quoted sentences"),
    "llm": Message("语言模型", "language model"),
    "small_talk": Message("寒暄", "small talk"),
    "none": Message("未作回答", "no answer"),
}
REWRITTEN = Message("（检索用的问题：{question}）", "(searched for: {question})")
GROUNDING = Message("有依据的部分 {share}", "{share} of it is supported")
UNSUPPORTED = Message("缺乏依据：{sentence}", "not supported: {sentence}")
REMOVED_MARKS = Message(
    "去掉了并不存在的出处编号：{numbers}", "removed the numbers of sources that do not exist: {numbers}"
)
LEFT_OUT = Message(
    "放不下而没有交给模型：{turns} 轮历史，{passages} 段资料",
    "left out for want of room: {turns} turns of history, {passages} passages",
)
MARKED = Message("已记下这个问题，可用 eval 命令检验。", "The question is noted; the eval command can check it.")
NOTHING_TO_MARK = Message("还没有回答可以标记。", "There is no answer to mark yet.")
DROPPED_BY = {
    "threshold": Message("低于阈值", "below the threshold"),
    "duplicate": Message("与上面某段相同", "same text as one above"),
    "top_k": Message("超出条数", "beyond top-k"),
    "budget": Message("超出总字数", "over the budget"),
}
KEPT = Message("采用", "used")
PAGE = Message("第 {n} 页", "page {n}")
SLIDE = Message("第 {n} 张幻灯片", "slide {n}")
ROW = Message("第 {n} 行", "row {n}")

COLUMN_FATE = Message("去向", "fate")
COLUMN_RELEVANCE = Message("相关度", "relevance")
COLUMN_LEXICAL = Message("词面", "lexical")
COLUMN_DENSE = Message("向量", "dense")
COLUMN_PLACE = Message("位置", "place")
COLUMN_TEXT = Message("内容", "text")
COLUMN_NAME = Message("名字", "name")
COLUMN_FILES = Message("文件", "files")
COLUMN_CHUNKS = Message("块", "chunks")
COLUMN_EMBEDDING = Message("嵌入模型", "embedding")
COLUMN_STATE = Message("状态", "state")
COLUMN_PAGES = Message("页", "pages")
COLUMN_SETTING = Message("设置", "setting")
COLUMN_VALUE = Message("正在用", "in force")
COLUMN_SOURCE = Message("来自", "from")
COLUMN_SAVED = Message("它自己存的", "its own")
COLUMN_REASON = Message("说明", "note")

STATES = {
    "indexed": Message("可检索", "indexed"),
    "duplicate": Message("重复", "duplicate"),
    "failed": Message("失败", "failed"),
}
SOURCES_OF_SETTINGS = {
    "explicit": Message("环境变量", "variable"),
    "kb": Message("知识库", "knowledge base"),
    "default": Message("默认", "default"),
}
OUTCOMES = {
    "added": Message("已添加", "added"),
    "replaced": Message("已更新", "replaced"),
    "unchanged": Message("没有变化", "unchanged"),
    "duplicate": Message("内容重复", "duplicate"),
    "failed": Message("失败", "failed"),
}
DAMAGED = Message("数据文件损坏", "damaged")
CREATED = Message("已新建知识库“{name}”。", "Created the knowledge base “{name}”.")
DELETED = Message("已删除知识库“{name}”。", "Deleted the knowledge base “{name}”.")
RENAMED = Message("知识库“{name}”改名为“{new}”。", "Renamed the knowledge base “{name}” to “{new}”.")
REMOVED = Message("已从“{kb}”删除 {name}。", "Removed {name} from “{kb}”.")
SUMMARY = Message(
    "{files} 个文件：{outcomes}；新增 {chunks} 块。",
    "{files} files: {outcomes}; {chunks} chunks indexed.",
)
CONFIRM_DELETE = Message(
    "删除知识库“{name}”和其中的所有文件？", "Delete the knowledge base “{name}” with all its files?"
)
OPTION_YES = Message("不再询问", "do not ask")
WORKING = Message("处理中", "working")
MISSING_NAME = Message("请给出知识库的名字。", "Give the name of a knowledge base.")
MISSING_FILES = Message("请给出至少一个文件。", "Give at least one file.")
EMPTY_QUESTION = Message("问题是空的。", "The question is empty.")
