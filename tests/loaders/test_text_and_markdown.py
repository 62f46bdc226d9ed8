from pathlib import Path

import pytest

from core.load_errors import CorruptFile
from loaders.markdown import MarkdownLoader
from loaders.registry import load_file

HANDBOOK = """\
员工手册

第三章 考勤

本章规定考勤。
第一节 打卡
每天两次。
第二节 请假
请假须提前三天。

第四章 薪酬
每月十日发放。"""

MARKDOWN = """\
# 员工手册

开头的话。

## 请假 `流程` 与 [链接](http://x)

```python
# 这不是标题
```

| 类型 | 天数 |
| --- | --- |
| 年假 | 5 |

表后的话。

考勤
----

> # 引用里的也不算

1. 第一
   # 列表里的也不算
#没有空格不是标题
"""


def test_text_is_cut_at_chapters_and_joins_back(load) -> None:
    parts = load("手册.txt", HANDBOOK)
    assert "".join(part.page_content for part in parts) == HANDBOOK
    assert [part.metadata.get("heading") for part in parts] == [
        None,
        "第三章 考勤",
        "第三章 考勤 > 第一节 打卡",
        "第三章 考勤 > 第二节 请假",
        "第四章 薪酬",
    ]
    assert parts[3].page_content == "第二节 请假\n请假须提前三天。\n\n"
    assert {part.metadata["kind"] for part in parts} == {"text"}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16", "utf-8-sig"])
def test_pain_37_every_encoding_gives_the_same_parts(load, encoding: str) -> None:
    parts = load("a.txt", HANDBOOK.replace("\n", "\r\n").encode(encoding))
    assert "".join(part.page_content for part in parts) == HANDBOOK
    assert len(parts) == 5


def test_pain_04_five_megabytes_of_text_are_read_at_once(load) -> None:
    text = ("这是一段没有换行的很长的文字，" * 200 + "\n") * 600
    assert "".join(part.page_content for part in load("big.txt", text.encode("gbk"))) == text


def test_blank_lines_before_the_first_heading_stay_with_it(load) -> None:
    (part,) = load("a.txt", "\n\n第一章 总则\n正文\n")
    assert part.page_content == "\n\n第一章 总则\n正文\n"
    assert part.metadata["heading"] == "第一章 总则"


def test_lines_end_at_line_feeds_only(load) -> None:
    text = "正文\x0c第一章 总则\n第二章\u2028附则\n第三章 考勤\n"
    parts = load("a.txt", text)
    assert "".join(part.page_content for part in parts) == text
    assert all(part.page_content.endswith("\n") for part in parts)


def test_markdown_parts(load) -> None:
    parts = load("a.md", MARKDOWN)
    assert "".join(part.page_content for part in parts) == MARKDOWN
    assert [(part.metadata["heading"], part.metadata["kind"]) for part in parts] == [
        ("员工手册", "text"),
        ("员工手册 > 请假 流程 与 链接", "text"),
        ("员工手册 > 请假 流程 与 链接", "table"),
        ("员工手册 > 请假 流程 与 链接", "text"),
        ("员工手册 > 考勤", "text"),
    ]
    assert parts[1].page_content.startswith("## 请假")
    assert parts[2].page_content == "| 类型 | 天数 |\n| --- | --- |\n| 年假 | 5 |\n"
    assert parts[4].page_content.startswith("考勤\n----\n")
    assert {part.metadata["title"] for part in parts} == {"员工手册"}


def test_front_matter_gives_the_title_and_stays_in_the_text(load) -> None:
    text = '---\ntitle: "请假办法"\n# 不是标题\n---\n\n## 一\n正文\n'
    parts = load("a.md", text)
    assert "".join(part.page_content for part in parts) == text
    assert [part.metadata.get("heading") for part in parts] == [None, "一"]
    assert parts[1].metadata["title"] == "请假办法"


def test_a_later_heading_is_no_title(load) -> None:
    assert "title" not in load("a.md", "先有正文\n\n# 标题\n")[0].metadata
    assert "title" not in load("b.md", "## 二级标题\n")[0].metadata


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "# a",
        "# a\n",
        "a\u2028b\n# c\n",
        "a\x0bb\x0cc\n\n# d\n",
        "| a |\n|---|\n| b |",
        "# a\n\n\n\n# b\n\n\n",
        "---\n---\n# x",
    ],
    ids=["nothing", "newline", "no-newline", "one", "u2028", "vt-ff", "table", "blanks", "front"],
)
def test_odd_markdown_joins_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(text.encode())
    assert "".join(part.page_content for part in MarkdownLoader(path).lazy_load()) == text


@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".json", ".jsonl", ".html"])
def test_binary_garbage_in_a_text_suffix_is_corrupt(load, suffix: str) -> None:
    with pytest.raises(CorruptFile, match="not readable text"):
        load("a" + suffix, bytes(range(1, 256)) * 20 + b"\0\1")


def test_an_unknown_suffix_with_text_is_read_as_text(load) -> None:
    assert load("setup.conf", "端口 = 7860\n")[0].page_content == "端口 = 7860\n"


def test_name_gives_the_suffix_and_the_messages(tmp_path: Path) -> None:
    path = tmp_path / "3f2a"
    path.write_text("# 标题\n\n正文\n", encoding="utf-8")
    assert load_file(path, name="说明.md")[0].metadata["heading"] == "标题"
    assert load_file(path, name="说明.md")[0].metadata["title"] == "标题"
