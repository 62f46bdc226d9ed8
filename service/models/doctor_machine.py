"""What the doctor looks at apart from the models: Python, packages, devices, disks. Nothing here uses the network."""

import importlib
import importlib.metadata
import platform
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from configs.model_config import PROJECT_DIR
from core.messages import Language, Message, literal
from models.devices import Device, find_devices

Level = Literal["ok", "warning", "problem"]
Area = Literal[
    "python", "packages", "llm", "embedding", "device", "memory", "disk", "data_dir", "cpm_kernels", "hub", "settings"
]

_OWN_LINE = "cpm_kernels"  # a package that is looked at by itself
_LOW_DISK_GB = 1.0  # for a knowledge base: originals, index, and a rebuild beside the old one

_PYTHON = Message("Python {found}（需要 {wanted}）", "Python {found} (needs {wanted})")
_OTHER_PYTHON = Message("用合适的 Python 新建虚拟环境。", "Make a virtual environment with a suitable Python.")
_PACKAGES = Message("{count} 个包都符合要求；{versions}", "{count} packages as required; {versions}")
_PACKAGE_MISSING = Message("没有安装 {name}", "{name} is not installed")
_PACKAGE_OTHER = Message("{name} 是 {found}，要求 {wanted}", "{name} is {found}, required is {wanted}")
_NO_DEVICE = Message("没有设备 {wanted}，或 PyTorch 用不了（{detail}）", "no device {wanted}, or no PyTorch ({detail})")
_USE_AUTO = Message(
    "设 KNOWGLM_DEVICE=auto；没装好 PyTorch 则先重装。",
    "Set KNOWGLM_DEVICE=auto; if PyTorch is broken, install it anew.",
)
_DEVICE = Message(
    "{label}（{name}）：内存可用 {free:.1f} / {total:.1f} GB，以 {type} 计算",
    "{label} ({name}): {free:.1f} of {total:.1f} GB memory free, computes in {type}",
)
_SLOW_CPU = Message(
    "处理器没有 bf16 指令：以 fp32 计算，慢几倍，16 位精度占用的内存加倍",
    "the processor has no bf16 instructions: fp32 is several times slower, and 16-bit precisions take twice the memory",
)
_USE_INT4 = Message("用 int4 的模型（KNOWGLM_PRECISION=int4）。", "Use a model in int4 (KNOWGLM_PRECISION=int4).")
_CUDA_UNUSED = Message(
    "这台机器有 NVIDIA 显卡，但 PyTorch {version} 不含 CUDA",
    "this machine has an NVIDIA card, but PyTorch {version} is built without CUDA",
)
_GET_CUDA = Message(
    "换成 CUDA 版的 PyTorch，安装命令见 https://pytorch.org/get-started/locally/",
    "Install PyTorch's CUDA build; https://pytorch.org/get-started/locally/ has the command.",
)
_CUDA_ASLEEP = Message(
    "有 NVIDIA 显卡，PyTorch 也含 CUDA {cuda}，但显卡不可用",
    "there is an NVIDIA card and PyTorch has CUDA {cuda}, but the card is not available",
)
_UPDATE_DRIVER = Message("更新显卡驱动；检查 CUDA_VISIBLE_DEVICES。", "Update the driver; check CUDA_VISIBLE_DEVICES.")
_FREE = Message("{path}：可用 {free:.1f} GB", "{path}: {free:.1f} GB free")
_NEEDS = Message(
    "{path}：可用 {free:.1f} GB，还需要 {needed:.1f} GB", "{path}: {free:.1f} GB free, {needed:.1f} GB needed"
)
_MORE_SPACE = Message(
    "腾出空间，或用 {variable} 换一个目录。", "Free some space, or name another folder with {variable}."
)
_WRITABLE = Message("{path} 可以写入", "{path} can be written")
_UNWRITABLE = Message("{path} 不能写入（{detail}）", "{path} cannot be written ({detail})")
_ALLOW = Message("改权限，或用 KNOWGLM_DATA_DIR 换一个目录。", "Change the permissions, or set KNOWGLM_DATA_DIR.")
_CPM = Message(
    "{version}：{state}。它是官方 ChatGLM int4/int8 代码启动 CUDA 内核的方式，KnowGLM 自己的运行时不用它",
    "{version}: {state}. The official ChatGLM int4/int8 code launches its CUDA kernels through it; KnowGLM's own "
    "runtime does not use it",
)
_CPM_LOADS = Message("可以导入", "it can be imported")
_CPM_FAILS = Message(
    "在这台机器上导入失败（{detail}），没有影响", "it cannot be imported here ({detail}), which does no harm"
)
_CPM_ABSENT = Message("没有安装", "not installed")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        found: what was found.
        cure: what to do about it, one line; None where nothing is to be done.
    """

    area: Area
    level: Level
    found: Message
    cure: Message | None = None


def composed(message: Message, **values: object) -> Message:
    """Return a message with values filled in, some of which are messages themselves."""
    languages: tuple[Language, ...] = ("zh", "en")
    texts = (
        {key: value.text(language) if isinstance(value, Message) else value for key, value in values.items()}
        for language in languages
    )
    return literal(*(message.text(language, **filled) for language, filled in zip(languages, texts, strict=True)))


def check_python() -> Check:
    """Compare the interpreter with what the project asks for."""
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, needed = platform.python_version(), project["requires-python"]
    fits = SpecifierSet(needed).contains(found, prereleases=True)
    message = _PYTHON.filled(found=found, wanted=needed)
    return Check("python", "ok", message) if fits else Check("python", "problem", message, _OTHER_PYTHON)


def check_packages(requirements: Path = PROJECT_DIR / "requirements.txt") -> Iterator[Check]:
    """Compare what is installed with the requirements: a missing package is a problem, another version a warning."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    wanted = [Requirement(line) for line in lines if line and not line.startswith(_OWN_LINE)]
    versions = {requirement.name: _version(requirement.name) for requirement in wanted}
    unfit = [one for one in wanted if not one.specifier.contains(versions[one.name] or "0", prereleases=True)]
    for one in unfit:
        found, cure = versions[one.name], f'pip install "{one}"'
        message = (_PACKAGE_OTHER if found else _PACKAGE_MISSING).filled(
            name=one.name, found=found, wanted=one.specifier
        )
        yield Check("packages", "warning" if found else "problem", message, literal(cure, cure))
    if not unfit:
        listed = ", ".join(f"{name} {versions[name]}" for name in ("torch", "transformers") if versions.get(name))
        yield Check("packages", "ok", _PACKAGES.filled(count=len(wanted), versions=listed))


def check_devices(wanted: str) -> tuple[list[Device], list[Check]]:
    """Look at the devices that a language model would run on; no device is a problem."""
    try:
        devices = find_devices(wanted)
    except Exception as error:  # noqa: BLE001 - a broken torch raises what it likes, and to say so is the task here
        return [], [Check("device", "problem", _NO_DEVICE.filled(wanted=wanted, detail=error), _USE_AUTO)]
    checks = [Check("device", "ok", _described(device)) for device in devices]
    if devices[0].kind == "cpu":
        checks += [] if devices[0].bf16 else [Check("device", "warning", _SLOW_CPU, _USE_INT4)]
        checks += _check_nvidia() if wanted == "auto" else []
    return devices, checks


def check_space(area: Area, folder: Path, variable: str, needed_gb: float = _LOW_DISK_GB) -> Check:
    """Compare the free space of a folder's disk with what it will take."""
    free = shutil.disk_usage(_existing(folder)).free / 1e9
    if free >= needed_gb:
        return Check(area, "ok", _FREE.filled(path=folder, free=free))
    found = _NEEDS.filled(path=folder, free=free, needed=needed_gb)
    return Check(area, "warning", found, _MORE_SPACE.filled(variable=variable))


def check_writable(folder: Path) -> Check:
    """Write a file into the folder, or where it would be made, and remove it."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return Check("data_dir", "ok", _WRITABLE.filled(path=folder))
    except OSError as error:
        found = _UNWRITABLE.filled(path=folder, detail=error.strerror)
        return Check("data_dir", "problem", found, _ALLOW)


def check_cpm_kernels() -> Check:
    """Try to import the package, which looks for CUDA while it is imported."""
    version = _version(_OWN_LINE)
    if not version:
        state = _CPM_ABSENT
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(_OWN_LINE)
            state = _CPM_LOADS
        except Exception as error:  # noqa: BLE001 - it raises whatever a driver that is not there makes it raise
            state = _CPM_FAILS.filled(detail=f"{type(error).__name__}: {error}")
    return Check("cpm_kernels", "ok", composed(_CPM, version=version or "–", state=state))


def _check_nvidia() -> list[Check]:
    """Look for an NVIDIA card that PyTorch leaves unused; its tool is looked for, not run."""
    import torch

    if not (Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi")):
        return []
    if torch.version.cuda is None:
        return [Check("device", "warning", _CUDA_UNUSED.filled(version=torch.__version__), _GET_CUDA)]
    return [Check("device", "warning", _CUDA_ASLEEP.filled(cuda=torch.version.cuda), _UPDATE_DRIVER)]


def _described(device: Device) -> Message:
    kind = "bf16" if device.bf16 else "fp32" if device.kind == "cpu" else "fp16"
    return _DEVICE.filled(label=device.label, name=device.name, free=device.free_gb, total=device.total_gb, type=kind)


def _version(package: str) -> str:
    """Return the version that is installed, empty for none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
