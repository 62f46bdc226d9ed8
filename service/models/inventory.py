"""Which models there are: what each needs, what of it is on this machine, and which one the settings ask for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from configs.catalogue import EMBEDDINGS, LLMS, EmbeddingSpec, LLMSpec, Precision
from configs.hub import hub_endpoint, hub_token
from configs.model_config import Settings
from core.answers import ProgressCallback, ignore_progress
from core.model_errors import DeviceNotFound, ModelError
from models.devices import Device, find_devices
from models.embeddings import has_weights
from models.folders import FolderReport, FolderState, inspect_folder
from models.hub import DownloadReport, download
from service.models.language_model import wanted

ModelKind = Literal["llm", "embedding"]
Spec = LLMSpec | EmbeddingSpec
MARGIN_GB = 1.5  # on each device beside the weights: activations, and keys and values of a prompt

_STAND_INS: dict[ModelKind, str] = {"llm": "extractive", "embedding": "lexical"}  # where weights are missing


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model, as it is on this machine.

    Attributes:
        folder: where its weights are or belong; None for what needs none.
        report: what is in the folder.
        fitting: the precisions in which it fits the memory that is free now.
        configured: the settings name it.
        in_force: it is what the program uses: the configured one, or what stands in for one without weights.
    """

    name: str
    kind: ModelKind
    spec: Spec
    folder: Path | None
    report: FolderReport
    fitting: tuple[Precision, ...]
    configured: bool
    in_force: bool

    @property
    def state(self) -> FolderState | Literal["built_in"]:
        """Whether its weights are here; "built_in" for what needs none."""
        return "built_in" if self.folder is None else self.report.state

    @property
    def download_gb(self) -> float:
        """Size of the files on the hub, in GB; 0 where the catalogue does not say."""
        return self.spec.download_gb

    @property
    def memory_gb(self) -> Mapping[Precision, float]:
        """Memory of the weights in each precision, in GB; empty where the catalogue does not say."""
        return _memory_gb(self.spec)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every model, and the devices whose memory was looked at."""

    models: tuple[ModelEntry, ...]
    devices: tuple[Device, ...]

    def configured(self, kind: ModelKind) -> ModelEntry | None:
        """Return the model that the settings name; None for one on a server."""
        return next((entry for entry in self.models if entry.kind == kind and entry.configured), None)


def take_inventory(settings: Settings, devices: Sequence[Device] | None = None) -> Inventory:
    """List the catalogue, and a folder of the user's own where the settings name one.

    Args:
        devices: where a language model would run; None for those that `settings.device` names, which are none where
            there is no such device.
    """
    if devices is None:
        try:
            devices = find_devices(settings.device)
        except DeviceNotFound:  # the doctor says so
            devices = []
    llm = "" if settings.llm_url else settings.llm
    embedding = "" if settings.embedding_url else settings.embedding
    llms: dict[str, Spec] = {**LLMS}
    embeddings: dict[str, Spec] = {**EMBEDDINGS}
    if llm:
        llms.setdefault(llm, _own_llm(settings))
    if embedding:
        embeddings.setdefault(embedding, EmbeddingSpec("sentence_transformers"))
    entries = (
        *_entries("llm", llms, llm, settings, devices),
        *_entries("embedding", embeddings, embedding, settings, ()),
    )
    return Inventory(entries, tuple(devices))


def fitting_precisions(
    memory_gb: Mapping[Precision, float], devices: Sequence[Device], *, backend: str, arithmetic: str = "fast"
) -> tuple[Precision, ...]:
    """Return the precisions whose weights fit the free memory beside `MARGIN_GB`.

    ChatGLM's layers are spread over all devices, any other model stays on the first. A processor that does not compute
    in bf16 holds the 16-bit precisions in fp32.
    """
    used = devices if backend == "chatglm" else devices[:1]
    room = sum(max(device.free_gb - MARGIN_GB, 0) for device in used)
    widened = any(device.kind == "cpu" and not (device.bf16 and arithmetic == "fast") for device in used)

    def needed(precision: Precision) -> float:
        is_wide = widened and precision in ("fp16", "bf16")
        return memory_gb.get("fp32", memory_gb[precision]) if is_wide else memory_gb[precision]

    return tuple(precision for precision in memory_gb if needed(precision) <= room)


def downloadable() -> dict[str, ModelKind]:
    """Return the kind of each model that can be downloaded, by name."""
    llms: dict[str, ModelKind] = {name: "llm" for name, spec in LLMS.items() if spec.repository}
    return {**llms, **{name: "embedding" for name, spec in EMBEDDINGS.items() if spec.repository}}


def download_model(name: str, settings: Settings, progress: ProgressCallback = ignore_progress) -> DownloadReport:
    """Bring one of `downloadable()` to where it is looked for; see `models.hub.download`.

    Raises:
        ConfigError: HF_ENDPOINT is no address, or HF_TOKEN no token.
        DownloadFailed: with the reason.
    """
    repository = (LLMS.get(name) or EMBEDDINGS[name]).repository
    folder = settings.model_dir / name
    return download(repository, folder, endpoint=hub_endpoint(), token=hub_token(), progress=progress)


def _entries(
    kind: ModelKind,
    specs: Mapping[str, Spec],
    configured: str,
    settings: Settings,
    devices: Sequence[Device],
) -> Iterator[ModelEntry]:
    folders = {name: _folder(name, spec, settings) for name, spec in specs.items()}
    for name, spec in specs.items():
        folder = folders[name]
        yield ModelEntry(
            name=name if spec.repository or folder is None else folder.name,
            kind=kind,
            spec=spec,
            folder=folder,
            report=inspect_folder(folder, is_chatglm=spec.backend == "chatglm") if folder else FolderReport("absent"),
            fitting=fitting_precisions(_memory_gb(spec), devices, backend=spec.backend, arithmetic=settings.arithmetic),
            configured=name == configured,
            in_force=bool(configured) and name == _in_force(kind, configured, folders[configured]),
        )


def _memory_gb(spec: Spec) -> Mapping[Precision, float]:
    return spec.weights_gb if isinstance(spec, LLMSpec) else {}


def _in_force(kind: ModelKind, configured: str, folder: Path | None) -> str:
    return configured if folder is None or has_weights(folder) else _STAND_INS[kind]


def _own_llm(settings: Settings) -> LLMSpec:
    try:
        return wanted(settings).spec
    except ModelError:  # its config.json cannot be read, which its report says
        return LLMSpec("transformers")


def _folder(name: str, spec: Spec, settings: Settings) -> Path | None:
    if name in _STAND_INS.values():
        return None
    return settings.model_dir / name if spec.repository else Path(name).expanduser()
