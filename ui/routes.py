"""What is no page of Gradio's: the first address, and files to take along."""

import json
from http import HTTPStatus
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from core.conversations import Conversation
from core.messages import Language
from service.conversations.export import to_json, to_markdown
from service.evaluating.evaluations import Evaluations
from service.knowledge_qa import KnowledgeQA
from ui.bodies import small_body
from ui.languages import language_of
from ui.refusals import refusing
from ui.tabs.retrieval_files import Download, question_list, report
from ui.visitors import facade_for, visitor_of

_MB = 1024 * 1024
_UNTITLED = "KnowGLM"


class Routes:
    """The plain routes of one server.

    Args:
        evaluations: shared with the pages.
    """

    def __init__(self, qa: KnowledgeQA, evaluations: Evaluations) -> None:
        self._qa, self._evaluations = qa, evaluations

    def all(self) -> list[Route]:
        """Return every route."""
        language = self._qa.settings.lang
        return [
            Route("/", self._home),
            Route("/favicon.ico", self._icon),
            Route("/originals", refusing(self._original, language)),
            Route("/conversations/{id}.md", refusing(self._markdown, language)),
            Route("/conversations/{id}.json", refusing(self._json, language)),
            Route("/questions", refusing(self._questions, language), methods=["GET"]),
            Route("/questions", refusing(self._add_questions, language), methods=["POST"]),
            Route("/evaluations/{id}.{kind}", refusing(self._report, language)),
        ]

    async def _home(self, request: Request) -> Response:
        return RedirectResponse(f"/{self._language(request)}/", HTTPStatus.TEMPORARY_REDIRECT)

    async def _icon(self, _: Request) -> Response:
        return RedirectResponse("/assets/icon.svg", HTTPStatus.PERMANENT_REDIRECT)

    async def _original(self, request: Request) -> Response:
        """Send a document as it was added, to be saved: a browser never shows it as a page of this site."""
        kb, document = request.query_params.get("kb", ""), request.query_params.get("document", "")
        path = await run_in_threadpool(facade_for(self._qa, request).curation.original, kb, document)
        name = document.rpartition("/")[2]
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    # --- conversations -------------------------------------------------------------------------------------------

    async def _markdown(self, request: Request) -> Response:
        conversation = await run_in_threadpool(self._conversation, request)
        text, name = to_markdown(conversation, self._language(request)), f"{conversation.title or _UNTITLED}.md"
        return _attachment(Download(text.encode(), name, "text/markdown; charset=utf-8"))

    async def _json(self, request: Request) -> Response:
        conversation = await run_in_threadpool(self._conversation, request)
        text = json.dumps(to_json(conversation), ensure_ascii=False, indent=2)
        return _attachment(Download(text.encode(), f"{conversation.title or _UNTITLED}.json", "application/json"))

    def _conversation(self, request: Request) -> Conversation:
        return self._qa.conversations.load(visitor_of(request).owner, request.path_params["id"])

    # --- of the retrieval test -----------------------------------------------------------------------------------

    async def _questions(self, request: Request) -> Response:
        kb, kind = request.query_params.get("kb", ""), request.query_params.get("kind", "")
        return _attachment(await run_in_threadpool(question_list, facade_for(self._qa, request), kb, kind))

    async def _add_questions(self, request: Request) -> Response:
        """Take a file of questions into the list of a knowledge base."""
        kb, name = request.query_params.get("kb", ""), request.query_params.get("name", "")
        data = await small_body(request, self._qa.settings.max_file_mb * _MB)
        book = facade_for(self._qa, request).question_book
        return JSONResponse({"kb": kb, "added": await run_in_threadpool(book.import_file, kb, name, data)})

    async def _report(self, request: Request) -> Response:
        id, kind = request.path_params["id"], request.path_params["kind"]
        owner = visitor_of(request).owner
        return _attachment(await run_in_threadpool(report, self._evaluations, owner, id, kind))

    def _language(self, request: Request) -> Language:
        return language_of(request, self._qa.settings.lang)


def _attachment(file: Download) -> Response:
    """Return a file to be saved, never to be shown as a page of this site."""
    disposition = f"attachment; filename*=UTF-8''{quote(file.name, safe='', errors='replace')}"
    return Response(file.data, media_type=file.media_type, headers={"Content-Disposition": disposition})
