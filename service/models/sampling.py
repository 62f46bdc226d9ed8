"""How the language model chooses its words: the settings of it, their ranges, and what can change without a load."""

from dataclasses import dataclass

from configs.model_config import Settings
from core.sampling import Sampling

SAMPLING_SETTINGS = ("temperature", "top_p", "sample_top_k", "repetition_penalty", "answer_tokens", "seed")


@dataclass(frozen=True, slots=True)
class Limits:
    """The range of a setting.

    Attributes:
        low, high: the high end is in it; None where there is none.
        is_open: the low end is not in it.
    """

    low: float
    high: float | None
    is_open: bool


def sampling_of(settings: Settings) -> Sampling:
    """Return the sampling that settings ask for."""
    return Sampling(
        answer_tokens=settings.answer_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.sample_top_k,
        repetition_penalty=settings.repetition_penalty,
        seed=settings.seed,
    )


def is_resampling(before: Settings, after: Settings) -> bool:
    """Tell whether settings differ in the sampling, and in nothing else."""
    differing = {name for name in Settings.model_fields if getattr(before, name) != getattr(after, name)}
    return bool(differing) and differing <= set(SAMPLING_SETTINGS)


def limits(name: str) -> Limits:
    """Return the range of one of `SAMPLING_SETTINGS`."""
    bounds = {
        bound: value
        for item in Settings.model_fields[name].metadata
        for bound in ("ge", "gt", "le")
        if (value := getattr(item, bound, None)) is not None
    }
    is_open = "gt" in bounds
    return Limits(bounds["gt" if is_open else "ge"], bounds.get("le"), is_open)
