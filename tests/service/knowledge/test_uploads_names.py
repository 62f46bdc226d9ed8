"""Which names of uploaded files are taken, and in which form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.load_errors import InvalidFileName
from service.knowledge.file_names import document_name

KEPT = {
    "plain": ("甲.pdf", "甲.pdf"),
    "folder": ("合同/2024/甲.pdf", "合同/2024/甲.pdf"),
    "windows": ("合同\\2024\\甲.pdf", "合同/2024/甲.pdf"),
    "decomposed": (unicodedata.normalize("NFD", "é.txt"), "é.txt"),
    "absolute": ("/合同/甲.pdf", "合同/甲.pdf"),
    "here": ("./合同/./甲.pdf", "合同/甲.pdf"),
    "doubled": ("合同//甲.pdf", "合同/甲.pdf"),
    "blank_part": ("合同/　/甲.pdf", "合同/甲.pdf"),
    "dots_inside": ("v1..2/甲...txt", "v1..2/甲...txt"),
    "emoji": ("👨‍👩‍👧.md", "👨‍👩‍👧.md"),
    "rare": ("𰻝𰻝面.txt", "𰻝𰻝面.txt"),
    "surrogate": ("半\ud83d.txt", "半?.txt"),
    "longest": ("长" * 255, "长" * 255),
    "shell": ("$(rm -rf ~);'\".txt", "$(rm -rf ~);'\".txt"),
    "reserved": ("CON.txt", "CON.txt"),
}
REFUSED = {
    "empty": "",
    "blank": " / ",
    "dot": ".",
    "above": "../../etc/passwd",
    "above_inside": "合同/../甲.pdf",
    "above_windows": "..\\甲.pdf",
    "above_with_blanks": "合同/ .. /甲.pdf",
    "drive": "C:\\Users\\甲.pdf",
    "drive_relative": "c:甲.pdf",
    "hidden": ".DS_Store",
    "hidden_folder": ".git/config.txt",
    "office_lock": "合同/~$甲.docx",
    "newline": "甲\n.pdf",
    "nul": "甲.pdf\x00.exe",
    "escape": "\x1b[31m甲.pdf",
    "line_separator": "甲\u2028.pdf",
    "right_to_left": "甲\u202efdp.exe",
    "too_long": "合同/" + "长" * 256,
}


@pytest.mark.parametrize(("sent", "name"), KEPT.values(), ids=KEPT)
def test_a_name_is_kept_in_one_form(sent: str, name: str) -> None:
    assert document_name(sent) == name


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_no_document_may_be_called_is_refused_with_the_reason(sent: str) -> None:
    with pytest.raises(InvalidFileName) as caught:
        document_name(sent)
    for language in ("zh", "en"):
        text = caught.value.text(language)
        assert text.replace("\n", "").isprintable()
        text.encode()


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "/", "\\", "C:", "甲", "~$", "e\u0301", "\ud800"])).map("".join)
)
def test_whatever_is_sent_the_name_is_harmless_and_settled(sent: str) -> None:
    try:
        name = document_name(sent)
    except InvalidFileName:
        return
    assert document_name(name) == name
    assert name.encode().decode() == unicodedata.normalize("NFC", name)
    parts = name.split("/")
    assert all(part.strip() and part.strip() not in (".", "..") and len(part) <= 255 for part in parts)
    assert not any(part.startswith((".", "~$")) for part in parts)
    assert "\\" not in name
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)
