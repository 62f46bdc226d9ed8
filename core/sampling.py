"""How a language model chooses its next token; the same for every backend."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling of an answer.

    Attributes:
        answer_tokens: longest answer, in tokens, at least 1.
        temperature: 0 takes the likeliest token each time; above, scores are divided by it.
        top_p: nucleus sampling: the smallest set of tokens that reaches this probability, 0 < top_p ≤ 1.
        top_k: only this many likeliest tokens, before top_p; 0 for all.
        repetition_penalty: scores of tokens that stand in the answer already are divided by it (multiplied where
            negative); 1 for none (Keskar et al., 2019, CTRL, section 4.1). The prompt does not count.
        seed: of the random numbers; None for a new one each time.
    """

    answer_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 0.7
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int | None = None
