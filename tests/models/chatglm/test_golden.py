"""Parity with the released code: every checkpoint under KNOWGLM_GOLDEN_DIR, whatever its shapes, and every case in it.

A checkpoint's `cases.safetensors` holds groups "case.what". Logits were computed by the released code in fp32 from the
same weights; `cases_fp16.safetensors`, where present, by the same code in fp16.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import GOLDEN
from safetensors.torch import load_file
from torch import Tensor

from core.sampling import Sampling
from models.chatglm.chat_model import ChatGLM
from models.chatglm.decoder import Decoder
from models.chatglm.generation import generate
from models.chatglm.layout import Pass
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan
from models.chatglm.quantization import QuantizedWeight
from models.chatglm.rotary import rotary_table
from models.chatglm.stored import StoredModel

TOLERANCE, TOLERANCE_FP16 = 1e-4, 0.05
FOLDERS = sorted(path.parent for path in GOLDEN.glob("*/cases.safetensors") if (path.parent / "config.json").is_file())


@cache
def cases(folder: Path, file: str = "cases.safetensors") -> dict[str, Tensor]:
    """Return a folder's cases, those of an old vocabulary without its image tokens, as the decoder computes them."""
    path = folder / file
    held = load_file(path) if path.is_file() else {}
    with StoredModel(folder) as stored:
        skipped = stored.config.image_tokens
    if skipped:
        held |= {
            name: ids - skipped for name, ids in held.items() if name.endswith(("_ids", ".eos")) and "pos" not in name
        }
        held |= {name: logits[..., skipped:] for name, logits in held.items() if name.endswith("logits")}
    return held


@cache
def decoder(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    with StoredModel(folder) as stored:
        bits = stored.config.bits
        precision: Any = {0: "fp32", 4: "int4", 8: "int8"}[bits]
        plan = Plan(precision, bits, dtype, dtype, dtype, dtype, fast=False, placement=("cpu",) * stored.config.layers)
        return load_decoder(stored, plan)


def groups(what: str, *, without: str = "", file: str = "cases.safetensors") -> list[Any]:
    """Return (folder, case) of every group that has `what`."""
    found = []
    for folder in FOLDERS:
        held = cases(folder, file)
        for name in sorted(held):
            case, _, own = name.rpartition(".")
            if own == what and f"{case}.{without}" not in held and not case.startswith(("rope", "dequant")):
                found.append(pytest.param(folder, case, id=f"{folder.name}-{case}"))
    return found


def split_ids(folder: Path, ids: Tensor) -> tuple[list[int], list[int]]:
    """Return a prompt and what follows it, which is taught: a v1 prompt ends with the first start-of-piece."""
    row: list[int] = ids.tolist()
    config = decoder(folder).config
    end = row.index(config.sop_id) + 1 if config.family == "v1" else len(row)
    return row[:end], row[end:]


@torch.inference_mode()
def taught_logits(folder: Path, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the logits [tokens, vocabulary] of one sequence, read as a prompt and then token by token."""
    model, (prompt, rest) = decoder(folder, dtype), split_ids(folder, ids)
    layout, memory = model.layout([prompt], model.config), model.new_cache(1, len(ids))
    passes = [*layout.prompt(), *(layout.answer(torch.tensor([[token]]), step) for step, token in enumerate(rest))]
    return torch.cat([model(view, memory, every=True)[0] for view in passes])


def prompts(folder: Path, case: str) -> list[list[int]]:
    """Return the prompts of a group without their padding; a group "x_eos" has those of "x"."""
    held = cases(folder)
    base = case if f"{case}.input_ids" in held else case.removesuffix("_eos")
    ids = held[f"{base}.input_ids"]
    pads = held.get(f"{base}.pads", torch.zeros(len(ids), dtype=torch.long))
    return [row[pad:].tolist() for row, pad in zip(ids, pads.tolist(), strict=True)]


def stop_ids(folder: Path, case: str, expected: Tensor) -> set[int]:
    """Return what ended the answers: the group's own id, else the model's unless the release wrote on after it."""
    config, given = decoder(folder).config, cases(folder).get(f"{case}.eos")
    if given is not None:
        return {int(given)}
    for row in expected.tolist():
        if config.eos_id in row and set(row[row.index(config.eos_id) + 1 :]) - {config.pad_id}:
            return set()
    return {config.eos_id}


def test_there_is_something_to_compare_with() -> None:
    assert FOLDERS, f"no golden checkpoint under {GOLDEN}"


@pytest.mark.parametrize(("folder", "case"), groups("logits", without="pads"))
def test_logits_of_one_sequence(folder: Path, case: str) -> None:
    expected = cases(folder)[f"{case}.logits"]
    (ids,) = cases(folder)[f"{case}.input_ids"]
    found = taught_logits(folder, ids)[-len(expected) :]
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE


@pytest.mark.parametrize(("folder", "case"), groups("logits", file="cases_fp16.safetensors"))
def test_logits_in_half_precision(folder: Path, case: str) -> None:
    expected = cases(folder, "cases_fp16.safetensors")[f"{case}.logits"].float()
    (ids,) = cases(folder)[f"{case}.input_ids"]
    found = taught_logits(folder, ids, torch.float16)[-len(expected) :]
    assert (found - expected).abs().max() <= TOLERANCE_FP16


@pytest.mark.parametrize(("folder", "case"), groups("pads"))
def test_a_padded_batch(folder: Path, case: str) -> None:
    """Positions, logits and masks of every prompt in a batch, and each prompt alone the same."""
    model, held = decoder(folder), cases(folder)
    layout, rows = model.layout(prompts(folder, case), model.config), prompts(folder, case)
    passes, memory = layout.prompt(), model.new_cache(len(rows), layout.tokens)
    positions = torch.cat([view.positions for view in passes], dim=-1)
    with torch.inference_mode():
        found = torch.cat([model(view, memory, every=True) for view in passes], dim=1)
    for row, (prompt, pads) in enumerate(zip(rows, layout.pads, strict=True)):
        if f"{case}.position_ids" in held:
            assert positions[row, ..., pads:].equal(held[f"{case}.position_ids"][row, ..., pads:])
        if f"{case}.logits" in held:
            assert (found[row, pads:] - held[f"{case}.logits"][row, pads:]).abs().max() <= TOLERANCE
        alone = taught_logits(folder, torch.tensor(prompt))
        assert (found[row, pads:] - alone).abs().max() <= TOLERANCE


@pytest.mark.parametrize(("folder", "case"), groups("position_ids", without="pads"))
def test_positions(folder: Path, case: str) -> None:
    (ids,), expected = cases(folder)[f"{case}.input_ids"], cases(folder)[f"{case}.position_ids"]
    model, (prompt, rest) = decoder(folder), split_ids(folder, ids)
    layout = model.layout([prompt], model.config)
    passes = [*layout.prompt(), *(layout.answer(torch.tensor([[token]]), step) for step, token in enumerate(rest))]
    assert torch.cat([view.positions for view in passes], dim=-1).equal(expected)


@pytest.mark.parametrize(("folder", "case"), groups("output_ids"))
def test_greedy_answers(folder: Path, case: str) -> None:
    expected = cases(folder)[f"{case}.output_ids"]
    steps = generate(
        decoder(folder),
        prompts(folder, case),
        Sampling(answer_tokens=expected.shape[1]),
        stop_ids=stop_ids(folder, case, expected),
    )
    found = torch.tensor(list(steps)).T
    assert found.equal(expected[:, : found.shape[1]])
    assert set(expected[:, found.shape[1] :].flatten().tolist()) <= {decoder(folder).config.pad_id}


@pytest.mark.parametrize(("folder", "case"), groups("step_logits"))
@torch.inference_mode()
def test_scores_of_each_step(folder: Path, case: str) -> None:
    model, held = decoder(folder), cases(folder)
    expected, written = held[f"{case}.step_logits"], held[f"{case}.output_ids"]
    expected = expected if expected.dim() == 3 else expected[None]
    layout, memory = model.layout(prompts(folder, case), model.config), model.new_cache(len(expected), 4096)
    passes = layout.prompt()
    for step in range(expected.shape[1]):
        for view in passes:
            scores = model(view, memory)
        live = [row for row in range(len(written)) if model.config.eos_id not in written[row, :step].tolist()]
        assert (scores[live, -1] - expected[live, step]).abs().max() <= TOLERANCE
        passes = [layout.answer(written[:, step : step + 1], step)]


@pytest.mark.parametrize(("folder", "case"), groups("logits", without="pads"))
@torch.inference_mode()
def test_the_path_without_masks_equals_the_masked_one(folder: Path, case: str) -> None:
    """One pass over the whole sequence with the explicit mask of the definition gives the same."""
    model, (ids,) = decoder(folder), cases(folder)[f"{case}.input_ids"]
    prompt, rest = split_ids(folder, ids)
    layout = model.layout([prompt], model.config)
    passes = [*layout.prompt(), *(layout.answer(torch.tensor([[token]]), step) for step, token in enumerate(rest))]
    count, context = len(ids), len(prompt) - 1 if model.config.family == "v1" else 0
    query, key = torch.arange(count)[:, None], torch.arange(count)[None]
    mask = ((key <= query) | (key < context))[None, None]
    whole = Pass(ids[None], torch.cat([view.positions for view in passes], dim=-1), causal=False, mask=mask)
    found = model(whole, model.new_cache(1, count), every=True)[0]
    assert (found - taught_logits(folder, ids)).abs().max() <= TOLERANCE


DEQUANTISED = [
    pytest.param(folder, name, id=f"{folder.name}-{name}")
    for folder in FOLDERS
    for name in cases(folder)
    if name.startswith("dequant.")
]


@pytest.mark.parametrize(("folder", "name"), DEQUANTISED)
def test_quantised_matrices_expand_to_the_same_bits(folder: Path, name: str) -> None:
    with StoredModel(folder) as stored:
        weight = stored.parameter(f"{name.removeprefix('dequant.')}.weight")
    assert isinstance(weight, QuantizedWeight)
    expected = cases(folder)[name]
    assert weight.dequantise(torch.float32).equal(expected.float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=["fp16", "fp32"])
@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if "rope.positions" in cases(folder)], ids=lambda folder: folder.name
)
def test_rotary_tables(folder: Path, dtype: torch.dtype) -> None:
    held, kind = cases(folder), "fp16" if dtype == torch.float16 else "fp32"
    expected = held[f"rope.{kind}.cos"], held[f"rope.{kind}.sin"]
    dims = expected[0].shape[-1]
    for found, table in zip(
        rotary_table(dims, held["rope.positions"], dtype, half_frequencies=True), expected, strict=True
    ):
        twice = torch.cat((found, found), dim=-1)
        assert twice.equal(table) if kind == "fp16" else (twice - table).abs().max() <= 1e-6


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in GOLDEN.glob("*/chat.json")), ids=lambda folder: folder.name
)
def test_transcripts(folder: Path) -> None:
    """Whole conversations: text to ids, ids to greedy ids, and ids to the text of the answer."""
    model = ChatGLM.load(folder, device="cpu", fast=False)
    for turn in json.loads((folder / "chat.json").read_text("utf-8")):
        prompt = model.chat_format.prompt([tuple(pair) for pair in turn["history"]], turn["query"])
        assert prompt == turn["input_ids"]
        longest = Sampling(answer_tokens=len(turn["output_ids"]))
        written = [ids[0] for ids in generate(model.decoder, [prompt], longest, stop_ids=model.chat_format.stop_ids)]
        assert written == turn["output_ids"]
        answer = model.chat_format.response(model.tokenizer.decode(written))
        assert answer == turn["response_no_cleanup"]
