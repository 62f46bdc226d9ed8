"""What the lists say: files, chunks, jobs, models, conversations."""

from core.messages import Message

# --- files and chunks ---
SELECT = Message("选择 {name}", "Select {name}")
SELECT_ALL = Message("全选", "Select all")
NAME = Message("文件", "File")
STATE = Message("状态", "State")
SIZE = Message("大小", "Size")
PAGES = Message("页", "Pages")
CHUNKS = Message("块", "Chunks")
DATE = Message("添加时间", "Added")
REPORT = Message("说明", "Report")
DO = Message("操作", "Actions")
NO_FILES = Message("还没有文件。", "There are no files yet.")
DOCUMENT_STATES = {
    "indexed": Message("可检索", "indexed"),
    "duplicate": Message("重复", "duplicate"),
    "failed": Message("失败", "failed"),
}
DOWNLOAD = Message("下载", "Download")
DOWNLOAD_THIS = Message("下载：{name}", "Download: {name}")
REINDEX = Message("重新索引", "Re-index")
REINDEX_THIS = Message("重新索引：{name}", "Re-index: {name}")
REINDEX_CHECKED = Message("重新索引所选", "Re-index selected")
DELETE_CHECKED = Message("删除所选", "Delete selected")
CONFIRM_DELETE_CHECKED = Message(  # the page fills in the number
    "从知识库删除所选的 {{count}} 个文件？", "Delete the {{count}} selected files from the knowledge base?"
)
CONFIRM_DELETE_FILE = Message("从知识库删除 {name}？", "Delete {name} from the knowledge base?")
SHOW_CHUNKS = Message("查看块", "Show chunks")
SHOW_CHUNKS_OF = Message("查看块：{name}", "Show the chunks of {name}")
CHUNK = Message("第 {n} 块", "Chunk {n}")
EDITED = Message("已修改", "edited")
DISABLED = Message("已停用", "disabled")
DISABLE = Message("停用", "Disable")
ENABLE = Message("启用", "Enable")
DISABLE_CHUNK = Message("停用第 {n} 块", "Disable chunk {n}")
ENABLE_CHUNK = Message("启用第 {n} 块", "Enable chunk {n}")
EDIT = Message("编辑", "Edit")
EDIT_CHUNK = Message("编辑第 {n} 块", "Edit chunk {n}")
NO_CHUNKS = Message("没有块。", "There are no chunks.")
PREVIEW = Message(
    "{count} 块，平均 {mean} 字，最长 {longest} 字；颜色浅的部分与前一块重叠",
    "{count} chunks, {mean} characters on average, {longest} at most; what is pale overlaps with the chunk before",
)

# --- work in the background ---
JOB_KINDS = {
    "add": Message("添加文件到“{target}”", "Adding files to “{target}”"),
    "reindex": Message("重新索引“{target}”的文件", "Re-indexing files of “{target}”"),
    "rebuild": Message("重建“{target}”", "Rebuilding “{target}”"),
    "download": Message("下载 {target}", "Downloading {target}"),
}
JOB_STATES = {
    "waiting": Message("排队中", "waiting"),
    "running": Message("进行中", "running"),
    "done": Message("完成", "done"),
    "failed": Message("失败", "failed"),
    "cancelled": Message("已取消", "cancelled"),
}
CANCEL = Message("取消", "Cancel")
FILE_OUTCOMES = {
    "added": Message("已添加", "added"),
    "replaced": Message("已更新", "replaced"),
    "unchanged": Message("没有变化", "unchanged"),
    "duplicate": Message("内容重复", "duplicate"),
    "failed": Message("失败", "failed"),
}

# --- models ---
KINDS = {
    "llm": Message("语言模型", "Language models"),
    "embedding": Message("嵌入模型", "Embedding models"),
}
MODEL = Message("模型", "Model")
HERE = Message("本机", "On this machine")
DOWNLOAD_SIZE = Message("下载大小", "Download")
MEMORY = Message("各精度所需内存", "Memory by precision")
GB = Message("{size:.1f} GB", "{size:.1f} GB")
FITS = Message("放得下", "fits")
TOO_LARGE = Message("现在放不下", "does not fit now")
MODEL_STATES = {
    "built_in": Message("内置", "built in"),
    "absent": Message("没有", "not here"),
    "incomplete": Message("不完整", "incomplete"),
    "complete": Message("齐全", "complete"),
}
IN_USE = Message("使用中", "in use")
LOADED = Message("已载入", "loaded")
CONFIGURED = Message("设置里指定", "named by the settings")
LOAD = Message("载入", "Load")
LOAD_THIS = Message("载入 {name}", "Load {name}")
UNLOAD = Message("卸载", "Unload")
UNLOAD_THIS = Message("卸载 {name}", "Unload {name}")
DOWNLOAD_MODEL = Message("下载 {name}", "Download {name}")
DEVICE = Message("{label}：内存可用 {free:.1f} / {total:.1f} GB", "{label}: {free:.1f} of {total:.1f} GB memory free")
LEVELS = {
    "ok": Message("正常", "fine"),
    "warning": Message("提醒", "warning"),
    "problem": Message("问题", "problem"),
}
AREAS = {
    "python": Message("Python 版本", "Python"),
    "packages": Message("依赖包", "packages"),
    "llm": Message("语言模型", "language model"),
    "embedding": Message("嵌入模型", "embedding"),
    "device": Message("设备", "device"),
    "memory": Message("内存", "memory"),
    "disk": Message("磁盘", "disk"),
    "data_dir": Message("数据目录", "data folder"),
    "cpm_kernels": Message("cpm_kernels 包", "cpm_kernels"),
    "hub": Message("下载来源", "hub"),
    "settings": Message("设置", "settings"),
}
DIAGNOSIS = Message("{problems} 个问题，{warnings} 个提醒", "problems: {problems}, warnings: {warnings}")

# --- conversations ---
CONVERSATIONS = Message("会话列表", "Conversations")
UNTITLED = Message("新会话", "New conversation")
NO_CONVERSATIONS = Message("还没有会话。", "There are no conversations yet.")
EXCHANGES = Message("{count} 问", "questions: {count}")
RENAME = Message("改名", "Rename")
RENAME_THIS = Message("改名：{name}", "Rename: {name}")
NEW_TITLE = Message("新的名字", "New title")
DELETE = Message("删除", "Delete")
DELETE_THIS = Message("删除：{name}", "Delete: {name}")
CONFIRM_DELETE_CONVERSATION = Message("删除会话“{name}”？", "Delete the conversation “{name}”?")
