"""LoRA adapters in the format of PEFT, merged into the weights they were trained on.

A trained layer computes with W + s·B·A, where A is [rank, in], B is [out, rank] and s is alpha / rank, or
alpha / √rank for rank-stabilised LoRA (Hu et al., 2021; Kalajdzievski, 2023). The file may also hold whole weights
that take the place of the base's: biases, and the modules of `modules_to_save`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.messages import literal
from core.model_errors import AdapterRefused
from models.chatglm.config import read_json
from models.chatglm.weight_files import listed, read_weights

CONFIG_FILE = "adapter_config.json"
_WEIGHT_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_BASE = "base_model.model."  # PEFT's wrappers around the model that was trained
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.default)?\.weight")
_WRAPPER = re.compile(r"\.(base_layer|modules_to_save(\.default)?)(?=\.)")

_BASE_KEPT = (None, True, False, "gaussian", "eva", "orthogonal")  # other starts, like PiSSA's, change the base
_UNDERSTOOD = {
    *("peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora"),
    *("init_lora_weights", "bias", "modules_to_save", "enable_lora"),
}
_WITHOUT_EFFECT = {  # once trained; which modules were is seen from the tensors
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout", "merge_weights"),
    *("megatron_config", "megatron_core", "loftq_config", "eva_config", "qalora_group_size", "runtime_config"),
    "fan_in_fan_out",  # of Conv1D layers; PEFT clears it for torch.nn.Linear, and ChatGLM has no others
}


@dataclass(frozen=True, slots=True)
class _Factors:
    """A is [rank, in], B is [out, rank]."""

    a: Tensor
    b: Tensor
    scaling: float


class LoraAdapter:
    """The changes that a LoRA adapter makes to a model's weights.

    Attributes:
        folder: where it was read from.
        names: the weights that it changes, by their names in the base's checkpoint.
    """

    def __init__(self, folder: Path, factors: Mapping[str, _Factors], replaced: Mapping[str, Tensor]) -> None:
        self.folder = folder
        self.names = frozenset(factors) | frozenset(replaced)
        self._factors = factors
        self._replaced = replaced

    def check(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Make sure that a base fits before it is loaded.

        Args:
            shapes: of its weights by name; of a quantised matrix, the shape before its codes were packed.

        Raises:
            AdapterRefused: the base lacks a weight, or has it in another shape.
        """
        if unknown := self.names - shapes.keys():
            raise _refused(self.folder, f"底座模型没有 {listed(unknown)}", f"the base model lacks {listed(unknown)}")
        for name in sorted(self.names):
            self._require_shape(name, shapes[name])

    def merge(self, name: str, weight: Tensor) -> Tensor:
        """Return a weight with the adapter's change, computed in fp32, in the type and on the device of `weight`.

        A weight that the adapter does not change comes back as it is.

        Raises:
            AdapterRefused: the shapes differ, or `weight` holds the codes of a quantised matrix.
        """
        if name not in self.names:
            return weight
        self._require_shape(name, weight.shape)
        if not weight.is_floating_point():
            raise _refused(self.folder, f"底座的 {name} 是量化的", f"{name} of the base model is quantised")
        merged = self._replaced.get(name, weight).to(weight.device)
        if factors := self._factors.get(name):
            a, b = (factor.to(weight.device, torch.float32) for factor in (factors.a, factors.b))
            merged = (b @ a).mul_(factors.scaling).add_(merged)
        return merged.to(weight.dtype)

    def _require_shape(self, name: str, base: Sequence[int]) -> None:
        trained: list[tuple[int, ...]] = []
        if factors := self._factors.get(name):
            trained.append((factors.b.shape[0], factors.a.shape[1]))
        if name in self._replaced:
            trained.append(tuple(self._replaced[name].shape))
        for shape in trained:
            if shape != tuple(base):
                raise _refused(
                    self.folder,
                    f"{name} 是 {shape}，底座模型是 {tuple(base)}",
                    f"{name} is {shape}, in the base model it is {tuple(base)}",
                )


def load_lora(folder: Path) -> LoraAdapter:
    """Read a folder with `adapter_config.json` and `adapter_model.safetensors` or `.bin`.

    Raises:
        AdapterRefused: it is of another kind, or uses an option whose effect could not be reproduced exactly.
        CheckpointUnreadable: one of its files is damaged, could run code, or cannot be opened.
    """
    config = read_json(folder / CONFIG_FILE)
    _require_plain_lora(folder, config)
    path = next((folder / name for name in _WEIGHT_FILES if (folder / name).is_file()), None)
    if path is None:
        files = " / ".join(_WEIGHT_FILES)
        raise _refused(folder, f"没有 {files}", f"there is no {files}")
    halves, replaced = _sorted_out(folder, read_weights(path))
    factors = {f"{module}.weight": _factors(folder, config, module, half) for module, half in halves.items()}
    _require_all_trained(folder, config, factors, replaced)
    return LoraAdapter(folder, factors, replaced)


def _require_plain_lora(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        kind = config.get("peft_type")
        raise _refused(
            folder,
            f"{kind} 类型的 PEFT 适配器不支持，只支持 LORA（以及官方脚本训练的 P-Tuning v2）",
            f"PEFT adapters of the kind {kind} are not supported, only LORA (and P-Tuning v2 of the official scripts)",
        )
    if config.get("enable_lora"):
        raise _refused(
            folder,
            "它是早期 PEFT 的 MergedLinear 格式（enable_lora），请用新版 PEFT 重新训练或转换",
            "it has the MergedLinear format of early PEFT (enable_lora); train or convert it with a current PEFT",
        )
    if (start := config.get("init_lora_weights")) not in _BASE_KEPT:
        raise _refused(
            folder,
            f"它以 {start} 初始化，训练时改动了底座权重，请先用 PEFT 转换为普通 LoRA",
            f"it was initialised with {start}, which changes the base weights; convert it to plain LoRA with PEFT",
        )
    unknown = [key for key, value in config.items() if value and key not in _UNDERSTOOD | _WITHOUT_EFFECT]
    if unknown:
        raise _refused(folder, f"不支持的选项：{listed(unknown)}", f"options not supported: {listed(unknown)}")


def _sorted_out(folder: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """Return the factors by module and side ("A", "B"), and the whole weights by name."""
    halves: dict[str, dict[str, Tensor]] = {}
    replaced: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(_BASE)
        if found := _FACTOR.fullmatch(name):
            halves.setdefault(found["module"], {})[found["side"]] = tensor
        elif "lora_" in name:  # DoRA's magnitudes, embeddings, biases of B, several adapters in one file
            raise _refused(folder, f"不支持其中的 {name}", f"it holds {name}, which is not supported")
        else:
            replaced[_WRAPPER.sub("", name)] = tensor
    return halves, replaced


def _factors(folder: Path, config: Mapping[str, Any], module: str, half: Mapping[str, Tensor]) -> _Factors:
    rank = _setting(folder, config, "r", "rank_pattern", module)
    alpha = _setting(folder, config, "lora_alpha", "alpha_pattern", module)
    a, b = half.get("A"), half.get("B")
    if a is None or b is None or (a.ndim, b.ndim) != (2, 2) or not a.shape[0] == b.shape[1] == rank > 0:
        raise _refused(
            folder,
            f"{module} 的 LoRA 矩阵不成对，或与设定的秩 {rank:g} 不符",
            f"the LoRA matrices of {module} are no pair, or not of the rank {rank:g} that is configured",
        )
    return _Factors(a, b, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _setting(folder: Path, config: Mapping[str, Any], default: str, pattern: str, module: str) -> float:
    """Return a number of a module: of the first pattern that matches the end of its name, else the default."""
    try:
        patterns = (config.get(pattern) or {}).items()
        fitting = (value for key, value in patterns if re.fullmatch(rf"(.*\.)?({key})", module))
        return float(next(fitting, config[default]))
    except (KeyError, AttributeError, TypeError, ValueError, re.error) as error:
        raise _refused(
            folder, f"{CONFIG_FILE} 的 {default} 或 {pattern} 有误", f"{default} or {pattern} of {CONFIG_FILE} is wrong"
        ) from error


def _require_all_trained(
    folder: Path, config: Mapping[str, Any], factors: Mapping[str, _Factors], replaced: Mapping[str, Tensor]
) -> None:
    """Raise AdapterRefused where the file lacks something that the configuration says was trained."""
    saved = config.get("modules_to_save") or []
    modules = saved if isinstance(saved, list) else [saved]
    lacking = [str(module) for module in modules if not any(f".{module}." in f".{name}" for name in replaced)]
    if config.get("bias") not in (None, "none") and not any(name.endswith(".bias") for name in replaced):
        lacking.append("bias")
    if not factors and not replaced:
        lacking.append("lora_A, lora_B")
    if lacking:
        raise _refused(folder, f"权重文件里没有 {listed(lacking)}", f"its weights lack {listed(lacking)}")


def _refused(folder: Path, zh: str, en: str) -> AdapterRefused:
    return AdapterRefused(path=folder, why=literal(zh, en))
