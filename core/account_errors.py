"""What can be wrong with accounts and permissions: the branch `AccountError` of the tree in `core/errors.py`.

AccountError    LoginFailed · TooManyAttempts · Forbidden · AccountExists · AccountNotFound · InvalidAccountName
                WeakPassword · UsersFileUnusable · SessionsFileUnusable
"""

from core.accounts import Role
from core.errors import KnowGLMError
from core.messages import Message

ROLE_NAMES: dict[Role, Message] = {
    "reader": Message("读者", "reader"),
    "editor": Message("编辑", "editor"),
    "admin": Message("管理员", "admin"),
}
_EVERYWHERE = Message("全部知识库", "all knowledge bases")


class AccountError(KnowGLMError):
    """Something about who may do what."""


class LoginFailed(AccountError):
    """Name and password do not belong together; which of them is wrong is not said."""

    code, http_status = "login_failed", 401
    what = Message("用户名或密码不对。", "The user name or the password is wrong.")
    cure = Message(
        "检查输入法和大小写再试；忘了密码，请在运行本程序的机器上用 `python cli_demo.py users password` 重设。",
        "Check the keyboard and try again; a forgotten password is set anew with `python cli_demo.py users password` "
        "on the machine that runs the program.",
    )


class TooManyAttempts(AccountError):
    """Logging in has failed too often, or too many log in at this moment; `wait_s` is in whole seconds."""

    code, http_status = "too_many_attempts", 429
    what = Message("登录尝试太多。", "There were too many attempts to log in.")
    cure = Message("{wait_s} 秒后再试。", "Try again in {wait_s} seconds.")

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(wait_s=wait_s)


class Forbidden(AccountError):
    """The role does not suffice; `kb` is None for what concerns the whole application."""

    code, http_status = "forbidden", 403
    what = Message("这一步需要“{kb}”的{role}权限。", "This takes the role {role} for “{kb}”.")
    cure = Message("请管理员用 `python cli_demo.py users role` 授权。", "Ask an admin to grant it with `users role`.")

    def __init__(self, needed: Role, kb: str | None) -> None:
        self.needed, self.kb = needed, kb
        super().__init__(role=ROLE_NAMES[needed], kb=_EVERYWHERE if kb is None else kb)


class AccountExists(AccountError):
    """The name is taken."""

    code, http_status = "account_exists", 409
    what = Message("用户“{name}”已经存在。", "There is a user “{name}” already.")
    cure = Message(
        "换一个名字；改密码用 `users password`，改权限用 `users role`。",
        "Choose another name; `users password` changes the password, `users role` the role.",
    )


class AccountNotFound(AccountError):
    """Nobody has this name."""

    code, http_status = "account_not_found", 404
    what = Message("没有用户“{name}”。", "There is no user “{name}”.")
    cure = Message("用 `python cli_demo.py users list` 查看。", "See `python cli_demo.py users list`.")


class InvalidAccountName(AccountError):
    """A name that could not be typed or told from another; `why` is a message."""

    code, http_status, exit_code = "invalid_account_name", 422, 2
    what = Message("“{name}”不能用作用户名：{why}。", "“{name}” cannot be a user name: {why}.")
    cure = Message(
        "用户名可以是任何文字，1–{limit} 个字符，不含控制字符和看不见的字符。",
        "A user name is any text of 1–{limit} characters, without control characters and invisible ones.",
    )


class WeakPassword(AccountError):
    """A password that is refused; `why` is a message."""

    code, http_status, exit_code = "weak_password", 422, 2
    what = Message("这个密码不能用：{why}。", "This password is refused: {why}.")
    cure = Message(
        "至少 {min_chars} 个字符，任何文字都行；一句话比一个词好。",
        "Take at least {min_chars} characters of any script; a sentence is better than a word.",
    )


class UsersFileUnusable(AccountError):
    """The file of the accounts cannot be trusted, read or written: nobody logs in until then; `why` is a message."""

    code, exit_code = "users_file_unusable", 2
    what = Message("用户文件不能用：{path}（{why}）", "The users file cannot be used: {path} ({why})")
    cure = Message(
        "改正这个文件或恢复备份；把它移走，再用 `python cli_demo.py users add` 重新建立用户也行。",
        "Correct the file or restore a backup; or move it away and add the users anew with "
        "`python cli_demo.py users add`.",
    )


class SessionsFileUnusable(AccountError):
    """The file that remembers who is logged in cannot be read or written."""

    code = "sessions_file_unusable"
    what = Message(
        "登录记录的文件不能用：{path}（{detail}）", "The file of the logins cannot be used: {path} ({detail})"
    )
    cure = Message(
        "检查磁盘空间和目录权限；文件损坏时可以删除，大家重新登录即可。",
        "Check free space and permissions; a damaged file may be deleted, everybody then logs in again.",
    )
