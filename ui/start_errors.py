"""What can keep the web page from starting."""

from core.errors import KnowGLMError
from core.messages import Message


class LoginNeeded(KnowGLMError):
    """The page was to be offered to other machines with nobody to log in."""

    code, exit_code = "login_needed", 2
    what = Message(
        "{host} 可以从别的机器访问，但没有设登录。", "{host} can be reached from other machines, and there is no login."
    )
    cure = Message(
        "用 `python cli_demo.py users add 名字 --role admin` 建一个账号，或加 --auth 用户名:密码；"
        "确实不要登录就加 --without-login。",
        "Make an account with `python cli_demo.py users add NAME --role admin`, or give --auth user:password; "
        "if you do mean to go without, give --without-login.",
    )


class NoAccounts(KnowGLMError):
    """The users file that was named is not there, or nobody is in it."""

    code, exit_code = "no_accounts", 2
    what = Message(
        "用户文件不存在，或者里面没有账号：{path}", "The users file is not there or holds no account: {path}"
    )
    cure = Message(
        "检查 --users 的路径；账号用 `python cli_demo.py users add` 建立。",
        "Check the path given with --users; `python cli_demo.py users add` makes accounts.",
    )


class AddressInUse(KnowGLMError):
    """The address or the port cannot be listened on."""

    code = "address_in_use"
    what = Message("不能监听 {host}:{port}（{detail}）。", "Cannot listen on {host}:{port} ({detail}).")
    cure = Message(
        "多半是已经开着一个；用 --port 换一个端口，或检查 --host。",
        "Most likely one is running already; choose another port with --port, or check --host.",
    )
