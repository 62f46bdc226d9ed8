"""From an application to a web server: the gate, the plain routes, and one Gradio page a language."""

import logging
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from configs.environment import switch_off_analytics
from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.doors import LOOPBACK
from ui.gate import HEADERS, Gate
from ui.languages import LANGUAGES, language_of
from ui.login import Login
from ui.login_routes import LoginRoutes
from ui.rendering.templates import UI_DIR
from ui.routes import Routes
from ui.shared import Shared
from ui.texts import shell
from ui.upload_routes import UploadRoutes

if TYPE_CHECKING:
    import gradio as gr

_PAGES = 500  # whose state Gradio keeps, open or not, about half a megabyte each; those used last
_PARALLEL_EVENTS = 32  # handlers that wait, such as those of answers that stand in line for the model


def build_server(qa: KnowledgeQA, *, login: Login | None, hosts: Container[str] | None = LOOPBACK) -> FastAPI:
    """Build the web server of an application.

    Args:
        login: None lets everybody do everything.
        hosts: names by which the page may be called, in lower case; None for any.
    """
    fixed, shared = qa.settings.lang, Shared.of(qa)

    async def failed(request: Request, error: Exception) -> Response:
        """Say that something unforeseen went wrong; the server has logged what."""
        text = shell.UNEXPECTED.text(language_of(request, fixed), detail=type(error).__name__)
        return PlainTextResponse(text, HTTPStatus.INTERNAL_SERVER_ERROR, HEADERS)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        shared.close()
        if login:
            login.sessions.shut()

    routes = [*Routes(qa, shared.evaluations).all(), *UploadRoutes(qa).all()]
    if login is not None:
        routes += LoginRoutes(login, fixed).all()
    gate = Middleware(Gate, hosts=hosts, login=login, language=fixed)
    server = FastAPI(
        middleware=[gate], routes=[*routes], lifespan=lifespan, exception_handlers={Exception: failed}, openapi_url=None
    )
    server.mount("/assets", StaticFiles(directory=UI_DIR / "assets"))
    for language in LANGUAGES:
        _mount(server, qa, shared, language)
    return server


def _mount(server: FastAPI, qa: KnowledgeQA, shared: Shared, language: Language) -> None:
    switch_off_analytics()
    import gradio as gr

    from ui.page import build_page

    logging.getLogger("httpx").setLevel(logging.WARNING)
    page = build_page(qa, shared, language)
    page.state_session_capacity = _PAGES
    page.queue(default_concurrency_limit=_PARALLEL_EVENTS, api_open=False)
    gr.mount_gradio_app(
        server,
        page,
        path=f"/{language}",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        theme=_theme(),
        css_paths=[UI_DIR / "assets" / name for name in ("page.css", "views.css", "tabs.css")],
        head=(UI_DIR / "templates" / "head.html").read_text("utf-8"),
    )


def _theme() -> "gr.themes.Base":
    """Return a theme whose fonts are on the reader's machine."""
    import gradio as gr

    sans = ["Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei"]
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        font=[*sans, "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
        radius_size="md",
    ).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")
