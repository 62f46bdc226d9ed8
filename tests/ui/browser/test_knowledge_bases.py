"""Knowledge bases as people look after them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import pytest
from web_pages import answered, ask, choose, create_kb, open_tab, row, said, upload
from web_site import Site, serving

Visit = Callable[..., Any]


def a_word_file() -> bytes:
    document, file = docx.Document(), BytesIO()
    document.add_heading("考勤制度", 1)
    document.add_paragraph("正式员工每年有 12 天年假，须提前三天申请。")
    document.save(file)
    return file.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Path]]:
    """Write files to be uploaded: `write({"a.md": "…"})`."""

    def put(files: dict[str, str | bytes]) -> list[Path]:
        paths = []
        for name, content in files.items():
            path = tmp_path / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return paths

    return put


def test_a_broken_file_says_why_and_the_others_answer_with_their_passage(
    site: Site, visit: Visit, write: Callable[..., list[Path]]
) -> None:
    """One file failed and nobody said which (LC#574); names in Chinese were refused (LC#184)."""
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    create_kb(page, "人事制度（试行）")
    word = a_word_file()
    files = {"考勤 制度.docx": word, "餐补.csv": "城市,餐补\n上海,每天 45 元\n", "合同.pdf": "%PDF-1.7 坏了"}
    job = upload(page, write(files))
    assert "2 个已添加 · 1 个失败" in page.inner_text("#kb-jobs")
    assert job.locator(".outcomes bdi").all_inner_texts() == ["合同.pdf"]
    assert job.locator(".reason").inner_text()
    row(page, "#file-table", "合同.pdf").get_by_text("失败", exact=True).wait_for()
    assert "可检索" in row(page, "#file-table", "餐补.csv").inner_text()

    open_tab(page, "对话")
    choose(page, "#chat-kbs", "人事制度（试行）")
    ask(page, "正式员工每年有几天年假？")
    answer = answered(page)
    assert "12 天年假" in answer.locator(".answer").inner_text()
    answer.locator("button.cite").first.click()
    source = page.locator("section.source")
    source.wait_for()
    assert source.locator("h3").inner_text() == "考勤 制度.docx"
    assert "12 天年假" in source.locator("mark").first.inner_text()
    with page.expect_download() as download:
        source.locator("a.download").click()
    assert download.value.suggested_filename == "考勤 制度.docx"
    assert Path(download.value.path()).read_bytes() == word


def test_knowledge_bases_are_renamed_and_several_are_deleted_at_once(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    open_tab(page, "知识库")
    page.fill("#kb-names textarea", "旧名\n甲库\n乙库")
    page.click("#kb-create")
    row(page, "#kb-table", "乙库").wait_for()
    asked: list[str] = []

    def reply(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.accept("新名 2" if dialog.type == "prompt" else None)

    page.on("dialog", reply)
    row(page, "#kb-table", "旧名").locator("[data-action=rename]").click()
    row(page, "#kb-table", "新名 2").wait_for()
    assert row(page, "#kb-table", "旧名").count() == 0
    for name in ("甲库", "乙库"):
        page.get_by_label(f"选择 {name}", exact=True).check()
    page.click("#kb-list [data-action=checked]")
    said(page, "已删除：")
    assert "2 个知识库" in asked[-1]
    assert set(asked[-1].splitlines()[-1].split("、")) == {"甲库", "乙库"}
    assert page.locator("#kb-table").get_by_text("甲库").count() == 0
    row(page, "#kb-table", "新名 2").locator("[data-action=delete]").click()
    row(page, "#kb-table", "新名 2").wait_for(state="detached")
    assert "新名 2" in asked[-1]


def test_a_deletion_that_is_not_confirmed_deletes_nothing(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    create_kb(page, "留着")
    page.on("dialog", lambda dialog: dialog.dismiss())
    row(page, "#kb-table", "留着").locator("[data-action=delete]").click()
    page.reload()
    open_tab(page, "知识库")
    row(page, "#kb-table", "留着").wait_for()


def test_a_folder_keeps_its_names_and_what_cannot_be_taken_says_why(
    tmp_path: Path, visit: Visit, write: Callable[..., list[Path]]
) -> None:
    with serving(tmp_path / "data", KNOWGLM_MAX_FILE_MB="1") as site:
        page = visit(site.url)
        create_kb(page, "整个文件夹")
        write(
            {
                "资料/财务/报销.md": "发票须在 30 天内提交。",
                "资料/人事/报销.md": "人事也有报销。",
                "资料/.DS_Store": "x",
            }
        )
        page.set_input_files("#kb-dropzone input[name=folder]", tmp_path / "files" / "资料")
        row(page, "#file-table", "资料/财务/报销.md").wait_for()
        row(page, "#file-table", "资料/人事/报销.md").wait_for()
        assert page.locator("#file-table tbody tr").count() == 2

        page.set_input_files(
            "#kb-dropzone input[name=files]",
            write({"程序.exe": "MZ", "太大.txt": "大" * 400_000, "空.md": "", "合适.txt": "门禁卡丢了找行政。"}),
        )
        row(page, "#file-table", "合适.txt").wait_for()
        left = {
            item.locator("bdi").inner_text(): item.inner_text() for item in page.locator(".uploads .queue li").all()
        }
        assert left.keys() == {"程序.exe", "太大.txt", "空.md"}
        assert "不支持这种格式" in left["程序.exe"]
        assert "1 MB" in left["太大.txt"]
        assert "空的" in left["空.md"]


def test_files_can_be_dropped_onto_the_page(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    create_kb(page, "拖进来")
    dropped = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["会议室在三楼。"], "会议室.md"));
            return transfer;
        }"""
    )
    page.locator("#kb-dropzone .dropzone").dispatch_event("drop", {"dataTransfer": dropped})
    row(page, "#file-table", "会议室.md").wait_for()


def test_an_edited_chunk_answers_and_a_disabled_one_does_not(
    site: Site, visit: Visit, write: Callable[..., list[Path]]
) -> None:
    question = "访客停车每小时收费多少？"
    page, chat = visit(site.url), visit(site.url)
    create_kb(page, "改错")
    upload(page, write({"停车.md": "# 停车\n\n访客停车每小时收费八元。\n"}))
    row(page, "#file-table", "停车.md").locator("[data-action=chunks]").click()
    page.click("#kb-chunk-list [data-action=edit]")
    editor = page.locator("#kb-chunk-text textarea")
    editor.fill(editor.input_value().replace("八元", "十二元"))
    page.click("#kb-chunk-save")
    page.locator("#kb-chunk-list .badge", has_text="已修改").wait_for()
    chat.reload()
    choose(chat, "#chat-kbs", "改错")
    ask(chat, question)
    assert "十二元" in answered(chat).locator(".answer").inner_text()

    page.click("#kb-chunk-list [data-action=toggle]")
    page.locator("#kb-chunk-list .badge", has_text="已停用").wait_for()
    ask(chat, question)
    assert "不作回答" in answered(chat, 2).locator(".answer").inner_text()

    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#kb-chunks-head [data-action=undo]")
    said(page, "已撤销 2 处修改")
    ask(chat, question)
    assert "八元" in answered(chat, 3).locator(".answer").inner_text()


def test_a_splitting_is_looked_at_before_it_is_used(site: Site, visit: Visit, write: Callable[..., list[Path]]) -> None:
    page = visit(site.url)
    create_kb(page, "切分")
    upload(page, write({"长文.md": "".join(f"第 {n} 条规定说的是第 {n} 件事。" for n in range(40))}))
    open_tab(page, "切分预览")
    page.fill("#kb-preview-chars input[type=number]", "80")
    page.fill("#kb-preview-overlap input[type=number]", "20")
    page.click("#kb-preview-show")
    page.locator("#kb-preview li").nth(3).wait_for()
    assert page.locator("#kb-preview .around").count()
    page.click("#kb-preview-use")
    said(page, "80 字")
    page.locator("#kb-head .notices li", has_text="80 字").wait_for()


def test_settings_of_a_knowledge_base_are_checked_saved_and_obeyed_by_the_chat(
    site: Site, visit: Visit, write: Callable[..., list[Path]]
) -> None:
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    create_kb(page, "自己的设置")
    upload(page, write({"会议.md": "周会在每周一上午十点开。"}))
    open_tab(page, "设置")
    prompt = page.locator("#kb-setting-prompt_template textarea")
    prompt.fill("请回答：{question}")
    page.click("#kb-settings-save")
    said(page, "{passages}")
    prompt.fill("资料：{passages}\n问题：{question}")
    page.fill("#kb-setting-top_k input", "3")
    page.click("#kb-settings-save")
    page.locator("#kb-own-settings li", has_text="取用条数").wait_for()

    open_tab(page, "对话")
    choose(page, "#chat-kbs", "自己的设置")
    ask(page, "周会什么时候开？")
    fold = answered(page).locator("details.fold").first
    fold.locator("summary").first.click()
    assert fold.locator("dt", has_text="取用条数").locator("+ dd").inner_text() == "3"
