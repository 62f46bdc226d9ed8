"""Loading a language model; the heavy libraries are imported only then."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from configs.catalogue import LLMSpec
from configs.model_config import Settings
from core.answers import ProgressCallback
from core.messages import Message
from core.model_errors import AdapterRefused
from models.embeddings import has_weights
from service.models.sampling import sampling_of

_ONLY_CHATGLM = Message(
    "只有本机运行的 ChatGLM 能加载微调权重", "only a ChatGLM that runs on this machine can take an adapter"
)


class OwnChatModel(Protocol):
    """What the language models of this project have besides LangChain's interface."""

    @property
    def loaded(self) -> str:
        """What is in force, for a person to read: name, precision, device."""
        ...

    @property
    def prompt_limit(self) -> int:
        """Longest prompt, in tokens."""
        ...

    def free(self) -> None:
        """Stop what is being written and release memory and connections."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A language model that settings ask for.

    Attributes:
        folder: where its weights are or belong; None for a server's.
        is_own: the folder is the user's own, not one of the catalogue's.
        is_broken: its configuration cannot be read, which loading it will say.
    """

    name: str
    spec: LLMSpec
    folder: Path | None
    is_own: bool = False
    is_broken: bool = False

    @property
    def present(self) -> bool:
        """Whether it can be loaded."""
        if self.spec.backend in ("openai", "extractive"):
            return self.spec.backend == "openai"
        return self.is_broken or (self.folder is not None and has_weights(self.folder))


def load_language_model(target: Wanted, settings: Settings, progress: ProgressCallback) -> OwnChatModel:
    """Load a language model; the heavy libraries are imported only now."""
    sampling = sampling_of(settings)
    require_adaptable(target, settings)
    if target.folder is None:
        from models.server_chat import build_server_chat

        return build_server_chat(
            url=settings.llm_url,
            model=target.name,
            api_key=settings.llm_api_key.get_secret_value(),
            timeout_s=settings.server_timeout_s,
            sampling=sampling,
            context_tokens=target.spec.context_tokens,
        )
    if target.spec.backend == "transformers":
        from models.causal_lm import CausalLM

        return CausalLM.load(
            target.folder,
            name=target.name,
            device=settings.device,
            precision=settings.precision,
            chat_style=target.spec.chat_style,
            context_tokens=target.spec.context_tokens,
            sampling=sampling,
        )
    from models.chatglm.chat_model import ChatGLM

    return ChatGLM.load(
        target.folder,
        name=target.name,
        device=settings.device,
        precision=settings.precision,
        fast=settings.arithmetic == "fast",
        adapter=Path(settings.adapter).expanduser() if settings.adapter else None,
        context_tokens=target.spec.context_tokens,
        sampling=sampling,
        progress=progress,
    )


def require_adaptable(target: Wanted, settings: Settings) -> None:
    """Raise AdapterRefused where the settings name an adapter for a model that takes none."""
    if settings.adapter and target.spec.backend != "chatglm":
        raise AdapterRefused(path=settings.adapter, why=_ONLY_CHATGLM)
