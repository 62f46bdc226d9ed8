"""What `explain` says on the command line, in both languages."""

from core.messages import Message

EXPLAIN = Message(
    "说明一段内容为什么没有找到：丢在哪一步，改什么能找到",
    "Say why something was not found: at which stage it was lost, and what would change that",
)
ARGUMENT_NAME = Message("知识库的名字", "name of the knowledge base")
OPTION_EXPECT = Message(
    "应该找到的：文件、文件:页码，或一段文字（像文件名的文字要放在引号里）",
    "what should be found: FILE, FILE:page, or a text (inside quotation marks if it looks like a file)",
)
NOTHING_EXPECTED = Message("--expect 是空的。", "--expect is empty.")

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
MARKS = {"passed": "✓", "missed": "–", "lost": "✗"}
LOST = Message("没有找到，丢在：{stage}", "Not found, lost at: {stage}")
FOUND = Message("找到了，交给了回答。", "Found, and handed to the answer.")
