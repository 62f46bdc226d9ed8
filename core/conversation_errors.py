"""What goes wrong with conversations: the branch `ConversationError` of the tree in `core/errors.py`.

ConversationError    NotFound (ExchangeNotFound) · Busy · Closed · Unreadable · Unwritable
"""

from core.errors import KnowGLMError
from core.messages import Message


class ConversationError(KnowGLMError):
    """Something about the conversations that are kept; questions can be answered without."""


class ConversationNotFound(ConversationError):
    """The user has no such conversation: it was deleted, or is somebody else's."""

    code, http_status = "conversation_not_found", 404
    what = Message("没有这个对话。", "There is no such conversation.")
    cure = Message(
        "它可能已被删除；从列表里选一个，或开始新的对话。",
        "It may have been deleted; choose one from the list, or begin another.",
    )


class ExchangeNotFound(ConversationNotFound):
    """The user has no such question in any conversation: it was removed, or is somebody else's."""

    code = "exchange_not_found"
    what = Message("对话里没有这一问。", "There is no such question in the conversation.")
    cure = Message(
        "它可能已被清空或重问；刷新后再试。", "It may have been cleared or asked again; reload and try again."
    )


class ConversationBusy(ConversationError):
    """The last question of the conversation is still being answered."""

    code, http_status = "conversation_busy", 409
    what = Message("这个会话里的上一个回答还没有写完。", "The last answer of this conversation is still being written.")
    cure = Message("等它写完，或先停止它。", "Wait for its end, or stop it first.")


class ConversationsBusy(ConversationError):
    """Another program has been writing for too long."""

    code, http_status = "conversations_busy", 409
    what = Message("另一个程序正在写对话记录。", "Another program is writing to the conversations.")
    cure = Message("等它结束后再试一次。", "Wait until it has finished, then try again.")


class ConversationsClosed(ConversationError):
    """The program is ending."""

    code, http_status = "conversations_closed", 503
    what = Message("程序正在退出，对话记录已关闭。", "The program is ending, the conversations are closed.")
    cure = Message("程序重新启动后再试。", "Try again once the program has started again.")


class ConversationsUnreadable(ConversationError):
    """The file is damaged, or of a newer version; nothing in it was changed."""

    code = "conversations_unreadable"
    what = Message("对话记录读不出来：{path}（{detail}）", "The conversations cannot be read: {path} ({detail})")
    cure = Message(
        "知识库和提问不受影响。若它来自新版本，就用新版本打开；若已损坏，停下程序，把它连同旁边的 -wal、-shm 文件移走，"
        "下次启动会新建一个。",
        "Knowledge bases and questions are not affected. If it is of a newer version, use that one; if it is damaged, "
        "stop the program and move it away with the -wal and -shm files beside it: the next start makes a new one.",
    )


class ConversationsUnwritable(ConversationError):
    """The system does not let them be written: a full disk, or missing permissions."""

    code, http_status = "conversations_unwritable", 507
    what = Message("对话记录写不进去：{path}（{detail}）", "The conversations cannot be written: {path} ({detail})")
    cure = Message(
        "检查磁盘空间和目录权限，或用 KNOWGLM_DATA_DIR 换一个目录；已有的对话没有改变。",
        "Check free space and permissions, or choose another folder with KNOWGLM_DATA_DIR; the conversations there "
        "are have not changed.",
    )
