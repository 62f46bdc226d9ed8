"""LangChain's messages as the rounds of one conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that waits for an answer.

    Attributes:
        system: what the model is told beforehand; empty for nothing.
        turns: finished rounds, oldest first, each a question and its answer.
        question: what is asked now.
    """

    system: str
    turns: tuple[tuple[str, str], ...]
    question: str

    def rewritten(self, rewrite: Callable[[str], str]) -> "Conversation":
        """Return the conversation with each of its texts passed through `rewrite`."""
        turns = tuple((rewrite(question), rewrite(answer)) for question, answer in self.turns)
        return Conversation(rewrite(self.system), turns, rewrite(self.question))

    def folded(self) -> "Conversation":
        """Return the conversation with its system text before the first question, for models without a system role."""
        first, *later = [question for question, _ in self.turns] + [self.question]
        *asked, question = [f"{self.system}\n\n{first}", *later]
        answers = [answer for _, answer in self.turns]
        return Conversation("", tuple(zip(asked, answers, strict=True)), question)

    def as_chat(self) -> list[dict[str, str]]:
        """Return the messages that a tokenizer's chat template takes, each with a `role` and its `content`."""
        chat = [{"role": "system", "content": self.system}] if self.system else []
        for question, answer in self.turns:
            chat += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return [*chat, {"role": "user", "content": self.question}]


def as_turns(messages: Sequence[BaseMessage]) -> Conversation:
    """Return messages as rounds.

    Messages of one speaker in a row become one, each on a line of its own; so do all system messages, wherever they
    stand. An answer before the first question belongs to an empty one.

    Raises:
        ValueError: nobody asks, the last word is the model's, or a message is not plain text.
    """
    system = "\n".join(_text(message) for message in messages if isinstance(message, SystemMessage))
    spoken = [message for message in messages if not isinstance(message, SystemMessage)]
    runs = [
        (is_answer, "\n".join(_text(message) for message in run))
        for is_answer, run in groupby(spoken, lambda message: isinstance(message, AIMessage))
    ]
    if all(is_answer for is_answer, _ in runs):
        raise ValueError("there is no human message to answer")
    if runs[-1][0]:
        raise ValueError("the last message is an answer already; it must be a human message")
    if runs[0][0]:
        runs.insert(0, (False, ""))
    texts = [text for _, text in runs]
    return Conversation(system, tuple(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def _text(message: BaseMessage) -> str:
    """Return the text of a message.

    Raises:
        ValueError: it holds anything that is not text, or is neither system, human nor answer.
    """
    if not isinstance(message, SystemMessage | HumanMessage | AIMessage):
        raise ValueError(f"a message of type {message.type!r} has no place in a plain conversation")  # noqa: TRY004
    if isinstance(message, AIMessage) and message.tool_calls:
        raise ValueError("this model calls no tools, and cannot be given answers that do")
    blocks = [message.content] if isinstance(message.content, str) else message.content
    return "".join(block if isinstance(block, str) else _block_text(block) for block in blocks)


def _block_text(block: dict[str, object]) -> str:
    if block.get("type") != "text":
        raise ValueError(f"this model reads text only, not content of type {block.get('type')!r}")
    return str(block["text"])
