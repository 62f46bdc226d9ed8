"""Checkpoints of a few kilobytes with random weights, in the format that transformers reads."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM as Auto
from transformers import (
    CodeGenConfig,
    Glm4Config,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    RwkvConfig,
)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITHOUT_SYSTEM = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT_TOKENS = 512
_CORPUS = ["问：你好，世界！今天天气怎么样？\n答：很好。", "Hello world, how are you? I am good. 年假有五天 🐼"]
_CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT_TOKENS,
}


def _configuration(kind: str, tokens: int) -> PreTrainedConfig:
    shared = {"vocab_size": tokens, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0, "initializer_range": 0.5}
    if kind == "llama":
        return LlamaConfig(**_SIZES, **shared)
    if kind == "qwen2":
        return Qwen2Config(**_SIZES, **shared, tie_word_embeddings=True)
    if kind == "glm4":
        return Glm4Config(**_SIZES, **shared, head_dim=8)
    if kind == "rwkv":
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "context_length": CONTEXT_TOKENS, "rescale_every": 1}
        return RwkvConfig(**sizes, **shared)
    sizes = {"n_positions": CONTEXT_TOKENS, "n_embd": 32, "n_layer": 2, "n_head": 4}
    if kind == "gpt2":
        return GPT2Config(**sizes, **shared)
    return CodeGenConfig(**sizes, **shared, n_ctx=CONTEXT_TOKENS, rotary_dim=4)


def byte_level(controls: list[str]) -> Tokenizer:
    """Return a byte-level BPE that knows every character, most of them as several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=controls, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    return tokenizer


def make_network(kind: str, tokens: int, seed: int = 0) -> PreTrainedModel:
    """Return a network with weights drawn by `seed`; the random numbers of the process stay as they are."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Auto.from_config(_configuration(kind, tokens)).eval()
        with torch.no_grad():  # RWKV's own mixing and decay start as zeros
            for name, weight in network.named_parameters():
                if "time_" in name:
                    weight.uniform_(-1, 1)
    return network


def tiny_checkpoint(folder: Path, kind: str = "llama", template: str | None = CHATML) -> Path:
    """Write a checkpoint of the kind "llama", "qwen2", "glm4", "rwkv", "codegen" or "gpt2".

    Args:
        template: of the chat, None for none. Without one, a prompt begins with <|endoftext|>.
    """
    words = byte_level(_CONTROLS)
    words.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|im_end|>", bos_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    make_network(kind, len(tokenizer)).save_pretrained(folder)
    return folder


def tiny_moss(folder: Path) -> Path:
    """Write a checkpoint with the files of the MOSS release: its configuration, its tokenizer, and code of its own."""
    words = byte_level(["<|endoftext|>"])
    tokens = words.get_vocab_size()
    make_network("codegen", tokens + 2).save_pretrained(folder)
    words.model.save(str(folder))
    names = {
        "AutoConfig": "configuration_moss.MossConfig",
        "AutoModelForCausalLM": "modeling_moss.MossForCausalLM",
    }
    change(
        folder / "config.json",
        model_type="moss",
        architectures=["MossForCausalLM"],
        auto_map=names,
        eos_token_id=tokens + 1,
        wbits=32,
        groupsize=128,
    )
    (folder / "generation_config.json").unlink()
    change(folder / "added_tokens.json", **{"<eoh>": tokens, "<eom>": tokens + 1})
    marks = {"bos_token": "<|endoftext|>", "eos_token": "<eom>", "unk_token": "<|endoftext|>"}
    change(folder / "special_tokens_map.json", **marks)
    change(
        folder / "tokenizer_config.json",
        tokenizer_class="MossTokenizer",
        auto_map={"AutoTokenizer": ["tokenization_moss.MossTokenizer", None]},
        add_prefix_space=False,
        **marks,
    )
    for file in ("configuration_moss.py", "modeling_moss.py", "tokenization_moss.py"):
        (folder / file).write_text("raise SystemExit('code from the folder was executed')\n")
    return folder


def change(file: Path, **values: Any) -> None:
    """Set values of a JSON file, which need not be there yet."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**known, **values}, ensure_ascii=False), "utf-8")
