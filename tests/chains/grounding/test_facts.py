"""Numbers, dates and names in comparable form."""

from decimal import Decimal

import pytest

from chains.grounding.dates import Date
from chains.grounding.facts import Fact, Name, Number, facts_in
from chains.grounding.figures import Figures
from chains.grounding.numerals import from_chinese, from_digits, from_english


def written(text: str) -> list[str]:
    return [fact.written for fact in facts_in(text)]


def only(text: str) -> Fact:
    (fact,) = facts_in(text)
    return fact


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("六十二亿", 6_200_000_000),
        ("一百零五", 105),
        ("一百五", 150),
        ("一万二", 12_000),
        ("十", 10),
        ("二〇二三", 2023),
        ("一亿三千万", 130_000_000),
        ("三万亿", 3 * 10**12),
        ("九千三百二十万零四", 93_200_004),
        ("两千", 2000),
        ("三点一四", Decimal("3.14")),
        ("三四", None),
        ("万一", None),
        ("千万", None),
    ],
)
def test_chinese_numerals(numeral: str, value: int | None) -> None:
    assert from_chinese(numeral) == value


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("two hundred and fifty", 250),
        ("thirty-five", 35),
        ("six million", 6_000_000),
        ("one hundred thousand", 100_000),
        ("two three", None),
        ("twelve five", None),
    ],
)
def test_english_numerals(words: str, value: int | None) -> None:
    assert from_english(words) == value


def test_digits_with_a_scale() -> None:
    assert from_digits("6.2", "billion") == from_digits("62", "亿") == from_digits("6,200,000,000")
    assert from_digits("3", "千万") == 30_000_000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("62亿", "6.2 billion"),
        ("62亿", "6,200,000,000"),
        ("62 亿参数", "六十二亿参数"),
        ("百分之三十", "30%"),
        ("30 percent", "30％"),
        ("6300公里", "6,300 km"),
        ("6300公里", "6300千米"),
        ("1.5公里", "1500 米"),
        ("5.6万平方米", "56000 m²"),
        ("13GB", "13 GB"),
        ("12名", "十二人"),
        ("$3.5 million", "350万美元"),
        ("19世纪", "19th century"),
        ("1990s", "90年代"),
        ("六个", "6"),
        ("零下20℃", "-20摄氏度"),
        ("三分之二", "三分之二"),
        ("二〇二三年", "2023年"),
        ("2023年5月1日", "2023-05-01"),
        ("2023年5月1日", "May 1, 2023"),
        ("1 May 2023", "二〇二三年五月一日"),
        ("2023/5/1", "2023.5.1"),
        ("2023年", "in 2023"),
        ("公元前221年", "前221年"),
        ("ChatGLM-6B", "chatglm 6b"),
        ("《红楼梦》", "红楼梦"),
        ("GPUs", "GPU"),
    ],
)
def test_one_value_in_two_forms_is_one_fact(one: str, other: str) -> None:
    assert Figures(f"共{other}。").hold(facts_in(f"共{one}。")[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("62亿", "62万"),
        ("30%", "33%"),
        ("13GB", "13MB"),
        ("13GB", "3GB"),
        ("5公里", "5公斤"),
        ("12人", "12年"),
        ("1990年代", "1890年代"),
        ("2023年5月1日", "2023年5月"),
        ("5月1日", "5月2日"),
        ("公元前221年", "221年"),
        ("INT4", "INT8"),
        ("《红楼梦》", "西游记"),
        ("比利·乔尔", "莱昂纳尔·里奇"),
    ],
)
def test_other_values_are_other_facts(one: str, other: str) -> None:
    assert not Figures(f"共{other}。").hold(facts_in(f"共{one}。")[0])


def test_a_part_of_a_date_is_said_by_the_whole_and_a_whole_one_by_its_parts() -> None:
    assert Figures("发布于2023年3月14日。").hold(only("2023年3月"))
    assert Figures("1969年，阿波罗11号升空；7月20日登月。").hold(only("1969年7月20日"))
    assert not Figures("1969年升空；1970年7月20日返回。").hold(only("1969年7月20日"))


def test_facts_come_with_their_units_and_places() -> None:
    text = "ChatGLM-6B 有 62 亿参数，FP16 需要 13GB 显存。"
    facts = facts_in(text)
    assert [text[fact.start : fact.end] for fact in facts] == ["ChatGLM-6B", "62 亿", "FP16", "13GB"]
    assert facts[1].meaning == Number(Decimal(6_200_000_000), "")
    assert facts[3].meaning == Number(Decimal(13), "GB")
    assert isinstance(facts[0].meaning, Name)
    assert only("二〇二三年五月一日").meaning == Date(2023, 5, 1)


@pytest.mark.parametrize(
    "text",
    [
        "一个支持中文的模型",
        "十分重要",
        "一些人",
        "万一失败",
        "千万不要",
        "统一安排",
        "三国",
        "she said so",
        "One of us",
    ],
)
def test_figures_of_speech_are_no_facts(text: str) -> None:
    assert facts_in(text) == []


def test_names_are_what_rules_find_reliably() -> None:
    assert written("山东省烟台市有《三国演义》的“关东三国志”，比利·乔尔到过美国。") == [
        "山东省", "烟台市", "《三国演义》", "“关东三国志”", "比利·乔尔", "美国",
    ]  # fmt: skip
    assert written("The game was in Tampa, and NASA saw it.") == ["Tampa", "NASA"]
    assert written("版本 0.1.17 和 v2.0") == ["0.1.17", "v2.0"]


def test_a_figure_in_the_same_place_is_named() -> None:
    support = Figures("FP16 精度需要 13GB 显存，INT4 只需要 6GB。共 28 层。")
    sentence = "FP16 精度需要 16GB 显存。"
    other = support.in_place_of(facts_in(sentence)[1], sentence)
    assert other is not None
    assert other.written == "13GB"


def test_a_right_figure_elsewhere_does_not_hide_a_wrong_one_here() -> None:
    support = Figures("车站设6个出入口，另有四部电梯。")
    wrong, right = "车站设4个出入口。", "车站设六个出入口。"
    found = support.in_place_of(only(wrong), wrong)
    assert found is not None
    assert found.written == "6个"
    assert support.in_place_of(only(right), right) is None


@pytest.mark.parametrize("text", ["1" * 5000, "[" * 3000, "一" * 3000, "2023-" * 1000, "A" * 5000, "，" * 3000])
def test_odd_texts_end_soon(text: str) -> None:
    facts_in(text)
