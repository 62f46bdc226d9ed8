"""A tokenizer of transformers that writes conversations, and reads answers as they come."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from models.answer_stream import AnswerStream
from models.chat_styles import STYLES, templated
from models.turns import as_turns

_UNFINISHED = "\ufffd"  # what a decoder writes for the bytes of half a character


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
