"""What a model server's refusal says, and what to do about it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from core.messages import Message

_DETAIL_CHARS = 300  # of a refusal that are shown
_OVERFLOW = re.compile(  # how the servers say it: OpenAI, vLLM, FastChat, llama.cpp, LM Studio; TGI; DashScope; Zhipu
    r"context.?(length|size|window|overflow)|maximum (model )?length|must have less than \d+ tokens|must be <= \d+"
    r"|input length|(prompt|input) is too long|超长",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings that speak of a server, named in what a user is told.

    Attributes:
        url, model, api_key: names of environment variables.
        shorten: what to do where a request was too long.
    """

    url: str
    model: str
    api_key: str
    shorten: Message


CHAT_SETTINGS = ServerSettings(
    "KNOWGLM_LLM_URL",
    "KNOWGLM_LLM",
    "KNOWGLM_LLM_API_KEY",
    Message(
        "减小 KNOWGLM_CONTEXT_CHARS、KNOWGLM_HISTORY_TURNS 或 KNOWGLM_ANSWER_TOKENS，或给服务更长的上下文。",
        "Lower KNOWGLM_CONTEXT_CHARS, KNOWGLM_HISTORY_TURNS or KNOWGLM_ANSWER_TOKENS, or give the server a longer "
        "context.",
    ),
)
EMBEDDING_SETTINGS = ServerSettings(
    "KNOWGLM_EMBEDDING_URL",
    "KNOWGLM_EMBEDDING",
    "KNOWGLM_EMBEDDING_API_KEY",
    Message("减小 KNOWGLM_CHUNK_CHARS 后重建知识库。", "Lower KNOWGLM_CHUNK_CHARS, then rebuild the knowledge base."),
)
_KEY = Message("检查密钥 {api_key}。", "Check the key {api_key}.")
_ADDRESS = Message(
    "检查地址 {url}：应指向 OpenAI 兼容的接口，通常以 /v1 结尾；以及模型名 {model}。",
    "Check the address {url}: it is that of an OpenAI-compatible interface and usually ends in /v1; and the model's "
    "name {model}.",
)
_CHOOSE = Message("把 {model} 设为服务上有的模型：{known}。", "Set {model} to a model that the server has: {known}.")
_WAIT = Message("稍后再试；若是云服务，检查额度。", "Try again later; with a cloud service, check the quota.")
_LOG = Message("查看模型服务自己的日志，稍后再试。", "Look into the model server's own log, then try again.")


def remedy(status: int, detail: str, settings: ServerSettings, known_models: Sequence[str] = ()) -> Message:
    """Return what a user can do about a refusal.

    Args:
        status: an HTTP status code, or what the server calls the error; 200 for one within a reply.
        known_models: names that the server lists, where the wanted one is not among them.
    """
    if status in (401, 403):
        return _KEY.filled(api_key=settings.api_key)
    if is_overflow(status, detail):
        return settings.shorten
    if known_models:
        return _CHOOSE.filled(model=settings.model, known="、".join(known_models))
    if status == 429:
        return _WAIT
    return _LOG if status == 200 or status >= 500 else check_address(settings)


def check_address(settings: ServerSettings) -> Message:
    """Return what a user can do where something else than the wanted model answers."""
    return _ADDRESS.filled(url=settings.url, model=settings.model)


def is_overflow(status: int, detail: str) -> bool:
    """Tell whether a request was refused because it is longer than the model reads."""
    return status == 413 or (status in (400, 422, 500) and _OVERFLOW.search(detail) is not None)


def detail_of(response: httpx.Response) -> str:
    """Return what a refusal says, from the place where the various servers say it."""
    if response.is_redirect:
        return f"→ {response.headers['Location']}"
    try:
        said: Any = response.json()
    except ValueError:
        return response.text or response.reason_phrase
    for key in ("error", "message", "detail"):  # OpenAI: error.message; FastChat: message; FastAPI: detail
        if isinstance(said, dict):
            said = said.get(key, said)
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def shown(text: str) -> str:
    """Return the beginning of a text on one line, without the tags of an HTML page."""
    plain = " ".join(re.sub(r"<[^<>]*>", " ", text).split())
    return plain if len(plain) <= _DETAIL_CHARS else f"{plain[:_DETAIL_CHARS]}…"
