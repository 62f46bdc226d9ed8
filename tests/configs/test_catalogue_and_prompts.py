"""What the settings may name: every entry is complete, every default exists, every template can be filled."""

import subprocess
import sys
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from configs.catalogue import EMBEDDINGS, LLMS, EmbeddingBackend, EmbeddingSpec, LLMBackend, LLMSpec
from configs.model_config import Settings, about
from configs.prompts import PROMPTS

SPECS = {f"llm-{name}": (name, spec) for name, spec in LLMS.items()} | {
    f"embedding-{name}": (name, spec) for name, spec in EMBEDDINGS.items()
}
NEEDS_NO_WEIGHTS = {"extractive", "lexical"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_in_both_languages(name: str) -> None:
    meaning = about(name)
    assert any("\u4e00" <= sign <= "\u9fff" for sign in meaning.zh)
    assert meaning.en.replace("–", "-").isascii()
    assert len(meaning.en) > 5
    assert meaning.text("zh") == meaning.zh  # no stray placeholder
    assert meaning.text("en") == meaning.en


def test_descriptions_are_distinct() -> None:
    texts = [about(name).zh for name in Settings.model_fields]
    assert len(texts) == len(set(texts))


def test_defaults_are_in_the_catalogues_and_within_their_own_limits() -> None:
    defaults = Settings()
    assert defaults.llm in LLMS
    assert defaults.embedding in EMBEDDINGS
    assert defaults.prompt in PROMPTS
    Settings.model_validate(defaults.model_dump())  # defaults themselves are not validated by pydantic


@pytest.mark.parametrize(("name", "spec"), SPECS.values(), ids=SPECS)
def test_every_entry_is_consistent(name: str, spec: LLMSpec | EmbeddingSpec) -> None:
    backends = get_args(LLMBackend if isinstance(spec, LLMSpec) else EmbeddingBackend)
    assert spec.backend in backends
    assert name == name.lower()
    if spec.backend in NEEDS_NO_WEIGHTS:
        assert spec.repository == ""
        assert name == spec.backend
    else:
        owner, _, repository = spec.repository.partition("/")
        assert owner
        assert repository.lower() == name  # so that a downloaded folder is found under the model's name


@pytest.mark.parametrize(("name", "spec"), LLMS.items(), ids=LLMS)
def test_language_models_say_what_they_need(name: str, spec: LLMSpec) -> None:
    assert spec.context_tokens >= 2048
    if name in NEEDS_NO_WEIGHTS:
        assert not spec.weights_gb
    else:
        assert spec.download_gb == pytest.approx(spec.weights_gb[spec.precision], rel=0.1)
        assert max(spec.weights_gb.values()) == spec.weights_gb.get("fp32", spec.weights_gb[spec.precision])


def test_a_quantised_checkpoint_has_its_own_precision_only_and_needs_less_memory() -> None:
    for name, spec in LLMS.items():
        original = LLMS.get(name.partition("-int")[0])
        if "-int" in name and original:
            assert list(spec.weights_gb) == [spec.precision]
            assert spec.weights_gb[spec.precision] <= original.weights_gb[spec.precision]
            assert spec.context_tokens == original.context_tokens


@pytest.mark.parametrize(("name", "spec"), EMBEDDINGS.items(), ids=EMBEDDINGS)
def test_embeddings_are_calibrated(name: str, spec: EmbeddingSpec) -> None:
    assert 0 < spec.calibration.midpoint < 1
    assert 0 < spec.calibration.scale < 0.5
    assert spec.calibration.source
    assert 0 <= spec.dense_weight <= 1
    assert spec.max_tokens >= 128


def test_bge_models_pool_by_cls_and_instruct_the_question() -> None:
    for name, spec in EMBEDDINGS.items():
        is_bge = name.startswith("bge-")
        assert (spec.pooling == "cls") == is_bge
        assert bool(spec.query_instruction) == is_bge


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_takes_passages_and_question_exactly_once(name: str) -> None:
    fields = [field for _, field, _, _ in Formatter().parse(PROMPTS[name]) if field is not None]
    assert sorted(fields) == ["passages", "question"]


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_fences_the_passages_before_the_question(name: str) -> None:
    filled = PROMPTS[name].format(passages="[1] {甲}", question="乙{q}？")
    opened, closed = filled.index("\n[1] {甲}\n"), filled.index("</")
    assert filled.rindex("<", 0, opened) < opened < closed < filled.index("乙{q}？")
    assert "指令" in filled or "instructions" in filled


def test_configs_imports_nothing_heavy(root: Path) -> None:
    """`cli_demo.py --help` stays fast, and settings are readable where no model package is installed."""
    program = (
        "import sys, configs.environment, configs.catalogue, configs.prompts;"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'numpy', 'faiss', 'langchain_core', 'opencc'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
