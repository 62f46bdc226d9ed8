"""The knowledge bases tab: several made, renamed, deleted at once; nothing is offered that a role does not allow."""

import re
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio_page import GradioPage, built

from core.accounts import User
from core.messages import Language
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.tabs.knowledge_bases import KnowledgeBasesTab

Open = Callable[..., GradioPage]
PARTS = ["kb-list", "kb-head", "kb-dropzone", "kb-file-list", "kb-own-settings"]


@pytest.fixture
def opened() -> Open:
    """A page at this tab: `opened(qa, user=…, language=…)`."""

    def open_page(qa: KnowledgeQA, *, user: User | None = None, language: Language = "zh") -> GradioPage:
        blocks, tab = built(lambda: KnowledgeBasesTab(qa, language))
        page = GradioPage(blocks, user) if user else GradioPage(blocks)
        page.load(lambda request: tab.opened(SAMPLES, request), tab.on_select["outputs"])
        return page

    return open_page


@pytest.fixture
def page(app: KnowledgeQA, opened: Open) -> GradioPage:
    return opened(app)


def names(qa: KnowledgeQA) -> list[str]:
    return [info.name for info in qa.knowledge_bases()]


def choose(page: GradioPage, kb: str) -> None:
    page.fire("kb-list", "click", {"action": "open", "kb": kb})


def current(page: GradioPage) -> list[str]:
    """Return the names of the rows that are marked as the one being worked on."""
    return re.findall(r'data-kb="([^"]*)"[^>]*aria-current', page.value("kb-list"))


def refusal(page: GradioPage, *event: Any, **more: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        page.fire(*event, **more)
    return str(caught.value.message)


# --- making --------------------------------------------------------------------------------------------------------


def test_the_samples_are_there_and_say_that_they_stay(page: GradioPage) -> None:
    assert current(page) == [SAMPLES]
    assert "自带的示例，不能改名或删除" in page.value("kb-list")
    assert f'value="{SAMPLES}"' not in page.value("kb-list")
    assert not re.search(r'data-action="(rename|delete)"', page.value("kb-list"))


def test_each_line_makes_a_knowledge_base_and_the_last_one_is_opened(app: KnowledgeQA, page: GradioPage) -> None:
    page.write("kb-names", "人事\n  财务 \n\n人事\n")
    page.fire("kb-create", "click")
    assert names(app) == [SAMPLES, "人事", "财务"]
    assert current(page) == ["财务"]
    assert page.value("kb-names") == ""


def test_what_cannot_be_made_stays_in_the_box_and_the_rest_is_made(app: KnowledgeQA, page: GradioPage) -> None:
    page.write("kb-names", "人事\na/b\nsamples")
    said = refusal(page, "kb-names", "submit")
    assert "a/b" in said
    assert "“samples”已经存在" in said
    assert names(app) == [SAMPLES, "人事"]
    assert page.value("kb-names") == "a/b\nsamples"


# --- renaming and deleting -----------------------------------------------------------------------------------------


def test_renaming_goes_on_with_the_new_name(app: KnowledgeQA, page: GradioPage) -> None:
    app.create("人事")
    choose(page, "人事")
    page.fire("kb-list", "click", {"action": "rename", "kb": "人事", "value": " 行政 "})
    assert names(app) == [SAMPLES, "行政"]
    assert current(page) == ["行政"]


def test_another_one_is_renamed_without_being_opened(app: KnowledgeQA, page: GradioPage) -> None:
    app.create("人事")
    page.fire("kb-list", "click", {"action": "rename", "kb": "人事", "value": "行政"})
    assert current(page) == [SAMPLES]


def test_those_that_are_checked_are_deleted(app: KnowledgeQA, page: GradioPage) -> None:
    for name in ("人事", "财务", "法务"):
        app.create(name)
    choose(page, "人事")
    page.fire("kb-list", "click", {"action": "delete", "names": ["人事", "法务"]})
    assert names(app) == [SAMPLES, "财务"]
    assert current(page) == [SAMPLES]


def test_one_that_is_gone_already_does_not_keep_the_others(app: KnowledgeQA, page: GradioPage) -> None:
    app.create("人事")
    said = refusal(page, "kb-list", "click", {"action": "delete", "names": ["没有的", "人事"]})
    assert "没有的" in said
    assert names(app) == [SAMPLES]


def test_every_deletion_names_what_goes(app: KnowledgeQA, opened: Open) -> None:
    app.create('人"事<')
    shown = opened(app).value("kb-list")
    assert 'data-confirm="删除知识库“人&#34;事&lt;”和其中的 0 个文件？不能恢复。"' in shown
    assert "{names}" in shown  # which the page fills in


def test_a_page_finds_its_way_when_somebody_else_deletes_what_it_shows(app: KnowledgeQA, page: GradioPage) -> None:
    app.create("人事")
    choose(page, "人事")
    app.delete("人事")
    choose(page, "人事")
    assert current(page) == [SAMPLES]


def test_a_damaged_one_is_listed_and_cannot_be_opened(app: KnowledgeQA, make_app: Any, opened: Open) -> None:
    app.create("人事")
    folder = app.settings.data_dir / next(info.id for info in app.knowledge_bases() if info.name == "人事")
    app.close()
    (folder / "kb.sqlite").write_bytes(b"not a database, and long enough to be taken for one" * 100)
    page = opened(make_app())
    choose(page, "人事")
    assert current(page) == [SAMPLES]
    shown = page.value("kb-list")
    assert "数据文件损坏" in shown
    assert 'data-action="open" data-kb="人事"' not in shown
    assert 'data-action="delete" data-kb="人事"' in shown


# --- roles ---------------------------------------------------------------------------------------------------------

READER = User("读者", roles={"人事": "reader"})
EDITOR = User("编者", roles={"人事": "editor"})
ADMIN = User("主管", roles={"人事": "admin"})


@pytest.fixture
def shared(app: KnowledgeQA) -> KnowledgeQA:
    for name in ("人事", "财务"):
        app.create(name)
    return app


def offered(page: GradioPage) -> set[str]:
    """Return the actions that the page offers."""
    html = "".join(page.value(name) for name in PARTS)
    found = set(re.findall(r'data-(?:action|pick)="([^"]+)"', html))
    visible = {name for name in ("kb-new", "kb-preview-use", "kb-settings-save") if page.shown(name, "visible")}
    return found | visible


def test_a_reader_sees_only_what_is_theirs_and_changes_nothing(shared: KnowledgeQA, opened: Open) -> None:
    page = opened(shared, user=READER)
    assert current(page) == ["人事"]
    assert "财务" not in page.value("kb-list")
    assert SAMPLES not in page.value("kb-list")
    assert offered(page) == {"open"}
    assert not page.shown("kb-setting-top_k", "interactive")


def test_an_editor_changes_files_and_settings_but_neither_name_nor_existence(shared: KnowledgeQA, opened: Open) -> None:
    page = opened(shared, user=EDITOR)
    assert offered(page) == {"open", "files", "folder", "rebuild", "kb-preview-use", "kb-settings-save"}
    assert page.shown("kb-setting-top_k", "interactive")


def test_an_admin_of_one_knowledge_base_manages_that_one(shared: KnowledgeQA, opened: Open) -> None:
    page = opened(shared, user=ADMIN)
    assert {"rename", "delete", "checked"} <= offered(page)
    assert "kb-new" not in offered(page)


def test_who_may_read_nothing_is_told_so(shared: KnowledgeQA, opened: Open) -> None:
    page = opened(shared, user=User("新人"))
    assert "这里没有你能看的知识库" in page.value("kb-list")
    assert page.shown("kb-work", "visible") is False


@pytest.mark.parametrize(
    ("name", "event", "data"),
    [
        ("kb-list", "click", {"action": "rename", "kb": "人事", "value": "行政"}),
        ("kb-list", "click", {"action": "delete", "names": ["人事"]}),
        ("kb-file-list", "click", {"action": "delete", "names": ["甲.txt"]}),
        ("kb-file-list", "click", {"action": "reindex", "document": "甲.txt"}),
        ("kb-head", "click", {"action": "rebuild"}),
        ("kb-own-settings", "click", {"action": "default", "setting": "top_k"}),
        ("kb-preview-use", "click", {}),
    ],
    ids=["rename", "delete", "remove", "reindex", "rebuild", "default", "lengths"],
)
def test_a_forged_click_is_refused(
    shared: KnowledgeQA, opened: Open, name: str, event: str, data: dict[str, Any]
) -> None:
    page = opened(shared, user=READER)
    assert "权限" in refusal(page, name, event, data)
    assert names(shared) == [SAMPLES, "人事", "财务"]


# --- languages -----------------------------------------------------------------------------------------------------


def test_the_english_page_says_everything_in_english(app: KnowledgeQA, opened: Open) -> None:
    page = opened(app, language="en")
    html = "".join(page.value(name) for name in PARTS)
    assert "comes with the program" in html
    assert not re.search(r"[\u4e00-\u9fff]", html)
