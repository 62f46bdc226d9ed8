"""One page, in one language: the head, and a tab for each thing to do."""

import gradio as gr
from markupsafe import Markup

from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, panel
from ui.languages import other_language
from ui.rendering.templates import rendered
from ui.shared import Shared
from ui.tabs.chat import ChatTab
from ui.tabs.knowledge_bases import KnowledgeBasesTab
from ui.tabs.models import ModelsTab
from ui.tabs.retrieval_test import RetrievalTestTab
from ui.texts import shell
from ui.visitors import visitor_of


def build_page(qa: KnowledgeQA, shared: Shared, language: Language) -> gr.Blocks:
    """Build the page of one language."""
    page = gr.Blocks(title=shell.TITLE.text(language), analytics_enabled=False, fill_width=True)
    with page:
        head = panel("head")

        def greet(request: gr.Request) -> Markup:
            return _head(language, request)

        page.load(greet, None, head, **QUIET)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab(shell.TAB_CHAT.text(language), id="chat") as chat_tab:
                chat = ChatTab(qa, shared.conversing, language)
            with gr.Tab(shell.TAB_KNOWLEDGE_BASES.text(language), id="knowledge-bases") as bases_tab:
                bases = KnowledgeBasesTab(qa, language)
            with gr.Tab(shell.TAB_RETRIEVAL_TEST.text(language), id="retrieval-test") as test_tab:
                test = RetrievalTestTab(qa, shared.evaluations, language)
            with gr.Tab(shell.TAB_MODELS.text(language), id="models") as models_tab:
                models = ModelsTab(qa, shared.model_changes, language)
        page.load(**chat.on_load, **QUIET)
        chat_tab.select(**chat.on_select, **QUIET)
        bases_tab.select(**bases.on_select, **QUIET)
        test_tab.select(**test.on_select, **QUIET)
        models_tab.select(**models.on_select, **QUIET)
    return page


def _head(language: Language, request: gr.Request) -> Markup:
    visitor = visitor_of(request)
    user = visitor.user.name if visitor.accounts else ""
    return rendered("head_line.html", language, texts=shell, user=user, other=other_language(language))
