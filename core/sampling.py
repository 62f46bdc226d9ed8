"""How a language model chooses its next token; the same for every backend."""

from dataclasses import dataclass

_COLDEST = 1e-5


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

    Raises:
        ValueError: a value is out of its range.
    """

    answer_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 0.7
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        limits = {
            "answer_tokens": self.answer_tokens >= 1,
            "temperature": 0 <= self.temperature < float("inf"),
            "top_p": 0 < self.top_p <= 1,
            "top_k": self.top_k >= 0,
            "repetition_penalty": 0 < self.repetition_penalty < float("inf"),
            "seed": self.seed is None or self.seed >= 0,
        }
        for name, is_within in limits.items():
            if not is_within:
                raise ValueError(f"{name} cannot be {getattr(self, name)}")

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken each time: at temperature 0, and where dividing by it would overflow."""
        return self.temperature < _COLDEST
