"""Bytes of unknown encoding -> text, for Chinese first.

The ladder: byte order marks, UTF-16 told by its zero bytes, UTF-8, then the double-byte encodings. Nearly every Big5
text is also valid GB18030, so those are told apart by how common the resulting characters are. A detector library comes
last: on five Chinese characters it is right one time in five.
"""

import codecs
import re
from functools import cache
from pathlib import Path

from core.load_errors import CorruptFile
from core.messages import Message

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its first half
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_CANDIDATES = ("gb18030", "cp950", "big5hkscs", "utf-16-le", "utf-16-be")
_SAMPLE_CHARS = 20_000
_SURELY_CHINESE = 0.6  # as the next, where there is a rival
_SHORT_BYTES = 64
_PLAUSIBLE = 0.15  # mean score from which a decoding is taken to be the right one
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_NOT_TEXT = Message("内容不是可读的文字", "the content is not readable text")

# The 520 most frequent hanzi of jieba's word list, then the traditional forms of those that have one.
_COMMON = frozenset(
    "一是人了不在有大中国和为这上他个地年来我会以到时要出的生学说道民家子也成行下们于后就发自之对得主长可"
    "过天作分方用多你着部能市等业全里工公经本都而高政法面门动日进区事代那去心小同北定开产前其军还然起种所"
    "如现理机体表力好外与文当两实重新三么只山水关明从化平建又制南内西没此将员名手最东头者月间无安看见各城"
    "十相但已些正口通想度加第她合院物性战由位常点海意场武使次二向治因立数样身情入原问把路被并利石老教万知"
    "级量任江及应省资委务元美特期世湖回系比气汉总展电科金先声提品设或义王社很统处四首共马形己儿司太目基领"
    "队直计别女权话少流命至报米给打变果书清活几州华解议更称程今决张导术府才保交放管结师便走达族反再题色五"
    "京河接条规式县白它改风光运信受什组听布百济党指论强做取技黄神选记斯真却职号界件花类何眼兵传带空干农边"
    "据集联古广完质阳难增历史专官每住商即步认车台林必死游举线言皇土团收考求德叫近备研争非具李众连调感转笑"
    "革该持始英克士尔让拉思根格造较际亲单朝红型价校约器字段周亚深候则功属积快图火千准究往极育装许参半令吃"
    "观鱼精办像帝八复影告远群包整构料随划算象容示投势热值夫网望源息语股铁断派速怎需片爱律纪支早况病境证编"
    "越局推满且列觉服双未居除乐企引标确织初青國爲這個來會時學說們於後發對長過業裏經門動進區開產軍還種現機"
    "體與當兩實麼關從內沒將員東頭間無見戰點場數樣問並萬級應資務氣漢總電聲設義統處馬兒領隊計別權話報給變書"
    "幾華議稱決張導術結師達題條規縣風運組聽濟黨論強黃選記卻職號類傳帶幹農邊據聯廣質陽難歷專認車臺遊舉線團"
    "備爭衆連調轉該爾讓較際親單紅價約亞則屬積圖準極裝許參喫觀魚辦復遠羣構隨劃勢熱網語鐵斷愛紀況證編滿覺雙"
    "樂標確織"
)


def read_text(path: Path, name: str) -> str:
    """Return a text file's content without byte order mark, its line ends made line feeds.

    Raises:
        CorruptFile: the bytes are no text in any known encoding.
    """
    try:
        return decode_text(path.read_bytes())
    except UnicodeError as error:
        raise CorruptFile(name=name, detail=_NOT_TEXT) from error


def decode_text(data: bytes) -> str:
    """Return the text that `data` encodes, without byte order mark, its line ends made line feeds.

    Raises:
        UnicodeError: no encoding gives readable text.
    """
    text = _decode(data)
    if len(_CONTROL.findall(text)) * 100 > len(text):
        raise UnicodeError("control characters among the text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if b"\0" in data:
        return _utf16_without_mark(data)
    return _utf8(data) or _most_plausible(data) or _nearly_legacy(data) or _detected(data)


def _utf8(data: bytes) -> str:
    """Return the text, or an empty string where `data` is not UTF-8, be it by chance valid."""
    text = _strict(data, "utf-8") or _nearly(data, "utf-8")
    if (
        len(data) <= _SHORT_BYTES and "\x7f" < max(text, default="") < "\u0800"
    ):  # short GBK, such as 联通, can pass for accented letters
        chinese = _strict(data, "gb18030")
        return "" if chinese and _plausibility(chinese) > _SURELY_CHINESE else text
    return text


def _strict(data: bytes, encoding: str) -> str:
    """Return the text, or an empty string where `data` is not valid in `encoding`."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _nearly(data: bytes, encoding: str) -> str:
    """Decode although a few sequences are broken: a damaged byte must not turn a whole book into another script."""
    text = data.decode(encoding, errors="replace")
    broken = text.count("\ufffd")
    sound = sum(character > "\x7f" for character in text) - broken
    return text if sound >= 20 * broken else ""


def _utf16_without_mark(data: bytes) -> str:
    """Zero bytes are half a character in UTF-16 (A, 一, ：); anywhere else they are no text."""
    texts = [text for encoding in ("utf-16-le", "utf-16-be") if (text := _strict(data, encoding))]
    best = max(texts, key=_plausibility, default="")
    if not best or _plausibility(best) < _PLAUSIBLE:
        raise UnicodeError("zero bytes among the text")
    return best


def _most_plausible(data: bytes) -> str:
    texts = [text for encoding in _CANDIDATES if (text := _strict(data, encoding))]
    best = max(texts, key=_plausibility, default="")
    if best and _plausibility(best) > _PLAUSIBLE:
        return best
    # Nothing but rare characters: Chinese all the same if hardly any byte is ASCII, as in a list of names.
    sample = data[:_SAMPLE_CHARS]
    return _strict(data, "gb18030") if sum(byte > 0x7F for byte in sample) * 2 > len(sample) else ""


def _nearly_legacy(data: bytes) -> str:
    texts = [text for encoding in ("gb18030", "cp950") if (text := _nearly(data, encoding))]
    best = max(texts, key=_plausibility, default="")
    return best if best and _plausibility(best) > _PLAUSIBLE else ""


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:1_000_000]).best()
    if best is None:
        raise UnicodeError("no encoding fits")
    return data.decode(best.encoding, errors="replace")


def _plausibility(text: str) -> float:
    """Mean score, -1 to 1, of the characters outside ASCII: common hanzi high, exotic scripts low. ASCII alone is 1."""
    scores = [_score(character) for character in text[:_SAMPLE_CHARS] if character > "\x7f" or character < "\t"]
    return sum(scores) / len(scores) if scores else 1.0


def _score(character: str) -> float:
    if character in _COMMON:
        return 1.0
    if character in "，。、；：？！“”‘’（）《》「」『』【】…—·　" or "\uff01" <= character <= "\uff5e":
        return 0.8
    if character in _frequent_planes():
        return 0.35
    return -0.3 if "\u4e00" <= character <= "\u9fff" else -1.0


@cache
def _frequent_planes() -> frozenset[str]:
    """The hanzi that GB 2312 and Big5 put into their first plane as the frequent ones."""
    simplified = bytes(b for lead in range(0xB0, 0xD8) for trail in range(0xA1, 0xFF) for b in (lead, trail))
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    traditional = bytes(b for lead in range(0xA4, 0xC6) for trail in trails for b in (lead, trail))
    return frozenset(simplified.decode("gb2312", "ignore") + traditional.decode("cp950", "ignore"))
