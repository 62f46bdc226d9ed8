"""What `webui.py` says on the terminal, in both languages."""

from core.messages import Message

ABOUT = Message("KnowGLM 网页：建知识库、上传文件、对话、检索测试。", "KnowGLM in the browser.")
OPTION_HOST = Message(
    "监听的地址；默认只有本机能访问", "address to listen on; by default only this machine can reach it"
)
OPTION_PORT = Message("端口", "port")
OPTION_AUTH = Message(
    "登录用的 用户名:密码，可以给多次；这些账号什么都能做（密码会留在命令历史里，长期使用请用 --users）",
    "user:password to log in with, may be given several times; these accounts may do everything (the password stays in "
    "the shell's history: for lasting use prefer --users)",
)
OPTION_USERS = Message(
    "账号文件，用 `python cli_demo.py users add` 建立；给了它就要登录",
    "file of the accounts, made with `python cli_demo.py users add`; with it, a login is needed",
)
OPTION_WITHOUT_LOGIN = Message(
    "不要登录也给别的机器用：能连上的人都能读、改、删所有知识库",
    "let other machines in without login: whoever reaches the page can read, change and delete every knowledge base",
)
OPTION_PUBLIC_NAME = Message(
    "本机的反向代理（如 nginx）对外提供这个页面用的名字，可以给多次；这时要登录。代理须从根路径提供，"
    "原样传递 Host，并设置 X-Forwarded-For 和 X-Forwarded-Proto",
    "name under which a reverse proxy on this machine, such as nginx, offers the page, may be given several times; a "
    "login is needed then. The proxy must offer it at the root of the name, pass Host on as it is, and set "
    "X-Forwarded-For and X-Forwarded-Proto",
)
READING_SAMPLES = Message("正在读取示例文档…", "Reading the sample documents …")
OPEN_AT = Message("打开 {url}（Ctrl-C 结束）", "Open {url} (Ctrl-C ends)")
NO_LOGIN_WARNING = Message(
    "警告：{host} 上没有登录，任何能连上的人都能读、改、删所有知识库。",
    "Warning: there is no login on {host}; whoever reaches it can read, change and delete every knowledge base.",
)
LOGIN_OFF = Message(
    "本机访问不要登录，没有使用 {path} 里的账号；要登录请加 --users {path}",
    "No login is needed on this machine, and the accounts in {path} are not used; with --users {path} it is.",
)
NOT_ENCRYPTED = Message(
    "注意：与别的机器之间的连接没有加密，密码也是明文传输；"
    "不可信的网络里请在前面放一个 https 反向代理（--public-name）。",
    "Note: connections from other machines are not encrypted, passwords included; on a network that is not trusted, "
    "put an https reverse proxy in front (--public-name).",
)
WARM_UP_FAILED = Message("模型还没有加载成功：{reason}", "The model did not load: {reason}")
