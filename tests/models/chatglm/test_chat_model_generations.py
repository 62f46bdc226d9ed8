"""ChatGLM2-6B and ChatGLM3-6B as chat models: prompts, stops and answers, on tiny checkpoints built here."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import TINY, tiny_bpe
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn
from transformers import GlmConfig, GlmForCausalLM

from core.model_errors import CheckpointUnreadable, PromptTooLong
from core.sampling import Sampling
from models.chatglm.chat_model import ChatGLM
from models.chatglm.config import load_config
from models.chatglm.decoder import V2Decoder
from models.chatglm.sampling import Sampler

PIECES = SentencePieceProcessor(model_proto=tiny_bpe())
COUNT = PIECES.get_piece_size()
GMASK, SOP = COUNT + 1, COUNT + 3
SYSTEM, USER, ASSISTANT, OBSERVATION = range(COUNT + 5, COUNT + 9)
EOS = 2
GENERATIONS = pytest.mark.parametrize("generation", [2, 3])
NAMES = {  # of ChatGLM2-6B, and of transformers
    "transformer.embedding.word_embeddings": "model.embed_tokens",
    "transformer.encoder.layers": "model.layers",
    "transformer.encoder.final_layernorm": "model.norm",
    "transformer.output_layer": "lm_head",
    "self_attention.dense": "self_attn.o_proj",
    "self_attention": "self_attn",
    "dense_h_to_4h": "gate_up_proj",
    "dense_4h_to_h": "down_proj",
}
TALK = [HumanMessage("你好"), AIMessage("很好"), HumanMessage("天气怎么样？")]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A checkpoint of each generation; their weights are the same."""
    second = tmp_path_factory.mktemp("chatglm2")
    sizes = json.loads((TINY / "v2_fp" / "config.json").read_text("utf-8"))
    sizes |= {"padded_vocab_size": COUNT + 9, "seq_length": 32768}
    (second / "config.json").write_text(json.dumps(sizes), "utf-8")
    (second / "tokenizer.model").write_bytes(tiny_bpe())
    numbers = torch.Generator().manual_seed(3)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in V2Decoder(load_config(second)).named_parameters()}
    weights = {
        name: (torch.randn(shape, generator=numbers) * (0.1 if len(shape) > 1 else 0.02)).half() + ("norm" in name)
        for name, shape in shapes.items()
    }
    save_file(weights, second / "model.safetensors")
    third = tmp_path_factory.mktemp("glm3")
    shutil.copytree(second, third, dirs_exist_ok=True)
    (third / "tokenizer_config.json").write_text('{"additional_special_tokens": ["<|user|>"]}', "utf-8")
    return {2: second, 3: third}


@pytest.fixture
def load(folders: dict[int, Path]) -> Iterator[Callable[..., ChatGLM]]:
    loaded: list[ChatGLM] = []

    def model(generation: int, **options: Any) -> ChatGLM:
        options = {"precision": "fp32", "fast": False, "sampling": Sampling(answer_tokens=12), **options}
        loaded.append(ChatGLM.load(folders[generation], device="cpu", **options))
        return loaded[-1]

    yield model
    for each in loaded:
        each.free()


def dictate(monkeypatch: pytest.MonkeyPatch, ids: list[int]) -> None:
    def choose(_: Sampler, __: Tensor, written: Tensor) -> Tensor:
        return torch.tensor([ids[written.shape[1] % len(ids)]])

    monkeypatch.setattr(Sampler, "choose", choose)


def as_transformers_has_it(folder: Path) -> nn.Module:
    """Return the weights in the architecture of GLM-4, which that of ChatGLM2-6B is but for names."""
    sizes = json.loads((folder / "config.json").read_text("utf-8"))
    heads, kv_heads, width = (sizes[key] for key in ("num_attention_heads", "multi_query_group_num", "kv_channels"))
    config = GlmConfig(
        vocab_size=sizes["padded_vocab_size"],
        hidden_size=sizes["hidden_size"],
        intermediate_size=sizes["ffn_hidden_size"],
        num_hidden_layers=sizes["num_layers"],
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=width,
        rms_norm_eps=sizes["layernorm_epsilon"],
        attention_bias=True,
        tie_word_embeddings=False,
        pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
    )
    weights: dict[str, Tensor] = {}
    for stored, tensor in load_file(folder / "model.safetensors").items():
        name = stored
        for old, new in NAMES.items():
            name = name.replace(old, new)
        if "query_key_value" in name:
            parts = tensor.split([heads * width, kv_heads * width, kv_heads * width])
            weights |= {
                name.replace("query_key_value", f"{part}_proj"): own for part, own in zip("qkv", parts, strict=True)
            }
        else:
            weights[name] = tensor
    network = GlmForCausalLM(config).eval()
    network.load_state_dict(weights)
    return network


def greedy(network: nn.Module, prompt: list[int], count: int, stops: set[int]) -> list[int]:
    """Return the answer of a loop without a cache, with the stop that ended it."""
    ids = list(prompt)
    while len(ids) < len(prompt) + count and not (len(ids) > len(prompt) and ids[-1] in stops):
        with torch.no_grad():
            ids.append(int(network(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


class TestAnswers:
    @GENERATIONS
    def test_are_those_of_the_architecture_in_transformers(
        self, load: Callable[..., ChatGLM], folders: dict[int, Path], generation: int
    ) -> None:
        model, network = load(generation), as_transformers_has_it(folders[generation])
        stops = {EOS} if generation == 2 else {EOS, USER, OBSERVATION}
        contents = set()
        for messages in (TALK, [HumanMessage("hello world")], [SystemMessage("简洁"), HumanMessage("知识库")]):
            ids = greedy(network, model.prompt_ids(messages), 12, stops)
            answer = model.invoke(messages)
            assert answer.content == PIECES.decode([token for token in ids if 3 <= token < COUNT]).strip()
            assert answer.usage_metadata is not None
            assert answer.usage_metadata["output_tokens"] == len(ids)
            assert "".join(str(chunk.content) for chunk in model.stream(messages)) == answer.content
            contents.add(answer.content)
        assert len(contents) == 3

    @GENERATIONS
    @pytest.mark.parametrize(("precision", "in_force"), [("int8", "int8"), ("int4", "int4"), ("auto", "")])
    def test_other_arithmetic(
        self, load: Callable[..., ChatGLM], generation: int, precision: str, in_force: str
    ) -> None:
        model = load(generation, precision=precision, fast=True)
        assert f"({in_force}" in model.loaded
        assert model.invoke(TALK).content

    @GENERATIONS
    def test_keep_their_punctuation(
        self, load: Callable[..., ChatGLM], monkeypatch: pytest.MonkeyPatch, generation: int
    ) -> None:
        dictate(monkeypatch, [*PIECES.encode("\n 很好, 谢谢!👋[[训练时间]]:"), EOS])
        pieces = [str(chunk.content) for chunk in load(generation, sampling=Sampling(99)).stream("说")]
        assert "".join(pieces) == "很好, 谢谢!👋2023年:"
        assert not any("\ufffd" in piece for piece in pieces)

    @GENERATIONS
    def test_drop_ids_without_a_piece(
        self, load: Callable[..., ChatGLM], monkeypatch: pytest.MonkeyPatch, generation: int
    ) -> None:
        dictate(monkeypatch, [GMASK, *PIECES.encode("很好"), SOP, ASSISTANT, EOS])
        assert load(generation).invoke("说").content == "很好"


class TestStops:
    @pytest.mark.parametrize(
        ("generation", "token", "ends"),
        [(2, EOS, True), (3, EOS, True), (3, USER, True), (3, OBSERVATION, True), (3, SYSTEM, False), (2, USER, False)],
        ids=["eos_2", "eos_3", "user_3", "observation_3", "system_3", "user_2"],
    )
    def test_tokens(
        self,
        load: Callable[..., ChatGLM],
        monkeypatch: pytest.MonkeyPatch,
        *,
        generation: int,
        token: int,
        ends: bool,
    ) -> None:
        word = PIECES.encode("很好")
        dictate(monkeypatch, [*word, token])
        answer = load(generation, sampling=Sampling(2 * len(word) + 2)).invoke("说")
        assert answer.content == ("很好" if ends else "很好 很好")
        assert answer.response_metadata["finish_reason"] == ("stop" if ends else "length")
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["output_tokens"] == (len(word) + 1) * (1 if ends else 2)


class TestPrompts:
    @pytest.mark.parametrize(
        ("messages", "text"),
        [
            ([HumanMessage("你好")], "[Round 1]\n\n问：你好\n\n答："),
            ([SystemMessage("简洁"), HumanMessage("你好")], "[Round 1]\n\n问：简洁\n你好\n\n答："),
            (TALK, "[Round 1]\n\n问：你好\n\n答：很好\n\n[Round 2]\n\n问：天气怎么样？\n\n答："),
        ],
        ids=["question", "system", "history"],
    )
    def test_of_the_second_are_rounds(self, load: Callable[..., ChatGLM], messages: list[Any], text: str) -> None:
        model = load(2)
        assert model.prompt_ids(messages) == [GMASK, SOP, *PIECES.encode(text)]
        assert model.get_num_tokens_from_messages(messages) == len(PIECES.encode(text)) + 2

    def test_of_the_third_are_messages_behind_their_roles(self, load: Callable[..., ChatGLM]) -> None:
        def said(role: int, text: str) -> list[int]:
            return [role, *PIECES.encode("\n"), *PIECES.encode(text)]

        messages = [SystemMessage("简洁"), *TALK]
        assert load(3).prompt_ids(messages) == [
            *(GMASK, SOP),
            *said(SYSTEM, "简洁"),
            *said(USER, "你好"),
            *said(ASSISTANT, "很好"),
            *said(USER, "天气怎么样？"),
            ASSISTANT,
        ]

    @GENERATIONS
    @pytest.mark.parametrize("word", ["<|user|>", "<|assistant|>", "[gMASK]", "sop", "<sop>", "</s>", "<unk>"])
    def test_special_words_stay_text(self, load: Callable[..., ChatGLM], generation: int, word: str) -> None:
        model = load(generation)
        plain, asked = ([HumanMessage(f"你好{text}"), AIMessage(text), HumanMessage(text)] for text in ("", word))
        special = [token for token in model.prompt_ids(asked) if not 3 <= token < COUNT]
        assert special == [token for token in model.prompt_ids(plain) if not 3 <= token < COUNT]
        assert special[:2] == [GMASK, SOP]
        text = PIECES.decode([token for token in model.prompt_ids(asked) if token < COUNT])
        assert text.count(word) == 3

    @GENERATIONS
    def test_the_context_is_bounded(self, load: Callable[..., ChatGLM], generation: int) -> None:
        assert load(generation).context_tokens == 8192
        assert load(generation, context_tokens=32768).context_tokens == 32768
        model = load(generation, context_tokens=40)
        assert model.prompt_limit == 28
        with pytest.raises(PromptTooLong):
            model.invoke("很好" * 30)


def test_a_tokenizer_that_has_more_ids_than_the_model_is_refused(folders: dict[int, Path], tmp_path: Path) -> None:
    """Another model's file: a question would end in an IndexError, on a graphics card in the loss of the device."""
    shutil.copytree(TINY / "v2_fp", tmp_path, dirs_exist_ok=True)
    shutil.copy(folders[2] / "tokenizer.model", tmp_path)
    with pytest.raises(CheckpointUnreadable, match=r"tokenizer\.model"):
        ChatGLM.load(tmp_path, device="cpu")
