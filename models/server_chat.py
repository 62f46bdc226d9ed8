"""A language model behind an OpenAI-compatible server: vLLM, FastChat, Ollama, llama.cpp, LM Studio, cloud services.

Importing this module imports langchain-openai and openai; import it where a server is configured.
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import openai
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import PrivateAttr, SecretStr, model_validator

from core.messages import Message
from core.model_errors import ServerRefused, ServerUnreachable
from core.sampling import Sampling
from models.server_connection import ServerConnection
from models.server_errors import CHAT_SETTINGS, is_overflow

_UNLIMITED = 2**31 - 1
_TIMEOUT_S = 60.0  # where none is given
_MESSAGE_TOKENS = 4  # of a message beside its text: its role and what separates it
_FIRST_WIDE = "⺀"  # U+2E80, where the scripts begin that tokenizers write with about one token a character
_EXTRAS = frozenset({"stream_options", "seed", "top_k", "repetition_penalty"})  # which not every server knows
_FIELDS = _EXTRAS | {"temperature", "top_p", "max_tokens"}
_SETTING = {"max_tokens": "answer_tokens"}  # the others are named alike
_CUT = Message("回答还没有结束，连接就断了", "the connection ended before the answer did")


class ServerChat(BaseChatOpenAI):
    """LangChain's model of the OpenAI protocol, made to ask one server, and any make of it; see `build_server_chat`.

    It takes nothing from the environment, and always streams, so that `timeout` (in seconds) is the longest silence
    and not the longest answer. A server that refuses a field of the request is asked again without that field, before
    anything was delivered, and is not sent it any more; `ignored_settings` tells which. Closing a stream closes its
    connection, by which servers stop writing. Errors are those of `ServerConnection`; a reply that breaks off raises
    ServerUnreachable, an error that the server reports within a reply ServerRefused.

    Attributes:
        context_tokens: longest prompt plus answer, in tokens; 0 where it is unknown.
    """

    context_tokens: int = 0
    use_responses_api: bool | None = False
    output_version: str | None = "v0"
    _connection: ServerConnection = PrivateAttr()
    _without: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="before")
    @classmethod
    def validate_temperature(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keep the temperature: the base class drops it by the model's name, here the server has its say."""
        return values

    @model_validator(mode="after")
    def validate_environment(self) -> "ServerChat":
        """Build the one client from the fields; the base class would complete them from the environment."""
        key, timeout_s = self.openai_api_key, cast("float | None", self.request_timeout)
        self._connection = ServerConnection(
            url=self.openai_api_base or "",
            model=self.model_name,
            api_key=key.get_secret_value() if isinstance(key, SecretStr) else "",
            timeout_s=timeout_s or _TIMEOUT_S,
            settings=CHAT_SETTINGS,
        )
        client: Any = self._connection  # openai takes this httpx too, though its types name only httpx2
        self.root_client = openai.OpenAI(
            base_url=str(client.base_url),
            api_key="-",  # the connection has the key
            http_client=client,
            timeout=client.timeout,
            max_retries=0,
        )
        self.client = self.root_client.chat.completions
        return self

    @property
    def prompt_limit(self) -> int:
        """Longest prompt, in tokens; 2³¹ − 1 where the server's context is unknown."""
        return self.context_tokens - (self.max_tokens or 0) if self.context_tokens else _UNLIMITED

    @property
    def loaded(self) -> str:
        """The model and where it is asked, such as "qwen2.5:7b at http://127.0.0.1:11434/v1"."""
        return f"{self.model_name} at {self._connection.url}"

    def ignored_settings(self) -> tuple[str, ...]:
        """Return the fields of `Sampling` that are set but that this server has refused so far, sorted.

        What a server passes over without a word cannot be told. Ollama does so with `top_k` and `repetition_penalty`,
        llama.cpp with the latter.
        """
        sent = {**self._default_params, **(self.extra_body or {})}
        return tuple(sorted(_SETTING.get(field, field) for field in self._without & sent.keys()))

    def free(self) -> None:
        """Close the connections; the model cannot be asked any more."""
        self._connection.close()

    def get_num_tokens(self, text: str) -> int:
        """Return about how many tokens a text has, rather too many than too few; only the server knows.

        A Chinese, Japanese or Korean character counts 1, four other characters count 1.
        """
        wide = sum(character >= _FIRST_WIDE for character in text)
        return wide + -(-(len(text) - wide) // 4)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], *_: Any, **__: Any) -> int:
        """Return about how many tokens the messages have, with 4 for the frame of each."""
        return sum(self.get_num_tokens(message.text) + _MESSAGE_TOKENS for message in messages)

    def get_token_ids(self, text: str) -> list[int]:
        """Raise: the vocabulary is the server's."""
        raise NotImplementedError("only the server knows the tokens of a text")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        finished = False
        try:
            with closing(self._accepted(*args, **kwargs)) as pieces:
                for piece in pieces:
                    finished = finished or "finish_reason" in (piece.generation_info or {})
                    yield piece
        except openai.APIError as error:
            raise self._reported(error.body if error.body is not None else error.message) from error
        except json.JSONDecodeError as error:
            raise self._connection.malformed(error.doc) from error
        except UnicodeDecodeError as error:
            raise self._connection.malformed(str(error)) from error
        if not finished:
            raise ServerUnreachable(url=self._connection.url, detail=_CUT)

    def _accepted(self, *args: Any, **kwargs: Any) -> Generator[ChatGenerationChunk]:
        """Stream the answer to the first form of the request whose fields the server takes."""
        without = self._without
        while True:
            usage = "stream_options" not in without
            stream = super()._stream(*args, stream_usage=usage, without=without, **kwargs)
            try:
                first = next(stream, None)
                break
            except ServerRefused as error:
                further = _refused_fields(error) - without
                if not further:
                    raise
                without |= further
        if first is None:
            raise self._connection.malformed("")
        self._without = without
        yield first
        yield from stream

    _agenerate = BaseChatModel._agenerate  # in a thread, so that there is one way to the server
    _astream = BaseChatModel._astream

    def _get_request_payload(
        self, input_: Any, *, stop: list[str] | None = None, without: frozenset[str] = frozenset(), **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        extra = {field: value for field, value in payload.pop("extra_body", {}).items() if field not in without}
        return {field: value for field, value in payload.items() if field not in without} | {"extra_body": extra}

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *args: Any) -> ChatGenerationChunk | None:
        if chunk.get("error_code"):  # FastChat's way to say that its worker failed
            raise self._reported({"code": chunk["error_code"], "message": chunk.get("text")})
        choices = chunk.get("choices")
        if not isinstance(choices, list) or any("delta" not in choice for choice in choices):
            raise self._connection.malformed(json.dumps(chunk, ensure_ascii=False))
        return super()._convert_chunk_to_generation_chunk(chunk, *args)

    def _reported(self, said: Any) -> ServerRefused:
        """Return the error that a server reports within its reply, as `{"code": …, "message": …}` or as a text."""
        details = said if isinstance(said, dict) else {"message": said}
        code = details.get("code")
        return self._connection.refused(code if isinstance(code, int) else 200, str(details.get("message") or said))


def build_server_chat(
    *, url: str, model: str, api_key: str, timeout_s: float, sampling: Sampling, context_tokens: int = 0
) -> ServerChat:
    """Return a model that asks a server.

    Sent are always `temperature` and `max_tokens`; `repetition_penalty` where it is not 1; and where the temperature
    is not 0, `top_p` below 1, `top_k` above 0 and a given `seed`. The server decides on what is not sent. `top_k` and
    `repetition_penalty` are not of OpenAI's protocol: vLLM takes both, llama.cpp and LM Studio the first, see
    `ServerChat.ignored_settings`.

    Args:
        url: of the interface, such as http://127.0.0.1:8000/v1.
        model: its name on the server.
        api_key: empty for a server that needs none.
        timeout_s: longest silence, in seconds.
        context_tokens: longest prompt plus answer, in tokens; 0 where it is unknown.

    Raises:
        ConfigError, ServerUnreachable: the key or the address makes no sense.
    """
    draws = sampling.temperature > 0
    extra: dict[str, Any] = {}
    if draws and sampling.top_k:
        extra["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        extra["repetition_penalty"] = sampling.repetition_penalty
    return ServerChat(
        model=model,
        base_url=url,
        api_key=SecretStr(api_key),
        timeout=timeout_s,
        max_tokens=sampling.answer_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p if draws and sampling.top_p < 1 else None,
        seed=sampling.seed if draws else None,
        extra_body=extra,
        context_tokens=context_tokens,
    )


def _refused_fields(error: ServerRefused) -> frozenset[str]:
    """Return the fields without which the server may take the request: those it names, else all that are extras."""
    status, detail = error.values["status"], str(error.values["detail"])
    if status not in (400, 422) or is_overflow(status, detail):
        return frozenset()
    return frozenset(field for field in _FIELDS if re.search(rf"\b{field}\b", detail)) or _EXTRAS
