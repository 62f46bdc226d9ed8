"""Sentence boundaries: nothing is lost, and nothing is cut where a reader would not cut."""

import pytest
from edge_texts import EDGE_TEXTS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.sentences import Span, sentence_spans, trimmed

PIECES = st.sampled_from(
    [
        *"甲乙丙请假天，。；：？！、…“”‘’「」『』《》（）【】",
        *"abZ019.!?;:,'\"()[]/@-_ \t\n\r\u3000",
        *["🎉", "👨‍👩‍👧", "𰻝", "……", "？！", "“甲。乙”"],
        *["3.14", "0.1.17", "Dr. ", "e.g. ", "https://a.b/c?d=e;f ", "a.b@c.com", "\n\n", "1. "],
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def sentences(text: str) -> list[str]:
    return [span.of(text) for span in sentence_spans(text)]


def check_spans(text: str) -> None:
    spans = sentence_spans(text)
    position = 0
    for span in spans:
        assert position <= span.start < span.end <= len(text)
        assert not text[position : span.start].strip(), "a character between two sentences is lost"
        assert span.of(text) == span.of(text).strip()
        position = span.end
    assert not text[position:].strip(), "the end is lost"


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_spans_are_ordered_disjoint_trimmed_and_cover_everything(text: str) -> None:
    check_spans(text)


@given(TEXTS)
@settings(derandomize=True, max_examples=150, deadline=None)
@example("“。」”。’")
@example("https://a.b。https://")
@example("\r\n。\x0b\x0c\x1c\x85")
def test_so_they_are_for_any_text(text: str) -> None:
    check_spans(text)


@given(st.text(max_size=40))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_and_for_any_characters(text: str) -> None:
    check_spans(text)


@given(TEXTS, TEXTS)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_blank_line_always_parts_sentences(one: str, other: str) -> None:
    assert sentences(f"{one}\n\n{other}") == sentences(f"{one}\n\n") + sentences(f"\n\n{other}")


@pytest.mark.parametrize("text", ["", " ", "\n\n\u3000\t"])
def test_blank_text_has_no_sentence(text: str) -> None:
    assert sentence_spans(text) == []


def test_a_span_of_a_text() -> None:
    assert Span(1, 3).of("甲乙丙丁") == "乙丙"
    assert trimmed(" \n甲 乙\u3000", 0, 6) == Span(2, 5)
    assert trimmed("   ", 0, 3).of("   ") == ""


class TestEnds:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("今天下雨。我不去了。", ["今天下雨。", "我不去了。"]),
            ("真的吗？是的！好；走吧", ["真的吗？", "是的！", "好；", "走吧"]),
            ("你说什么？！我没听清……再说一遍！！！", ["你说什么？！", "我没听清……", "再说一遍！！！"]),
            ("好……？真的…", ["好……？", "真的…"]),
            ("今天好吗?很好!", ["今天好吗?", "很好!"]),
            ("第一行\n第二行\n\n第三行", ["第一行", "第二行", "第三行"]),
            ("第一行\r\n第二行", ["第一行", "第二行"]),
            ("没有标点的一句", ["没有标点的一句"]),
            ("。。。", ["。。。"]),
        ],
    )
    def test_chinese(self, text: str, expected: list[str]) -> None:
        assert sentences(text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("He left. She stayed.", ["He left.", "She stayed."]),
            ("Why? Nobody knows! Really?! Yes...", ["Why?", "Nobody knows!", "Really?!", "Yes..."]),
            ("It works (mostly). Next.", ["It works (mostly).", "Next."]),
            ('He said "go." Then left.', ['He said "go."', "Then left."]),
            ("Growth was 5%. Good.", ["Growth was 5%.", "Good."]),
            ("when memory is short. 否则 FP16。", ["when memory is short.", "否则 FP16。"]),
            ("I have 3. You have 5.", ["I have 3.", "You have 5."]),
        ],
    )
    def test_english(self, text: str, expected: list[str]) -> None:
        assert sentences(text) == expected

    def test_the_english_edge_text(self) -> None:
        assert sentences(EDGE_TEXTS["english"]) == [
            "Dr. Smith paid $3.50 on Jan. 5.",
            "He left.",
            "Why?",
            "Nobody knows.",
        ]

    def test_the_mixed_edge_text(self) -> None:
        assert sentences(EDGE_TEXTS["mixed"]) == [
            "GPU 显存 6GB，CPU 内存 32GB；",
            "use INT4 when memory is short.",
            "否则 FP16。",
        ]


class TestNotCut:
    @pytest.mark.parametrize(
        "text",
        [
            "圆周率是 3.14 左右",
            "增长了0.5%左右",
            "版本 0.1.17 已发布",
            "升级到 v2.0.1-rc.1 即可",
            "见 https://example.com/a?b=c;d!e 一节",
            "见https://example.com/路径.html?a=1;b=2的说明",
            "打开 www.example.com.cn/a;b 页面",
            "写信到 a.b@c.com 即可",
            "IP 是 192.168.1.1 端口 80",
            "文件 a.tar.gz 在这里",
            "调用 torch.cuda.is_available() 检查",
            "见 Fig. 3 和 Eq. 2",
            "Mr. Wang and Dr. Li met Prof. Chen",
            "Use a file, e.g. a PDF, i.e. a document",
            "J. K. Rowling wrote it",
            "Python vs. Java",
            "Smith et al. wrote it",
            "Apple Inc. sells phones",
            "See p. 5 and pp. 6-7",
            "a?b:c;d",
        ],
    )
    def test_dots_and_signs_that_end_nothing(self, text: str) -> None:
        assert sentences(text) == [text]

    @pytest.mark.parametrize(
        "text",
        [
            "He met us on Jan. 5 at noon",
            "Since Sept. 2023 it is free",
            "The U.S. economy grew",
            "The meeting is at 9 a.m. today",
            "She has a Ph.D. in physics",
            "The U.K. and the E.U. agreed",
        ],
    )
    def test_months_and_dotted_abbreviations(self, text: str) -> None:
        assert sentences(text) == [text]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1. 安装\n2. 运行", ["1. 安装", "2. 运行"]),
            ("步骤：\n  1. 安装。\n  2. 运行。", ["步骤：", "1. 安装。", "2. 运行。"]),
            ("A. 选项一\nB. 选项二", ["A. 选项一", "B. 选项二"]),
            ("12. 第十二条", ["12. 第十二条"]),
            ("1、甲\n2、乙", ["1、甲", "2、乙"]),
        ],
    )
    def test_list_numbers(self, text: str, expected: list[str]) -> None:
        assert sentences(text) == expected

    @pytest.mark.parametrize("text", ["2.1. 安装步骤", "2.1.3. 下载模型", "Section 2.1. Setup of the model"])
    def test_section_numbers_with_a_final_dot(self, text: str) -> None:
        assert sentences(text) == [text]

    @pytest.mark.parametrize(
        "pair", ["“”", "‘’", "「」", "『』", "《》"], ids=["double", "single", "corner", "white", "title"]
    )
    @pytest.mark.parametrize(
        "inside",
        ["今天下雨。我不去了。你们去吧！", "为什么？！因为……所以；", "He left. Why? Go!", "甲。乙", "。"],
        ids=["chinese", "clusters", "english", "two", "stop"],
    )
    def test_a_quotation_with_stops_inside(self, pair: str, inside: str) -> None:
        quoted = f"{pair[0]}{inside}{pair[1]}"
        for text in (f"他说：{quoted}", f"他说：{quoted}然后走了。", f"{quoted}", f"他说{quoted}，她说{quoted}。"):
            starts = [text.index(quoted)] + ([text.rindex(quoted)] if text.count(quoted) > 1 else [])
            for start in starts:
                end = start + len(quoted)
                assert any(span.start <= start and end <= span.end for span in sentence_spans(text)), sentences(text)

    def test_the_quotation_of_the_edge_text_stays_in_its_sentence(self) -> None:
        quoted = "“今天下雨。我不去了。你们去吧！”"
        assert any(quoted in sentence for sentence in sentences(EDGE_TEXTS["quote_with_stops"]))

    def test_quotations_within_quotations(self) -> None:
        text = "他说：“她说‘走吧。快！’然后笑了。真的。”我们都笑了。"
        assert any("“她说‘走吧。快！’然后笑了。真的。”" in sentence for sentence in sentences(text))

    def test_an_apostrophe_does_not_end_a_quotation(self) -> None:
        text = "‘Don’t go. Stay.’ he said"
        assert any("‘Don’t go. Stay.’" in sentence for sentence in sentences(text))

    def test_a_bracket_with_stops_inside(self) -> None:
        assert sentences("请假（病假。事假；年假）须批准。结束") == ["请假（病假。事假；年假）须批准。", "结束"]

    @pytest.mark.parametrize("closer", ["”", "’", "」", "』", "）", "】", "》"])
    def test_a_closing_mark_goes_with_the_sentence_that_it_closes(self, closer: str) -> None:
        assert sentences(f"他走了。{closer}她笑了。") == [f"他走了。{closer}", "她笑了。"]

    def test_a_stray_opening_mark_does_not_swallow_the_text(self) -> None:
        assert len(sentences("“他说。我走了。她笑了。")) == 3

    def test_nor_do_two_that_stand_far_apart(self) -> None:
        text = "“他说。" + "我走了。" * 100 + "她笑了。”"
        assert len(sentences(text)) > 50

    def test_the_stop_after_an_address_ends_the_sentence(self) -> None:
        assert sentences("见 https://example.com/a。然后继续。") == ["见 https://example.com/a。", "然后继续。"]
        assert sentences("See https://example.com/a. Then go.") == ["See https://example.com/a.", "Then go."]
        assert sentences("Mail a.b@c.com. Thanks.") == ["Mail a.b@c.com.", "Thanks."]

    def test_the_decimals_edge_text_is_one_sentence(self) -> None:
        assert sentences(EDGE_TEXTS["decimals"]) == [EDGE_TEXTS["decimals"]]


def test_long_text_without_stops_is_one_sentence() -> None:
    assert sentences(EDGE_TEXTS["no_punctuation"]) == [EDGE_TEXTS["no_punctuation"]]


def test_many_quotation_marks_stay_cheap() -> None:
    """Opening marks that never close must not make the work quadratic; the count of sentences stands for the result."""
    text = "“甲。" * 20_000
    assert len(sentence_spans(text)) == 20_000
