"""The network of a folder in the format of transformers: whole, from its own weights, and without its code."""

import json
from pathlib import Path
from typing import Any

from core.messages import Message
from core.model_errors import ModelTooLarge, ModelUnsupported
from models.devices import Device

_SAFE = {"local_files_only": True, "trust_remote_code": False}  # no network, and no code from the folder
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_WORKING_MEMORY = 1.1  # a tenth more than the weights, for activations and the cache of a few thousand tokens

_QUANTISED = Message("这个后端不运行 int8、int4 等量化权重", "this backend runs no quantised weights (int8, int4 …)")
_OWN_CODE = Message("它要执行目录里的代码，而本程序从不执行", "its own code would have to be executed, and never is")
_UNKNOWN = Message("transformers 没有 {kind} 这种语言模型", "transformers has no language model of the kind {kind}")
_ADAPTER = Message("这是微调权重，不是完整的模型", "it is an adapter, not a whole model")
_USE_BF16 = Message("设 KNOWGLM_PRECISION=bf16，约需 {gb} GB。", "Set KNOWGLM_PRECISION=bf16: about {gb} GB.")
_SMALLER = Message("换一个更小的模型，或用内存更大的设备。", "Choose a smaller model, or a device with more memory.")


def load_network(folder: Path, *, name: str, device: Device, precision: str) -> Any:
    """Return the model of transformers on a device.

    Raises:
        ModelUnsupported: no architecture of transformers, quantised weights, or a quantised precision.
        ModelTooLarge: the weights do not fit the device.
        Exception: of many kinds, where files are missing, damaged, or do not belong together.
    """
    if precision not in {"auto", *_DTYPES}:
        raise ModelUnsupported(path=folder, why=_QUANTISED)
    config, dtype = _config(folder), _dtype(precision, device)
    _require_memory(folder, name, config, device, dtype)
    return _complete_network(folder, config, dtype).to(device.name)


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


def _complete_network(folder: Path, config: Any, dtype: Any) -> Any:
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


def precision_name(dtype: Any) -> str:
    """Return what the settings call a torch type, such as "bf16"."""
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
        raise ModelTooLarge(name=name, precision=precision_name(held), device=device.label, fitting=fitting, **sizes)
