"""What the chat says, in both languages."""

from core.answers import AskMode
from core.messages import Message

MODE = Message("怎样回答", "How to answer")
MODES: dict[AskMode, Message] = {
    "kb": Message("依据知识库", "From the knowledge bases"),
    "retrieval": Message("只列段落，不写回答", "Passages only"),
    "chat": Message("只由语言模型", "Language model alone"),
    "web": Message("联网搜索", "Web search"),
    "kb+web": Message("知识库和联网搜索", "Knowledge bases and web search"),
}
KNOWLEDGE_BASES = Message("问哪些知识库", "Knowledge bases to ask")
CONVERSATIONS = Message("会话", "Conversations")
SEARCH = Message("搜索会话", "Search conversations")
NEW = Message("新会话", "New conversation")
QUESTION = Message("输入问题，Enter 发送", "Type a question, Enter sends it")
QUESTION_LABEL = Message("问题", "Question")
SEND = Message("发送", "Send")
STOP = Message("停止", "Stop")
CLEAR = Message("清空", "Clear")
CONFIRM_CLEAR = Message("清空这个会话的全部问答？", "Remove every question and answer of this conversation?")
EXPORT_MARKDOWN = Message("导出 Markdown", "Export Markdown")
EXPORT_JSON = Message("导出 JSON", "Export JSON")
NO_KNOWLEDGE_BASE = Message("先选一个知识库。", "Choose a knowledge base first.")

WELCOME = Message("问点什么吧", "Ask something")
WELCOME_ABOUT = Message(
    "答案只来自所选知识库里的文档，句末的 [1] 可以点开核对原文；找不到就明说，不编造。",
    "Answers rest on the documents of the chosen knowledge bases; click [1] behind a sentence to check its source. "
    "What is not found is not made up.",
)
TRY_THESE = Message("可以试试：", "For example:")
EXAMPLES = (
    Message("INT4 量化的 ChatGLM-6B 最低需要多少显存？", "How do I download the weights of ChatGLM-6B?"),
    Message("去一线城市出差，住宿标准是每晚多少钱？", "What does the tab Retrieval test show?"),
    Message("扫描件 PDF 提示没有文字怎么办？", "How does the program answer in embedded mode?"),
    Message("资料会上传到网上吗？", "How do I share the page with other machines?"),
)
RUNS_EMBEDDED = Message(
    "内置模式：没有语言模型，答案是文档中的原句", "Embedded mode: no language model, answers quote the documents"
)
RUNS = Message("由 {model} 回答", "{model} writes the answers")
NOTICES = Message("说明（{count}）", "Notes ({count})")
WHY_NOT = Message("为什么没找到", "Why it was not found")
EXPECTED = Message("应该找到：{what}", "Expected: {what}")
CLOSE = Message("关闭", "Close")
NOTED = Message("已记下，会列入“{kb}”的问题列表。", "Noted; it goes to the question list of “{kb}”.")
