"""Writing an answer, token by token. Streaming and non-streaming callers use the same generator."""

from collections.abc import Callable, Collection, Iterator, Sequence

import torch
from torch import Tensor

from core.sampling import Sampling
from models.chatglm.cache import KeyValueCache
from models.chatglm.decoder import Decoder
from models.chatglm.layout import Pass
from models.chatglm.sampling import Sampler


class Cancelled(Exception):
    """The caller wants no more tokens."""


def generate(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    stop_ids: Collection[int],
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[list[int]]:
    """Yield the next id of every prompt's answer, until each has stopped or the length is used up.

    An answer ends with the stop id that ended it; the ids after that, while others go on, are the pad id. Prompt and
    answer together never exceed the context that the model was made for.

    Args:
        prompts: ids of each, of any lengths; for v1 the last one is `<sop>`.
        stop_ids: tokens that end an answer.
        cancelled: asked before every layer; True ends the generation without another token.
    """
    longest = max(len(prompt) for prompt in prompts)
    steps = min(sampling.answer_tokens, decoder.config.context_tokens - longest)
    layout = decoder.layout(prompts, decoder.config, decoder.prefix_tokens)
    sampler = Sampler(sampling, decoder.devices[-1])
    stops = torch.tensor(sorted(stop_ids))
    written = torch.empty(len(prompts), 0, dtype=torch.long)
    finished = torch.zeros(len(prompts), dtype=torch.bool)
    cache, passes = decoder.new_cache(len(prompts), longest + steps), layout.prompt()
    for step in range(steps):
        try:
            scores = _run(decoder, passes, cache, cancelled)
        except Cancelled:
            return
        ids = sampler.choose(scores, written.to(scores.device)).cpu()
        ids = ids.masked_fill(finished, decoder.config.pad_id)
        finished |= torch.isin(ids, stops)
        written = torch.cat((written, ids[:, None]), dim=1)
        yield ids.tolist()
        if finished.all():
            return
        passes = [layout.answer(ids[:, None], step)]


@torch.inference_mode()
def _run(decoder: Decoder, passes: list[Pass], cache: KeyValueCache, cancelled: Callable[[], bool]) -> Tensor:
    """Return the scores [batch, vocabulary] that the last of `passes` predicts."""

    def check() -> None:
        if cancelled():
            raise Cancelled

    for view in passes:
        hidden = decoder.read(view, cache, check)
    return decoder.predict(hidden[:, -1:])[:, -1]
