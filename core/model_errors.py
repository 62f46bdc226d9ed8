"""What can be wrong with a model: its files, its size, its server, or what it is asked.

ModelError
├─ ModelNotFound · CheckpointUnreadable · ModelUnsupported · AdapterRefused · ModelFailed    its files
├─ DeviceNotFound · ModelTooLarge    its place
├─ ServerUnreachable · ServerRefused                                                         its server
├─ PromptTooLong · AnswerFailed                                                              an answer
├─ ModelBusy                                                                                 a switch
└─ DownloadFailed                                                                            a download
"""

from core.errors import KnowGLMError
from core.messages import Message


class ModelError(KnowGLMError):
    """Something about a language model or an embedding model."""

    http_status = 503


class ModelNotFound(ModelError):
    """The weights of a configured model are not on disk."""

    code = "model_not_found"
    what = Message(
        "本机没有模型 {name} 的权重，找过：{tried}", "The weights of {name} are not on this machine; looked in: {tried}"
    )
    cure = Message(
        "用 `python cli_demo.py models download {name}` 下载，或设 KNOWGLM_MISSING_MODEL=embedded 先不用权重运行。",
        "Fetch them with `python cli_demo.py models download {name}`, or set KNOWGLM_MISSING_MODEL=embedded to run "
        "without weights.",
    )


class ModelFolderMissing(ModelNotFound):
    """A folder of the user's own that the settings name holds no model."""

    cure = Message(
        "检查 KNOWGLM_LLM 或 KNOWGLM_EMBEDDING 里的目录，或设 KNOWGLM_MISSING_MODEL=embedded 先不用权重运行。",
        "Check the folder in KNOWGLM_LLM or KNOWGLM_EMBEDDING, or set KNOWGLM_MISSING_MODEL=embedded to run without "
        "weights.",
    )


class CheckpointUnreadable(ModelError):
    """A file of a checkpoint is missing, incomplete, or not what its name says; `why` and `remedy` are messages."""

    code = "checkpoint_unreadable"
    what = Message("模型文件 {file} 用不了：{why}", "The model file {file} cannot be used: {why}")
    cure = Message("{remedy}", "{remedy}")


class ModelUnsupported(ModelError):
    """A checkpoint of a kind that no runtime here computes correctly; `why` is a message."""

    code, http_status = "model_unsupported", 422
    what = Message("不支持 {path} 里的模型：{why}", "The model in {path} is not supported: {why}")
    cure = Message(
        "`python cli_demo.py models list` 列出支持的模型。", "`python cli_demo.py models list` shows what is supported."
    )


class DeviceNotFound(ModelError):
    """The machine lacks a device that the settings name."""

    code, http_status = "device_not_found", 422
    what = Message("本机没有设备 {device}", "This machine has no device {device}")
    cure = Message(
        "把 KNOWGLM_DEVICE（或 KNOWGLM_EMBEDDING_DEVICE）设为 auto 或 {known}。",
        "Set KNOWGLM_DEVICE (or KNOWGLM_EMBEDDING_DEVICE) to auto or {known}.",
    )


class AdapterRefused(ModelError):
    """A LoRA or P-Tuning checkpoint that cannot be applied as it is; `why` is a message."""

    code, http_status = "adapter_refused", 422
    what = Message("微调权重 {path} 没有加载：{why}", "The adapter {path} is not applied: {why}")
    cure = Message(
        "换成与底座模型相符的微调权重，或去掉 KNOWGLM_ADAPTER。",
        "Use an adapter that was made for this model, or unset KNOWGLM_ADAPTER.",
    )


class ModelFailed(ModelError):
    """A model's folder does not load."""

    code = "model_failed"
    what = Message("模型 {name} 出错：{detail}", "The model {name} failed: {detail}")
    cure = Message(
        "检查模型目录 {path} 是否完整、所需的包是否装好；`python cli_demo.py models doctor` 逐项检查。",
        "Check that the model folder {path} is complete and that the packages it needs are installed; "
        "`python cli_demo.py models doctor` looks at every part.",
    )


class ModelTooLarge(ModelError):
    """The weights would not fit; `fitting` is a message that names the precision that would."""

    code = "out_of_memory"
    what = Message(
        "内存不够：{name} 以 {precision} 运行约需 {needed_gb} GB，{device} 可用 {free_gb} GB。",
        "Not enough memory: {name} in {precision} needs about {needed_gb} GB, {device} has {free_gb} GB free.",
    )
    cure = Message("{fitting}", "{fitting}")


class ServerUnreachable(ModelError):
    """A model server does not answer."""

    code = "server_unreachable"
    what = Message("连不上模型服务 {url}：{detail}", "The model server {url} does not answer: {detail}")
    cure = Message(
        "确认服务已经启动、地址以 /v1 结尾；也可以加大 KNOWGLM_SERVER_TIMEOUT_S。",
        "Make sure that the server runs and that the address ends in /v1; KNOWGLM_SERVER_TIMEOUT_S may be raised.",
    )


class ServerRefused(ModelError):
    """A model server answered with an error."""

    code, http_status = "server_refused", 502
    what = Message(
        "模型服务 {url} 拒绝了请求（{status}）：{detail}", "The model server {url} refused ({status}): {detail}"
    )
    cure = Message("{remedy}", "{remedy}")


class PromptTooLong(ModelError):
    """The prompt leaves no room for an answer."""

    code, http_status = "prompt_too_long", 413
    what = Message(
        "提示词有 {tokens} 个 token，模型最多接受 {limit} 个（其余留给回答）。",
        "The prompt has {tokens} tokens, the model takes {limit} at most (the rest is for the answer).",
    )
    cure = Message(
        "减小 KNOWGLM_CONTEXT_CHARS、KNOWGLM_HISTORY_TURNS 或 KNOWGLM_ANSWER_TOKENS，或缩短问题。",
        "Lower KNOWGLM_CONTEXT_CHARS, KNOWGLM_HISTORY_TURNS or KNOWGLM_ANSWER_TOKENS, or shorten the question.",
    )


class AnswerFailed(ModelError):
    """A language model raised while it wrote."""

    code = "answer_failed"
    what = Message("语言模型写回答时出错：{detail}", "The language model failed while it wrote the answer: {detail}")
    cure = Message(
        "再试一次；若仍然出错，检查模型或它的服务。", "Try again; if it fails again, check the model or its server."
    )


class ModelBusy(ModelError):
    """A model was not freed, because answers were being written for longer than was to be waited."""

    code, http_status = "model_busy", 409
    what = Message(
        "还有 {count} 个回答没写完（最久的已有 {seconds:.0f} 秒），模型没有更换。",
        "{count} answer(s) are still being written (the longest for {seconds:.0f} s), the model has not been changed.",
    )
    cure = Message(
        "等它们写完或停止它们，再试一次；也可以不等它们，那样它们会中断。",
        "Wait for them or stop them, then try again; or do not wait for them, and they end where they are.",
    )


class DownloadFailed(ModelError):
    """A model could not be fetched whole; `why` is a message."""

    code = "download_failed"
    what = Message("下载 {name} 没有完成：{why}", "The download of {name} is not complete: {why}")
    cure = Message(
        "再运行一次同一命令，会从断点继续；连不上时用环境变量 HF_ENDPOINT 指定镜像站。",
        "Run the same command again, it goes on where it stopped; HF_ENDPOINT names a mirror where the hub is out of "
        "reach.",
    )


MODEL_FREED = Message("语言模型已换掉，或已从内存中移除", "the language model has been replaced or removed from memory")
"""The detail of an AnswerFailed whose model went away while it wrote."""
