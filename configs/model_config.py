"""Every setting of KnowGLM, its type, range, default and meaning.

Set one for a single run by a command-line flag, for good by the environment variable `KNOWGLM_<NAME IN CAPITALS>`,
or change its default here. Flags win over the environment, the environment over what a knowledge base has saved, and
that over the defaults below. The models that `llm` and `embedding` may name are in `configs/catalogue.py`, the prompt
templates in `configs/prompts.py`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from core.messages import Message

PROJECT_DIR = Path(__file__).resolve().parent.parent

Precision = Literal["auto", "fp16", "bf16", "fp32", "int8", "int4"]
_URL = r"^(https?://\S+)?$"
_DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"


def _fraction(value: object) -> object:
    """Read "auto" or an empty text as None and "40%" as 0.4."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ("", "auto"):
            return None
        if text.endswith("%"):
            try:
                return float(text[:-1]) / 100
            except ValueError:
                return value
    return value


Fraction = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_fraction)]


Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


class Settings(BaseModel):
    """The settings in force. Immutable; `model_fields_set` holds the names that the user set explicitly."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    llm: Annotated[
        str,
        Message(
            "回答用的语言模型的名字，或它的目录；设了 llm_url 时是服务上的模型名",
            "name of the language model that writes the answers, or its folder; with llm_url, its name on the server",
        ),
    ] = "chatglm-6b"
    precision: Annotated[
        Precision,
        Message(
            "语言模型的精度；auto 取权重自带的精度，内存不够时取放得下的",
            "precision of the language model; auto is that of its files, or the best that fits the memory",
        ),
    ] = "auto"
    device: Annotated[
        str,
        Message(
            "语言模型的设备：auto、cuda、cuda:N、mps、cpu", "device of the language model: auto, cuda, cuda:N, mps, cpu"
        ),
    ] = Field("auto", pattern=_DEVICE)
    arithmetic: Annotated[
        Literal["fast", "exact"],
        Message(
            "运算方式：fast 用处理器的 bf16 或显卡的低精度指令，exact 按官方代码逐位还原权重后计算（慢得多）",
            "arithmetic: fast uses the processor's bf16 or the GPU's low-precision instructions, exact expands the "
            "weights as the official code does (much slower)",
        ),
    ] = "fast"
    adapter: Annotated[
        str,
        Message(
            "LoRA（PEFT 格式）或 P-Tuning v2 微调权重的目录，空表示不用",
            "folder of a LoRA (PEFT format) or P-Tuning v2 adapter, empty for none",
        ),
    ] = ""
    llm_url: Annotated[
        str,
        Message(
            "OpenAI 兼容服务的地址，如 http://127.0.0.1:8000/v1；设了它就由该服务回答",
            "address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; it then writes the answers",
        ),
    ] = Field("", pattern=_URL)
    llm_api_key: Annotated[SecretStr, Message("llm_url 所指服务的密钥", "key of the server at llm_url")] = SecretStr("")
    embedding: Annotated[
        str,
        Message(
            "嵌入模型的名字，或 sentence-transformers 目录，lexical 表示不用；设了 embedding_url 时是服务上的模型名",
            "name of the embedding model, or a sentence-transformers folder, or lexical for none; with embedding_url, "
            "its name on the server",
        ),
    ] = "text2vec-large-chinese"
    embedding_device: Annotated[
        str, Message("嵌入模型的设备，写法同 device", "device of the embedding model, written like device")
    ] = Field("auto", pattern=_DEVICE)
    embedding_url: Annotated[
        str,
        Message(
            "OpenAI 兼容的嵌入服务的地址，如 http://127.0.0.1:8000/v1",
            "address of an OpenAI-compatible embedding server, such as http://127.0.0.1:8000/v1",
        ),
    ] = Field("", pattern=_URL)
    embedding_api_key: Annotated[
        SecretStr, Message("embedding_url 所指服务的密钥", "key of the server at embedding_url")
    ] = SecretStr("")
    server_timeout_s: Annotated[
        int,
        Message("等待模型服务下一段回应的秒数", "seconds to wait for the next sign of a model server"),
    ] = Field(60, ge=1, le=3600)
    model_dir: Annotated[
        Folder, Message("模型权重所在目录，每个模型一个子目录", "folder of the model weights, one subfolder a model")
    ] = PROJECT_DIR / "weights"
    missing_model: Annotated[
        Literal["embedded", "error"],
        Message(
            "缺少权重时：embedded 照常运行并说明，error 报错退出",
            "when weights are missing: embedded runs without them and says so, error stops",
        ),
    ] = "embedded"
    data_dir: Annotated[Folder, Message("知识库所在目录", "folder of the knowledge bases")] = (
        PROJECT_DIR / "knowledge_base"
    )
    max_file_mb: Annotated[int, Message("单个文件的大小上限（MB）", "largest file accepted, in MB")] = Field(
        50, ge=1, le=4096
    )
    upload_types: Annotated[
        str,
        Message(
            "网页接受上传的文件类型，如 .pdf .docx；空表示能读的都接受",
            "types of files that the web page takes, such as .pdf .docx; empty for all that can be read",
        ),
    ] = Field("", pattern=r"^(\.\w+( +\.\w+)*)?$")

    chunk_chars: Annotated[
        int,
        Message(
            "切分的目标长度（字）；表格和没有标点的长句最多到它的两倍",
            "target length of a chunk, in characters; tables and text without stops may take twice as much",
        ),
    ] = Field(250, ge=50, le=2000)
    chunk_overlap_chars: Annotated[
        int,
        Message(
            "相邻两块最多重叠的长度（字），只重叠整句", "longest overlap of neighbouring chunks, whole sentences only"
        ),
    ] = Field(0, ge=0, le=500)

    top_k: Annotated[int, Message("最多取用的检索结果数", "most chunks that are used for an answer")] = Field(
        5, ge=1, le=50
    )
    threshold: Annotated[
        Fraction,
        Message(
            "相关度低于它的结果不用，0–1 或百分数；auto 按知识库大小取值",
            "results of lower relevance are not used, 0–1 or a percentage; auto depends on the knowledge base's size",
        ),
    ] = None
    dense_weight: Annotated[
        Fraction,
        Message(
            "向量一路在相关度里所占的份额，0–1；auto 用模型自带的值",
            "share of the dense leg in the relevance, 0–1; auto takes the model's own",
        ),
    ] = None
    passage_chars: Annotated[
        int,
        Message(
            "命中向前后文扩展到的长度（字），0 表示不扩展",
            "length to which a hit grows by its neighbours, in characters; 0 means no growth",
        ),
    ] = Field(500, ge=0, le=4000)
    context_chars: Annotated[
        int, Message("交给回答环节的文字总量上限（字）", "most characters of passages handed to the answer")
    ] = Field(2000, ge=100, le=100_000)

    history_turns: Annotated[
        int, Message("带给语言模型的历史轮数", "turns of the conversation that the language model is given")
    ] = Field(3, ge=0, le=20)
    answer_tokens: Annotated[int, Message("回答最多的 token 数", "longest answer, in tokens")] = Field(
        512, ge=1, le=8192
    )
    temperature: Annotated[
        float,
        Message(
            "采样温度；0 表示每步取最可能的词，同样的问题得到同样的回答",
            "sampling temperature; 0 takes the likeliest token each time, so that a question has one answer",
        ),
    ] = Field(0.0, ge=0, le=2)
    top_p: Annotated[
        float,
        Message(
            "核采样：只在累计概率达到它的词中抽取",
            "nucleus sampling: draw from the tokens that make up this probability",
        ),
    ] = Field(0.7, gt=0, le=1)
    sample_top_k: Annotated[
        int, Message("只在最可能的这么多个词中抽取，0 表示不限", "draw from this many likeliest tokens, 0 for all")
    ] = Field(50, ge=0, le=1000)
    repetition_penalty: Annotated[float, Message("重复惩罚，1 表示没有", "repetition penalty, 1 for none")] = Field(
        1.0, ge=1, le=2
    )
    seed: Annotated[
        int | None, Message("随机种子，空表示每次不同", "seed of the sampling, empty for a new one each time")
    ] = Field(None, ge=0)
    rewrite: Annotated[
        bool,
        Message("检索前把追问改写成完整的问题", "rewrite follow-up questions to stand alone before searching"),
    ] = True
    web_search: Annotated[
        Literal["off", "searxng", "ddgs"],
        Message(
            "联网搜索用什么：off 不用，searxng 用 web_search_url 的实例，ddgs 用该 Python 包",
            "what searches the web: off for nothing, searxng for the instance at web_search_url, ddgs for that package",
        ),
    ] = "off"
    web_search_url: Annotated[
        str, Message("SearXNG 的地址，如 http://127.0.0.1:8888", "address of SearXNG, such as http://127.0.0.1:8888")
    ] = Field("", pattern=_URL)
    web_results: Annotated[int, Message("取用多少条搜索结果", "how many results of a web search are used")] = Field(
        8, ge=1, le=50
    )
    system_prompt: Annotated[
        str, Message("给语言模型的系统提示词，空表示没有", "system prompt of the language model, empty for none")
    ] = ""
    traces: Annotated[
        int,
        Message(
            "保留最近多少次问答的完整记录，只存本机，0 表示不记录",
            "how many answers are kept as traces, on this machine only; 0 keeps none",
        ),
    ] = Field(200, ge=0, le=100_000)
    prompt: Annotated[
        str, Message("提示词模板的名字，见 configs/prompts.py", "name of the prompt template, see configs/prompts.py")
    ] = "default"
    lang: Annotated[
        Literal["auto", "zh", "en"],
        Message("界面语言，auto 跟随系统", "language of the interface, auto follows the system"),
    ] = "auto"


def about(name: str) -> Message:
    """Return what the setting `name` means, in both languages."""
    return next(item for item in Settings.model_fields[name].metadata if isinstance(item, Message))
