"""The retrieval test: the chat's own search, settings that reach the chat, marks that make questions."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fakes import HashedEmbeddings
from gradio_page import GradioPage, built

from configs.model_config import Settings
from core.accounts import User
from core.answers import AskOptions, Finished
from core.evaluation import LabelledQuestion
from core.messages import Language
from service.conversations.conversing import Conversing
from service.evaluating.evaluations import Evaluations
from service.knowledge_qa import KnowledgeQA
from ui.tabs.chat import ChatTab
from ui.tabs.retrieval_sliders import SCALES
from ui.tabs.retrieval_test import RetrievalTestTab

KB, OTHER, QUESTION = "人事", "法务", "年假有几天？"
HANDBOOK = (
    "# 员工手册\n\n## 休假\n\n工作满一年的员工，年假有五天。\n\n## 报销\n\n差旅费用在两周之内报销，凭发票办理。\n"
)
MORE = {
    "调休.md": "年假可以分几天休，也可以一次休完。",
    "病假.md": "病假凭医院证明，一年不超过十五天。",
    "考勤.md": "迟到三次记一天旷工。",
    "加班.md": "周末加班有两倍工资。",
    "培训.md": "新员工有三天的入职培训。",
}
LEASE = "# 合同\n\n## 年限\n\n租约有三年。\n\n## 休假\n\n年假有十天，由双方商定。\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return put


@pytest.fixture
def qa(make_app: Callable[..., KnowledgeQA], write: Callable[[str, str], Path]) -> KnowledgeQA:
    app = make_app()
    for kb, files in ((KB, {"员工手册.md": HANDBOOK, **MORE}), (OTHER, {"合同.md": LEASE})):
        app.create(kb)
        app.add(kb, [write(name, text) for name, text in files.items()])
    return app


@pytest.fixture
def evaluations() -> Iterator[Evaluations]:
    evaluations = Evaluations()
    yield evaluations
    evaluations.close()


@pytest.fixture
def opened(evaluations: Evaluations) -> Callable[..., GradioPage]:
    """A page that shows one knowledge base: `opened(qa, user=…, language=…, kbs=[…])`."""

    def open_page(
        qa: KnowledgeQA, *, user: User | None = None, language: Language = "zh", kbs: tuple[str, ...] = (KB,)
    ) -> GradioPage:
        blocks, tab = built(lambda: RetrievalTestTab(qa, evaluations, language))
        page = GradioPage(blocks, user) if user else GradioPage(blocks)
        page.load(**tab.on_select)
        page.fire("test-kbs", "input", value=list(kbs))
        return page

    return open_page


@pytest.fixture
def page(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> GradioPage:
    return opened(qa)


def rows(page: GradioPage) -> list[tuple[str, bool]]:
    """Return the hits on show, as their relevance and whether they are used."""
    found = re.findall(r'<li class="hit([^"]*)" data-relevance="([^"]*)"', page.value("test-results"))
    return [(relevance, "kept" in classes) for classes, relevance in found]


def answered(qa: KnowledgeQA, kb: str = KB, **overrides: float) -> Any:
    *_, last = qa.ask(QUESTION, kb, options=AskOptions(overrides=overrides))
    assert isinstance(last, Finished)
    return last.answer.retrieval


def marks(page: GradioPage) -> list[tuple[int, str]]:
    """Return which hits are marked, by the ids of their chunks."""
    pressed = re.findall(
        r'data-chunk="(\d+)"[^>]*data-right="(true|false)"[^>]*aria-pressed="true"', page.value("test-results")
    )
    return [(int(chunk), right) for chunk, right in pressed]


# --- one way of searching ------------------------------------------------------------------------------------------


def test_it_shows_what_the_chat_finds(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-question", "change", value=QUESTION)
    shown = [(str(hit.relevance), hit.kept) for hit in qa.search(QUESTION, KB).hits]
    assert len(shown) > 1
    assert rows(page) == shown == [(str(hit.relevance), hit.kept) for hit in answered(qa).hits]


def test_settings_that_are_tried_find_what_the_chat_would_find_with_them(qa: KnowledgeQA, page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    page.fire("test-a-top_k", "input", value=1)
    page.fire("test-a-threshold", "input", value=5)
    expected = [(str(hit.relevance), hit.kept) for hit in answered(qa, top_k=1, threshold=0.05).hits]
    assert rows(page) == expected
    assert sum(kept for _, kept in expected) == 1 < len(qa.search(QUESTION, KB, {"threshold": 0.05}).passages)


def test_a_threshold_between_two_steps_of_the_slider_is_not_rounded(qa: KnowledgeQA, page: GradioPage) -> None:
    in_force = qa.retrieval_settings(KB).threshold
    assert round(in_force, 3) != in_force
    page.fire("test-question", "change", value=QUESTION)
    assert f'data-threshold="{in_force}"' in page.value("test-results")


def test_the_line_that_was_dragged_sets_the_slider_and_searches(page: GradioPage) -> None:
    page.fire("test-question", "change", value=QUESTION)
    best = float(rows(page)[0][0])
    page.fire("test-results", "release", {"threshold": round(best + 0.01, 2)})
    assert page.value("test-a-threshold") == pytest.approx(100 * round(best + 0.01, 2))
    assert not any(kept for _, kept in rows(page))
    page.fire("test-results", "release", {"threshold": 0})
    assert rows(page)[0] == (str(best), True)


def test_two_settings_stand_side_by_side(qa: KnowledgeQA, page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    page.fire("test-a-top_k", "input", value=3)
    assert page.shown("test-b", "visible") is False
    page.fire("test-compare", "input", value=True)
    assert page.shown("test-b", "visible") is True
    assert page.value("test-b-top_k") == 3
    page.fire("test-b-threshold", "input", value=99)
    html = page.value("test-results")
    assert html.count("<section>") == 2
    kept = {hit.chunk.id for hit in qa.search(QUESTION, KB, {"top_k": 3}).hits if hit.kept}
    assert html.count('class="hit kept"') == len(kept)
    page.fire("test-compare", "input", value=False)
    assert "data-threshold" in page.value("test-results")


def test_an_empty_question_and_no_knowledge_base_say_what_to_do(page: GradioPage) -> None:
    page.fire("test-question", "change", value="  ")
    assert "输入一个问题" in page.value("test-results")
    page.fire("test-kbs", "input", value=[])
    page.fire("test-question", "change", value=QUESTION)
    assert "先选一个知识库" in page.value("test-results")


def test_a_knowledge_base_that_is_gone_is_told_in_the_place_of_results(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.delete(KB)
    page.fire("test-question", "change", value=QUESTION)
    assert 'class="failure"' in page.value("test-results")


def test_what_is_in_the_documents_cannot_become_html(
    qa: KnowledgeQA, page: GradioPage, write: Callable[[str, str], Path]
) -> None:
    qa.add(KB, [write("<img src=x onerror=alert(1)>.md", "年假有 <script>alert(1)</script> 几天\n")])
    page.fire("test-question", "change", value=QUESTION + "<script>alert(2)</script>")
    page.fire("test-results", "click", {"action": "unanswerable", "kb": KB})
    for name in ("test-results", "test-list"):
        assert not re.search("<(script|img)", page.value(name)), name


# --- applying to the chat ------------------------------------------------------------------------------------------


def test_settings_of_the_test_tab_reach_the_chat(qa: KnowledgeQA, page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    page.fire("test-a-threshold", "input", value=97.5)
    page.fire("test-a-top_k", "input", value=2)
    tried = rows(page)
    assert not any(kept for _, kept in tried)
    assert any(hit.kept for hit in answered(qa).hits), "what is only tried is not for the chat"
    page.fire("test-apply", "click")
    assert asdict(qa.kb_settings.saved(KB))["threshold"] == 0.975
    chat = answered(qa)
    assert (chat.settings.threshold, chat.settings.top_k) == (0.975, 2)
    assert [(str(hit.relevance), hit.kept) for hit in chat.hits] == tried == rows(page)
    assert "97.5%" in page.value("test-saved")
    assert page.shown("test-a-threshold", "info") == "现在 97.5%，知识库自己的设置"


def test_choosing_a_knowledge_base_in_the_test_tab_leaves_the_chat_alone(
    qa: KnowledgeQA, evaluations: Evaluations
) -> None:
    blocks, (chat, tab) = built(
        lambda: (ChatTab(qa, Conversing(qa.conversations), "zh"), RetrievalTestTab(qa, evaluations, "zh"))
    )
    page = GradioPage(blocks)
    page.load(**chat.on_load)
    page.load(**tab.on_select)
    before = page.value("chat-kbs")
    page.fire("test-kbs", "input", value=[OTHER])
    assert page.value("chat-kbs") == before == ["samples"]
    of_chat = page.updated_by("ui.tabs.chat")
    assert {"chat-kbs", "transcript"} <= of_chat
    assert not page.updated_by("ui.tabs.retrieval") & of_chat
    assert "test-kbs" not in of_chat


def test_only_what_was_moved_is_saved(qa: KnowledgeQA, page: GradioPage) -> None:
    with pytest.raises(gr.Error, match="没有改动"):
        page.fire("test-apply", "click")
    page.fire("test-a-top_k", "input", value=7)
    page.fire("test-apply", "click")
    saved = qa.kb_settings.saved(KB)
    assert (saved.top_k, saved.threshold, saved.dense_weight) == (7, None, None)


def test_saving_says_which_variable_makes_it_void(
    make_app: Callable[..., KnowledgeQA], qa: KnowledgeQA, opened: Callable[..., GradioPage]
) -> None:
    page = opened(make_app(top_k=3))
    assert page.shown("test-a-top_k", "info") == "现在 3，由启动参数或环境变量 KNOWGLM_TOP_K 指定"
    page.fire("test-a-top_k", "input", value=9)
    page.fire("test-apply", "click")
    said = page.value("test-saved")
    assert "取用条数 9" in said
    assert "不会起作用" in said
    assert "KNOWGLM_TOP_K" in said
    assert "从现在起" not in said
    assert page.value("test-a-top_k") == 3
    assert qa.retrieval_settings(KB).top_k == 9, "it applies once the flag is gone"


def test_lengths_are_tried_but_not_saved_with_a_knowledge_base(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-a-passage_chars", "input", value=100)
    page.fire("test-apply", "click")
    assert "KNOWGLM_PASSAGE_CHARS" in page.value("test-saved")
    assert page.value("test-a-passage_chars") == 100
    assert not any(asdict(qa.kb_settings.saved(KB)).values())


def test_back_to_defaults_clears_what_was_saved(qa: KnowledgeQA, page: GradioPage) -> None:
    default = qa.retrieval_settings(KB)
    qa.kb_settings.save(KB, threshold=0.9, top_k=9)
    page.fire("test-kbs", "input", value=[KB])
    assert page.value("test-a-top_k") == 9
    page.fire("test-defaults", "click")
    assert qa.retrieval_settings(KB) == default
    assert page.value("test-a-top_k") == default.top_k
    assert "不再有自己的检索设置" in page.value("test-saved")


def test_saving_needs_exactly_one_knowledge_base(opened: Callable[..., GradioPage], qa: KnowledgeQA) -> None:
    page = opened(qa, kbs=(KB, OTHER))
    page.fire("test-question", "change", value=QUESTION)
    assert {hit.chunk.kb for hit in qa.search(QUESTION, [KB, OTHER]).hits} == {KB, OTHER}
    assert len(rows(page)) == len(qa.search(QUESTION, [KB, OTHER]).hits)
    assert page.shown("test-apply", "visible") is False
    assert "只选一个知识库" in page.value("test-saved")
    page.fire("test-a-top_k", "input", value=9)
    with pytest.raises(gr.Error, match="只选一个知识库"):
        page.fire("test-apply", "click")


def test_knowledge_bases_asked_together_say_default_unless_they_agree(
    opened: Callable[..., GradioPage], qa: KnowledgeQA
) -> None:
    qa.kb_settings.save(KB, top_k=9, threshold=0.5)
    qa.kb_settings.save(OTHER, top_k=9, threshold=0.6)
    page = opened(qa, kbs=(KB, OTHER))
    assert page.shown("test-a-top_k", "info") == "现在 9，知识库自己的设置"
    assert page.shown("test-a-threshold", "info").endswith("默认值")


def test_coming_back_to_the_tab_shows_what_others_saved_and_keeps_what_was_moved(
    qa: KnowledgeQA, evaluations: Evaluations
) -> None:
    blocks, tab = built(lambda: RetrievalTestTab(qa, evaluations, "zh"))
    page = GradioPage(blocks)
    page.load(**tab.on_select)
    page.fire("test-kbs", "input", value=[KB])
    page.fire("test-a-threshold", "input", value=12.3)
    qa.kb_settings.save(KB, top_k=9, threshold=0.5)
    page.load(**tab.on_select)
    assert (page.value("test-a-top_k"), page.value("test-a-threshold")) == (9, 12.3)
    page.fire("test-kbs", "input", value=[KB, OTHER])
    qa.delete(KB)
    page.load(**tab.on_select)
    assert page.value("test-kbs") == [OTHER]


def test_the_tab_opens_at_the_samples(qa: KnowledgeQA, evaluations: Evaluations) -> None:
    blocks, tab = built(lambda: RetrievalTestTab(qa, evaluations, "zh"))
    page = GradioPage(blocks)
    assert page.shown("test-question", "interactive") is False
    page.load(**tab.on_select)
    assert page.value("test-kbs") == ["samples"]
    assert page.shown("test-question", "interactive") is True


def test_the_sliders_reach_as_far_as_the_settings() -> None:
    for name, scale in SCALES.items():
        field = Settings.model_fields[name]
        bounds = {type(one).__name__: one for one in field.metadata}
        low, high = (bounds["Ge"].ge, bounds["Le"].le) if bounds.keys() >= {"Ge", "Le"} else (0, 1)
        assert (scale.value(scale.low), scale.value(scale.high)) == (low, high), name


def test_the_share_of_the_dense_leg_is_offered_where_there_are_vectors(
    make_app: Callable[..., KnowledgeQA], write: Callable[[str, str], Path], opened: Callable[..., GradioPage]
) -> None:
    for name, embeddings, is_offered in (("词面", None, False), ("向量", HashedEmbeddings(), True)):
        app = make_app(embeddings=embeddings)
        app.create(name)
        app.add(name, [write("员工手册.md", HANDBOOK)])
        page = opened(app, kbs=(name,))
        offered = [page.shown(f"test-{row}-dense_weight", "visible") for row in "ab"]
        assert offered == [is_offered, is_offered], name
        app.close()


# --- marks ---------------------------------------------------------------------------------------------------------


def click(page: GradioPage, action: str, **data: Any) -> None:
    page.fire("test-results", "click", {"action": action, "kb": KB} | {name: str(one) for name, one in data.items()})


def test_marks_make_a_question_of_the_list_and_are_taken_back(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-question", "change", value=QUESTION)
    first, second = (hit.chunk for hit in qa.search(QUESTION, KB).hits[:2])
    click(page, "mark", chunk=first.id, right="true")
    (asked,) = qa.questions(KB)
    assert asked.question == QUESTION
    assert [(one.file, one.text) for one in asked.expected] == [(first.source, first.text.strip())]
    assert marks(page) == [(first.id, "true")]
    click(page, "mark", chunk=second.id, right="false")
    assert sorted(marks(page)) == sorted([(first.id, "true"), (second.id, "false")])
    assert qa.questions(KB) == [asked], "what is wrong says nothing new"
    click(page, "mark", chunk=first.id, right="true")
    assert marks(page) == [(second.id, "false")]
    assert [one.is_open for one in qa.question_book.all(KB)] == [True]
    click(page, "mark", chunk=second.id, right="false")
    assert qa.question_book.all(KB) == []
    assert marks(page) == []


def test_a_mark_can_be_turned_round(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-question", "change", value=QUESTION)
    chunk = qa.search(QUESTION, KB).hits[0].chunk
    for right in ("false", "true", "false"):
        click(page, "mark", chunk=chunk.id, right=right)
        assert marks(page) == [(chunk.id, right)]
        assert [one.is_open for one in qa.question_book.all(KB)] == [right == "false"]
    assert qa.questions(KB) == [], "an open question is not asked in an evaluation"


def test_taking_back_a_wrong_mark_leaves_the_thumbs_down_of_the_chat(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.add_questions(KB, [LabelledQuestion(QUESTION)], "feedback")
    page.fire("test-question", "change", value=QUESTION)
    chunk = qa.search(QUESTION, KB).hits[0].chunk
    for _ in range(2):
        click(page, "mark", chunk=chunk.id, right="false")
    assert [one.is_open for one in qa.question_book.all(KB)] == [True]


def test_no_answer_here_is_said_by_a_button_of_its_own(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-question", "change", value=QUESTION)
    click(page, "unanswerable")
    assert qa.questions(KB) == [LabelledQuestion(QUESTION)]
    assert "这个知识库里没有答案" in page.value("test-results")
    chunk = qa.search(QUESTION, KB).hits[0].chunk
    click(page, "mark", chunk=chunk.id, right="false")
    assert qa.questions(KB) == [LabelledQuestion(QUESTION)], "that a hit is wrong agrees with it"
    click(page, "mark", chunk=chunk.id, right="true")
    assert qa.questions(KB)[0].answerable
    click(page, "take-out")
    assert qa.question_book.all(KB) == []


def test_hits_of_several_knowledge_bases_are_marked_each_in_its_own_list(
    qa: KnowledgeQA, opened: Callable[..., GradioPage]
) -> None:
    page = opened(qa, kbs=(KB, OTHER))
    page.fire("test-question", "change", value=QUESTION)
    chunk = next(hit.chunk for hit in qa.search(QUESTION, [KB, OTHER]).hits if hit.chunk.kb == OTHER)
    page.fire("test-results", "click", {"action": "mark", "kb": OTHER, "chunk": str(chunk.id), "right": "true"})
    assert [len(qa.questions(kb)) for kb in (KB, OTHER)] == [0, 1]
    assert len(marks(page)) == 1


def test_a_hit_that_is_no_more_cannot_be_marked(page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    with pytest.raises(gr.Error, match="已经变了"):
        click(page, "mark", chunk=999, right="true")


# --- why was it not found? -----------------------------------------------------------------------------------------


def test_why_not_found_leads_to_settings_that_find_it(qa: KnowledgeQA, page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    page.fire("test-a-threshold", "input", value=99)
    page.write("test-expected", "年假有五天")
    page.fire("test-explain", "click")
    explained = qa.explain(QUESTION, KB, "年假有五天", {"threshold": 0.99})
    assert set(explained.changes) == {"threshold"}
    html = page.value("test-explanation")
    (changes,) = re.findall(r'data-changes="([^"]*)"', html)
    page.fire("test-explanation", "click", {"action": "apply", "changes": changes.replace("&#34;", '"')})
    assert page.value("test-a-threshold") == pytest.approx(100 * explained.changes["threshold"])
    assert rows(page)[0][1], "found"


def test_why_needs_a_question_and_an_expectation(page: GradioPage) -> None:
    page.write("test-question", QUESTION)
    with pytest.raises(gr.Error, match="先写问题"):
        page.fire("test-explain", "click")


# --- who, and in which language ------------------------------------------------------------------------------------


def test_readers_test_but_do_not_change(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    page = opened(qa, user=User("lin", roles={KB: "reader"}))
    page.fire("test-question", "change", value=QUESTION)
    assert rows(page)
    assert 'class="read-only"' in page.value("test-results")
    assert "unanswerable" not in page.value("test-results")
    assert not page.shown("test-apply", "visible")
    assert not page.shown("test-list-changes", "visible")
    page.fire("test-a-top_k", "input", value=9)
    chunk = qa.search(QUESTION, KB).hits[0].chunk
    changes: list[Callable[[], object]] = [
        lambda: page.fire("test-apply", "click"),
        lambda: page.fire("test-defaults", "click"),
        lambda: click(page, "mark", chunk=chunk.id, right="true"),
        lambda: click(page, "unanswerable"),
    ]
    for change in changes:
        with pytest.raises(gr.Error, match=r"editor|编辑"):
            change()
    assert qa.question_book.all(KB) == []
    assert qa.kb_settings.saved(KB).top_k is None


def test_a_stranger_is_not_told_of_a_knowledge_base(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    page = opened(qa, user=User("lin", roles={KB: "reader"}))
    assert page.shown("test-kbs", "choices") == [KB]
    with pytest.raises(gr.Error, match=OTHER):
        page.fire("test-kbs", "input", value=[OTHER])


def test_an_english_page_is_english(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    page = opened(qa, language="en")
    page.fire("test-question", "change", value="年假")
    page.fire("test-a-top_k", "input", value=9)
    page.fire("test-apply", "click")
    assert "Not in the question list yet" in page.value("test-results")
    assert "Chat, command line and evaluation use it" in page.value("test-saved")
    assert page.shown("test-a-top_k", "info") == "Now 9, saved with the knowledge base"
