"""Which device a model runs on, and how much memory is free there."""

from dataclasses import dataclass

from core.model_errors import DeviceNotFound

_MPS_SHARE = 0.7  # of the unified memory that Metal lets one process use


@dataclass(frozen=True, slots=True)
class Device:
    """A place to compute.

    Attributes:
        name: a torch device: "cpu", "mps", "cuda:0".
        label: what a person calls it, such as the name of the graphics card.
        free_gb, total_gb: its memory, in GB (10⁹ bytes).
        bf16: whether it computes in bf16 natively.
    """

    name: str
    label: str
    free_gb: float
    total_gb: float
    bf16: bool

    @property
    def kind(self) -> str:
        """Return "cpu", "mps" or "cuda"."""
        return self.name.partition(":")[0]


def find_devices(wanted: str = "auto") -> list[Device]:
    """Return the devices that `wanted` names, at least one, the first of them the one to start on.

    "auto" takes every CUDA device, else MPS, else the processor; "cuda" takes every CUDA device; anything else is one
    device.

    Raises:
        DeviceNotFound: there is no such device on this machine.
    """
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if wanted == "auto":
        wanted = "cuda" if cuda else "mps" if mps else "cpu"
    if wanted == "cpu":
        return [_cpu()]
    if wanted == "mps" and mps:
        return [_mps()]
    if wanted == "cuda" and cuda:
        return [_cuda(index) for index in range(cuda)]
    cards = {f"cuda:{index}": index for index in range(cuda)}
    if wanted in cards:
        return [_cuda(cards[wanted])]
    raise DeviceNotFound(device=wanted, known=", ".join(["cpu", *(["mps"] if mps else []), *cards]))


def _cpu() -> Device:
    import psutil
    import torch

    memory = psutil.virtual_memory()
    bf16 = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return Device("cpu", "CPU", memory.available / 1e9, memory.total / 1e9, bf16)


def _mps() -> Device:
    import psutil

    memory = psutil.virtual_memory()
    return Device("mps", "Apple GPU", _MPS_SHARE * memory.available / 1e9, _MPS_SHARE * memory.total / 1e9, bf16=False)


def _cuda(index: int) -> Device:
    import torch

    free, total = torch.cuda.mem_get_info(index)
    bf16 = torch.cuda.get_device_capability(index) >= (8, 0)
    return Device(f"cuda:{index}", torch.cuda.get_device_name(index), free / 1e9, total / 1e9, bf16)
