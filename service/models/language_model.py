"""The language model of one application: which is wanted, whether it is there, and the one that is loaded."""

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from langchain_core.language_models import BaseChatModel

from configs.catalogue import LLMS, LLMBackend, LLMSpec
from configs.model_config import Settings
from core.answers import Progress, ProgressCallback, ignore_progress
from core.messages import Message
from core.model_errors import (
    MODEL_FREED,
    AnswerFailed,
    CheckpointUnreadable,
    ModelFolderMissing,
    ModelNotFound,
)
from core.sampling import Sampling
from models.chatglm.config import is_chatglm, read_json
from service.models.idle_settings import idle_model_settings
from service.models.loading import OwnChatModel, Wanted, load_language_model, require_adaptable
from service.models.running_answers import RunningAnswers
from service.models.sampling import is_resampling, sampling_of

_ABSENT = Message(
    "当前为内置模式：没有找到语言模型 {name} 的权重，答案是从文档中摘出的原句。"
    "要让它写回答，运行 models download {name}（或把 {repository} 放到 {folder}）。",
    "Embedded mode: the weights of the language model {name} are not here, so answers are sentences quoted from the "
    "documents. To have it write them, run models download {name} (or put {repository} into {folder}).",
)
_CHOSEN = Message(
    "当前为内置模式：答案是从文档中摘出的原句，不经语言模型。",
    "Embedded mode: answers are sentences quoted from the documents, without a language model.",
)
_ABSENT_FOLDER = Message(
    "当前为内置模式：目录 {folder} 里没有语言模型，答案是从文档中摘出的原句。",
    "Embedded mode: the folder {folder} holds no language model, so answers are sentences quoted from the documents.",
)
_REFUSED_BY_SERVER = Message(
    "{model} 不接受这些设置，已经不再发送：{names}。",
    "{model} refuses these settings, so they are not sent: {names}.",
)


@runtime_checkable
class RefusingChatModel(Protocol):
    """A language model whose server may refuse settings."""

    @property
    def loaded(self) -> str:
        """What is in force, for a person to read."""
        ...

    def ignored_settings(self) -> tuple[str, ...]:
        """Return the names of settings that it has refused."""
        ...


@runtime_checkable
class ResampledChatModel(Protocol):
    """A language model that can choose its words otherwise and keep its weights."""

    sampling: Sampling


class LanguageModel:
    """The configured language model, loaded at the first use. Threads may share it.

    Args:
        given: used in the place of the configured one, for programs that bring their own.
    """

    def __init__(self, settings: Settings, given: BaseChatModel | None = None) -> None:
        self.settings, self._given = settings, given
        self._wanted = wanted(settings)
        self._model: OwnChatModel | None = None
        self._answers = RunningAnswers()
        self._lock = threading.Lock()

    @property
    def available(self) -> bool:
        """Whether there is a model to write answers; otherwise sentences are quoted."""
        return self._given is not None or self._wanted.present

    @property
    def in_force(self) -> str:
        """What writes the answers, for a person to read: with precision and device once it is loaded."""
        if self._given is not None:
            return type(self._given).__name__
        if self._model is not None:
            return self._model.loaded
        return self._wanted.name if self.available else "extractive"

    def load(self, progress: ProgressCallback = ignore_progress) -> BaseChatModel:
        """Return the model in force, loading it at the first call.

        Raises:
            ModelNotFound: there is none.
            ModelError: it does not load.
        """
        if self._given is not None:
            return self._given
        with self._lock:
            if self._wanted.spec.backend == "extractive":  # since the question was asked
                raise AnswerFailed(detail=MODEL_FREED)
            if self._model is None:
                _require(self._wanted)
                self._model = load_language_model(self._wanted, self.settings, progress)
            return cast(BaseChatModel, self._model)

    def answering(self) -> AbstractContextManager[None]:
        """Count an answer in writing until the block ends; wait first while the model is being changed."""
        return self._answers.one()

    def use(self, settings: Settings, progress: ProgressCallback = ignore_progress, *, wait: bool = False) -> None:
        """Change to what other settings ask for; the old model is freed before the new one is loaded.

        Where only the sampling changes, a model of this machine stays as it is loaded.

        Args:
            wait: let the answers that are being written come to their end first, while new ones wait; otherwise they
                end where they are.

        Raises:
            ModelBusy: an answer is still being written after ten minutes; the old model stays.
            ModelNotFound: its weights are not on this machine; the old model stays.
            AdapterRefused: it takes no adapter; the old model stays.
            ModelError: it does not load; the old model is in force again, and the next question loads it.
        """
        target = wanted(settings)
        if target.spec.backend != "extractive":
            _require(target)
            require_adaptable(target, settings)
        with self._answers.held(progress) if wait else nullcontext():
            if not self._resample(target, settings):
                self._replace(target, settings, progress)

    def _resample(self, target: Wanted, settings: Settings) -> bool:
        """Change the sampling; return False where more has to be done."""
        with self._lock:
            is_same = self._given is None and target == self._wanted
            if not (is_same and is_resampling(self.settings, settings)):
                return False
            if isinstance(self._model, ResampledChatModel):
                self._model.sampling = sampling_of(settings)
            elif self._model is not None:
                return False
            self.settings = settings
            return True

    def _replace(self, target: Wanted, settings: Settings, progress: ProgressCallback) -> None:
        """Free the model and load another; go back to the settings there were where that fails or is interrupted."""
        before = self._exchange(settings, target, None)
        try:
            if self.available:
                progress(Progress(0, 1, target.name))
                self.load(progress)
        except BaseException:
            self._exchange(*before)
            raise

    def _exchange(
        self, settings: Settings, target: Wanted, given: BaseChatModel | None
    ) -> tuple[Settings, Wanted, BaseChatModel | None]:
        """Free what is loaded, and return what was wanted until now."""
        with self._lock:
            before = self.settings, self._wanted, self._given
            self._free()
            self.settings, self._wanted, self._given = settings, target, given
            return before

    def unload(self, progress: ProgressCallback = ignore_progress, *, wait: bool = True) -> None:
        """Free the memory that the model takes; the next question loads it again.

        Args:
            wait: as in `use`.

        Raises:
            ModelBusy: as in `use`.
        """
        with self._answers.held(progress) if wait else nullcontext():
            self.close()

    def notices(self) -> list[Message]:
        """Return what the user should know: that there is no model, and which settings do nothing."""
        if self._given is not None:
            return []
        name, spec = self._wanted.name, self._wanted.spec
        if spec.backend == "extractive":
            return [_CHOSEN]
        if not self._wanted.present and self._wanted.is_own:
            return [_ABSENT_FOLDER.filled(folder=self._wanted.folder)]
        if not self._wanted.present:
            return [_ABSENT.filled(name=name, repository=spec.repository, folder=self._wanted.folder)]
        return [*idle_model_settings(self.settings, spec.backend), *self._refused_settings()]

    def _refused_settings(self) -> list[Message]:
        model = self._model
        if not isinstance(model, RefusingChatModel) or not (refused := model.ignored_settings()):
            return []
        return [_REFUSED_BY_SERVER.filled(model=model.loaded, names=", ".join(refused))]

    def require(self) -> None:
        """Raise ModelNotFound where the weights are not there."""
        if self._given is None and self._wanted.spec.backend != "extractive":
            _require(self._wanted)

    def close(self) -> None:
        """Free the model."""
        with self._lock:
            self._free()

    def _free(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.free()


def wanted(settings: Settings) -> Wanted:
    """Return the language model that settings ask for: a server's, one of the catalogue, or a folder of the user's."""
    if settings.llm == "extractive":
        return Wanted(settings.llm, LLMS[settings.llm], None)
    if settings.llm_url:
        known = LLMS.get(settings.llm)
        return Wanted(settings.llm, LLMSpec("openai", context_tokens=known.context_tokens if known else 0), None)
    if settings.llm in LLMS:
        return Wanted(settings.llm, LLMS[settings.llm], settings.model_dir / settings.llm)
    return _own_folder(Path(settings.llm).expanduser())


def _own_folder(folder: Path) -> Wanted:
    backend: LLMBackend = "transformers"
    is_broken = False
    if (folder / "config.json").is_file():
        try:
            backend = "chatglm" if is_chatglm(read_json(folder / "config.json")) else "transformers"
        except CheckpointUnreadable:
            backend, is_broken = "chatglm", True
    return Wanted(folder.resolve().name, LLMSpec(backend, context_tokens=0), folder, True, is_broken)


def _require(target: Wanted) -> None:
    """Raise what is wrong with a model before another one is given up for it."""
    if target.folder is not None and target.is_broken:
        read_json(target.folder / "config.json")
    if not target.present:
        error = ModelFolderMissing if target.is_own else ModelNotFound
        raise error(name=target.name, tried=target.folder)
