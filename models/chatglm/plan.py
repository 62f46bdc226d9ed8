"""How a checkpoint will be computed: in which precision, with which types, and on which device each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from core.messages import Message
from core.model_errors import ModelTooLarge, ModelUnsupported
from models.chatglm.config import ChatGLMConfig
from models.chatglm.footprint import PRECISIONS, Footprint, Precision, footprint
from models.devices import Device

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_BITS: dict[Precision, Literal[4, 8]] = {"int8": 8, "int4": 4}
_FITS = Message(
    "用 {precision} 放得下（约 {needed_gb} GB）：设 KNOWGLM_PRECISION={precision}，或 auto 由程序选择。",
    "{precision} would fit (about {needed_gb} GB): set KNOWGLM_PRECISION to {precision} or auto.",
)
_NOTHING_FITS = Message(
    "这台机器放不下这个模型：关掉别的程序，换小一些的模型（`models list`），或用 KNOWGLM_LLM_URL 连接别处的服务。",
    "This machine cannot hold the model: close other programs, choose a smaller model (`models list`), or name a "
    "server elsewhere with KNOWGLM_LLM_URL.",
)
_NO_PRECISION = Message("没有 {wanted} 这种精度，可选 {known}", "there is no precision {wanted}, only {known}")
_OTHER_BITS = Message(
    "这份权重是 {stored} 的，不能按 {wanted} 运行；把 KNOWGLM_PRECISION 设为 auto 或 {stored}",
    "its weights are {stored} and cannot run as {wanted}; set KNOWGLM_PRECISION to auto or {stored}",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to compute a model.

    Attributes:
        precision: of the weights.
        bits: 4 or 8 where the linear layers are quantised, else 0.
        weights: type of the layers' matrices where they are not quantised.
        tables: type of embedding and head; None leaves them as they are stored.
        activations: type of the hidden states.
        cache: type of keys and values.
        fast: use the device's low-precision instructions.
        placement: torch device of each layer.
    """

    precision: Precision
    bits: Literal[0, 4, 8]
    weights: torch.dtype
    tables: torch.dtype | None
    activations: torch.dtype
    cache: torch.dtype
    fast: bool
    placement: tuple[str, ...]


def make_plan(
    config: ChatGLMConfig, devices: Sequence[Device], *, wanted: str = "auto", fast: bool = True, cached_tokens: int
) -> Plan:
    """Choose precision, types and placement.

    Args:
        wanted: a precision, or "auto": that of the checkpoint, or the widest that fits.
        fast: low-precision arithmetic where the device has it; otherwise everything is computed as the release does
            on a processor, in fp32 from expanded weights.
        cached_tokens: room for keys and values, in tokens.

    Raises:
        ModelUnsupported: the checkpoint is quantised in another way than `wanted`.
        ModelTooLarge: the weights do not fit; the error names the precision that would.
    """
    candidates = _candidates(config, devices[0], wanted, fast=fast)
    sizes = {
        precision: footprint(config, precision, cached_tokens, wide_bytes=_wide(precision, devices[0], fast=fast))
        for precision in dict.fromkeys([*candidates, *_smaller(config, devices[0], candidates[0], fast=fast)])
    }
    for precision in candidates:
        if placement := place(sizes[precision], devices):
            return _plan(precision, devices[0], placement, fast=fast)
    raise _too_large(config, devices, candidates[0], sizes)


def place(size: Footprint, devices: Sequence[Device]) -> tuple[str, ...]:
    """Return the device of each layer; an empty tuple where the model does not fit.

    One device takes all if it can. Otherwise layers follow one another over the devices, as many on each as its free
    memory holds beside the embedding, which goes with the first of them, and the head, which goes with the last.
    """
    roomiest = max(devices, key=lambda device: device.free_gb)
    if size.total_gb <= roomiest.free_gb:
        return (roomiest.name,) * size.layers
    placement: tuple[str, ...] = ()
    for device in devices:
        missing = size.layers - len(placement)
        room = device.free_gb * 1e9 - size.working - (0 if placement else size.embedding)
        fitting = min(max(int(room // size.layer), 0), missing)
        if fitting == missing and room - missing * size.layer < size.head:
            fitting -= 1  # the last one goes to the next device, with the head
        placement += (device.name,) * fitting
        if len(placement) == size.layers:
            return placement
    return ()


def _candidates(config: ChatGLMConfig, device: Device, wanted: str, *, fast: bool) -> list[Precision]:
    """Return the precisions to try, the widest first."""
    if config.bits:
        stored: Precision = "int4" if config.bits == 4 else "int8"
        if wanted not in ("auto", stored):
            why = _OTHER_BITS.filled(stored=stored, wanted=wanted)
            raise ModelUnsupported(path=f"config.json (quantization_bit {config.bits})", why=why)
        return [stored]
    half: Precision = "fp16"
    if device.kind == "cpu":  # a processor computes fp16 one number at a time
        half = "bf16" if device.bf16 and fast else "fp32"
    if wanted == "auto":
        return [half, "int8", "int4"]
    if wanted not in PRECISIONS:
        raise ModelUnsupported(path="precision", why=_NO_PRECISION.filled(wanted=wanted, known=", ".join(PRECISIONS)))
    return [half if wanted in ("fp16", "bf16") and device.kind == "cpu" else wanted]


def _smaller(config: ChatGLMConfig, device: Device, precision: Precision, *, fast: bool) -> list[Precision]:
    """Return the narrower precisions that a checkpoint can be brought to, the widest first."""
    every: list[Precision] = ["fp32", *_candidates(config, device, "auto", fast=fast)]
    return [] if config.bits else [other for other in every if PRECISIONS.index(other) > PRECISIONS.index(precision)]


def _wide(precision: Precision, device: Device, *, fast: bool) -> int:
    """Return the bytes of a number that is not quantised."""
    return _unquantised(precision, device, fast=fast).itemsize


def _unquantised(precision: Precision, device: Device, *, fast: bool) -> torch.dtype:
    """Return the type of weights that are not quantised."""
    if device.kind != "cpu":
        return _TYPES.get(precision, torch.float16)
    return torch.bfloat16 if fast and device.bf16 and precision != "fp32" else torch.float32


def _plan(precision: Precision, device: Device, placement: tuple[str, ...], *, fast: bool) -> Plan:
    weights = _unquantised(precision, device, fast=fast)
    on_cpu = device.kind == "cpu"  # where hidden states are fp32, and only what goes into matrix products is bf16
    return Plan(
        precision=precision,
        bits=_BITS.get(precision, 0),
        weights=weights,
        tables=None if on_cpu and weights == torch.bfloat16 else weights,  # a processor reads fp16 rows as they are
        activations=torch.float32 if on_cpu else weights,
        cache=weights,
        fast=fast and (not on_cpu or weights == torch.bfloat16),
        placement=placement,
    )


def _too_large(
    config: ChatGLMConfig, devices: Sequence[Device], precision: Precision, sizes: Mapping[Precision, Footprint]
) -> ModelTooLarge:
    fitting = _NOTHING_FITS
    for other in list(sizes)[1:]:
        if place(sizes[other], devices):
            fitting = _FITS.filled(precision=other, needed_gb=f"{sizes[other].total_gb:.1f}")
            break
    return ModelTooLarge(
        name="ChatGLM-6B" if config.family == "v1" else "ChatGLM2-6B / ChatGLM3-6B",
        precision=precision,
        needed_gb=f"{sizes[precision].total_gb:.1f}",
        device=" + ".join(device.label for device in devices),
        free_gb=f"{sum(device.free_gb for device in devices):.1f}",
        fitting=fitting,
    )
