"""An answer's text: Markdown, citations as buttons, verdicts after the right sentence."""

import re
import time
from typing import Any

import pytest
from edge_texts import EDGE_TEXTS
from page_samples import a_citation, a_verdict

from core.grounding import Verdict
from core.messages import literal
from ui.rendering.markdown import answer_html

MARK = re.compile(r'<span class="verdict (\w+)"[^>]*>[^<]*</span>')
BUTTON = re.compile(r'<button type="button" class="cite" data-action="source" data-n="(\d+)"[^>]*>([^<]*)</button>')


def shown(text: str, *, cited: tuple[int, ...] = (1, 2), verdicts: tuple[Verdict, ...] = (), **options: Any) -> str:
    citations = [a_citation(n) for n in cited]
    return str(answer_html(text, citations, verdicts, language="zh", **options)).strip()


def marked(text: str, *sentences: str, **options: Any) -> str:
    """Return an answer, each of the sentences checked, with ◆ for the mark of a verdict and without other tags."""
    html = shown(text, verdicts=tuple(verdict_on(text, sentence) for sentence in sentences), **options)
    return re.sub("<[^>]*>", "", MARK.sub("◆", html)).strip()


def verdict_on(text: str, sentence: str, level: Any = "supported", **fields: Any) -> Verdict:
    start = text.index(sentence)
    return a_verdict(start, start + len(sentence), level, **fields)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**粗** *斜* ~~删~~ `码`", "<p><strong>粗</strong> <em>斜</em> <s>删</s> <code>码</code></p>"),
        ("- 甲\n- 乙", "<ul>\n<li>甲</li>\n<li>乙</li>\n</ul>"),
        ("3. 丙\n4. 丁", '<ol start="3">\n<li>丙</li>\n<li>丁</li>\n</ol>'),
        ("一行\n二行", "<p>一行<br>\n二行</p>"),
        ("# 题", "<h3>题</h3>"),
        ("###### 题", "<h6>题</h6>"),
        ("```python\nx < 1\n```", "<pre><code>x &lt; 1\n</code></pre>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("上文\n---", "<p>上文</p>\n<hr>"),
        ("    不是代码", "<p>不是代码</p>"),
    ],
    ids=["inline", "list", "numbered", "lines", "heading", "small_heading", "fence", "html", "rule", "indented"],
)
def test_markdown(text: str, html: str) -> None:
    assert shown(text) == html


def test_a_table() -> None:
    html = shown("| 甲 | 乙 |\n|:--|--:|\n| 1 | 2 [1] |")
    assert [html.count(f"<{tag}>") for tag in ("table", "tr", "th", "td")] == [1, 2, 2, 2]
    assert "style" not in html
    assert BUTTON.search(html)


@pytest.mark.parametrize(
    "text", ["**注意：**请假", "请看**“年假”**一节", "**甲。**乙**丙：**丁"], ids=["colon", "quotes", "twice"]
)
def test_bold_closes_beside_chinese_punctuation(text: str) -> None:
    assert "*" not in shown(text)
    assert "<strong>" in shown(text)


@pytest.mark.parametrize("text", ["2 * 3 * 4", "snake_case_name", "a ** b"], ids=["products", "underscores", "power"])
def test_what_only_looks_like_emphasis_stays(text: str) -> None:
    assert shown(text) == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "url", ["http://a.example/x?y=1", "https://a.example", "HTTPS://a.example", "mailto:a@b.example"], ids=str.lower
)
def test_links_to_the_web_and_to_mail(url: str) -> None:
    html = shown(f"[文]({url})")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html
    assert f'href="{url.replace("HTTPS", "https")}' in html.replace("HTTPS", "https")


@pytest.mark.parametrize("url", ["javascript:x", "data:text/html,x", "/logout", "//evil.example", "ftp://x", "x.html"])
def test_links_to_anything_else_stay_text(url: str) -> None:
    assert "<a" not in shown(f"[文]({url}) <{url}>")


def test_an_image_is_never_fetched() -> None:
    html = shown("![图](https://evil.example/p.png)")
    assert "<img" not in html
    assert "<a" in html  # a link fetches nothing until it is followed


@pytest.mark.parametrize(
    "mark", ["[1]", "［1］", "【1】", "[ 1 ]"], ids=["plain", "full_width", "lenticular", "blanks"]
)
def test_the_mark_of_a_citation_is_a_button(mark: str) -> None:
    assert BUTTON.findall(shown(f"年假五天{mark}。")) == [("1", mark)]


@pytest.mark.parametrize(
    "text",
    ["见 [3]。", "`[1]`", "```\n[1]\n```", "[见 [1]](https://a.example)", "[2023]", "[a]", "[0, 1]", "arr[1.5]"],
    ids=["unknown", "code", "fence", "in_a_link", "year", "letter", "interval", "decimal"],
)
def test_other_numbers_stay_text(text: str) -> None:
    assert not BUTTON.search(shown(text))


def test_an_unknown_number_stays_as_it_was_written() -> None:
    assert shown("见 [9] 和 [1]").startswith("<p>见 [9] 和 <button")


def test_a_list_of_sources_makes_no_links_of_the_citations() -> None:
    html = shown("五天[1]。\n\n[1]: https://evil.example")
    assert "<a" not in html
    assert [n for n, _ in BUTTON.findall(html)] == ["1", "1"]


def test_a_button_names_its_source_in_the_language_of_the_page() -> None:
    citations = [a_citation(1, source='a"b<c>.pdf')]
    assert 'aria-label="出处 1：a&quot;b&lt;c&gt;.pdf"' in answer_html("[1]", citations, (), language="zh")
    assert 'aria-label="Source 1: a&quot;b&lt;c&gt;.pdf"' in answer_html("[1]", citations, (), language="en")


SENTENCES = [
    ("第一句。第二句。", ["第一句。", "第二句。"], "第一句。◆第二句。◆"),
    (
        "部署成功🎉。重启后🚀再试👨‍👩‍👧。完。",
        ["部署成功🎉。", "重启后🚀再试👨‍👩‍👧。"],
        "部署成功🎉。◆重启后🚀再试👨‍👩‍👧。◆完。",
    ),
    ("𰻝𰻝面好吃[1]。𠮷字[2]。", ["𰻝𰻝面好吃[1]。"], "𰻝𰻝面好吃[1]。◆𠮷字[2]。"),
    ("**注意：**五天。再说。", ["**注意：**五天。"], "注意：五天。◆再说。"),
    ("**五天。**再说。", ["**五天。**"], "五天。◆再说。"),
    ("**五天。**再说。", ["**五天。", "**再说。"], "五天。◆再说。◆"),
    ("- 甲\n- 乙。\n", ["- 甲", "- 乙。"], "甲◆\n乙。◆"),
    ("| 甲 | 乙 |\n|---|---|\n| 丙 | 丁 |\n\n末。", ["| 丙 | 丁 |", "末。"], "甲\n乙\n\n\n\n\n丙\n丁◆\n\n\n\n末。◆"),
    ("[甲。](https://a.example/甲。) 甲。", ["甲。) 甲。"], "甲。 甲。◆"),
    (r"2\*3 &amp; 4。后。", [r"2\*3 &amp; 4。"], "2*3 &amp; 4。◆后。"),
    ("用 `pip install`", ["用 `pip install`"], "用 pip install◆"),
    ("前。\r\n后。", ["前。", "后。"], "前。◆\n后。◆"),
    ("五天。[1][2] 再说。", ["五天。"], "五天。◆[1][2] 再说。"),
    ("a\x00b。后。", ["a\x00b。"], "a\ufffdb。◆后。"),
    ("同。同。同。", ["同。"], "同。◆同。同。"),
    ("```\n代码。\n```\n\n后。", ["代码。", "后。"], "代码。\n\n后。◆"),
]
SENTENCE_IDS = ["two", "emoji", "rare", "lead_in", "bold", "split_bold", "list", "table", "link", "escapes", "code"]
SENTENCE_IDS += ["crlf", "marks_after", "null", "equal", "fence"]


@pytest.mark.parametrize(("text", "sentences", "expected"), SENTENCES, ids=SENTENCE_IDS)
def test_a_verdict_stands_after_its_sentence(text: str, sentences: list[str], expected: str) -> None:
    assert marked(text, *sentences) == expected


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_verdicts_lose_no_character(text: str) -> None:
    with_marks = marked(f"{text}末句。", "末句。", is_quoted=True)
    assert with_marks == re.sub("<[^>]*>", "", shown(f"{text}末句。", is_quoted=True)).strip() + "◆"


def test_a_verdict_tells_level_score_and_problems() -> None:
    verdict = verdict_on("十天。", "十天。", "unsupported", problems=(literal('出处里没有“十天”<i a="b">。', "x"),))
    html = shown("十天。", verdicts=(verdict,))
    assert 'class="verdict unsupported"' in html
    assert "缺乏依据（83%）\n出处里没有“十天”&lt;i a=&quot;b&quot;&gt;。" in html
    assert 'tabindex="0"' in html


def test_a_supported_sentence_is_no_stop_of_the_keyboard() -> None:
    assert "tabindex" not in shown("五天。", verdicts=(verdict_on("五天。", "五天。"),))


@pytest.mark.parametrize(
    "text",
    ["# 标题\n* 甲 **乙** _丙_\n| 丁 | 戊 |", "2*3*4 &amp; `x` [a](https://b.example) \\* ~~x~~", "    缩进 __init__"],
    ids=["blocks", "inline", "indented"],
)
def test_quoted_sentences_mean_nothing_but_themselves(text: str) -> None:
    html = shown(text, is_quoted=True)
    assert re.findall(r"<(?!/|br|p>)", html) == []
    words = re.sub(r"\s+", " ", text.replace("&", "&amp;")).strip()
    assert re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html)).strip() == words


def test_quoted_sentences_keep_their_lines_and_their_buttons() -> None:
    assert BUTTON.sub("■", shown("甲。 [1]\n乙。 [2]", is_quoted=True)) == "<p>甲。 ■<br>\n乙。 ■</p>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("先说**重", "<p>先说<strong>重</strong></p>"),
        ("先说**", "<p>先说</p>"),
        ("先说`", "<p>先说</p>"),
        ("第一行\n-", "<p>第一行</p>"),
        ("第一行\n##", "<p>第一行</p>"),
        ("第一行\n1.", "<p>第一行</p>"),
        ("```\nx = **", "<pre><code>x = **</code></pre>"),
        ("```\na**b", "<pre><code>a**b</code></pre>"),
        ("", ""),
        ("**", ""),
    ],
    ids=["bold", "stars", "tick", "dash", "hashes", "number", "fence", "power_in_code", "nothing", "only_stars"],
)
def test_half_written_markdown_shows_no_marks_that_have_only_begun(text: str, html: str) -> None:
    assert shown(text, is_partial=True) == html


def test_every_beginning_of_an_answer_can_be_shown() -> None:
    text = "**注意：**年假[1]\n\n| 甲 | 乙 |\n|---|---|\n| `1` | [2] |\n\n```py\nx\n```\n- [a](https://b.example)"
    for end in range(len(text)):
        html = shown(text[:end], is_partial=True)
        assert html.count("<") == html.count(">")
    assert "<table>" in html


LONG = {
    "open_brackets": "[" * 10_000,
    "nested_brackets": "[" * 10_000 + "x" + "]" * 10_000,
    "nested_links": "[" * 5_000 + "a" + "](https://b.example)" * 5_000,
    "open_links": "[a](" * 5_000,
    "stars": "*a **b " * 3_000,
    "backticks": "".join("`" * n + " " for n in range(150)),
    "quotes": ">" * 10_000,
    "lists": "- " * 10_000,
    "marks": "[1]" * 4_000,
    "escapes": r"\*[1]&amp;" * 2_000,
    "emphasised_escapes": r"*a*\*" * 2_000,
    "entities": "&" * 20_000,
    "angles": "<" * 20_000,
    "blanks": " " * 20_000 + "x",
    "one_word": "很" * 100_000,
    "lines": "甲\n" * 3_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_time_grows_with_the_length_and_not_faster(text: str) -> None:
    sentences = tuple(verdict_on(text, text[n : n + 5]) for n in range(0, len(text), max(1, len(text) // 50)))
    started = time.process_time()
    shown(text, verdicts=sentences)
    shown(text, is_partial=True)
    assert time.process_time() - started < 3  # quadratic time takes minutes
