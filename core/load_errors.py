"""Why a file could not be turned into text: the branch `LoadError` of the tree in `core/errors.py`.

LoadError    Missing · Unreadable · SameName · InvalidFileName · Unsupported · Empty · Encrypted · TooLarge · Corrupt
"""

from core.errors import KnowGLMError
from core.messages import Message


class LoadError(KnowGLMError):
    """A file could not be turned into text. Every subclass is given `name`, the file's name as the user knows it."""

    http_status = 422


class MissingFile(LoadError):
    """The path leads nowhere."""

    code, http_status = "missing", 404
    what = Message("找不到文件：{name}", "No such file: {name}")
    cure = Message("检查路径是否写对、文件是否还在。", "Check the path, and that the file is still there.")


class UnreadableFile(LoadError):
    """The system does not let the file be read."""

    code = "unreadable"
    what = Message("文件读不了：{name}（{detail}）", "The file cannot be read: {name} ({detail})")
    cure = Message(
        "检查文件的权限、所在的磁盘或网络盘。", "Check the file's permissions and the disk or share it is on."
    )


class SameName(LoadError):
    """Two files of one call would have the same name."""

    code, http_status = "same_name", 409
    what = Message("这一次添加里有两个文件都叫 {name}。", "Two files of this call are both named {name}.")
    cure = Message(
        "先改名，或添加它们共同的上级文件夹，这样名字里会带上路径。",
        "Rename one, or add the folder above both: names then hold the path.",
    )


class InvalidFileName(LoadError):
    """A file that was sent under a name no document may have; `why` is a message."""

    code = "invalid_file_name"
    what = Message("文件名不能用：{name}（{why}）", "The file's name cannot be used: {name} ({why})")
    cure = Message("给文件或它所在的文件夹改名后再添加。", "Rename the file, or the folder it is in, and add it again.")


class UnsupportedFile(LoadError):
    """A kind of file that no loader reads."""

    code, http_status = "unsupported", 415
    what = Message("不支持的文件：{name}（{detail}）", "Unsupported file: {name} ({detail})")
    cure = Message(
        "支持的格式：{supported}。请先另存为其中一种。",
        "Supported formats: {supported}. Save it as one of these first.",
    )


class EmptyFile(LoadError):
    """A file without text."""

    code = "empty"
    what = Message("文件里没有可用的文字：{name}（{detail}）", "The file holds no usable text: {name} ({detail})")
    cure = Message(
        "确认文件不是空的；扫描件请先做文字识别（OCR）。",
        "Make sure that the file is not blank; run text recognition (OCR) on scans first.",
    )


class EncryptedFile(LoadError):
    """A file that asks for a password."""

    code = "encrypted"
    what = Message("文件有密码保护：{name}", "The file is protected by a password: {name}")
    cure = Message("去掉密码后另存一份再添加。", "Save a copy without the password and add that one.")


class FileTooLarge(LoadError):
    """A file over the limit in the settings."""

    code, http_status = "too_large", 413
    what = Message(
        "文件太大：{name} 有 {size_mb:.1f} MB，上限是 {limit_mb} MB。",
        "The file is too large: {name} has {size_mb:.1f} MB, the limit is {limit_mb} MB.",
    )
    cure = Message(
        "拆成几个文件，或用 KNOWGLM_MAX_FILE_MB 提高上限。",
        "Split it into several files, or raise the limit with KNOWGLM_MAX_FILE_MB.",
    )


class CorruptFile(LoadError):
    """A file that its own format's reader cannot read."""

    code = "corrupt"
    what = Message(
        "文件已损坏，或内容与后缀不符：{name}（{detail}）",
        "The file is damaged or not what its suffix says: {name} ({detail})",
    )
    cure = Message(
        "用原来的软件打开并另存一份，再添加。",
        "Open it with the program that made it, save a fresh copy, and add that one.",
    )
