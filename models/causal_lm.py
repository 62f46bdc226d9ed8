"""Every causal language model that transformers implements, as a LangChain chat model."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun as AsyncRun
from langchain_core.callbacks import CallbackManagerForLLMRun as Run
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from core.messages import Message
from core.model_errors import AnswerFailed, ModelError, ModelFailed, ModelTooLarge, ModelUnsupported, PromptTooLong
from core.sampling import Sampling
from models.chat_styles import AnswerStream, ChatTokenizer
from models.devices import Device, find_devices

_Stop = list[str] | None
_SAFE = {"local_files_only": True, "trust_remote_code": False}  # no network, and no code from the folder
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_GREEDY = Sampling()
_CONTEXT_TOKENS = 2048  # of a model whose configuration names no longest text
_WORKING_MEMORY = 1.1  # a tenth more than the weights, for activations and the cache of a few thousand tokens

_QUANTISED = Message("这个后端不运行 int8、int4 等量化权重", "this backend runs no quantised weights (int8, int4 …)")
_OWN_CODE = Message("它要执行目录里的代码，而本程序从不执行", "its own code would have to be executed, and never is")
_UNKNOWN = Message("transformers 没有 {kind} 这种语言模型", "transformers has no language model of the kind {kind}")
_ADAPTER = Message("这是微调权重，不是完整的模型", "it is an adapter, not a whole model")
_FREED = Message("模型已经从内存中移除", "the model has been removed from memory")
_USE_BF16 = Message("设 KNOWGLM_PRECISION=bf16，约需 {gb} GB。", "Set KNOWGLM_PRECISION=bf16: about {gb} GB.")
_SMALLER = Message("换一个更小的模型，或用内存更大的设备。", "Choose a smaller model, or a device with more memory.")


class CausalLM(BaseChatModel):
    """A language model from a folder in the format of transformers; made by `load`.

    Answers are written one at a time, in the order in which they were asked for, by one thread; closing or cancelling
    a stream stops it before the next token. There is no tool calling, structured output or input other than text.

    Attributes:
        network, tokenizer: the model of transformers, None once it is freed, and what writes conversations for it.
        loaded: precision and device in force, such as "bf16 on cpu".
        context_tokens: longest prompt plus answer, in tokens.
        sampling: how answers are drawn; each call may override its fields by keyword.
    """

    model_name: str
    network: Any = Field(exclude=True, repr=False)
    tokenizer: ChatTokenizer = Field(exclude=True, repr=False)
    loaded: str
    context_tokens: int
    sampling: Sampling = _GREEDY
    _writer: ThreadPoolExecutor = PrivateAttr(default_factory=partial(ThreadPoolExecutor, 1, "causal-lm"))

    @classmethod
    def load(  # noqa: PLR0913
        cls,
        folder: Path,
        *,
        name: str,
        device: str = "auto",
        precision: str = "auto",
        chat_style: str = "template",
        context_tokens: int = 0,
        sampling: Sampling = _GREEDY,
    ) -> "CausalLM":
        """Load a model.

        Nothing in the folder is executed, but for the tokenizer's chat template, which transformers renders in Jinja's
        sandbox. MOSS (OpenLMLab, 2023), which brings code of its own, is computed as CodeGen, whose network it is.

        Args:
            folder: `config.json`, tokenizer files, and weights as safetensors or as plain tensors in `.bin` files.
            device: as in `find_devices`.
            precision: "fp32", "bf16" or "fp16"; "auto" is the checkpoint's own, and on a processor bf16 if that is
                native there, else fp32, which is also what fp16 on a processor becomes.
            chat_style: "template" falls back to "plain" where the tokenizer has no template.
            context_tokens: 0 for what the model's configuration says.

        Raises:
            ModelUnsupported: no architecture of transformers, quantised weights, or a quantised precision.
            ModelTooLarge: the weights do not fit the device.
            ModelFailed: files are missing, damaged, or do not belong together.
        """
        if precision not in {"auto", *_DTYPES}:
            raise ModelUnsupported(path=folder, why=_QUANTISED)
        try:
            place = find_devices(device)[0]
            config, dtype = _config(folder), _dtype(precision, place)
            _require_memory(folder, name, config, place, dtype)
            network = _network(folder, config, dtype)
            longest = getattr(config.get_text_config(), "max_position_embeddings", None) or _CONTEXT_TOKENS
            return cls(
                model_name=name,
                network=network.to(place.name),
                tokenizer=ChatTokenizer(folder, chat_style, network),
                loaded=f"{_name(network.dtype)} on {place.name}",
                context_tokens=context_tokens or longest,
                sampling=sampling,
            )
        except ModelError:
            raise
        except Exception as error:  # damaged files make three libraries raise whatever they like
            raise ModelFailed(name=name, detail=error, path=folder) from error

    @property
    def prompt_limit(self) -> int:
        """How many tokens a prompt may have; the rest of the context is for the answer."""
        return max(0, self.context_tokens - self.sampling.answer_tokens)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without those that begin or end a prompt."""
        return self.tokenizer.ids(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return how many tokens the prompt has that these messages become."""
        return len(self.tokenizer.prompt(messages))

    def free(self) -> None:
        """Remove the weights from memory, after the answers that were asked for before; later ones fail."""
        self._writer.submit(self._release).result()

    def _release(self) -> None:
        import torch

        self.network = None
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where CUDA is not in use

    def _ask(self, messages: Sequence[BaseMessage], stop: _Stop, options: dict[str, Any]) -> AnswerStream:
        """Queue a question, and return the answer as it will come."""
        sampling = replace(self.sampling, **{key: options[key] for key in asdict(self.sampling) if key in options})
        prompt, limit = self.tokenizer.prompt(messages), max(0, self.context_tokens - sampling.answer_tokens)
        if len(prompt) > limit:
            raise PromptTooLong(tokens=len(prompt), limit=limit)
        answer = self.tokenizer.answer(stop or ())
        self._writer.submit(self._write, prompt, sampling, answer)
        return answer

    def _write(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        """Write an answer; runs in the writing thread."""
        try:
            if self.network is None:
                raise AnswerFailed(detail=_FREED)
            if not answer.cancelled.is_set():
                _run(self.network, prompt, sampling, answer)
            answer.finish(self.model_name, len(prompt))
        except BaseException as error:  # noqa: BLE001 - whoever reads the answer raises it
            answer.fail(error)

    def _stream(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: Run | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._ask(messages, stop, kwargs)
        try:
            while chunk := answer.next_chunk():
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            answer.cancelled.set()

    async def _astream(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: AsyncRun | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = await asyncio.to_thread(self._ask, messages, stop, kwargs)
        try:
            while chunk := await asyncio.to_thread(answer.next_chunk):
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            answer.cancelled.set()

    def _generate(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: Run | None = None, **kwargs: Any
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: AsyncRun | None = None, **kwargs: Any
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    @property
    def _llm_type(self) -> str:
        return "transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "loaded": self.loaded, **asdict(self.sampling)}


def _run(network: Any, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
    """Let the model write until `answer` has enough."""
    import torch
    from transformers import GenerationConfig
    from transformers.generation import logits_process as steps

    numbers = torch.Generator(network.device)  # this answer's own: nothing outside it changes or is changed
    numbers.manual_seed(numbers.seed() if sampling.seed is None else sampling.seed)

    def draw(_: Any, scores: Any) -> Any:
        """Return scores, of shape (1, vocabulary), of which only that of the token drawn is finite."""
        token = scores.softmax(-1).multinomial(1, generator=numbers)
        return scores.new_full(scores.shape, float("-inf")).scatter(1, token, 0.0)

    def stop(written: Any, *_: Any, **__: Any) -> Any:
        return written.new_tensor([answer.push(int(written[0, -1]))]).bool()

    chosen: list[Any] = [steps.RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty))]
    if sampling.temperature:
        chosen += [steps.TemperatureLogitsWarper(float(sampling.temperature))]
        chosen += [steps.TopKLogitsWarper(sampling.top_k)] if sampling.top_k else []
        chosen += [steps.TopPLogitsWarper(float(sampling.top_p)), draw]
    tokens = torch.tensor([prompt], device=network.device)
    limits = GenerationConfig(max_new_tokens=sampling.answer_tokens, pad_token_id=0)  # type: ignore[no-untyped-call]
    network.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        generation_config=limits,
        logits_processor=chosen,
        stopping_criteria=[stop],
    )


def _config(folder: Path) -> Any:
    """Return a folder's configuration, and for MOSS that of the CodeGen network it is."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, CodeGenConfig

    raw = json.loads((folder / "config.json").read_text("utf-8"))
    kind, why = raw.get("model_type", ""), None
    if (folder / "adapter_config.json").exists():  # transformers would load the model that it names
        why = _ADAPTER
    elif raw.get("quantization_config") or raw.get("wbits", 32) < 16:  # the latter is MOSS's key
        why = _QUANTISED
    elif kind == "moss":
        return CodeGenConfig.from_dict({key: raw[key] for key in raw.keys() - {"model_type", "auto_map"}})
    elif kind not in CONFIG_MAPPING or CONFIG_MAPPING[kind] not in MODEL_FOR_CAUSAL_LM_MAPPING:
        why = _OWN_CODE if "auto_map" in raw else _UNKNOWN.filled(kind=kind)
    if why:
        raise ModelUnsupported(path=folder, why=why)
    config = AutoConfig.from_pretrained(folder, **_SAFE)
    config._attn_implementation = None  # a folder must not choose: the name may be that of code on the hub
    return config


def _network(folder: Path, config: Any, dtype: Any) -> Any:
    """Return the network, every weight of it from the folder, and of the folder's way of writing only the end."""
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    load: Any = AutoModelForCausalLM.from_pretrained  # its type forgets what it returns with the report
    network, report = load(folder, config=config, dtype=dtype, output_loading_info=True, weights_only=True, **_SAFE)
    if report["missing_keys"]:  # transformers filled them at random
        raise ValueError(f"weights are missing: {', '.join(sorted(report['missing_keys'])[:3])} …")
    ends = network.generation_config.eos_token_id
    network.generation_config = GenerationConfig(eos_token_id=ends)  # type: ignore[no-untyped-call]
    return network.eval()


def _dtype(precision: str, device: Device) -> Any:
    """Return the torch type in which to hold the weights, or "auto" for that of the files."""
    import torch

    if device.kind == "cpu" and precision in {"auto", "fp16"}:
        precision = "bf16" if device.bf16 else "fp32"
    return getattr(torch, _DTYPES[precision]) if precision in _DTYPES else "auto"


def _name(dtype: Any) -> str:
    return next((name for name, full in _DTYPES.items() if str(dtype) == f"torch.{full}"), str(dtype))


def _require_memory(folder: Path, name: str, config: Any, device: Device, dtype: Any) -> None:
    """Raise ModelTooLarge where the weights, in the type in which they are to be held, do not fit the device."""
    import torch

    files = list(folder.glob("*.safetensors")) or list(folder.glob("pytorch_model*.bin"))
    stored = config.dtype or torch.float16
    held = stored if dtype == "auto" else dtype
    two_byte_gb = _WORKING_MEMORY * sum(file.stat().st_size for file in files) / 1e9 / stored.itemsize * 2
    needed_gb = two_byte_gb * held.itemsize / 2
    if needed_gb > device.free_gb:
        fitting = _USE_BF16.filled(gb=round(two_byte_gb, 1)) if two_byte_gb <= device.free_gb else _SMALLER
        sizes = {"needed_gb": round(needed_gb, 1), "free_gb": round(device.free_gb, 1)}
        raise ModelTooLarge(name=name, precision=_name(held), device=device.label, fitting=fitting, **sizes)
