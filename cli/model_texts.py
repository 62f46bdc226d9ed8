"""What `models` says on the command line, in both languages."""

from core.messages import Message

MODELS = Message("模型：列出、下载、检查", "Models: list, download, examine")
LIST = Message("列出模型：本机有没有、多大、放不放得下", "List the models: are they here, how large, do they fit")
DOWNLOAD = Message("下载一个模型；中断后再运行会接着下载", "Download a model; run again, it goes on where it stopped")
DOCTOR = Message("检查运行所需的一切，并说明怎样解决", "Examine everything the program needs, with the cure")
ARGUMENT_MODEL = Message("模型的名字，见 models list", "the model's name, see models list")
OPTION_ONLINE = Message("也连接设置里的模型服务", "also contact the model servers in the settings")

KINDS = {
    "llm": Message("语言模型", "language models"),
    "embedding": Message("嵌入模型", "embedding models"),
}
STATES = {
    "built_in": Message("内置", "built in"),
    "absent": Message("无", "no"),
    "incomplete": Message("不完整", "incomplete"),
    "complete": Message("齐全", "complete"),
}
COLUMN_STATE = Message("本机", "here")
COLUMN_DISK = Message("占盘", "disk")
COLUMN_DOWNLOAD = Message("下载", "fetch")
COLUMN_HALF = Message("16 位", "16-bit")
LEGEND = Message(
    "→ 正在使用，* 设置里指定；数字是 GB。\n右边四列是各精度权重占的内存，括号里的现在放不下。",
    "→ in use, * named by the settings; figures are GB.\n"
    "The four on the right are the memory of the weights, in brackets where it does not fit.",
)
DEVICE = Message("{label}：可用 {free:.1f} / {total:.1f} GB", "{label}: {free:.1f} of {total:.1f} GB free")
FOLDER = Message("权重目录：{folder}", "weights are in {folder}")
PROBLEM = Message("{name}：{problem}", "{name}: {problem}")

UNKNOWN = Message("没有叫“{name}”的模型{hint}", "there is no model “{name}”{hint}")
DID_YOU_MEAN = Message("；是不是想写 {name}？", "; did you mean {name}?")
SEE_LIST = Message("；可以下载的：{names}", "; there are {names}")
LISTING = Message("查看文件列表", "asking for the list of files")
STOPPED = Message(
    "已停止。再运行同一命令，会从断点继续。", "Stopped. Run the same command again, it goes on where it stopped."
)
DOWNLOADED = Message(
    "{name} 已齐全：{folder}（{files} 个文件，{gb:.1f} GB，本次下载 {fetched_gb:.1f} GB）",
    "{name} is complete: {folder} ({files} files, {gb:.1f} GB, {fetched_gb:.1f} GB of them fetched now)",
)
NEXT = {
    "llm": Message(
        "下一步：设环境变量 KNOWGLM_LLM={name}，再运行 python cli_demo.py",
        "Next: set the environment variable KNOWGLM_LLM={name}, then run python cli_demo.py",
    ),
    "embedding": Message(
        "下一步：设环境变量 KNOWGLM_EMBEDDING={name}，再对每个知识库运行 python cli_demo.py kb rebuild",
        "Next: set the environment variable KNOWGLM_EMBEDDING={name}, then run python cli_demo.py kb rebuild for each "
        "knowledge base",
    ),
}

AREAS = {
    "python": Message("Python", "Python"),
    "packages": Message("依赖包", "packages"),
    "llm": Message("语言模型", "language model"),
    "embedding": Message("嵌入模型", "embedding"),
    "device": Message("设备", "device"),
    "memory": Message("内存", "memory"),
    "disk": Message("磁盘", "disk"),
    "data_dir": Message("数据目录", "data folder"),
    "cpm_kernels": Message("cpm_kernels", "cpm_kernels"),
    "hub": Message("下载来源", "hub"),
    "settings": Message("设置", "settings"),
}
MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}
VERDICT = Message("{problems} 个问题，{warnings} 个提醒", "{problems} problem(s), {warnings} warning(s)")
