"""Every causal language model that transformers implements, as a LangChain chat model."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import Field

from core.model_errors import ModelError, ModelFailed
from core.sampling import Sampling
from models.answer_stream import AnswerStream
from models.causal_loading import load_network, precision_name
from models.chat_tokenizer import ChatTokenizer
from models.devices import find_devices
from models.local_chat import GREEDY, LocalChatModel

_CONTEXT_TOKENS = 2048  # of a model whose configuration names no longest text


class CausalLM(LocalChatModel):
    """A language model from a folder in the format of transformers; made by `load`.

    Attributes:
        network, tokenizer: the model of transformers, None once it is freed, and what writes conversations for it.
    """

    network: Any = Field(exclude=True, repr=False)
    tokenizer: ChatTokenizer = Field(exclude=True, repr=False)

    @classmethod
    def load(  # noqa: PLR0913
        cls,
        folder: Path,
        *,
        name: str,
        device: str = "auto",
        precision: str = "auto",
        chat_style: str = "template",
        context_tokens: int = 0,
        sampling: Sampling = GREEDY,
    ) -> "CausalLM":
        """Load a model.

        Nothing in the folder is executed, but for the tokenizer's chat template, which transformers renders in Jinja's
        sandbox. MOSS (OpenLMLab, 2023), which brings code of its own, is computed as CodeGen, whose network it is.

        Args:
            folder: `config.json`, tokenizer files, and weights as safetensors or as plain tensors in `.bin` files.
            device: as in `find_devices`.
            precision: "fp32", "bf16" or "fp16"; "auto" is the checkpoint's own, and on a processor bf16 if that is
                native there, else fp32, which is also what fp16 on a processor becomes.
            chat_style: "template" falls back to "plain" where the tokenizer has no template.
            context_tokens: 0 for what the model's configuration says.

        Raises:
            ModelUnsupported: no architecture of transformers, quantised weights, or a quantised precision.
            ModelTooLarge: the weights do not fit the device.
            ModelFailed: files are missing, damaged, or do not belong together.
        """
        try:
            place = find_devices(device)[0]
            network = load_network(folder, name=name, device=place, precision=precision)
            longest = getattr(network.config.get_text_config(), "max_position_embeddings", None) or _CONTEXT_TOKENS
            return cls(
                model_name=name,
                network=network,
                tokenizer=ChatTokenizer(folder, chat_style, network),
                loaded=f"{name} ({precision_name(network.dtype)}) on {place.name}",
                context_tokens=context_tokens or longest,
                sampling=sampling,
            )
        except ModelError:
            raise
        except Exception as error:  # damaged files make three libraries raise whatever they like
            raise ModelFailed(name=name, detail=error, path=folder) from error

    def prompt_ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Return the tokens that a conversation becomes, in the model's chat style.

        Raises:
            ValueError: the messages are not a conversation in text.
        """
        return self.tokenizer.prompt(messages)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without those that begin or end a prompt."""
        return self.tokenizer.ids(text)

    def _new_answer(self, stop: Sequence[str]) -> AnswerStream:
        return self.tokenizer.answer(stop)

    def _run(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        _generate(self.network, prompt, sampling, answer)

    def _release(self) -> None:
        import torch

        self.network = None
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where CUDA is not in use

    @property
    def _llm_type(self) -> str:
        return "transformers"


def _generate(network: Any, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
    """Let the model write until `answer` has enough."""
    import torch
    from transformers import GenerationConfig
    from transformers.generation import logits_process as steps

    numbers = torch.Generator(network.device)  # this answer's own: nothing outside it changes or is changed
    numbers.manual_seed(numbers.seed() if sampling.seed is None else sampling.seed)

    def draw(_: Any, scores: Any) -> Any:
        """Return scores, of shape (1, vocabulary), of which only that of the token drawn is finite."""
        token = scores.softmax(-1).multinomial(1, generator=numbers)
        return scores.new_full(scores.shape, float("-inf")).scatter(1, token, 0.0)

    def stop(written: Any, *_: Any, **__: Any) -> Any:
        return written.new_tensor([answer.push(int(written[0, -1]))]).bool()

    chosen: list[Any] = [
        steps.RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty), prompt_ignore_length=len(prompt))
    ]
    if not sampling.is_greedy:
        chosen += [steps.TemperatureLogitsWarper(float(sampling.temperature))]
        chosen += [steps.TopKLogitsWarper(sampling.top_k)] if sampling.top_k else []
        chosen += [steps.TopPLogitsWarper(float(sampling.top_p)), draw]
    tokens = torch.tensor([prompt], device=network.device)
    limits = GenerationConfig(max_new_tokens=sampling.answer_tokens, pad_token_id=0)  # type: ignore[no-untyped-call]
    network.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        generation_config=limits,
        logits_processor=chosen,
        stopping_criteria=[stop],
    )
