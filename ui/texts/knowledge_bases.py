"""What the knowledge bases tab says, in both languages."""

from core.kb_settings import KbSettingName, Origin
from core.messages import Message

# --- the list ---
LIST = Message("知识库", "Knowledge bases")
NAME = Message("名字", "Name")
FILES = Message("文件", "Files")
CHUNKS = Message("块", "Chunks")
EMBEDDING = Message("嵌入模型", "Embedding")
LEXICAL = Message("词面匹配", "lexical")
SPLIT = Message("切分长度", "Split at")
CHARS = Message("{count} 字", "{count} characters")
CREATED = Message("创建时间", "Created")
DO = Message("操作", "Actions")
OPEN = Message("打开：{name}", "Open {name}")
SELECT = Message("选择 {name}", "Select {name}")
SELECT_ALL = Message("全选", "Select all")
DAMAGED = Message("数据文件损坏", "damaged data file")
SAMPLES_STAY = Message("自带的示例，不能改名或删除", "comes with the program; cannot be renamed or deleted")
NONE_AT_ALL = Message(
    "这里没有你能看的知识库；请管理员给你开通。",
    "There is no knowledge base that you may read; ask an admin for access.",
)
RENAME = Message("改名", "Rename")
RENAME_THIS = Message("改名：{name}", "Rename {name}")
NEW_NAME = Message("“{name}”的新名字", "New name of “{name}”")
DELETE = Message("删除", "Delete")
DELETE_THIS = Message("删除：{name}", "Delete {name}")
CONFIRM_DELETE = Message(
    "删除知识库“{name}”和其中的 {files} 个文件？不能恢复。",
    "Delete the knowledge base “{name}” with its files ({files})? This cannot be undone.",
)
DELETE_CHECKED = Message("删除所选", "Delete selected")
CONFIRM_DELETE_CHECKED = Message(  # the page fills in the number and the names
    "删除所选的 {{count}} 个知识库和其中的文件？不能恢复。\n{{names}}",
    "Delete the {{count}} selected knowledge bases with their files? This cannot be undone.\n{{names}}",
)
DELETED = Message("已删除：{names}", "Deleted: {names}")
NEW = Message("新建知识库", "New knowledge base")
NEW_NAMES = Message(
    "知识库的名字；要一次建几个，每行写一个（Shift+Enter 换行）",
    "Name of the knowledge base; for several at once, one a line (Shift+Enter)",
)
CREATE = Message("新建", "Create")

# --- one knowledge base ---
REBUILD = Message("重建", "Rebuild")
REBUILD_THIS = Message("重建：{name}", "Rebuild {name}")
CONFIRM_REBUILD = Message(
    "按现在的设置重新读取并索引“{name}”的全部原件？期间照常可以检索。",
    "Read every original of “{name}” again and index it with the present settings? It can be searched meanwhile.",
)
TAB_FILES = Message("文件", "Files")
TAB_PREVIEW = Message("切分预览", "Splitting")
TAB_SETTINGS = Message("设置", "Settings")

# --- uploads ---
DROP = Message("把文件或文件夹拖到这里，或者", "Drop files or folders here, or")
PICK_FILES = Message("选择文件", "choose files")
PICK_FOLDER = Message("选择文件夹", "choose a folder")
LIMITS = Message("单个文件不超过 {limit_mb} MB。格式：{suffixes}", "Up to {limit_mb} MB a file. Formats: {suffixes}")
UPLOADING = {  # for the script in ui/assets/dropzone.js, which fills in {{done}} and {{total}}
    "title": Message("上传到“{kb}”", "Uploading to “{kb}”"),
    "count": Message("已传 {{done}} / {{total}}", "{{done}} of {{total}} sent"),
    "waiting": Message("等待", "waiting"),
    "sending": Message("正在上传", "uploading"),
    "received": Message("已上传", "uploaded"),
    "refused": Message("没有上传", "not uploaded"),
    "cancelled": Message("已取消", "cancelled"),
    "cancel": Message("取消上传", "Cancel the upload"),
    "retry": Message("重试没有上传的", "Retry what was not uploaded"),
    "clear": Message("清除列表", "Clear the list"),
    "too_large": Message("超过 {limit_mb} MB 的上限。", "Larger than the limit of {limit_mb} MB."),
    "unsupported": Message("不支持这种格式。", "Files of this format are not supported."),
    "empty": Message("文件是空的。", "The file is empty."),
    "unreadable": Message("浏览器读不了这个文件。", "The browser cannot read this file."),
    "lost": Message("连接断了，请重试。", "The connection was lost; try again."),
    "failed": Message("服务器没有收下（{{status}}）。", "The server did not take it ({{status}})."),
}

# --- work in the background ---
WORK = Message("后台任务", "Work in the background")
SUMMARY = Message("{count} 个{outcome}", "{count} {outcome}")
NOT_SHOWN = Message("另有 {count} 个文件没有列出。", "{count} more files are not listed.")

# --- files ---
FIND_FILE = Message("按文件名查找", "Find by file name")
STATE = Message("状态", "State")
ANY_STATE = Message("全部", "all")
SHOWN = Message("第 {first}–{last} 个，共 {total} 个", "{first}–{last} of {total}")
PREVIOUS = Message("上一页", "Previous page")
NEXT = Message("下一页", "Next page")
NOT_FOUND = Message("没有符合的。", "Nothing matches.")
REMOVED = Message("已删除 {count} 个文件。", "Files deleted: {count}.")

# --- chunks ---
BACK = Message("返回文件列表", "Back to the files")
CHUNKS_OF = Message("“{name}”的块", "Chunks of “{name}”")
FIND_CHUNK = Message("查找块里的文字", "Find text in the chunks")
FOUND_CHUNKS = Message("{found} 块，共 {total} 块", "{found} of {total} chunks")
CORRECTIONS = Message("修改和停用共 {count} 处", "edits and disabled passages: {count}")
WAITING = Message(
    "其中 {count} 处现在用不上，因为文件里没有那段文字了",
    "{count} of them wait: the document no longer holds their text",
)
UNDO = Message("撤销全部修改", "Undo all corrections")
CONFIRM_UNDO = Message(
    "撤销“{name}”的全部修改和停用，恢复成原件的内容？",
    "Drop every edit of “{name}” and every disabled chunk, and go back to what the original says?",
)
UNDONE = Message("已撤销 {count} 处修改。", "Corrections dropped: {count}.")
EDITING = Message("修改第 {n} 块", "Edit chunk {n}")
EDITING_ABOUT = Message(
    "改的是这个文件在知识库里的文字：检索和引用都用改后的，重新索引和重建之后仍然有效；原件不动，仍可下载。",
    "This corrects the document's text in the knowledge base: it is searched and quoted as corrected, also after "
    "re-indexing and rebuilding. The original file is not touched and can still be downloaded.",
)
SAVE = Message("保存", "Save")
CANCEL = Message("取消", "Cancel")
SAVED = Message("已保存。", "Saved.")

# --- preview of splitting ---
PREVIEW_ABOUT = Message(
    "看看一个文件按别的长度会切成什么样；这里什么都不保存。",
    "See how a document would be split at other lengths; nothing is stored.",
)
DOCUMENT = Message("文件", "Document")
SHOW_PREVIEW = Message("预览", "Preview")
USE_LENGTHS = Message("用于这个知识库", "Use for this knowledge base")
LENGTHS_SAVED = Message(
    "已保存：每块 {chars} 字，重叠 {overlap} 字。重建之后生效。",
    "Saved: {chars} characters a chunk, overlap {overlap}. It takes effect with a rebuild.",
)
FIRST_CHUNKS = Message("一共 {total} 块，这里是前 {shown} 块。", "The first {shown} of {total} chunks.")
NO_DOCUMENT = Message("先选一个文件。", "Choose a document first.")

# --- settings ---
SETTINGS: dict[KbSettingName, Message] = {
    "chunk_chars": Message("每块的长度（字）", "Length of a chunk (characters)"),
    "chunk_overlap_chars": Message("相邻两块的重叠（字）", "Overlap of neighbours (characters)"),
    "threshold": Message("相关度阈值", "Relevance threshold"),
    "top_k": Message("取用条数（top-k）", "Chunks used (top-k)"),
    "dense_weight": Message("向量份额", "Share of the dense leg"),
    "embedding": Message("嵌入模型", "Embedding"),
    "prompt_template": Message("提示词模板", "Prompt template"),
    "system_prompt": Message("系统提示词", "System prompt"),
}
_EMPTY_SHARE = Message("写百分数，空为自动。", "A percentage; empty for automatic.")
_AFTER_REBUILD = Message("改后要重建才生效。", "A change takes effect with a rebuild.")
HINTS: dict[KbSettingName, Message] = {
    "chunk_chars": _AFTER_REBUILD,
    "chunk_overlap_chars": _AFTER_REBUILD,
    "threshold": _EMPTY_SHARE,
    "dense_weight": _EMPTY_SHARE,
    "embedding": _AFTER_REBUILD,
    "prompt_template": Message(
        "必须各有一个 {{passages}} 和 {{question}}。", "Holds {{passages}} and {{question}}, once each."
    ),
    "system_prompt": Message("空表示没有。", "Empty for none."),
}
IN_FORCE = Message("现在是 {value}（{origin}）。", "Now {value} ({origin}).")
ORIGIN = Message("现在用的：{origin}。", "In force: {origin}.")
ORIGINS: dict[Origin, Message] = {
    "explicit": Message("启动参数或环境变量，优先于知识库自己的", "a flag or variable, which wins"),
    "kb": Message("这个知识库自己的", "of this knowledge base"),
    "default": Message("程序的默认", "the application's default"),
}
APPLICATIONS = Message("程序的（{name}）", "the application's ({name})")
OWN = Message("这个知识库自己的设置", "Settings of this knowledge base")
NO_OWN = Message("都用程序的默认。", "All are the application's.")
TO_DEFAULT = Message("恢复默认", "Back to default")
THIS_TO_DEFAULT = Message("恢复默认：{name}", "Back to default: {name}")
LONG_TEXT = Message("{count} 字的文本", "a text of {count} characters")
