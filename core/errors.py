"""Every error the product raises on purpose.

Each class says what happened and what to do next, in both languages, and carries the values it speaks of:

    KnowGLMError
    ├─ ConfigError                   a setting is wrong
    ├─ KnowledgeBaseError            NotFound · Exists · InvalidName · Protected · DocumentNotFound · Busy
    │                                ChunkNotFound · EmptyChunk · OriginalMissing
    │                                NoKnowledgeBase, in core/asking_errors.py
    ├─ LoadError                     in core/load_errors.py, one for each way in which a file cannot be read
    ├─ StoreError                    EmbedderMismatch · StoreCorrupted · StoreUnwritable · StoreClosed
    │                                EmbeddingsDiffer, in core/asking_errors.py
    ├─ TraceError                    TraceNotFound · TraceUnreadable · TraceNotReplayable
    ├─ InvalidPrompt                 a prompt template without its placeholders
    ├─ ModelError                    in core/model_errors.py
    ├─ WebSearchError                in core/web_errors.py
    ├─ EvaluationError               in core/evaluation_errors.py
    ├─ ConversationError             in core/conversation_errors.py
    ├─ JobError                      in core/job_errors.py: work in the background, uploads
    ├─ AccountError                  in core/account_errors.py: logging in, roles
    └─ of the page alone             in ui/gate_errors.py and ui/start_errors.py

`code` is stable for programs, `http_status` is for an HTTP front end, `exit_code` for a command line.
A value may itself be a `Message`; it is rendered in the language of the whole.
"""

from typing import Any, ClassVar

from core.messages import Language, Message, literal


class KnowGLMError(Exception):
    """Root of the tree; subclasses set the class attributes and pass the placeholders' values by keyword."""

    code: ClassVar[str]
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    what: ClassVar[Message]
    cure: ClassVar[Message]

    def __init__(self, **values: Any) -> None:
        self.values = values
        super().__init__(self.text("en"))

    def text(self, language: Language) -> str:
        """Return what happened and, on the next line, what to do."""
        return f"{self.reason(language)}\n{self.advice(language)}"

    def reason(self, language: Language) -> str:
        """Return what happened, without the advice."""
        return self.what.text(language, **self._values_in(language))

    def advice(self, language: Language) -> str:
        """Return what to do next."""
        return self.cure.text(language, **self._values_in(language))

    def _values_in(self, language: Language) -> dict[str, Any]:
        return {
            key: value.text(language) if isinstance(value, Message) else value for key, value in self.values.items()
        }


class ConfigError(KnowGLMError):
    """One or more settings are wrong; `problems` lists every one of them, as bilingual messages."""

    code, exit_code = "bad_config", 2
    what = Message("配置有 {count} 处错误：\n{problems}", "{count} problem(s) in the configuration:\n{problems}")
    cure = Message(
        "请改正上面的环境变量或命令行参数；全部设置见 configs/model_config.py。",
        "Correct these environment variables or flags; configs/model_config.py documents every setting.",
    )

    def __init__(self, problems: list[Message]) -> None:
        self.problems = problems
        listed = literal(_as_list(problems, "zh"), _as_list(problems, "en"))
        super().__init__(count=len(problems), problems=listed)


def _as_list(problems: list[Message], language: Language) -> str:
    return "\n".join(f"  - {problem.text(language)}" for problem in problems)


class InvalidPrompt(KnowGLMError):
    """A prompt template that could not be filled."""

    code, http_status = "invalid_prompt", 422
    what = Message("提示词模板里的占位符不对：{found}", "The prompt template has the wrong placeholders: {found}")
    cure = Message(
        "模板里必须各有一个 {{passages}} 和 {{question}}，没有别的占位符；要写大括号时写两遍。",
        "A template has {{passages}} and {{question}} once each, and no other placeholder; double a brace to write it.",
    )


class KnowledgeBaseError(KnowGLMError):
    """Something about a knowledge base as a whole."""


class KnowledgeBaseNotFound(KnowledgeBaseError):
    """No knowledge base has this name."""

    code, http_status = "kb_not_found", 404
    what = Message("没有名为“{name}”的知识库。", "There is no knowledge base named “{name}”.")
    cure = Message(
        "现有知识库：{known}。用 `python cli_demo.py kb create {name}` 新建。",
        "Existing ones: {known}. Create it with `python cli_demo.py kb create {name}`.",
    )


class KnowledgeBaseExists(KnowledgeBaseError):
    """The name is taken."""

    code, http_status = "kb_exists", 409
    what = Message("知识库“{name}”已经存在。", "The knowledge base “{name}” exists already.")
    cure = Message(
        "换一个名字，或直接用 `kb add {name} 文件…` 往里添加文件。",
        "Choose another name, or add files to it with `kb add {name} FILE…`.",
    )


class InvalidName(KnowledgeBaseError):
    """A name that could not be shown or typed, or that looks like a path."""

    code, http_status = "invalid_name", 422
    what = Message("“{name}”不能用作名字：{why}。", "“{name}” cannot be a name: {why}.")
    cure = Message(
        "名字可以是任何文字，1–{limit} 个字符，不含 / \\ 和控制字符，也不能只有点号。",
        "A name is any text of 1–{limit} characters without / \\ or control characters, and not only dots.",
    )


class KnowledgeBaseProtected(KnowledgeBaseError):
    """The knowledge base that comes with the program keeps its name and is not deleted as a whole."""

    code, http_status = "kb_protected", 409
    what = Message(
        "“{name}”是自带的示例知识库，不能改名或删除。",
        "“{name}” comes with the program and cannot be renamed or deleted.",
    )
    cure = Message(
        "可以用 `kb remove {name} 文件名` 删除其中的文件。",
        "Remove single files from it with `kb remove {name} FILE`.",
    )


class DocumentNotFound(KnowledgeBaseError):
    """The knowledge base holds no document of this name."""

    code, http_status = "document_not_found", 404
    what = Message("知识库“{kb}”里没有文件“{name}”。", "The knowledge base “{kb}” has no file “{name}”.")
    cure = Message(
        "用 `python cli_demo.py kb files {kb}` 查看其中的文件。",
        "List its files with `python cli_demo.py kb files {kb}`.",
    )


class ChunkNotFound(KnowledgeBaseError):
    """The document has no such chunk any more: somebody has changed it, or the file was indexed anew."""

    code, http_status = "chunk_not_found", 404
    what = Message("“{document}”里已经没有这一块了。", "“{document}” no longer has this chunk.")
    cure = Message(
        "它刚被改过或重新索引过；刷新后再试。", "It has just been changed or indexed anew; reload and try again."
    )


class EmptyChunk(KnowledgeBaseError):
    """A text that leaves nothing to search for in the place of a chunk's."""

    code, http_status = "empty_chunk", 422
    what = Message("改后的文字里没有可检索的内容。", "The new text holds nothing that could be searched for.")
    cure = Message("要去掉这一块，请停用它。", "To take this chunk out, disable it.")


class OriginalMissing(KnowledgeBaseError):
    """The document is known, but the file that it was made from is not there."""

    code, http_status = "original_missing", 404
    what = Message("“{name}”的原件不在了。", "The original of “{name}” is not there.")
    cure = Message("重新添加这个文件。", "Add the file again.")


class KnowledgeBaseBusy(KnowledgeBaseError):
    """Another writer has held the database for too long."""

    code, http_status = "kb_busy", 409
    what = Message("知识库“{name}”正被另一个程序写入。", "Another program is writing to the knowledge base “{name}”.")
    cure = Message("等它结束后再试一次。", "Wait until it has finished, then try again.")


class StoreError(KnowGLMError):
    """Something about the files of one knowledge base."""


class EmbedderMismatch(StoreError):
    """The vectors on disk and the embedding in force are of different spaces."""

    code, http_status = "embedder_mismatch", 409
    what = Message(
        "知识库“{name}”的向量来自 {stored}，而当前的嵌入模型是 {configured}。",
        "The vectors of the knowledge base “{name}” come from {stored}, but the embedding in force is {configured}.",
    )
    cure = Message(
        "用 `python cli_demo.py kb rebuild {name}` 换成当前模型，或把 KNOWGLM_EMBEDDING 改回原来的模型。",
        "Rebuild it with `python cli_demo.py kb rebuild {name}`, or set KNOWGLM_EMBEDDING back.",
    )


class StoreCorrupted(StoreError):
    """A database that SQLite refuses, or of a newer version."""

    code = "store_corrupted"
    what = Message(
        "知识库的数据文件读不出来：{path}（{detail}）", "A knowledge base's data file cannot be read: {path} ({detail})"
    )
    cure = Message(
        "content/ 里的原始文件仍在。把这个数据文件移走，再运行 `python cli_demo.py kb rebuild` 从原始文件重建。",
        "The originals in content/ are untouched. Move this data file away and run "
        "`python cli_demo.py kb rebuild` to build it anew.",
    )


class StoreUnwritable(StoreError):
    """The system does not let the knowledge base be written: a full disk, or missing permissions."""

    code, http_status = "store_unwritable", 507
    what = Message("知识库写不进去：{path}（{detail}）", "The knowledge base cannot be written: {path} ({detail})")
    cure = Message(
        "检查磁盘空间和目录权限，或用 KNOWGLM_DATA_DIR 换一个目录；已有内容没有改变。",
        "Check free space and permissions, or choose another folder with KNOWGLM_DATA_DIR; nothing stored has changed.",
    )


class StoreClosed(StoreError):
    """The knowledge base was deleted or the program is ending while something still used it."""

    code, http_status = "store_closed", 404
    what = Message("知识库“{name}”已被删除或关闭。", "The knowledge base “{name}” has been deleted or closed.")
    cure = Message("重新选择一个知识库。", "Choose a knowledge base again.")


class TraceError(KnowGLMError):
    """Something about what is kept of an answer."""


class TraceNotFound(TraceError):
    """No trace has this id: it is mistyped, older than those that are kept, or was never kept."""

    code, http_status = "trace_not_found", 404
    what = Message("没有编号为“{id}”的记录。", "There is no trace “{id}”.")
    cure = Message(
        "编号相近的：{nearest}。`python cli_demo.py trace list` 列出现有的；KNOWGLM_TRACES 设保留多少条。",
        "The nearest ones: {nearest}. `python cli_demo.py trace list` lists those there are; KNOWGLM_TRACES says how "
        "many are kept.",
    )


class TraceUnreadable(TraceError):
    """The file of a trace is damaged, or of a newer version."""

    code = "trace_unreadable"
    what = Message("记录的文件读不出来：{path}（{detail}）", "The file of a trace cannot be read: {path} ({detail})")
    cure = Message(
        "其他记录和知识库不受影响；可以删除这个文件。",
        "Other traces and the knowledge bases are not affected; the file may be deleted.",
    )


class TraceNotReplayable(TraceError):
    """The answer came of no knowledge base: of a web search, or of none at all."""

    code, http_status = "trace_not_replayable", 409
    what = Message(
        "记录“{id}”的回答没有检索知识库，没有可以重做的。",
        "The answer of the trace “{id}” searched no knowledge base, there is nothing to run again.",
    )
    cure = Message(
        "用 `python cli_demo.py trace show {id}` 查看。", "See it with `python cli_demo.py trace show {id}`."
    )
