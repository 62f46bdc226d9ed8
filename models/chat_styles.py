"""The text side of a chat: how a conversation is written for a model, and how its answer is read as it comes."""

import re
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from models.turns import Conversation, as_turns

_UNFINISHED = "\ufffd"  # what a decoder writes for the bytes of half a character


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """How the models of one family were shown conversations.

    Attributes:
        round: a round, with `{question}` and `{answer}`; what stands before `{answer}` invites the model to write.
        stops: texts that end an answer, beside the model's own end token.
        system: what the model is told where a conversation has no system text.
        system_end: stands between the system text and the first round.
        blank_lines: whether a message may hold blank lines.
    """

    round: str
    stops: tuple[str, ...]
    system: str = ""
    system_end: str = "\n"
    blank_lines: bool = True

    def write(self, conversation: Conversation) -> str:
        """Return a conversation as the text that the model continues with its answer."""
        if not self.blank_lines:
            conversation = conversation.rewritten(lambda text: re.sub(r"\s*\n\s*", "\n", text.strip()))
        system = conversation.system or self.system
        rounds = [self.round.format(question=question, answer=answer) for question, answer in conversation.turns]
        opening = self.round.partition("{answer}")[0].rstrip().format(question=conversation.question)
        return (system + self.system_end if system else "") + "".join(rounds) + opening


STYLES = {
    # FastChat's conversation template of the weights v1.1 and later (docs/vicuna_weights_version.md there).
    "vicuna": ChatStyle(
        "USER: {question} ASSISTANT: {answer}</s>",
        stops=("</s>", "USER:"),
        system="A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions.",
        system_end=" ",
    ),
    # The chat format of the RWKV-4 Raven release (ChatRWKV): a blank line ends a message.
    "rwkv": ChatStyle("Bob: {question}\n\nAlice: {answer}\n\n", stops=("\n\n",), system_end="\n\n", blank_lines=False),
    # The MOSS release (OpenLMLab/MOSS, README), its meta instruction cut to the first sentences.
    "moss": ChatStyle(
        "<|Human|>: {question}<eoh>\n<|MOSS|>: {answer}<eom>\n",
        stops=("<eom>", "<eoh>", "<|Human|>"),
        system="You are an AI assistant whose name is MOSS.\n"
        "- MOSS can understand and communicate fluently in the language chosen by the user such as English and 中文.",
    ),
    "plain": ChatStyle("问：{question}\n答：{answer}\n", stops=("\n问：",)),
}


def templated(conversation: Conversation, render: Callable[[list[dict[str, str]]], str]) -> str:
    """Return a conversation as a tokenizer's chat template writes it.

    Some templates refuse a system message and some drop it; the system text then stands before the first question.

    Args:
        render: the template: messages with `role` and `content` in, text out.

    Raises:
        jinja2.TemplateError: the template refuses the conversation.
    """
    from jinja2 import TemplateError

    try:
        text = render(conversation.as_chat())
    except TemplateError:
        if not conversation.system:
            raise
        return render(conversation.folded().as_chat())
    return text if conversation.system.strip() in text else render(conversation.folded().as_chat())


class AnswerReader:
    """Turns the tokens of an answer into its text, piece by piece.

    A piece never ends within a character, and the text ends before the first stop text, also where that spans tokens.
    White space before the first word is left out. The pieces and the end, joined, are the whole answer.

    Args:
        decode: the tokenizer's: token ids in, text out.
        stops: texts that end the answer; empty ones are ignored.
    """

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        # A token's text can depend on the one before it (a space at the very start is dropped), so that decoding
        # starts at the last tokens that gave text: their text is `_known`.
        self._window: list[int] = []
        self._fresh: list[int] = []
        self._known = ""
        self._held = ""  # text that may turn out to be the beginning of a stop
        self._begun = False
        self.stopped = False

    def push(self, token: int) -> str:
        """Take the next token, and return the text that is certain now; often none."""
        self._fresh.append(token)
        text = self._decode(self._window + self._fresh)
        if text.endswith(_UNFINISHED) or len(text) <= len(self._known):
            return ""
        piece = text[len(self._known) :]
        self._window, self._fresh = self._fresh, []
        self._known = self._decode(self._window)
        return self._released(piece)

    def finish(self) -> str:
        """Return what was held back, when no token follows; nothing after a stop."""
        text = self._decode(self._window + self._fresh)[len(self._known) :]
        self._fresh = []
        piece = self._released(text)
        held, self._held = self._held, ""
        return piece + held

    def _released(self, piece: str) -> str:
        """Return the text so far held back plus `piece`, up to a stop or to what may become one."""
        if self.stopped:
            return ""
        text = self._held + piece
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        certain = min(ends) if ends else len(text) - max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = "" if ends else text[certain:]
        return text[:certain]


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` are the beginning of `stop`."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)


class AnswerStream:
    """An answer on its way from the thread that writes it to the one that reads it.

    Args:
        reader: makes text of the tokens.
        ends: ids of the tokens that end an answer.
    """

    def __init__(self, reader: AnswerReader, ends: Collection[int]) -> None:
        self._reader = reader
        self._ends = ends
        self._chunks: SimpleQueue[ChatGenerationChunk | BaseException | None] = SimpleQueue()
        self._tokens = 0
        self._ended = False
        self.cancelled = threading.Event()

    def push(self, token: int) -> bool:
        """Take the next token from the model, and return whether it is to stop."""
        self._tokens += 1
        self._ended = token in self._ends
        if not self._ended:
            self._put(self._reader.push(token))
            self._ended = self._reader.stopped
        return self._ended or self.cancelled.is_set()

    def finish(self, model_name: str, prompt_tokens: int) -> None:
        """Close the answer with what the model used: tokens in, tokens out with the one that ended it, and why."""
        self._put(self._reader.finish())
        last = AIMessageChunk(
            content="",
            chunk_position="last",
            usage_metadata=UsageMetadata(
                input_tokens=prompt_tokens, output_tokens=self._tokens, total_tokens=prompt_tokens + self._tokens
            ),
            response_metadata={"model_name": model_name, "finish_reason": "stop" if self._ended else "length"},
        )
        self._chunks.put(ChatGenerationChunk(message=last))
        self._chunks.put(None)

    def fail(self, error: BaseException) -> None:
        """Hand an error of the writing thread to the reading one."""
        self._chunks.put(error)

    def next_chunk(self) -> ChatGenerationChunk | None:
        """Wait for the next piece; None after the last, and whatever stopped the model is raised."""
        chunk = self._chunks.get()
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    def _put(self, text: str) -> None:
        if text:
            self._chunks.put(ChatGenerationChunk(message=AIMessageChunk(content=text)))


class ChatTokenizer:
    """A tokenizer of transformers that writes conversations in one style.

    Documents are quoted in questions, and a document must not be able to speak as the system or as the model. So the
    control tokens of the model, such as the one that ends a message, are taken apart where they stand in a message: a
    space after the first character leaves them readable.

    Args:
        folder: holds the tokenizer's files. None of them is executed, but for the chat template, which transformers
            renders in Jinja's sandbox.
        style: "template" for that chat template, or "plain" without one; else a key of `STYLES`.
        network: the model of transformers; its configuration names its type and its end tokens.

    Raises:
        ValueError: the folder has no tokenizer, or the style is unknown. Damaged files raise errors of many kinds.
    """

    def __init__(self, folder: Path, style: str, network: Any) -> None:
        from transformers import AutoTokenizer, CodeGenTokenizer

        _require_protobuf(folder)
        is_codegen = network.config.model_type == "codegen"  # or MOSS, whose folder names a tokenizer of its own
        kind: Any = CodeGenTokenizer if is_codegen else AutoTokenizer
        self._tokenizer = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if set(self.ids("Hello 你好")) <= {self._tokenizer.unk_token_id}:  # transformers made up one that knows no word
            raise ValueError("there is no tokenizer in the folder")
        self.style = "plain" if style == "template" and not self._tokenizer.chat_template else style
        if self.style not in {"template", *STYLES}:
            raise ValueError(f"no chat style {style}")
        ends = network.generation_config.eos_token_id
        self._ends = {self._tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        self.prompt([HumanMessage("你好")])  # a damaged template shows here, not at the first question

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without those that begin or end a prompt."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Return the token ids of a conversation.

        Raises:
            ValueError: as `as_turns`.
        """
        conversation = as_turns(messages).rewritten(self._disarmed)
        if self.style != "template":
            return list(self._tokenizer.encode(STYLES[self.style].write(conversation)))
        render = partial(self._tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
        return self.ids(templated(conversation, render))

    def answer(self, stop: Sequence[str]) -> AnswerStream:
        """Return an answer to be filled, which ends as the model and the style say or at a text in `stop`."""
        stops = [*(STYLES[self.style].stops if self.style in STYLES else ()), *stop]
        ends = self._ends | {self._controls[text] for text in stops if text in self._controls}
        decode = partial(self._tokenizer.decode, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return AnswerStream(AnswerReader(decode, stops), ends)

    @cached_property
    def _controls(self) -> dict[str, int]:
        """The tokens with a meaning of their own; ordinary words may have been added to a vocabulary as well."""
        added = self._tokenizer.added_tokens_decoder.items()
        return {
            token.content: number
            for number, token in added
            if len(token.content) > 1 and (token.special or re.fullmatch(r"[<\[].+[>\]]", token.content))
        }

    def _disarmed(self, text: str) -> str:
        for control in self._controls:
            text = text.replace(control, f"{control[0]} {control[1:]}")
        return text


def _require_protobuf(folder: Path) -> None:
    """Raise ValueError where SentencePiece's own file cannot be read; transformers would take it for another kind."""
    if (folder / "tokenizer.model").is_file() and not (folder / "tokenizer.json").is_file():
        try:
            import google.protobuf  # noqa: F401
        except ImportError as error:
            raise ValueError("tokenizer.model cannot be read without the package protobuf") from error
