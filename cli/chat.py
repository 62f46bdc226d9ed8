"""The interactive conversation."""

import shlex
from collections.abc import Sequence

from cli import texts
from cli.render import Screen
from core.answers import Turn
from core.errors import KnowGLMError
from core.evaluation import LabelledQuestion
from service.knowledge_qa import KnowledgeQA


def converse(knowledge_qa: KnowledgeQA, kbs: Sequence[str], screen: Screen) -> None:
    """Answer questions until `stop` or the end of input; Ctrl-C stops the answer that is being written.

    What goes wrong with one question or command is shown, and the conversation goes on.
    """
    documents = [document for kb in kbs for document in knowledge_qa.files(kb)]
    for notice in knowledge_qa.notices(kbs):
        screen.note(notice)
    searchable = [document for document in documents if document.state == "indexed"]
    chunks = sum(document.chunks for document in searchable)
    screen.say(texts.WELCOME, kb="、".join(kbs), documents=len(searchable), chunks=chunks)
    history: list[Turn] = []
    while (question := _read_question(screen)) is not None:
        if question.lower() == "stop":
            break
        try:
            _respond(knowledge_qa, kbs, question, history, screen)
        except KeyboardInterrupt:
            screen.say(texts.STOPPED)
        except KnowGLMError as error:
            screen.error(error)
    screen.say(texts.GOODBYE)


def _respond(knowledge_qa: KnowledgeQA, kbs: Sequence[str], line: str, history: list[Turn], screen: Screen) -> None:
    """Carry out a command, or answer a question and add it to the history."""
    if line.lower() == "clear":
        history.clear()
        screen.say(texts.CLEARED)
    elif line == "/model" or line.startswith("/model "):
        _change_model(knowledge_qa, line.removeprefix("/model"), screen)
    elif line == "/bad":
        _mark(knowledge_qa, kbs, screen)
    elif line:
        answer = screen.stream(knowledge_qa.ask(line, kbs, history), line)
        if answer.mode in ("extractive", "llm"):
            history.append(Turn(line, answer.text))


def _mark(knowledge_qa: KnowledgeQA, kbs: Sequence[str], screen: Screen) -> None:
    """Add the last question to the knowledge bases' own lists, for someone to say what should have been found."""
    newest = knowledge_qa.traces(1)
    if not newest:
        screen.say(texts.NOTHING_TO_MARK)
        return
    answer = knowledge_qa.trace(newest[0].id).answer
    for kb in kbs:
        knowledge_qa.add_questions(kb, [LabelledQuestion(answer.rewritten or answer.question)], "feedback")
    screen.say(texts.MARKED)


def _change_model(knowledge_qa: KnowledgeQA, wanted: str, screen: Screen) -> None:
    """Switch to `NAME [PRECISION]`, where given, and say what is in force; a name with blanks stands in quotes."""
    try:
        arguments = shlex.split(wanted)
    except ValueError:  # a quote that does not end
        arguments = []
    if len(arguments) > 2 or (wanted.strip() and not arguments):
        screen.say(texts.MODEL_USAGE)
        return
    if arguments:
        llm, precision = (*arguments, "auto")[:2]
        with screen.progress() as progress:
            knowledge_qa.use_model(progress, llm=llm, precision=precision)
    screen.say(texts.MODEL, model=knowledge_qa.model_in_force)


def _read_question(screen: Screen) -> str | None:
    try:
        return input(texts.PROMPT.text(screen.language)).strip()
    except (EOFError, KeyboardInterrupt):
        return None
