"""Tiny ChatGLM checkpoints, recorded or random, with this or that changed; and what a decoder makes of a prompt."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from golden_cases import TINY
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.chatglm.adapters import Adapter
from models.chatglm.config import ChatGLMConfig
from models.chatglm.decoder import Decoder
from models.chatglm.footprint import Precision
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan
from models.chatglm.stored import StoredModel

Tensors = dict[str, Tensor]


def recorded(name: str, file: str = "model.safetensors") -> Tensors:
    """Return the tensors of a recorded checkpoint, or of its cases."""
    tensors: Tensors = load_file(TINY / name / file)
    return tensors


def recorded_config(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((TINY / name / "config.json").read_text("utf-8"))
    return values


def save(folder: Path, tensors: Tensors, config: dict[str, Any]) -> Path:
    """Write a checkpoint as one safetensors file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
    return folder


def changed(folder: Path, name: str, change: Callable[[Tensors], Tensors] = dict, **config: Any) -> Path:
    """Write a recorded checkpoint with other tensors or another configuration."""
    return save(folder, change(recorded(name)), recorded_config(name) | config)


def random_v1(*, rows: int, hidden: int = 16, layers: int = 2, ffn: int = 32, seed: int = 0) -> Tensors:
    """Return a random checkpoint in ChatGLM-6B's layout, in fp16; its head is its embedding."""
    generator = torch.Generator().manual_seed(seed)
    linears = {
        "attention.query_key_value": (3 * hidden, hidden),
        "attention.dense": (hidden, hidden),
        "mlp.dense_h_to_4h": (ffn, hidden),
        "mlp.dense_4h_to_h": (hidden, ffn),
    }
    shapes: dict[str, tuple[int, ...]] = {"transformer.word_embeddings.weight": (rows, hidden)}
    for layer in (f"transformer.layers.{number}" for number in range(layers)):
        for linear, shape in linears.items():
            shapes |= {f"{layer}.{linear}.weight": shape, f"{layer}.{linear}.bias": shape[:1]}
    tensors = {name: torch.randn(shape, generator=generator).half() / 2 for name, shape in shapes.items()}
    norms = [f"transformer.layers.{number}.{norm}" for number in range(layers) for norm in ("input", "post_attention")]
    for norm in (*(f"{norm}_layernorm" for norm in norms), "transformer.final_layernorm"):
        tensors |= {f"{norm}.weight": torch.ones(hidden).half(), f"{norm}.bias": torch.zeros(hidden).half()}
    return tensors


def exact(config: ChatGLMConfig, precision: Precision | None = None, **changes: Any) -> Plan:
    """Return the plan that computes everything in fp32, as the release does on a processor."""
    stored: dict[int, Precision] = {0: "fp32", 4: "int4", 8: "int8"}
    precision = precision or stored[config.bits]
    fp32 = dict.fromkeys(("weights", "tables", "activations", "cache"), torch.float32)
    bits = {"int4": 4, "int8": 8}.get(precision, 0)
    how: dict[str, Any] = {"placement": ("cpu",) * config.layers, "fast": False, **fp32} | changes
    return Plan(precision=precision, bits=bits, **how)


def load(
    folder: Path, precision: Precision | None = None, *, adapter: Adapter | None = None, **changes: Any
) -> Decoder:
    """Load a folder exactly, but for `changes` of the plan."""
    with StoredModel(folder) as stored:
        return load_decoder(stored, exact(stored.config, precision, **changes), adapter=adapter)


def prompt_of(name: str, case: str = "prompt") -> list[int]:
    """Return a recorded prompt, for v1 up to its `<sop>`."""
    ids: list[int] = recorded(name, "cases.safetensors")[f"{case}.input_ids"][0].tolist()
    sop = recorded_config(name).get("bos_token_id")
    return ids[: ids.index(sop) + 1] if sop in ids else ids


@torch.inference_mode()
def logits(decoder: Decoder, *prompts: Sequence[int], answer: Sequence[int] = ()) -> Tensor:
    """Return the logits [batch, tokens, vocabulary] of prompts and of the same `answer` taught to each."""
    layout = decoder.layout(prompts, decoder.config, decoder.prefix_tokens)
    cache = decoder.new_cache(len(prompts), layout.tokens + len(answer))
    passes = layout.prompt()
    for step, token in enumerate(answer):
        passes.append(layout.answer(torch.full((len(prompts), 1), token), step))
    return torch.cat([decoder(view, cache, every=True) for view in passes], dim=1)


def tensors_in(thing: object, seen: set[int] | None = None) -> list[Tensor]:
    """Return every tensor that an object holds, at any depth; of those that share memory, each."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return []
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        return [thing]
    if isinstance(thing, dict | list | tuple):
        parts = list(thing.values()) if isinstance(thing, dict) else list(thing)
    else:
        slots = [getattr(thing, slot, None) for slot in getattr(type(thing), "__slots__", ())]
        parts = [*slots, *getattr(thing, "__dict__", {}).values()]
    return [tensor for part in parts for tensor in tensors_in(part, seen)]
