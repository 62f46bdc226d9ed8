"""What stands around the tabs: title, login, errors."""

from core.messages import Message

TITLE = Message("KnowGLM 知识库问答", "KnowGLM")
TAGLINE = Message("对自己的文档提问，回答附出处", "Ask your own documents, with sources")
OTHER_LANGUAGE = Message("English", "中文")
THEME = Message("切换深色 / 浅色", "Switch between dark and light")
LOG_OUT = Message("退出登录", "Log out")

LOGIN = Message("登录", "Log in")
USER = Message("用户名", "User name")
PASSWORD = Message("密码", "Password")

TAB_CHAT = Message("对话", "Chat")
TAB_KNOWLEDGE_BASES = Message("知识库", "Knowledge bases")
TAB_RETRIEVAL_TEST = Message("检索测试", "Retrieval test")
TAB_MODELS = Message("模型", "Models")

UNEXPECTED = Message(
    "程序内部出错：{detail}。详情在服务端的日志里；已保存的内容没有受影响。",
    "An internal error: {detail}. The server's log has the details; what was saved is not affected.",
)
