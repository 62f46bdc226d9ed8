"""Chunks that are corrected, splitting that is tried out, settings that the search obeys."""

import html
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_page import GradioPage, built

from configs.model_config import Settings
from core.accounts import User
from core.kb_settings import KbSettings
from core.messages import Language
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.tabs import kb_chunks, kb_preview
from ui.tabs.knowledge_bases import KnowledgeBasesTab

KB, DOCUMENT = "人事", "手册.md"
TEXT = "# 手册\n\n" + "\n\n".join(
    f"## 第{n}节\n\n{about}" + "其余事项由部门自行商定，报主管备案。" * 8
    for n, about in enumerate(("年假有五天。", "病假凭医院证明。", "差旅在两周之内报销。", "迟到三次记旷工。"), start=1)
)


@pytest.fixture
def qa(app: KnowledgeQA, tmp_path: Path) -> KnowledgeQA:
    (tmp_path / DOCUMENT).write_text(TEXT, "utf-8")
    app.create(KB)
    app.add(KB, [tmp_path / DOCUMENT])
    return app


def visited(qa: KnowledgeQA, *, user: User | None = None, language: Language = "zh") -> GradioPage:
    blocks, tab = built(lambda: KnowledgeBasesTab(qa, language))
    page = GradioPage(blocks, user) if user else GradioPage(blocks)
    page.load(lambda request: tab.opened(KB, request), tab.on_select["outputs"])
    return page


@pytest.fixture
def page(qa: KnowledgeQA) -> GradioPage:
    page = visited(qa)
    page.fire("kb-file-list", "click", {"action": "chunks", "document": DOCUMENT})
    return page


def chunk_of(qa: KnowledgeQA, words: str) -> int:
    return next(row.chunk.id for row in qa.curation.chunks(KB, DOCUMENT) if words in row.chunk.text)


def quoted(qa: KnowledgeQA, question: str) -> str:
    """Return what a question finds, best first."""
    return "\n".join(hit.chunk.text for hit in qa.search(question, KB).hits if hit.kept)


def refusal(page: GradioPage, *event: Any, **more: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        page.fire(*event, **more)
    return html.unescape(str(caught.value.message))


# --- chunks --------------------------------------------------------------------------------------------------------


def test_the_chunks_of_a_file_take_the_place_of_the_list_and_give_it_back(page: GradioPage) -> None:
    assert page.shown("kb-chunks", "visible") is True
    assert page.shown("kb-files", "visible") == "hidden"  # not gone: an upload goes on
    assert "“手册.md”的块" in page.value("kb-chunks-head")
    page.fire("kb-chunks-head", "click", {"action": "back"})
    assert page.shown("kb-chunks", "visible") is False
    assert page.shown("kb-files", "visible") is True


def test_chunks_are_found_by_what_they_say(page: GradioPage) -> None:
    page.fire("kb-find-chunk", "change", value="医院")
    shown = page.value("kb-chunk-list")
    assert "病假凭医院证明" in shown
    assert "差旅" not in shown
    assert re.search(r"1 块，共 \d+ 块", shown)


def test_many_chunks_are_shown_in_pages(page: GradioPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kb_chunks, "_PER_PAGE", 2)
    page.fire("kb-find-chunk", "change", value="")
    assert page.value("kb-chunk-list").count("<li") == 2
    page.fire("kb-chunk-list", "click", {"action": "page", "page": "2"})
    assert "差旅" in page.value("kb-chunk-list")


def test_a_correction_is_searched_and_quoted_at_once(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("kb-chunk-list", "click", {"action": "edit", "chunk": str(chunk_of(qa, "年假"))})
    assert page.shown("kb-chunk-editor", "visible") is True
    assert "年假有五天" in page.value("kb-chunk-text")
    page.write("kb-chunk-text", "年假有十五天。")
    page.fire("kb-chunk-save", "click")
    assert page.shown("kb-chunk-editor", "visible") is False
    assert "年假有十五天" in quoted(qa, "年假有几天？")
    assert "年假有五天" not in quoted(qa, "年假有几天？")
    assert "已修改" in page.value("kb-chunk-list")


def test_a_correction_that_says_nothing_is_refused_and_the_editor_stays(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("kb-chunk-list", "click", {"action": "edit", "chunk": str(chunk_of(qa, "年假"))})
    page.write("kb-chunk-text", "  ")
    assert "没有可检索的内容" in refusal(page, "kb-chunk-save", "click")
    assert page.shown("kb-chunk-editor", "visible") is True


def test_a_correction_can_be_given_up(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("kb-chunk-list", "click", {"action": "edit", "chunk": str(chunk_of(qa, "年假"))})
    page.fire("kb-chunk-cancel", "click")
    assert page.shown("kb-chunk-editor", "visible") is False
    assert not qa.curation.corrections(KB, DOCUMENT)


def test_a_disabled_chunk_is_not_found_until_it_is_enabled(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("kb-chunk-list", "click", {"action": "toggle", "chunk": str(chunk_of(qa, "年假")), "enabled": "false"})
    assert "年假" not in quoted(qa, "年假有几天？")
    assert "已停用" in page.value("kb-chunk-list")
    page.fire("kb-chunk-list", "click", {"action": "toggle", "chunk": str(chunk_of(qa, "年假")), "enabled": "true"})
    assert "年假有五天" in quoted(qa, "年假有几天？")


def test_all_corrections_of_a_document_are_undone(qa: KnowledgeQA, page: GradioPage) -> None:
    assert 'data-action="undo"' not in page.value("kb-chunks-head")  # there is nothing yet
    page.fire("kb-chunk-list", "click", {"action": "toggle", "chunk": str(chunk_of(qa, "年假")), "enabled": "false"})
    assert 'data-confirm="撤销“手册.md”' in page.value("kb-chunks-head")
    page.fire("kb-chunks-head", "click", {"action": "undo"})
    assert "年假有五天" in quoted(qa, "年假有几天？")
    assert 'data-action="undo"' not in page.value("kb-chunks-head")


def test_a_chunk_that_somebody_else_has_changed_is_not_overwritten(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("kb-chunk-list", "click", {"action": "edit", "chunk": str(chunk_of(qa, "年假"))})
    qa.curation.edit(KB, DOCUMENT, chunk_of(qa, "年假"), "年假有七天。")
    page.write("kb-chunk-text", "年假有九天。")
    assert "已经没有这一块了" in refusal(page, "kb-chunk-save", "click")
    assert "年假有七天" in quoted(qa, "年假有几天？")


def test_a_reader_looks_at_chunks_only(qa: KnowledgeQA) -> None:
    qa.curation.set_enabled(KB, DOCUMENT, [chunk_of(qa, "年假")], enabled=False)
    page = visited(qa, user=User("读者", roles={KB: "reader"}))
    page.fire("kb-file-list", "click", {"action": "chunks", "document": DOCUMENT})
    assert "病假" in page.value("kb-chunk-list")
    shown = page.value("kb-chunk-list") + page.value("kb-chunks-head")
    assert set(re.findall(r'data-action="(.*?)"', shown)) == {"back"}


# --- preview of splitting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "offered"),
    [("chunk_chars", kb_preview.CHUNK_CHARS), ("chunk_overlap_chars", kb_preview.CHUNK_OVERLAP_CHARS)],
)
def test_the_lengths_that_can_be_tried_are_those_of_the_settings(name: str, offered: tuple[int, int]) -> None:
    metadata: list[Any] = Settings.model_fields[name].metadata
    (lowest,) = [one.ge for one in metadata if hasattr(one, "ge")]
    (highest,) = [one.le for one in metadata if hasattr(one, "le")]
    assert (lowest, highest) == offered


def test_a_preview_stores_nothing(qa: KnowledgeQA) -> None:
    page, before = visited(qa), qa.curation.chunks(KB, DOCUMENT)
    assert page.value("kb-preview-document") == DOCUMENT
    page.write("kb-preview-chars", 60)
    page.fire("kb-preview-show", "click")
    assert page.value("kb-preview").count("<li") > len(before)
    assert qa.curation.chunks(KB, DOCUMENT) == before
    assert qa.kb_settings.saved(KB) == KbSettings()


def test_of_a_long_document_the_beginning_is_previewed(qa: KnowledgeQA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kb_preview, "_SHOWN", 3)
    page = visited(qa)
    page.write("kb-preview-chars", 60)
    page.fire("kb-preview-show", "click")
    assert page.value("kb-preview").count("<li") == 3
    assert re.search(r"一共 \d+ 块，这里是前 3 块", page.value("kb-preview"))


def test_lengths_that_are_taken_over_ask_for_a_rebuild(qa: KnowledgeQA) -> None:
    page = visited(qa)
    page.write("kb-preview-chars", 120)
    page.write("kb-preview-overlap", 20)
    page.fire("kb-preview-use", "click")
    assert (qa.kb_settings.saved(KB).chunk_chars, qa.kb_settings.saved(KB).chunk_overlap_chars) == (120, 20)
    assert "设置是 120 字（重叠 20）" in page.value("kb-head")
    assert 'data-action="rebuild"' in page.value("kb-head")
    assert page.value("kb-setting-chunk_chars") == 120


# --- settings ------------------------------------------------------------------------------------------------------


def test_saved_settings_are_what_the_search_obeys(qa: KnowledgeQA) -> None:
    assert quoted(qa, "年假有几天？")
    page = visited(qa)
    page.write("kb-setting-threshold", "99%")
    page.write("kb-setting-top_k", 2)
    page.fire("kb-settings-save", "click")
    found = qa.search("年假有几天？", KB)
    assert (found.settings.threshold, found.settings.top_k) == (0.99, 2)
    assert not quoted(qa, "年假有几天？")
    page.fire("kb-own-settings", "click", {"action": "default", "setting": "threshold"})
    assert quoted(qa, "年假有几天？")
    assert page.value("kb-setting-threshold") == ""
    assert qa.kb_settings.saved(KB) == KbSettings(top_k=2)


def test_each_field_says_where_its_value_comes_from(make_app: Any, tmp_path: Path) -> None:
    qa = make_app(top_k=7)
    qa.create(KB)
    qa.kb_settings.save(KB, threshold=0.4)
    page = visited(qa)
    assert page.shown("kb-setting-threshold", "info").startswith("现在是 40%（这个知识库自己的）。")
    assert page.shown("kb-setting-chunk_chars", "info").startswith("现在是 250（程序的默认）。")
    assert page.shown("kb-setting-top_k", "info") == "现在是 7（启动参数或环境变量，优先于知识库自己的）。"
    assert page.shown("kb-setting-top_k", "interactive") is False  # saving it would change nothing


def test_only_what_was_changed_is_saved(qa: KnowledgeQA) -> None:
    page = visited(qa)
    qa.kb_settings.save(KB, top_k=3)  # by somebody else, while this page shows the old one
    page.write("kb-setting-system_prompt", "你是人事助理。")
    page.fire("kb-settings-save", "click")
    assert qa.kb_settings.saved(KB) == KbSettings(top_k=3, system_prompt="你是人事助理。")


def test_an_emptied_field_goes_back_to_the_application(qa: KnowledgeQA) -> None:
    qa.kb_settings.save(KB, threshold=0.4, prompt_template="{passages}？{question}", system_prompt="你是人事助理。")
    page = visited(qa)
    for name in ("threshold", "prompt_template", "system_prompt"):
        page.write(f"kb-setting-{name}", "")
    page.fire("kb-settings-save", "click")
    assert qa.kb_settings.saved(KB) == KbSettings(system_prompt="")  # no system prompt is a choice of its own
    assert "{passages}" in page.value("kb-setting-prompt_template")


def test_what_is_wrong_is_said_and_nothing_is_saved(qa: KnowledgeQA) -> None:
    page = visited(qa)
    page.write("kb-setting-prompt_template", "只有 {question}")
    page.write("kb-setting-top_k", 4)
    assert "{passages}" in refusal(page, "kb-settings-save", "click")
    page.write("kb-setting-prompt_template", "{passages} {question}")
    page.write("kb-setting-top_k", 4000)
    page.write("kb-setting-threshold", "高")
    said = refusal(page, "kb-settings-save", "click")
    assert "top_k".casefold() in said.casefold()
    assert "threshold".casefold() in said.casefold()
    assert qa.kb_settings.saved(KB) == KbSettings()


def test_the_embedding_is_chosen_among_those_that_are_here(qa: KnowledgeQA) -> None:
    page = visited(qa)
    choices = page.shown("kb-setting-embedding", "choices")
    assert choices == [("程序的（text2vec-large-chinese）", ""), ("词面匹配", "lexical")]
    page.write("kb-setting-embedding", "lexical")
    page.fire("kb-settings-save", "click")
    assert qa.kb_settings.saved(KB).embedding == "lexical"
    assert "嵌入模型 <b><bdi>词面匹配</bdi></b>" in page.value("kb-own-settings")


def test_the_settings_are_explained_in_english(qa: KnowledgeQA) -> None:
    page = visited(qa, language="en")
    assert page.shown("kb-setting-top_k", "label") == "Chunks used (top-k)"
    assert page.shown("kb-setting-top_k", "info") == "Now 5 (the application's default)."
    assert "Hold" in page.shown("kb-setting-prompt_template", "info")


# --- coming back ---------------------------------------------------------------------------------------------------


def test_what_was_being_worked_on_is_still_there_when_the_tab_is_left_and_visited_again(qa: KnowledgeQA) -> None:
    blocks, tab = built(lambda: KnowledgeBasesTab(qa, "zh"))
    page = GradioPage(blocks)
    page.load(**tab.on_select)
    assert SAMPLES in page.value("kb-head")  # the first time, the samples
    page.fire("kb-list", "click", {"action": "open", "kb": KB})
    page.fire("kb-file-list", "click", {"action": "chunks", "document": DOCUMENT})
    chunks = page.value("kb-chunk-list")
    assert DOCUMENT in page.value("kb-chunks-head")
    page.load(**tab.on_select)
    assert KB in page.value("kb-head")
    assert page.value("kb-chunk-list") == chunks
    assert DOCUMENT in page.value("kb-chunks-head")
