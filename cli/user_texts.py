"""What the `users` commands say, in both languages."""

from core.messages import Message

USERS = Message("管理网页的用户和权限", "Manage the users of the web page and what they may do")
ADD = Message("新建用户；密码在终端输入，或从标准输入读一行", "Add a user; the password is typed, or a line of stdin")
LIST = Message("列出用户和权限", "List the users and what they may do")
REMOVE = Message("删除用户", "Remove a user")
PASSWORD = Message("修改密码", "Change a password")
ROLE = Message("授予或收回权限", "Give or take a role")

ARGUMENT_NAME = Message("用户名", "name of the user")
ARGUMENT_ROLE = Message(
    "reader 提问和查看，editor 还能改文件和设置，admin 还能改名和删除，none 收回",
    "reader asks and looks, editor also changes files and settings, admin also renames and deletes; none takes it away",
)
OPTION_ROLE = Message("在全部知识库里的权限", "role in every knowledge base")
OPTION_KB_ROLE = Message(
    "在一个知识库里的权限，写成 知识库=权限；可以写多次", "role in one knowledge base, as NAME=ROLE; may be repeated"
)
OPTION_KB = Message("只在这个知识库里", "in this knowledge base only")

ASK_PASSWORD = Message("“{name}”的密码（不显示）：", "Password of “{name}” (not shown): ")
ASK_AGAIN = Message("再输一次：", "Once more: ")
NOT_THE_SAME = Message("两次输入的密码不一样，没有改动。", "The two passwords differ; nothing has changed.")
NO_KB_ROLE = Message(
    "“{text}”应写成 知识库=权限，权限是 reader、editor 或 admin。",
    "“{text}” must be written as NAME=ROLE, with the role reader, editor or admin.",
)
CONFIRM_REMOVE = Message("删除用户“{name}”？", "Remove the user “{name}”?")

ADDED = Message("已新建用户“{name}”：{access}。", "Added the user “{name}”: {access}.")
REMOVED = Message("已删除用户“{name}”，登录随即失效。", "Removed the user “{name}”, who is logged out at once.")
PASSWORD_CHANGED = Message(
    "已修改“{name}”的密码，原来的登录随即失效。", "Changed the password of “{name}”, who is logged out at once."
)
ROLE_CHANGED = Message("“{name}”现在是：{access}。", "“{name}” is now: {access}.")
NO_LOGIN = Message("还没有用户。", "There are no users yet.")
NOBODY_LEFT = Message("已经没有用户，谁也登录不了网页。", "No user is left: nobody can log in to the web page.")

COLUMN_ACCESS = Message("权限", "role")
EVERYWHERE = Message("全部知识库的{role}", "{role} of all knowledge bases")
IN_KB = Message("“{kb}”的{role}", "{role} of “{kb}”")
AND = Message("，", ", ")
NO_ACCESS = Message("还不能看任何知识库", "may not see any knowledge base yet")
