import codecs

import pytest

from loaders.encodings import decode_text

SIMPLIFIED = (
    "员工请假须提前三天提交申请，由部门经理审批后报人事部备案。年假按照工作年限计算：满一年不满十年的，年休假五天；"
    "满十年不满二十年的，年休假十天；满二十年的，年休假十五天。国家法定休假日、休息日不计入年休假的假期，病假需要医院证明。"
)
TRADITIONAL = (
    "員工請假須提前三天提交申請，由部門經理審批後報人事部備案。年假按照工作年限計算：滿一年不滿十年的，年休假五天；"
    "滿十年不滿二十年的，年休假十天；滿二十年的，年休假十五天。國家法定休假日、休息日不計入年休假的假期，病假需要醫院證明。"
)


@pytest.mark.parametrize("chars", [5, 20, 100])
@pytest.mark.parametrize("start", range(8))
@pytest.mark.parametrize(
    ("encoding", "source"),
    [
        pytest.param("gb18030", SIMPLIFIED, id="gb18030"),
        pytest.param("gb18030", TRADITIONAL, id="gb18030-traditional"),
        pytest.param("big5", TRADITIONAL, id="big5"),
        pytest.param("utf-8", SIMPLIFIED, id="utf8"),
        pytest.param("utf-8-sig", TRADITIONAL, id="utf8-bom"),
        pytest.param("utf-16", SIMPLIFIED, id="utf16-bom"),
        pytest.param("utf-16-le", SIMPLIFIED, id="utf16-le"),
        pytest.param("utf-16-be", TRADITIONAL, id="utf16-be"),
        pytest.param("utf-32", SIMPLIFIED, id="utf32-bom"),
    ],
)
def test_ladder_finds_the_encoding(encoding: str, source: str, start: int, chars: int) -> None:
    text = source[start : start + chars]
    assert decode_text(text.encode(encoding)) == text


def test_pain_37_gbk_text_without_bom_is_read() -> None:
    assert decode_text("高血压患者能吃党参吗？\r\n可以。".encode("gbk")) == "高血压患者能吃党参吗？\n可以。"


def test_short_gbk_that_is_valid_utf8_by_chance() -> None:
    assert "知识".encode("gbk").decode("utf-8") == "֪ʶ"  # two Hebrew and Latin marks
    assert decode_text("知识".encode("gbk")) == "知识"


@pytest.mark.parametrize(
    "text",
    ["naïve café", "Привет, мир", "αβγδ", "é", "emoji 😀 生僻字 𠮷 龘", "ASCII only", "全角ＡＢＣ，半角abc"],
    ids=["french", "russian", "greek", "one", "emoji", "ascii", "widths"],
)
def test_utf8_stays_utf8(text: str) -> None:
    assert decode_text(text.encode()) == text


def test_rare_characters_of_gb18030() -> None:
    text = "这本书里有生僻字𠮷和㐂，还有欧元€。"
    assert decode_text(text.encode("gb18030")) == text


def test_latin1_is_left_to_the_detector() -> None:
    assert decode_text("Die Größe über der Straße ist für alle schön.".encode("latin-1")).startswith("Die Größe über")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_one_damaged_byte_does_not_change_the_script(encoding: str) -> None:
    data = bytearray((SIMPLIFIED.replace("。", "。\n") * 5).encode(encoding))
    data[150] = 0xFF
    text = decode_text(bytes(data))
    assert "满二十年的，年休假十五天" in text
    assert text.count("\ufffd") >= 1


def test_line_ends_and_byte_order_mark_are_normalised() -> None:
    assert decode_text(codecs.BOM_UTF8 + b"a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize(
    "data",
    [bytes(range(256)) * 8, b"abc\0def\0\0\0ghi" * 9, b"\x01\x02\x03\x04text" * 9, b"\x00" * 64],
    ids=["all-bytes", "stray-zeros", "controls", "zeros"],
)
def test_binary_is_no_text(data: bytes) -> None:
    with pytest.raises(UnicodeError):
        decode_text(data)
