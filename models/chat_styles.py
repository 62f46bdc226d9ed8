"""How the models of one family were shown conversations, and how a tokenizer's chat template shows them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from models.turns import Conversation


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
