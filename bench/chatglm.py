"""Speed and memory of the ChatGLM-6B runtime on a checkpoint of full size with random weights.

    python bench/chatglm.py                              int4, int8 and bf16: load, memory, prompt, decode
    python bench/chatglm.py --variants int4 --prompt 64  one of them, with a short prompt
    python bench/chatglm.py --folder DIR                 where the checkpoints are built and kept for the next run

Every variant runs in a process of its own. Rates are shown as ratios: to the arithmetic of the release on a processor
(weights expanded to fp32 for each product; measured on two layers, times 14), and to the limit that the memory's
bandwidth, measured before and after in the same process, sets to the bytes that a token must read. Random weights say
nothing about quality.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from core.sampling import Sampling
from models.chatglm.config import ChatGLMConfig, load_config
from models.chatglm.decoder import Decoder, V1Decoder
from models.chatglm.footprint import footprint
from models.chatglm.generation import generate
from models.chatglm.loading import load_decoder
from models.chatglm.plan import make_plan
from models.chatglm.stored import V1_EMBEDDING, V1_HEAD, StoredModel
from models.devices import find_devices

Figures = dict[str, float]
_BITS = {"int4": 4, "int8": 8, "bf16": 0}
_RELEASED: dict[str, Any] = {
    "model_type": "chatglm",
    "architectures": ["ChatGLMModel"],
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "layernorm_epsilon": 1e-5,
    "max_sequence_length": 2048,
    "num_attention_heads": 32,
    "num_layers": 28,
    "position_encoding_2d": True,
    "vocab_size": 130528,
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "mask_token_id": 130000,
    "gmask_token_id": 130001,
    "pad_token_id": 3,
    "torch_dtype": "float16",
}
_TABLE_WIDTH = 120
_SLICE_LAYERS = 2  # on which the release's arithmetic is measured
_RSS_LIMIT_GB = 6.0  # of the int4 checkpoint, loading included
_ANSWER, _RELEASE_ANSWER = 24, 4  # tokens written, of which the quickest counts


def build(folder: Path, variant: str) -> None:
    """Write a checkpoint in the release's layout: a file for every four layers and one for the ends, with an index."""
    if (folder / "model.safetensors.index.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(_RELEASED | {"quantization_bit": _BITS[variant]}), "utf-8")
    with torch.device("meta"):
        decoder = V1Decoder(load_config(folder))
    shapes = {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}
    files: dict[str, list[str]] = {}
    for name in shapes:
        part = int(name.split(".layers.")[1].split(".")[0]) // 4 + 2 if ".layers." in name else 1
        files.setdefault(f"model-{part:05d}-of-00008.safetensors", []).append(name)
    weight_map: dict[str, str] = {}
    for file, names in files.items():
        tensors: dict[str, torch.Tensor] = {}
        for name in names:
            tensors |= _random(name, shapes[name], _BITS[variant])
        if V1_HEAD in tensors:
            tensors[V1_HEAD] = tensors[V1_EMBEDDING].clone()  # tied, and stored twice, as the release does
        save_file(tensors, folder / file)
        weight_map |= dict.fromkeys(tensors, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map}), "utf-8"
    )


def _random(name: str, shape: tuple[int, ...], bits: int) -> dict[str, torch.Tensor]:
    spread = 1 / math.sqrt(shape[-1])
    if bits and len(shape) == 2 and ".layers." in name:
        codes = torch.randint(-128, 128, (shape[0], shape[1] * bits // 8), dtype=torch.int8)
        largest = 2 ** (bits - 1)
        return {name: codes, f"{name}_scale": torch.full((shape[0],), 1.7 * spread / largest, dtype=torch.half)}
    if len(shape) == 2:
        return {name: torch.empty(shape, dtype=torch.half).uniform_(-1.7 * spread, 1.7 * spread)}
    return {name: torch.ones(shape, dtype=torch.half) if name.endswith("norm.weight") else torch.zeros(shape).half()}


def sliced(folder: Path) -> Path:
    """Return a folder with the first layers of a checkpoint, by links to its files."""
    target = folder.with_name(f"{folder.name}-{_SLICE_LAYERS}-layers")
    target.mkdir(exist_ok=True)
    config = json.loads((folder / "config.json").read_text("utf-8")) | {"num_layers": _SLICE_LAYERS}
    (target / "config.json").write_text(json.dumps(config), "utf-8")
    weight_map: dict[str, str] = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))["weight_map"]
    kept = {
        name: file
        for name, file in weight_map.items()
        if ".layers." not in name or int(name.split(".layers.")[1].split(".")[0]) < _SLICE_LAYERS
    }
    for file in set(kept.values()):
        (target / file).unlink(missing_ok=True)
        (target / file).hardlink_to(folder / file)
    (target / "model.safetensors.index.json").write_text(json.dumps({"weight_map": kept}), "utf-8")
    return target


def load(folder: Path, wanted: str, *, fast: bool) -> Decoder:
    """Load a decoder as the product does."""
    with StoredModel(folder) as stored:
        plan = make_plan(stored.config, find_devices("cpu"), wanted=wanted, fast=fast, cached_tokens=2048)
        return load_decoder(stored, plan)


def measure(folder: Path, variant: str, prompt_tokens: int) -> Figures:
    """Load and run one variant; rates in tokens per second, memory in GB."""
    started = time.perf_counter()
    decoder = load(folder, variant, fast=True)
    figures: Figures = {"load_s": time.perf_counter() - started}
    bandwidth = _bandwidth()
    times = _token_times(decoder, prompt_tokens, _ANSWER)
    figures["prompt"] = prompt_tokens / times[0]
    figures["decode"] = 1 / min(times[1:])
    figures["rss_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    bandwidth = max(bandwidth, _bandwidth())
    figures["bandwidth_gb_s"] = bandwidth / 1e9
    figures["decode_of_limit"] = (
        figures["decode"] * _bytes_per_token(decoder.config, variant, prompt_tokens) / bandwidth
    )
    del decoder
    release = _release_seconds(sliced(folder), variant, prompt_tokens)
    figures["decode_to_release"] = figures["decode"] * release[1]
    figures["prompt_to_release"] = figures["prompt"] * release[0] / prompt_tokens
    return figures


def _token_times(decoder: Decoder, prompt_tokens: int, answer_tokens: int) -> list[float]:
    """Return the seconds of the prompt with its first token, then those of each further token."""
    ids = torch.randint(100, 100_000, (prompt_tokens - 2,), generator=torch.Generator().manual_seed(1)).tolist()
    prompt = [*ids, decoder.config.gmask_id, decoder.config.sop_id]
    times, last = [], time.perf_counter()
    for _ in generate(decoder, [prompt], Sampling(answer_tokens=answer_tokens), stop_ids=()):
        now = time.perf_counter()
        times.append(now - last)
        last = now
    return times


def _release_seconds(folder: Path, variant: str, prompt_tokens: int) -> tuple[float, float]:
    """Return what the release's arithmetic would take for the prompt and for a token, from its first layers."""
    decoder = load(folder, "fp32" if variant == "bf16" else variant, fast=False)
    head = decoder.parts()[3]
    row = torch.randn(1, 1, decoder.config.hidden_size)
    with torch.inference_mode():
        head_seconds = _best(lambda: head(row))
    runs = [_token_times(decoder, prompt_tokens, _RELEASE_ANSWER) for _ in range(2)]
    more = _RELEASED["num_layers"] / _SLICE_LAYERS
    prompt, token = min(times[0] for times in runs), min(min(times[1:]) for times in runs)
    return (prompt - head_seconds) * more + head_seconds, (token - head_seconds) * more + head_seconds


def _bytes_per_token(config: ChatGLMConfig, variant: str, prompt_tokens: int) -> float:
    precision: Any = variant
    size = footprint(config, precision, prompt_tokens)
    return size.layer * size.layers + size.ends


def _bandwidth() -> float:
    """Return how fast memory is read, in bytes per second."""
    block = torch.ones(1 << 28)
    seconds = _best(block.sum)
    return block.nbytes / seconds


def _best(work: Callable[[], object]) -> float:
    """Return the least of many times: the memory's bandwidth swings by half on a shared machine."""
    work()
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


_COLUMNS = (
    ("load_s", "load, s", ".1f"),
    ("rss_gb", "peak RSS, GB", ".1f"),
    ("prompt", "prompt, tok/s", ".1f"),
    ("prompt_to_release", "÷ release", ".1f"),
    ("decode", "decode, tok/s", ".2f"),
    ("decode_to_release", "÷ release", ".1f"),
    ("decode_of_limit", "÷ limit", ".2f"),
    ("bandwidth_gb_s", "memory, GB/s", ".0f"),
)


def _print(results: dict[str, Figures]) -> None:
    table = Table("checkpoint", *(title for _, title, _ in _COLUMNS))
    for variant, figures in results.items():
        table.add_row(variant, *(format(figures[key], shape) for key, _, shape in _COLUMNS))
    Console(width=_TABLE_WIDTH).print(table)


def main() -> int:
    """Run what the arguments ask for; exit with 1 where int4 takes more memory than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="int4,int8,bf16", help="comma-separated: int4, int8, bf16")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    parser.add_argument("--folder", type=Path, help="where the checkpoints are kept; by default a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a variant, in the process of its own
    arguments = parser.parse_args()
    if arguments.one:
        figures = measure(arguments.folder, arguments.one, arguments.prompt)
        arguments.json.write_text(json.dumps(figures), encoding="utf-8")
        return 0
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for variant in arguments.variants.split(","):
            folder = (arguments.folder or Path(temporary)) / f"chatglm-6b-{variant}"
            build(folder, variant)
            output = Path(temporary) / f"{variant}.json"
            command = [
                sys.executable,
                __file__,
                "--one",
                variant,
                "--folder",
                folder,
                "--prompt",
                str(arguments.prompt),
            ]
            subprocess.run([*command, "--json", output], check=True)  # noqa: S603 - this very program
            results[variant] = json.loads(output.read_text("utf-8"))
    _print(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2), encoding="utf-8")
    return int(results.get("int4", {}).get("rss_gb", 0) > _RSS_LIMIT_GB)


if __name__ == "__main__":
    sys.exit(main())
