"""How a conversation becomes a prompt, and generated text an answer, as the three ChatGLM-6B releases do it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from models.chatglm.tokenizer import Tokenizer

Generation = Literal[1, 2, 3]

TRAINING_TIME = "[[训练时间]]"
"""What the models were taught to write for the year of their training."""
CJK = "\u4e00-\u9fff"
"""Range, in a character class, of the characters next to which ChatGLM-6B's punctuation becomes full-width."""
_FULL_WIDTH = str.maketrans(",!:;?", "，！：；？")
MARKS = "".join(map(chr, _FULL_WIDTH))
"""The punctuation that becomes full-width."""
_MARK_BESIDE_CJK = re.compile(f"(?<=[{CJK}])[{MARKS}]|[{MARKS}](?=[{CJK}])")


class ChatFormat(ABC):
    """The prompt and the answer of one generation.

    Attributes:
        stop_ids: ids that end an answer.
    """

    def __init__(self, tokenizer: Tokenizer, *, gmask_id: int, sop_id: int, eos_id: int) -> None:
        self._tokenizer = tokenizer
        self._start = [gmask_id, sop_id]
        self.stop_ids = frozenset({eos_id})

    @abstractmethod
    def prompt(self, turns: Sequence[tuple[str, str]], question: str, system: str = "") -> list[int]:
        """Return the ids after which the model writes its answer.

        Args:
            turns: earlier questions with their answers, the oldest first.
            question: what is asked now.
            system: instructions; where a generation knows no such role, they precede the first question of all.
        """

    def response(self, text: str) -> str:
        """Return the answer that generated text stands for."""
        return text.strip().replace(TRAINING_TIME, "2023年")


class ChatGLM1Format(ChatFormat):
    """ChatGLM-6B: rounds from 0 as running text, none for a first question, and the special ids at the end."""

    def prompt(self, turns: Sequence[tuple[str, str]], question: str, system: str = "") -> list[int]:
        """Return the ids after which the model writes its answer."""
        rounds = _rounds(turns, question, system)
        numbered = (f"[Round {number}]\n问：{asked}\n答：{answer}" for number, (asked, answer) in enumerate(rounds))
        return self._tokenizer.encode("\n".join(numbered) if turns else rounds[0][0]) + self._start

    def response(self, text: str) -> str:
        """Return the answer; next to a CJK character, ASCII punctuation becomes full-width."""
        return _MARK_BESIDE_CJK.sub(lambda mark: mark[0].translate(_FULL_WIDTH), super().response(text))


class ChatGLM2Format(ChatFormat):
    """ChatGLM2-6B: rounds from 1 as running text after the special ids."""

    def prompt(self, turns: Sequence[tuple[str, str]], question: str, system: str = "") -> list[int]:
        """Return the ids after which the model writes its answer."""
        rounds = enumerate(_rounds(turns, question, system), start=1)
        numbered = (f"[Round {number}]\n\n问：{asked}\n\n答：{answer}" for number, (asked, answer) in rounds)
        return self._start + self._tokenizer.encode("\n\n".join(numbered))


class ChatGLM3Format(ChatFormat):
    """ChatGLM3-6B: messages behind the ids of their roles.

    Raises:
        ValueError: the tokenizer has no roles.
    """

    def __init__(self, tokenizer: Tokenizer, *, gmask_id: int, sop_id: int, eos_id: int) -> None:
        super().__init__(tokenizer, gmask_id=gmask_id, sop_id=sop_id, eos_id=eos_id)
        self.stop_ids |= {self._role("user"), self._role("observation")}

    def prompt(self, turns: Sequence[tuple[str, str]], question: str, system: str = "") -> list[int]:
        """Return the ids after which the model writes its answer."""
        messages = [("system", system)] if system else []
        for asked, answer in turns:
            messages += [("user", asked), ("assistant", answer)]
        messages.append(("user", question))
        ids = self._start.copy()
        for role, text in messages:
            ids += [self._role(role), *self._tokenizer.encode("\n"), *self._tokenizer.encode(text)]
        return [*ids, self._role("assistant")]

    def _role(self, name: str) -> int:
        number = self._tokenizer.special(f"<|{name}|>")
        if number is None:
            raise ValueError(f"the tokenizer has no role {name}")
        return number


def build_chat_format(
    generation: Generation, tokenizer: Tokenizer, *, gmask_id: int, sop_id: int, eos_id: int
) -> ChatFormat:
    """Return the chat format of ChatGLM-6B (1), ChatGLM2-6B (2) or ChatGLM3-6B (3).

    Args:
        gmask_id, sop_id, eos_id: the special ids "[gMASK]" and "<sop>", which end or begin a prompt, and the id that
            ends an answer; released values are 130001, 130004, 130005 for ChatGLM-6B, else 64790, 64792, 2.
    """
    kinds: dict[Generation, type[ChatFormat]] = {1: ChatGLM1Format, 2: ChatGLM2Format, 3: ChatGLM3Format}
    return kinds[generation](tokenizer, gmask_id=gmask_id, sop_id=sop_id, eos_id=eos_id)


def detect_generation(folder: Path, family: Literal["v1", "v2"]) -> Generation:
    """Return which generation a checkpoint is of: 1 for family "v1", 2 or 3 for "v2", whose weights are alike.

    It is the third where `tokenizer_config.json` knows roles, or where the folder or the `_name_or_path` of
    `config.json` is called ChatGLM3.
    """
    if family == "v1":
        return 1
    is_third = (
        "<|user|>" in _text(folder / "tokenizer_config.json")
        or re.search(r'"_name_or_path"\s*:\s*"[^"]*chatglm3', _text(folder / "config.json"), re.IGNORECASE)
        or "chatglm3" in folder.resolve().name.lower()
    )
    return 3 if is_third else 2


def _rounds(turns: Sequence[tuple[str, str]], question: str, system: str) -> list[tuple[str, str]]:
    """Return all questions with their answers, the last one's empty, and the instructions before the first question."""
    (asked, answer), *later = [*turns, (question, "")]
    return [(f"{system}\n{asked}" if system else asked, answer), *later]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""  # neither file need be there
