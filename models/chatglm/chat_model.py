"""ChatGLM-6B, ChatGLM2-6B and ChatGLM3-6B as a LangChain chat model."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from langchain_core.messages import BaseMessage
from pydantic import Field

from core.answers import ProgressCallback, ignore_progress
from core.messages import Message
from core.model_errors import CheckpointUnreadable
from core.sampling import Sampling
from models.answer_stream import AnswerStream
from models.chatglm.adapters import open_adapter
from models.chatglm.chat_format import ChatFormat, build_chat_format, detect_generation
from models.chatglm.config import ChatGLMConfig
from models.chatglm.generation import generate
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan, make_plan
from models.chatglm.route_probe import choose_routes
from models.chatglm.stored import StoredModel
from models.chatglm.text_stream import TextStream
from models.chatglm.tokenizer import TOKENIZER_FILES, Tokenizer, load_tokenizer
from models.devices import find_devices
from models.local_chat import GREEDY, LocalChatModel
from models.turns import as_turns

_CONTEXT_TOKENS = 8192  # of a v2 checkpoint that allows more: its keys and values are allotted at once
_OTHER_TOKENIZER = Message("分词器的词比模型的词表还多", "its tokenizer has more tokens than its vocabulary")
_ONE_MODEL = Message(
    "确认目录里的分词器和权重属于同一个模型。", "Make sure that tokenizer and weights in the folder are of one model."
)


class ChatGLM(LocalChatModel):
    """A ChatGLM on the runtime of this package; made by `load`. No file of the model's folder is executed.

    Attributes:
        routes: how matrices are multiplied on the device in force.
        decoder: the network; None once it is freed.
        tokenizer, chat_format: text to ids and back, and what a conversation looks like to this model.
    """

    routes: str
    decoder: Any = Field(exclude=True, repr=False)
    tokenizer: Any = Field(exclude=True, repr=False)
    chat_format: Any = Field(exclude=True, repr=False)

    @classmethod
    def load(  # noqa: PLR0913
        cls,
        folder: Path,
        *,
        name: str = "",
        device: str = "auto",
        precision: str = "auto",
        fast: bool = True,
        adapter: Path | None = None,
        context_tokens: int = 0,
        sampling: Sampling = GREEDY,
        progress: ProgressCallback = ignore_progress,
    ) -> "ChatGLM":
        """Load a model.

        Args:
            folder: `config.json`, the tokenizer's file, and the weights as published: `.bin` or safetensors.
            device: as in `find_devices`; several CUDA devices share the layers where one cannot hold them.
            precision: as in `make_plan`; a checkpoint in half precision is quantised while it loads.
            fast: use the device's low-precision instructions; otherwise weights are expanded as in the release.
            adapter: folder of a LoRA or P-Tuning v2 adapter.
            context_tokens: longest prompt plus answer; 0 for what the model was made for, at most 8192.

        Raises:
            CheckpointUnreadable: a file is missing, damaged, or does not belong to this model.
            ModelUnsupported: another kind of model, or a precision that its weights do not have.
            DeviceNotFound: there is no such device.
            ModelTooLarge: the weights do not fit; the error names a precision that does.
            AdapterRefused: the adapter cannot be applied faithfully.
        """
        tuned = open_adapter(adapter) if adapter else None
        with StoredModel(folder) as stored:
            config = stored.config
            longest = min(context_tokens or _CONTEXT_TOKENS, config.context_tokens)
            plan = make_plan(config, find_devices(device), wanted=precision, fast=fast, cached_tokens=longest)
            tokenizer = load_tokenizer(folder, config.family)
            if tokenizer.ids > config.vocab_size:
                raise CheckpointUnreadable(
                    file=folder / TOKENIZER_FILES[config.family], why=_OTHER_TOKENIZER, remedy=_ONE_MODEL
                )
            return cls(
                model_name=name or folder.name,
                loaded=_described(name or folder.name, plan, adapter),
                context_tokens=longest,
                sampling=sampling,
                routes=choose_routes(torch.device(plan.placement[0]), plan.activations, plan.fast).describe(),
                decoder=load_decoder(stored, plan, adapter=tuned, progress=progress),
                tokenizer=tokenizer,
                chat_format=_chat_format(folder, config, tokenizer),
            )

    def prompt_ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Return the tokens that a conversation becomes, in the format that the model was trained on.

        Raises:
            ValueError: the messages are not a conversation in text.
        """
        conversation = as_turns(messages)
        return self.chat_format.prompt(conversation.turns, conversation.question, conversation.system)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without those that begin or end a prompt."""
        return self.tokenizer.encode(text)

    def _new_answer(self, stop: Sequence[str]) -> AnswerStream:
        return AnswerStream(
            TextStream(self.tokenizer.decode, self.chat_format.response, stop), self.chat_format.stop_ids
        )

    def _run(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        steps = generate(
            self.decoder, [prompt], sampling, stop_ids=self.chat_format.stop_ids, cancelled=answer.cancelled
        )
        for (token,) in steps:
            if answer.push(token):
                return

    def _release(self) -> None:
        self.decoder = None
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where CUDA is not in use

    @property
    def _llm_type(self) -> str:
        return "chatglm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {**super()._identifying_params, "routes": self.routes}


def _chat_format(folder: Path, config: ChatGLMConfig, tokenizer: Tokenizer) -> ChatFormat:
    generation = detect_generation(folder, config.family)
    gmask_id, sop_id = config.gmask_id, config.sop_id
    if config.family == "v2":
        gmask_id, sop_id = tokenizer.special("[gMASK]") or 0, tokenizer.special("sop") or 0
    return build_chat_format(generation, tokenizer, gmask_id=gmask_id, sop_id=sop_id, eos_id=config.eos_id)


def _described(name: str, plan: Plan, adapter: Path | None) -> str:
    places = " + ".join(dict.fromkeys(plan.placement))
    speed = "" if plan.fast else ", exact"
    return f"{name} ({plan.precision}{speed}) on {places}" + (f" with {adapter.name}" if adapter else "")
