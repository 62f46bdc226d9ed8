"""From files to a decoder: every layout and age of a checkpoint, what is wrong with one, and several devices."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from chatglm_folders import (
    Tensors,
    changed,
    exact,
    load,
    logits,
    prompt_of,
    random_v1,
    recorded,
    recorded_config,
    save,
    tensors_in,
)
from golden_cases import TINY
from torch import Tensor

from core.answers import Progress
from core.model_errors import CheckpointUnreadable
from models.chatglm import loading
from models.chatglm.chat_model import ChatGLM
from models.chatglm.decoder import Decoder
from models.chatglm.footprint import Precision
from models.chatglm.loading import load_decoder
from models.chatglm.route_probe import choose_routes
from models.chatglm.stored import StoredModel

NAMES = ["v1_fp", "v1_int8", "v1_int4", "v1_int4_qe", "v2_fp", "v2_int4"]
EMBEDDING, HEAD = "transformer.word_embeddings.weight", "lm_head.weight"
QKV = "transformer.layers.0.attention.query_key_value.weight"
each_kind = pytest.mark.parametrize("name", NAMES)


def golden_logits(name: str) -> Tensor:
    return logits(load(TINY / name), prompt_of(name))


def save_bin(folder: Path, name: str) -> Path:
    """Write a recorded checkpoint as three archives of `torch.save` with an index, some tensors as parameters."""
    tensors, weight_map = recorded(name), {}
    shutil.copy(TINY / name / "config.json", folder)
    for part in range(3):
        file = f"pytorch_model-{part + 1:05}-of-00003.bin"
        held: Tensors = {key: tensors[key] for key in sorted(tensors)[part::3]}
        weight_map |= dict.fromkeys(held, file)
        for key in [key for key in held if held[key].is_floating_point()][::2]:
            held[key] = torch.nn.Parameter(held[key])
        torch.save(held, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), "utf-8")
    return folder


@each_kind
def test_parts_and_one_file_give_the_same_logits(tmp_path: Path, name: str) -> None:
    decoder = load(save_bin(tmp_path, name))
    assert logits(decoder, prompt_of(name)).equal(golden_logits(name))
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
@each_kind
def test_nothing_stays_without_memory(name: str, fast: bool) -> None:
    """A decoder is built without memory: what is left so would compute nothing, or fail much later."""
    decoder = load(TINY / name, fast=fast, **({"weights": torch.bfloat16, "tables": None} if fast else {}))
    held = tensors_in(decoder)
    assert len(held) > 4 * decoder.config.layers
    assert not [tensor.shape for tensor in held if tensor.is_meta]
    assert not decoder.training
    assert logits(decoder, prompt_of(name)).isfinite().all()


def test_progress_counts_to_the_end() -> None:
    steps: list[Progress] = []
    with StoredModel(TINY / "v1_fp") as stored:
        load_decoder(stored, exact(stored.config), progress=steps.append)
    layers = recorded_config("v1_fp")["num_layers"]
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total for step in steps} == {len(steps)} == {layers * 6 + 3}
    assert {"transformer.word_embeddings", "transformer.layers.2.mlp.dense_4h_to_h", "lm_head"} < {
        step.label for step in steps
    }


def test_a_caller_who_gives_up_ends_the_loading() -> None:
    def give_up(step: Progress) -> None:
        if step.done == 5:
            raise KeyboardInterrupt

    with StoredModel(TINY / "v1_fp") as stored, pytest.raises(KeyboardInterrupt):
        load_decoder(stored, exact(stored.config), progress=give_up)


def tables(decoder: Decoder) -> tuple[Tensor, Tensor]:
    """Return the memory of the word embedding and of the head."""
    embedding, _, _, head = decoder.parts()
    return tensors_in(embedding)[0], tensors_in(head)[0]


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "missing"])
@pytest.mark.parametrize("name", ["v1_fp", "v1_int4", "v1_int4_qe"])
def test_a_tied_head_shares_the_memory_of_the_embedding(tmp_path: Path, name: str, stored: bool) -> None:
    folder = changed(tmp_path, name, lambda held: {key: held[key] for key in held if stored or "lm_head" not in key})
    decoder = load(folder)
    embedding, head = tables(decoder)
    assert embedding.data_ptr() == head.data_ptr()
    assert logits(decoder, prompt_of(name)).equal(golden_logits(name))


def test_a_head_of_its_own_is_kept(tmp_path: Path) -> None:
    def turn(held: Tensors) -> Tensors:
        return held | {HEAD: held[HEAD].flip(0)}

    decoder = load(changed(tmp_path, "v1_fp", turn))
    embedding, head = tables(decoder)
    assert embedding.data_ptr() != head.data_ptr()
    assert embedding.equal(recorded("v1_fp")[EMBEDDING].float())
    torch.testing.assert_close(logits(decoder, prompt_of("v1_fp")), golden_logits("v1_fp").flip(-1), rtol=0, atol=1e-5)


def test_half_a_quantised_head_is_missed_by_name(tmp_path: Path) -> None:
    folder = changed(tmp_path, "v1_int4_qe", lambda held: {key: held[key] for key in held if key != f"{HEAD}_scale"})
    with pytest.raises(CheckpointUnreadable, match=r"lm_head\.weight_scale"):
        load(folder)


NEW_ROWS, OLD_ROWS, IMAGES = 130_528, 150_528, 20_000
SIZES = {"num_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "inner_hidden_size": 32}
NEW_CONFIG = {"model_type": "chatglm", "position_encoding_2d": True, **SIZES, "vocab_size": NEW_ROWS}
NEW_CONFIG |= {"bos_token_id": 130004, "eos_token_id": 130005, "gmask_token_id": 130001, "mask_token_id": 130000}
OLD_CONFIG = {"model_type": "chatglm", "position_encoding_2d": True, **SIZES, "vocab_size": OLD_ROWS}
OLD_PROMPT = [5, 74_874, 130_343, 130_001, 130_004]


def quantised_by_rows(held: Tensors) -> Tensors:
    """Quantise all matrices to 4 bits as the release does, the embedding too, one row and one byte at a time."""
    tensors: Tensors = {}
    for name, weight in held.items():
        if weight.dim() != 2:
            tensors[name] = weight
            continue
        scale = weight.float().abs().amax(1) / 7
        codes = (weight.float() / scale[:, None]).round().int()
        bytes_ = (codes[:, 0::2] % 16) * 16 + codes[:, 1::2] % 16  # two's complement, the even column on top
        tensors |= {name: bytes_.to(torch.uint8).view(torch.int8), f"{name}_scale": scale.half()}
    return tensors


@pytest.mark.parametrize("quantised", [False, True], ids=["fp16", "int4_qe"])
@pytest.mark.parametrize("stale", [False, True], ids=["own_config", "config_of_the_other_age"])
def test_an_old_vocabulary_loses_its_image_rows(tmp_path: Path, quantised: bool, stale: bool) -> None:
    """Rows 20000 on of an old checkpoint are a new one, whatever its configuration says."""
    old = random_v1(rows=OLD_ROWS)
    extra = {}
    if quantised:
        old, extra = quantised_by_rows(old), {"quantization_bit": 4, "quantization_embeddings": True}
    old |= {key.replace(EMBEDDING, HEAD): old[key] for key in list(old) if key.startswith(EMBEDDING)}
    new = {key: value[IMAGES:] if len(value) == OLD_ROWS else value for key, value in old.items()}
    assert len(new[EMBEDDING]) == NEW_ROWS
    ages = (NEW_CONFIG, OLD_CONFIG) if stale else (OLD_CONFIG, NEW_CONFIG)
    decoders = [
        load(save(tmp_path / age, held, config | extra))
        for age, held, config in zip(("old", "new"), (old, new), ages, strict=True)
    ]
    assert [decoder.config.image_tokens for decoder in decoders] == [IMAGES, 0]
    assert {decoder.config.vocab_size for decoder in decoders} == {NEW_ROWS}
    old_logits, new_logits = (logits(decoder, OLD_PROMPT, answer=[74_874]) for decoder in decoders)
    assert old_logits.shape == (1, 6, NEW_ROWS)
    assert old_logits.std() > 0.01
    assert old_logits.equal(new_logits)


def without(*names: str) -> Callable[[Tensors], Tensors]:
    return lambda held: {key: held[key] for key in held if not key.endswith(names)}


def also(**tensors: Tensor) -> Callable[[Tensors], Tensors]:
    return lambda held: held | {key.replace("__", "."): value for key, value in tensors.items()}


def reshaped(name: str, *shape: int) -> Callable[[Tensors], Tensors]:
    return lambda held: held | {name: torch.zeros(shape, dtype=held[name].dtype)}


V2_QKV = "transformer.encoder.layers.1.self_attention.query_key_value.weight"
WRONG: dict[str, tuple[str, Callable[[Tensors], Tensors], str, str]] = {
    "missing": ("v1_fp", without(QKV), "缺少 1 个张量", rf"1 tensors are missing: {QKV}"),
    "missing_scale": ("v1_int4", without(f"{QKV}_scale"), "缺少 1 个张量", f"missing: {QKV}_scale"),
    "missing_embedding": ("v1_fp", without(EMBEDDING, "lm_head.weight"), "缺少 1 个", f"missing: {EMBEDDING}"),
    "missing_v2_head": ("v2_fp", without("output_layer.weight"), "缺少 1 个", "transformer.output_layer.weight"),
    "missing_many": ("v1_fp", without("weight", "bias"), "…", "39 tensors are missing"),
    "unknown": ("v1_fp", also(stray__weight=torch.ones(2)), "不认识", "1 tensors are unknown: stray.weight"),
    "unknown_scale": ("v1_fp", also(**{f"{QKV}_scale": torch.ones(2)}), "不认识", f"unknown: {QKV}_scale"),
    "shape": ("v1_fp", reshaped(QKV, 192, 63), "形状不符", r"another shape: .*\(192, 63\) ≠ \(192, 64\)"),
    "v2_shape": ("v2_fp", reshaped(V2_QKV, 96, 64), "形状不符", r"\(96, 64\) ≠ \(128, 64\)"),
    "int4_shape": ("v1_int4", reshaped(QKV, 192, 64), "形状不符", r"\(192, 64\) ≠ \(192, 32\)"),
    "norm_shape": ("v1_fp", reshaped("transformer.final_layernorm.bias", 1, 64), "形状不符", r"\(1, 64\) ≠ \(64,\)"),
    "head_rows": ("v1_fp", reshaped(HEAD, 319, 64), "形状不符", r"lm_head.weight \(319, 64\) ≠ \(320, 64\)"),
}


@pytest.mark.parametrize(("name", "change", "zh", "en"), WRONG.values(), ids=WRONG)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, name: str, change: Callable[[Tensors], Tensors], zh: str, en: str
) -> None:
    with pytest.raises(CheckpointUnreadable) as caught:
        load(changed(tmp_path, name, change))
    chinese, english = (caught.value.reason(language) for language in ("zh", "en"))
    assert zh in chinese
    assert re.search(en, english)
    assert str(tmp_path) in chinese
    assert set(re.findall(r"transformer[\w.]+|lm_head[\w.]+", chinese)) == set(
        re.findall(r"transformer[\w.]+|lm_head[\w.]+", english)
    )
    assert len(english) < 1000


def test_floats_in_the_place_of_codes_are_named(tmp_path: Path) -> None:
    folder = changed(tmp_path, "v1_int8", lambda held: held | {QKV: held[QKV].half()})
    with pytest.raises(CheckpointUnreadable, match=QKV):
        load(folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_a_weight_that_is_no_number_is_named(tmp_path: Path, bad: float) -> None:
    folder = changed(
        tmp_path, "v1_fp", lambda held: held | {QKV: held[QKV].clone().index_fill(0, torch.tensor(3), bad)}
    )
    with pytest.raises(CheckpointUnreadable, match=QKV):
        load(folder, "int4")


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model-00002-of-00003.bin"])
def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path, file: str) -> None:
    save_bin(tmp_path, "v1_fp")
    (tmp_path / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "utf-8")
    with pytest.raises(CheckpointUnreadable) as caught:
        load(tmp_path)
    for language in ("zh", "en"):
        assert file in caught.value.reason(language)
        assert "Git LFS" in caught.value.reason(language)
        assert "git lfs pull" in caught.value.advice(language)


@each_kind
def test_a_loaded_model_does_not_change_with_its_file(tmp_path: Path, name: str) -> None:
    """A download that is repeated over a running model must not reach it."""
    file = changed(tmp_path, name) / "model.safetensors"
    decoder = load(tmp_path, tables=None)  # as they are stored
    expected = logits(decoder, prompt_of(name))
    with file.open("r+b") as stream:
        stream.seek(8 + int.from_bytes(stream.read(8), "little"))
        stream.write(bytes(file.stat().st_size - stream.tell()))
    assert logits(decoder, prompt_of(name)).equal(expected)


def poison(folder: Path, ran: Path) -> None:
    """Add Python files as in the release, which tell when they run, and refer to them as the release does."""
    for name in ("configuration", "modeling", "tokenization"):
        (folder / f"{name}_chatglm.py").write_text(f"open({str(ran)!r}, 'w').close()\n", "utf-8")
    for name in ("quantization", "__init__"):
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'w').close()\n", "utf-8")
    classes = {
        "AutoConfig": "configuration_chatglm.ChatGLMConfig",
        "AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration",
        "AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", None],
    }
    for file in ("config.json", "tokenizer_config.json"):
        values = json.loads((folder / file).read_text("utf-8"))
        (folder / file).write_text(json.dumps(values | {"auto_map": classes}), "utf-8")


def test_no_file_of_the_folder_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, ran = tmp_path / "chatglm-6b", tmp_path / "ran"
    shutil.copytree(TINY / "v1_chat_tiny", folder)
    poison(folder, ran)
    exec(compile((folder / "modeling_chatglm.py").read_text("utf-8"), "trap", "exec"))  # noqa: S102 - the trap works
    ran.unlink()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    model = ChatGLM.load(folder, device="cpu", fast=False)
    answer = model.invoke("你好", answer_tokens=4)
    model.free()
    assert isinstance(answer.text, str)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["v1_fp", "v1_int4_qe", "v2_fp"])
def test_two_devices_give_the_same_logits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch takes "cpu" and "cpu:0" for different devices, so that they stand for two."""
    asked: list[str] = []

    def watched(device: torch.device, dtype: torch.dtype, fast: bool) -> object:
        asked.append(str(device))
        return choose_routes(device, dtype, fast)

    monkeypatch.setattr(loading, "choose_routes", watched)
    decoder = load(TINY / name, placement=("cpu", "cpu:0", "cpu:0"))
    assert Counter(asked) == {"cpu": 4, "cpu:0": 9}  # four matrices in each layer, and the head
    prompts = [prompt_of(name), prompt_of(name)[4:]]
    single = load(TINY / name, placement=("cpu",) * 3)
    assert logits(decoder, *prompts, answer=[7, 8]).equal(logits(single, *prompts, answer=[7, 8]))


@pytest.mark.parametrize(
    ("name", "precision"),
    [("v1_fp", None), ("v1_fp", "int8"), ("v2_fp", None), ("v2_fp", "int4"), ("v1_int4_qe", None)],
)
def test_layers_of_another_device_get_everything_there(name: str, precision: Precision | None) -> None:
    """torch's device without memory refuses to compute with tensors of the processor, as a graphics card does."""
    decoder = load(TINY / name, precision, placement=("cpu", "meta", "meta"))
    embedding, head = tables(decoder)
    assert (embedding.device.type, head.device.type) == ("cpu", "meta")
    prompts = [prompt_of(name), prompt_of(name)[4:]]
    for batch in (prompts, prompts[:1]):
        found = logits(decoder, *batch, answer=[7, 8])
        assert found.is_meta
        assert found.shape == (len(batch), len(prompts[0]) + 2, decoder.config.vocab_size)
