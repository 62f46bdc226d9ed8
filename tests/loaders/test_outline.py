import pytest

from loaders.outline import find_headings, match_heading


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("第一编 总论", 1),
        ("第三部分 附则", 1),
        ("第三章 考勤", 2),
        ("第 十二 章　薪酬与福利", 2),
        ("第2章：安装", 2),
        ("第一章", 2),
        ("Chapter 4 Deployment", 2),
        ("第二节 请假", 3),
        ("第十条 适用范围", 4),
        ("一、总则", 5),
        ("IV. Results", 5),
        ("IV.CONCLUSION", 5),
        ("（二）加班", 6),
        ("(三) 调休", 6),
        ("１．概述", 7),
        ("1. 概述", 7),
        ("3 Installation", 7),
        ("1.1 范围", 8),
        ("2.10 版本记录", 8),
        ("2.3.4 参数说明", 9),
        ("2.3.4.1 默认值", 10),
    ],
)
def test_numbered_lines_are_headings(line: str, level: int) -> None:
    heading = match_heading(line)
    assert heading is not None
    assert heading.level == level


@pytest.mark.parametrize(
    "line",
    [
        "第一条 为了加强管理，制定本办法。",
        "第三章介绍了考勤的规定，内容很多；",
        "一、二班的同学请到操场集合，",
        "3.5亿元的投入",
        "2.0版本已经发布",
        "3个工作日内完成",
        "5 天以内的假期",
        "2023年的计划",
        "第一章 总则…………………………3",
        "第二节 请假      12",
        "普通的一行字",
        "1. " + "很长的一行" * 20,
        "",
    ],
)
def test_other_lines_are_not(line: str) -> None:
    assert match_heading(line) is None


def test_pain_17_version_numbers_and_decimals_are_no_headings() -> None:
    assert find_headings(["圆周率约为", "3.14", "版本", "v1.2.3", "2.0.1", "价格 3.5 元"]) == {}


def test_a_run_of_equal_numbers_is_a_list() -> None:
    assert find_headings(["购物清单", "1. 苹果", "2. 香蕉", "3. 牛奶", "就这些"]) == {}


def test_chapters_may_follow_each_other() -> None:
    assert sorted(find_headings(["第一章 总则", "", "第二章 考勤", "正文"])) == [0, 2]


def test_comments_of_a_script_are_no_headings() -> None:
    assert find_headings(["# install", "# then run", "pip install x"]) == {}
    assert sorted(find_headings(["# 标题", "正文", "## 小节", "正文"])) == [0, 2]
