"""Sections that are joined: the heading is true for the whole chunk, and chapters keep apart."""

from langchain_core.documents import Document

from splitters.chinese import ChineseTextSplitter


def split(*sections: tuple[str, str]) -> list[tuple[str, str]]:
    parts = [Document(page_content=text, metadata={"heading": heading}) for heading, text in sections]
    chunks = ChineseTextSplitter(100).split_documents(parts)
    return [(chunk.metadata.get("heading", ""), chunk.page_content) for chunk in chunks]


def test_an_introduction_goes_under_the_heading_it_leads_to() -> None:
    chunks = split(("手册", "手册\n\n本手册适用于全体员工。\n\n"), ("手册 > 考勤", "考勤\n\n上午九点上班。\n\n"))
    assert [heading for heading, _ in chunks] == ["手册 > 考勤"]


def test_siblings_go_under_their_parent_and_stay_there() -> None:
    sections = [(f"手册 > 假期 > {name}", f"{name}\n\n{name}须提前申请。\n\n") for name in ("年假", "病假", "事假")]
    assert [heading for heading, _ in split(*sections)] == ["手册 > 假期"]


def test_the_ends_of_two_chapters_are_not_joined() -> None:
    sections = [
        ("手册 > 假期 > 病假", "病假\n\n病假须有证明。\n\n"),
        ("手册 > 假期 > 事假", "事假\n\n事假无薪。\n\n"),
        ("手册 > 差旅 > 申请", "申请\n\n出差须提前三天申请。\n\n"),
    ]
    chunks = split(*sections)
    assert [heading for heading, _ in chunks] == ["手册 > 假期", "手册 > 差旅 > 申请"]
    assert "出差" not in chunks[0][1]
