"""Files on their way from the browser, one request each, and the job that reads them."""

from contextlib import suppress

from fastapi.concurrency import contextmanager_in_threadpool
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.account_errors import Forbidden
from core.job_errors import UploadNotFound
from service.knowledge_qa import KnowledgeQA
from ui.refusals import refusing
from ui.visitors import facade_for, visitor_of


class UploadRoutes:
    """What the drop zone speaks to: an upload is begun, its files are sent, it is finished."""

    def __init__(self, qa: KnowledgeQA) -> None:
        self._qa = qa

    def all(self) -> list[Route]:
        """Return every route."""
        language = self._qa.settings.lang
        return [
            Route("/uploads", refusing(self._begin, language), methods=["POST"]),
            Route("/uploads/{batch}", refusing(self._receive, language), methods=["PUT"]),
            Route("/uploads/{batch}", refusing(self._finish, language), methods=["POST"]),
            Route("/uploads/{batch}", refusing(self._give_up, language), methods=["DELETE"]),
        ]

    async def _begin(self, request: Request) -> Response:
        return JSONResponse({"batch": await run_in_threadpool(self._begun, request)})

    async def _receive(self, request: Request) -> Response:
        """Take one file of an upload, as it comes."""
        name, length = request.query_params.get("name", ""), request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        await run_in_threadpool(self._require_editor, request)
        receiving = self._qa.uploads.receive(request.path_params["batch"], visitor_of(request).owner, name, size)
        async with contextmanager_in_threadpool(receiving) as receiver:
            async for piece in request.stream():
                await run_in_threadpool(receiver.write, piece)
        return JSONResponse({"name": name})

    async def _finish(self, request: Request) -> Response:
        return JSONResponse({"job": await run_in_threadpool(self._finished, request)})

    async def _give_up(self, request: Request) -> Response:
        """Delete what has been sent of an upload."""
        batch = request.path_params["batch"]
        await run_in_threadpool(self._qa.uploads.give_up, batch, visitor_of(request).owner)
        return JSONResponse({"batch": batch})

    def _begun(self, request: Request) -> str:
        kb, facade = request.query_params.get("kb", ""), facade_for(self._qa, request)
        facade.kb_settings.saved(kb)  # refuses at once where there is no such knowledge base
        return facade.uploads.begin(kb, visitor_of(request).owner)

    def _finished(self, request: Request) -> str:
        self._require_editor(request)
        return self._qa.intake.start(request.path_params["batch"], visitor_of(request).owner)

    def _require_editor(self, request: Request) -> None:
        """Refuse who may no longer add to the knowledge base that an upload is for."""
        visitor = visitor_of(request)
        with suppress(UploadNotFound):  # so that who asks again once its job is through is told of the job
            kb = self._qa.uploads.get(request.path_params["batch"], visitor.owner).kb
            if not visitor.user.may("editor", kb):
                raise Forbidden("editor", kb)
