from email.message import EmailMessage

import pytest
from openpyxl import Workbook

PAGE = """<!DOCTYPE html><html><head><meta charset="{charset}"><title> 请假 制度 </title>
<style>p {{color: red}}</style><script>alert("脚本")</script></head><body>
<nav><a href="/">首页</a><a href="/a">关于</a></nav>
<header class="site">站点横幅</header>
<div class="sidebar"><ul>{links}</ul></div>
<main><h1>请假制度</h1><p>员工请假须<b>提前三天</b>申请。</p>
<h2>种类</h2><ul><li>年假</li><li>病假</li></ul>
<table><tr><th rowspan="2">类型</th><th colspan="2">天数</th></tr><tr><th>最少</th><th>最多</th></tr>
<tr><td>年假|带薪</td><td>5</td><td>15</td></tr></table>
<p>表后的话。</p><img src="http://example.invalid/x.png" alt="图片"></main>
<footer>版权所有</footer></body></html>"""
LINKS = "".join(f'<li><a href="/{n}">菜单项目{n}</a></li>' for n in range(20))


@pytest.mark.parametrize(
    ("charset", "encoding"), [("utf-8", "utf-8"), ("gb2312", "gbk"), ("utf-8", "gbk")], ids=["utf8", "gbk", "lie"]
)
def test_main_text_without_what_surrounds_it(load, charset: str, encoding: str) -> None:
    parts = load("a.html", PAGE.format(charset=charset, links=LINKS).encode(encoding))
    text = "".join(part.page_content for part in parts)
    assert text == (
        "请假制度\n\n员工请假须提前三天申请。\n\n种类\n\n- 年假\n- 病假\n\n"
        "| 类型 | 天数 | 天数 |\n| --- | --- | --- |\n| 类型 | 最少 | 最多 |\n| 年假\\|带薪 | 5 | 15 |\n\n表后的话。\n"
    )
    assert [(part.metadata["heading"], part.metadata["kind"]) for part in parts] == [
        ("请假制度", "text"),
        ("请假制度 > 种类", "text"),
        ("请假制度 > 种类", "table"),
        ("请假制度 > 种类", "text"),
    ]
    assert {part.metadata["title"] for part in parts} == {"请假 制度"}


def test_page_without_main_loses_menus_but_keeps_lists_with_links(load) -> None:
    body = f"<ul>{LINKS}</ul><h1>标题</h1>" + "<p>正文的一段话，写得比较长一些，讲请假的规定。</p>" * 20
    body += "<p>参见<a href='x'>年假</a>和<a href='y'>病假</a>。</p>"
    text = "".join(part.page_content for part in load("a.htm", f"<html><body>{body}</body></html>"))
    assert "菜单项目" not in text
    assert text.endswith("参见年假和病假。\n")


def test_layout_tables_are_opened(load) -> None:
    inner = "<table><tr><th>甲</th><th>乙</th></tr><tr><td>1</td><td>2</td></tr></table>"
    parts = load(
        "a.html", f"<html><body><table><tr><td><h1>标题</h1><p>正文</p>{inner}</td></tr></table></body></html>"
    )
    assert [part.page_content for part in parts] == ["标题\n\n正文\n\n", "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 |\n"]


def test_entities_are_not_expanded_from_outside(load, tmp_path) -> None:
    (tmp_path / "secret.txt").write_text("机密", encoding="utf-8")
    page = (
        f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret.txt">]><html><body><p>甲&x;乙</p></body></html>'
    )
    assert "机密" not in "".join(part.page_content for part in load("a.html", page))


def message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = headers.get("subject", "请假申请")
    mail["From"] = "张三 <zhang@example.com>"
    mail["To"] = "人事部 <hr@example.com>"
    mail["Date"] = "Fri, 23 Dec 2022 12:08:48 +0800"
    return mail


HEAD = (
    "主题：请假申请\n发件人：张三 <zhang@example.com>\n收件人：人事部 <hr@example.com>\n"
    "日期：2022-12-23 12:08:48+08:00\n"
)


def test_mail_head_and_plain_body(load) -> None:
    mail = message()
    mail.set_content("您好：\n\n我想请假三天。\n", charset="gb18030")
    mail.add_alternative("<p>不用这一份</p>", subtype="html")
    parts = load("a.eml", mail.as_bytes())
    assert [part.page_content for part in parts] == [HEAD + "\n", "您好：\n\n我想请假三天。\n"]
    assert {part.metadata["title"] for part in parts} == {"请假申请"}


def test_mail_html_body(load) -> None:
    mail = message()
    mail.set_content("<h1>通知</h1><p>明天放假。</p><script>x</script>", subtype="html")
    parts = load("a.eml", mail.as_bytes())
    assert parts[1].page_content == "通知\n\n明天放假。\n"
    assert parts[1].metadata["heading"] == "通知"


def test_mail_attachments_are_named_and_read(load, tmp_path) -> None:
    book = Workbook()
    book.active.append(["姓名", "天数"])
    book.active.append(["张三", 3])
    book.save(tmp_path / "inner.xlsx")
    mail = message()
    mail.set_content("见附件。")
    mail.add_attachment(
        (tmp_path / "inner.xlsx").read_bytes(), maintype="application", subtype="x", filename="名单.xlsx"
    )
    mail.add_attachment("# 说明\n\n正文\n".encode(), maintype="text", subtype="markdown", filename="../../说明.md")
    mail.add_attachment(b"MZ\0\0", maintype="application", subtype="x", filename="病毒.exe")
    mail.add_attachment(b"PK\x03\x04broken", maintype="application", subtype="x", filename="坏.docx")
    parts = load("a.eml", mail.as_bytes())
    assert "附件：名单.xlsx、../../说明.md、病毒.exe、坏.docx\n" in parts[0].page_content
    row, readme = parts[2:]
    assert (row.page_content, row.metadata["heading"], row.metadata["row"]) == ("姓名：张三；天数：3\n", "名单.xlsx", 2)
    assert readme.metadata["heading"] == "../../说明.md > 说明"
    assert not (tmp_path.parent.parent / "说明.md").exists()


def test_mail_with_raw_gbk_bytes(load) -> None:
    raw = "Subject: 会议通知\r\nFrom: 张三 <a@b.c>\r\n\r\n今天下午三点开会。\r\n".encode("gbk")
    parts = load("a.eml", raw)
    assert parts[0].metadata["title"] == "会议通知"
    assert "今天下午三点开会。" in parts[1].page_content


def test_every_part_but_the_last_ends_a_line(load) -> None:
    mail = message()
    mail.set_content("没有换行的结尾")
    parts = load("a.eml", mail.as_bytes())
    assert all(part.page_content.endswith("\n") for part in parts)
