"""From scores to the next token."""

import torch
from torch import Tensor

from core.messages import Message
from core.model_errors import AnswerFailed
from core.sampling import Sampling

_NOT_NUMBERS = Message(
    "模型算出了无效的数值（NaN 或无穷大），权重可能损坏，或 fp16 溢出；可改用 KNOWGLM_PRECISION=bf16",
    "the model computed NaN or infinity: its weights may be damaged, or fp16 overflowed; try KNOWGLM_PRECISION=bf16",
)


class Sampler:
    """Chooses one token a sequence: repetition penalty, then temperature, top-k, top-p, as the release orders them.

    Args:
        device: where the scores are.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._random = torch.Generator(device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def choose(self, scores: Tensor, written: Tensor) -> Tensor:
        """Return the next ids [batch].

        Args:
            scores: [batch, vocabulary], fp32.
            written: ids [batch, tokens] of the answers so far, which the repetition penalty concerns. The prompt is
                left out of it: the words of the sources are what an answer should repeat.

        Raises:
            AnswerFailed: a score is not a finite number.
        """
        if not torch.isfinite(scores).all():
            raise AnswerFailed(detail=_NOT_NUMBERS)
        scores = self._penalised(scores, written)
        if self._sampling.is_greedy:
            return scores.argmax(-1)
        values, ids = self._candidates(scores / self._sampling.temperature)
        drawn = torch.multinomial(values.softmax(-1), 1, generator=self._random)
        return ids.gather(-1, drawn)[:, 0]

    def _penalised(self, scores: Tensor, written: Tensor) -> Tensor:
        penalty = self._sampling.repetition_penalty
        if penalty == 1 or not written.shape[1]:
            return scores
        own = scores.gather(-1, written)
        return scores.scatter(-1, written, torch.where(own > 0, own / penalty, own * penalty))

    def _candidates(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores that remain, falling, and their ids: [batch, candidates] each; −∞ marks those cut off.

        The token that crosses top-p stays. Cutting to top-k first means that top-p sorts 50 scores, not 130,528.
        """
        count = min(self._sampling.top_k or scores.shape[-1], scores.shape[-1])
        values, ids = scores.topk(count, dim=-1)
        before = values.softmax(-1).cumsum(-1) - values.softmax(-1)
        return values.masked_fill(before >= self._sampling.top_p, -torch.inf), ids
