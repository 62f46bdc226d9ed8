"""Where the tokens of a prompt stand: passes, positions and masks for each family.

v1 reads the prompt up to `<sop>` in both directions, in one pass without a mask, and writes from `<sop>` on; every
written token has the position of `[gMASK]` and a block position that counts from 1. v2 is an ordinary causal decoder.
A batch is padded at the left.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.chatglm.config import ChatGLMConfig


@dataclass(frozen=True, slots=True)
class Pass:
    """One run through the decoder.

    Attributes:
        ids: [batch, tokens].
        positions: [batch, 2, tokens] for v1 (position, block position), [batch, tokens] for v2.
        causal: a token sees none that comes later in this pass.
        mask: boolean, broadcastable to [batch, 1, tokens, seen]; None hides nothing.
    """

    ids: Tensor
    positions: Tensor
    causal: bool
    mask: Tensor | None = None


class PromptLayout(ABC):
    """The passes of one batch of prompts.

    Args:
        prompts: ids of each; for v1 the last one is `<sop>`.
        prefix_tokens: cached tokens in front of every prompt, which everyone sees.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], config: ChatGLMConfig, prefix_tokens: int = 0) -> None:
        self.tokens = max(len(prompt) for prompt in prompts)
        self.pads = [self.tokens - len(prompt) for prompt in prompts]
        self.ids = torch.tensor(
            [[config.pad_id] * pads + list(prompt) for pads, prompt in zip(self.pads, prompts, strict=True)]
        )
        real = torch.arange(self.tokens)[None] >= torch.tensor(self.pads)[:, None]  # [batch, tokens]
        always = torch.ones(len(prompts), prefix_tokens, dtype=torch.bool)
        self._seen = torch.cat((always, real), dim=1) if any(self.pads) else None

    @abstractmethod
    def prompt(self) -> list[Pass]:
        """Return the passes that read the prompts; the last token of the last one predicts the answer."""

    @abstractmethod
    def answer(self, ids: Tensor, step: int) -> Pass:
        """Return the pass of the answer's token number `step` (from 0): ids [batch, 1]."""

    def _mask(self, cached: int) -> Tensor | None:
        """Return which of the first `cached` tokens are real: [batch, 1, 1, cached]; None where all are."""
        if self._seen is None:
            return None
        written = cached - self._seen.shape[1]
        seen = torch.nn.functional.pad(self._seen, (0, written), value=True) if written > 0 else self._seen[:, :cached]
        return seen[:, None, None]


class BidirectionalLayout(PromptLayout):
    """v1.

    The context ends before the last id, by construction of the prompt and not by looking for `<sop>` in it.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], config: ChatGLMConfig, prefix_tokens: int = 0) -> None:
        super().__init__(prompts, config, prefix_tokens)
        self._prefix_tokens = prefix_tokens
        self._marked = torch.tensor([_marked(prompt, config) for prompt in prompts])

    def prompt(self) -> list[Pass]:
        """Return the context in one pass that sees itself whole, then `<sop>` as the first token of the answer."""
        context = self.tokens - 1
        passes = [self._answer_pass(self.ids[:, -1:], 1)]
        if context:
            counted = (torch.arange(context)[None] - torch.tensor(self.pads)[:, None]).clamp(min=0)
            positions = torch.stack((counted, torch.zeros_like(counted)), dim=1)
            mask = self._mask(self._prefix_tokens + context)
            passes.insert(0, Pass(self.ids[:, :-1], positions, causal=False, mask=mask))
        return passes

    def answer(self, ids: Tensor, step: int) -> Pass:
        """Return one written token: block positions go on after `<sop>`, which has 1."""
        return self._answer_pass(ids, step + 2)

    def _answer_pass(self, ids: Tensor, block: int) -> Pass:
        positions = torch.stack((self._marked, torch.full_like(self._marked, block)), dim=1)[:, :, None]
        mask = self._mask(self._prefix_tokens + self.tokens - 1 + block)
        return Pass(ids, positions, causal=False, mask=mask)


class CausalLayout(PromptLayout):
    """v2 and v3."""

    def __init__(self, prompts: Sequence[Sequence[int]], config: ChatGLMConfig, prefix_tokens: int = 0) -> None:
        super().__init__(prompts, config, prefix_tokens)
        self._prefix_tokens = prefix_tokens

    def prompt(self) -> list[Pass]:
        """Return the whole prompt in one causal pass."""
        counted = (torch.arange(self.tokens)[None] - torch.tensor(self.pads)[:, None]).clamp(min=0)
        mask = self._mask(self._prefix_tokens + self.tokens)
        if mask is not None:  # a pad sees itself: a query that sees nothing would turn into NaN
            own = torch.eye(self.tokens, dtype=torch.bool)
            mask = mask | torch.nn.functional.pad(own, (self._prefix_tokens, 0))
        return [Pass(self.ids, counted, causal=True, mask=mask)]

    def answer(self, ids: Tensor, step: int) -> Pass:
        """Return one written token, at the position after the last."""
        positions = torch.tensor([[self.tokens - pads + step] for pads in self.pads])
        return Pass(ids, positions, causal=True, mask=self._mask(self._prefix_tokens + self.tokens + step + 1))


def _marked(prompt: Sequence[int], config: ChatGLMConfig) -> int:
    """Return the index of `[gMASK]`, else of `[MASK]`, else of the last token of the context."""
    context = list(prompt[:-1])
    for mark in (config.gmask_id, config.mask_id):
        if mark in context:
            return context.index(mark)
    return max(len(context) - 1, 0)
