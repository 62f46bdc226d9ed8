"""The interactive conversation."""

from cli import texts
from cli.render import Screen
from core.answers import Turn
from service.knowledge_qa import KnowledgeQA


def converse(knowledge_qa: KnowledgeQA, kb: str, screen: Screen) -> None:
    """Answer questions until `stop` or the end of input; Ctrl-C stops the answer that is being written."""
    documents = knowledge_qa.files(kb)
    for notice in knowledge_qa.notices(kb):
        screen.note(notice)
    searchable = [document for document in documents if document.state == "indexed"]
    chunks = sum(document.chunks for document in searchable)
    screen.say(texts.WELCOME, kb=kb, documents=len(searchable), chunks=chunks)
    history: list[Turn] = []
    while (question := _read_question(screen)) is not None:
        if question.lower() == "stop":
            break
        if question.lower() == "clear":
            history.clear()
            screen.say(texts.CLEARED)
        elif question:
            events = knowledge_qa.ask(question, kb, history)
            try:
                answer = screen.stream(events)
            except KeyboardInterrupt:
                screen.say(texts.STOPPED)
                continue
            if not answer.refused:
                history.append(Turn(question, answer.text))
    screen.say(texts.GOODBYE)


def _read_question(screen: Screen) -> str | None:
    try:
        return input(texts.PROMPT.text(screen.language)).strip()
    except (EOFError, KeyboardInterrupt):
        return None
