import re
import zipfile
from io import BytesIO
from pathlib import Path

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches

from core.load_errors import CorruptFile, EmptyFile, EncryptedFile
from loaders.docx_flatten import hanzi_number
from loaders.registry import load_file

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def saved(document, tmp_path: Path, name: str = "a.docx") -> Path:
    path = tmp_path / name
    document.save(str(path))
    return path


def contents(path: Path) -> list[str]:
    return [part.page_content for part in load_file(path)]


def test_headings_lists_and_tables(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("员工手册", style="Title")
    word.add_heading("第三章 考勤", 1)
    word.add_heading("请假", 2)
    word.add_paragraph("请假须提前三天。")
    word.add_paragraph("身份证", style="List Bullet")
    word.add_paragraph("照片", style="List Bullet")
    table = word.add_table(2, 2)
    for cell, text in zip(table._cells, ["类型", "天数", "年假\n带薪", "5|15"], strict=True):
        cell.text = text
    word.add_heading("第四章 薪酬", 1)
    word.add_paragraph("每月十日发放。")
    parts = load_file(saved(word, tmp_path))
    assert [(part.metadata["heading"], part.metadata["kind"]) for part in parts] == [
        ("员工手册", "text"),
        ("员工手册 > 第三章 考勤", "text"),
        ("员工手册 > 第三章 考勤 > 请假", "text"),
        ("员工手册 > 第三章 考勤 > 请假", "table"),
        ("员工手册 > 第四章 薪酬", "text"),
    ]
    assert parts[2].page_content == "请假\n\n请假须提前三天。\n\n- 身份证\n- 照片\n\n"
    assert parts[3].page_content == "| 类型 | 天数 |\n| --- | --- |\n| 年假 带薪 | 5\\|15 |\n\n"
    assert {part.metadata["title"] for part in parts} == {"员工手册"}


def test_outline_levels_and_styles_built_on_headings(tmp_path: Path) -> None:
    word = docx.Document()
    own = word.styles.add_style("公司一级标题", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = word.styles["Heading 1"]
    word.add_paragraph("总则", style="公司一级标题")
    paragraph = word.add_paragraph("适用范围")
    paragraph._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {W} w:val="1"/>'))
    word.add_paragraph("全体员工。")
    assert [part.metadata["heading"] for part in load_file(saved(word, tmp_path))] == ["总则", "总则 > 适用范围"]


def test_numbered_headings_without_any_style(tmp_path: Path) -> None:
    word = docx.Document()
    for text in [
        "第一章 总则",
        "为规范管理，制定本制度。",
        "一、目的",
        "统一标准。",
        "第二章 附则",
        "自发布之日起施行。",
    ]:
        word.add_paragraph(text)
    assert [part.metadata["heading"] for part in load_file(saved(word, tmp_path))] == [
        "第一章 总则",
        "第一章 总则 > 一、目的",
        "第二章 附则",
    ]


def test_chapters_numbered_by_word_keep_their_number(tmp_path: Path) -> None:
    word = docx.Document()
    numbering = word.part.numbering_part.element
    level = (
        '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCounting"/><w:lvlText w:val="第%1章"/></w:lvl>'
    )
    numbering.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="77">{level}</w:abstractNum>'))
    numbering.append(parse_xml(f'<w:num {W} w:numId="77"><w:abstractNumId w:val="77"/></w:num>'))
    for text in ["总则", "考勤"]:
        properties = word.add_heading(text, 1)._p.get_or_add_pPr()
        properties.append(parse_xml(f'<w:numPr {W}><w:ilvl w:val="0"/><w:numId w:val="77"/></w:numPr>'))
        word.add_paragraph("正文。")
    assert [part.metadata["heading"] for part in load_file(saved(word, tmp_path))] == ["第一章 总则", "第二章 考勤"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "一"),
        (10, "十"),
        (12, "十二"),
        (20, "二十"),
        (103, "一百零三"),
        (110, "一百一十"),
        (2024, "二千零二十四"),
        (3000, "三千"),
    ],
)
def test_numbers_in_hanzi(value: int, text: str) -> None:
    assert hanzi_number(value) == text


def test_what_python_docx_passes_over_is_read(tmp_path: Path) -> None:
    word = docx.Document()
    body = word.element.body
    control = f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>控件里的文字</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    contents_table = (
        f'<w:sdt {W}><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        "<w:sdtContent><w:p><w:r><w:t>目录里的文字</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    change = (
        f'<w:p {W}><w:r><w:t>本合同</w:t></w:r><w:ins w:id="1" w:author="a"><w:r><w:t>自签字日</w:t></w:r></w:ins>'
        '<w:del w:id="2" w:author="a"><w:r><w:delText>不</w:delText></w:r></w:del><w:r><w:t>生效。</w:t></w:r></w:p>'
    )
    box = (
        f'<w:p {W}><w:r><w:t>框前</w:t><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox>'
        "<w:txbxContent>"
        "<w:p><w:r><w:t>文本框里的文字</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>"
    )
    half = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    formula = f"<w:p {W} {M}><w:r><w:t>占</w:t></w:r><m:oMath>{half}</m:oMath></w:p>"
    for number, xml in enumerate((control, contents_table, change, box, formula)):
        body.insert(number, parse_xml(xml))
    text = "".join(contents(saved(word, tmp_path)))
    assert text == "控件里的文字\n\n本合同自签字日生效。\n\n框前\n\n文本框里的文字\n\n占(1)/(2)\n"


def test_headers_and_footers_are_left_out(tmp_path: Path) -> None:
    word = docx.Document()
    word.sections[0].header.paragraphs[0].text = "页眉"
    word.sections[0].footer.paragraphs[0].text = "页脚"
    word.add_paragraph("正文。")
    assert contents(saved(word, tmp_path)) == ["正文。\n"]


def test_merged_and_nested_tables(tmp_path: Path) -> None:
    word = docx.Document()
    table = word.add_table(3, 3)
    for number, cell in enumerate(table._cells):
        cell.text = str(number)
    table.cell(0, 0).merge(table.cell(0, 2)).text = "总表"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "甲"
    inner = table.cell(2, 2).add_table(1, 1)
    inner.cell(0, 0).text = "内层"
    (part,) = load_file(saved(word, tmp_path))
    lines = part.page_content.splitlines()
    assert lines[0] == "| 总表 |  |  |"
    assert lines[2:] == ["| 甲 | 4 | 5 |", "| 甲 | 7 | 8 内层 |"]


def test_core_title_wins(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title = "正式标题"
    word.add_heading("第一节", 1)
    assert load_file(saved(word, tmp_path))[0].metadata["title"] == "正式标题"


def deck(tmp_path: Path) -> Path:
    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "考勤制度"
    first.placeholders[1].text = "上班打卡\n下班打卡"
    first.notes_slide.notes_text_frame.text = "讲解三分钟"
    table = first.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for number, text in enumerate(["班次", "时间", "早班", "9|18"]):
        table.cell(number // 2, number % 2).text = text
    second = show.slides.add_slide(show.slide_layouts[6])
    second.shapes.add_textbox(Inches(1), Inches(1), Inches(3), Inches(1)).text_frame.text = "没有标题的一页"
    path = tmp_path / "a.pptx"
    show.save(str(path))
    return path


def test_slides(tmp_path: Path) -> None:
    parts = load_file(deck(tmp_path))
    assert [part.page_content for part in parts] == [
        "考勤制度\n\n上班打卡\n\n下班打卡\n\n",
        "| 班次 | 时间 |\n| --- | --- |\n| 早班 | 9\\|18 |\n\n",
        "备注：讲解三分钟\n",
        "没有标题的一页\n",
    ]
    assert [(part.metadata["slide"], part.metadata.get("heading")) for part in parts] == [
        (1, "考勤制度"),
        (1, "考勤制度"),
        (1, "考勤制度"),
        (2, None),
    ]
    assert {part.metadata["pages"] for part in parts} == {2}
    assert "title" not in parts[0].metadata


def office_file(kind: str, tmp_path: Path) -> Path:
    if kind == "pptx":
        return deck(tmp_path)
    if kind == "xlsx":
        book = Workbook()
        book.active.append(["甲", "乙"])
        book.active.append(["1", "2"])
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"
    word = docx.Document()
    word.add_paragraph("正文。")
    return saved(word, tmp_path)


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_password(kind: str, tmp_path: Path) -> None:
    from msoffcrypto.format.ooxml import OOXMLFile

    plain = office_file(kind, tmp_path)
    path = tmp_path / f"locked.{kind}"
    with plain.open("rb") as source, path.open("wb") as target:
        OOXMLFile(source).encrypt("pw", target)
    with pytest.raises(EncryptedFile):
        load_file(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_truncated(kind: str, share: float, tmp_path: Path) -> None:
    path = office_file(kind, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptFile) as caught:
        load_file(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_entity_bombs_are_refused(kind: str, tmp_path: Path) -> None:
    path = office_file(kind, tmp_path)
    main = {"docx": "word/document.xml", "pptx": "ppt/presentation.xml", "xlsx": "xl/workbook.xml"}[kind]
    rewritten = BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == main:
                bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
                data = bomb + re.sub(rb"^<\?xml.*?\?>", b"", data)
            new.writestr(name, data)
    path.write_bytes(rewritten.getvalue())
    with pytest.raises(CorruptFile, match="XML entities"):
        load_file(path)


def test_a_document_without_words(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        load_file(saved(docx.Document(), tmp_path))
