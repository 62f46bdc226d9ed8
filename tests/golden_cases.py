"""Recorded model cases, and a tokenizer for those that come without one."""

import functools
import io
import os
from pathlib import Path

TINY = Path(__file__).parent / "golden" / "chatglm"
"""The tiny checkpoints that come with the project."""
GOLDEN = Path(os.environ.get("KNOWGLM_GOLDEN_DIR") or TINY)
"""What parity with the released code is shown on."""

_SENTENCES = (
    "你好世界 hello world",
    "问：今天天气怎么样？",
    "答：很好, 谢谢! [Round 1]",
    "知识库问答 questions and answers.",
)


@functools.cache
def tiny_bpe() -> bytes:
    """Return a sentencepiece model of the kind of ChatGLM2-6B's `tokenizer.model`, with some 400 pieces."""
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=500,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return model.getvalue()
