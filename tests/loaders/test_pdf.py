import threading
import time
from io import BytesIO
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from core.load_errors import CorruptFile, EmptyFile, EncryptedFile
from loaders.registry import load_file
from loaders.wrapping import join_lines

FONT = "STSong-Light"
PROSE = (
    "员工因私请假须提前三个工作日提交书面申请，经部门经理审批后报人事部备案，"
    "未经批准擅自离岗的按旷工处理，并视情节轻重给予相应处分"
)


def write(canvas, x: float, y: float, lines: list[str], *, size: float = 12, pitch: float = 18) -> float:
    canvas.setFont(FONT, size)
    for line in lines:
        canvas.drawString(x, y, line)
        y -= pitch
    return y


def wrapped(text: str, chars: int) -> list[str]:
    return [text[start : start + chars] for start in range(0, len(text), chars)]


def text_of(path: Path) -> str:
    return "".join(part.page_content for part in load_file(path))


def test_pain_38_wrapped_chinese_lines_are_joined_without_spaces(pdf) -> None:
    def draw(canvas):
        y = write(canvas, 72, 780, wrapped("　　" + PROSE + "。", 36))
        write(canvas, 72, y, wrapped("　　" + "病假须附医院证明，" * 8 + "。", 36))

    assert text_of(pdf(draw)) == f"{PROSE}。\n\n{'病假须附医院证明，' * 8}。\n"


def test_wrapped_english_lines_join_with_a_space_and_hyphens_are_mended(pdf) -> None:
    lines = [
        "Employees shall apply for leave three work-",
        "ing days in advance, and the head of the de-",
        "partment decides within a single day of it.",
    ]
    text = text_of(pdf(lambda canvas: write(canvas, 72, 780, lines)))
    assert (
        text == "Employees shall apply for leave three working days in advance, "
        "and the head of the department decides within a single day of it.\n"
    )


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["使用 ChatGLM", "模型"], "使用 ChatGLM 模型"),
        (["使用ChatGLM", "模型"], "使用ChatGLM模型"),
        (["state-of-the-", "Art"], "state-of-the- Art"),
        (["re\u00ad", "open"], "reopen"),
        (["关 于 红 军 作 战", "的 原 则"], "关于红军作战的原则"),
        (["姓名 张三 部门 研发"], "姓名 张三 部门 研发"),
    ],
    ids=["mixed", "tight", "capital", "soft-hyphen", "spaced", "fields"],
)
def test_joining_lines(lines: list[str], joined: str) -> None:
    assert join_lines(lines) == joined


def test_headings_by_size_and_by_number(pdf) -> None:
    def draw(canvas):
        y = write(canvas, 72, 790, ["员工手册"], size=22, pitch=40)
        y = write(canvas, 72, y, ["第三章 考勤"], size=16, pitch=30)
        y = write(canvas, 72, y, ["3.1 请假"], pitch=24)
        y = write(canvas, 72, y, [*wrapped(PROSE, 36), ""])
        y = write(canvas, 72, y, ["3.2 加班"], pitch=24)
        write(canvas, 72, y, wrapped(PROSE, 36))

    parts = load_file(pdf(draw))
    assert [part.metadata["heading"] for part in parts] == [
        "员工手册",
        "员工手册 > 第三章 考勤",
        "员工手册 > 第三章 考勤 > 3.1 请假",
        "员工手册 > 第三章 考勤 > 3.2 加班",
    ]
    assert parts[2].page_content == f"3.1 请假\n\n{PROSE}\n\n"
    assert parts[2].metadata["page"] == 1


def test_lists_stay_lists(pdf) -> None:
    def draw(canvas):
        y = write(canvas, 72, 780, ["办理入职须带以下材料，请提前准备好原件和复印件各一份："])
        y = write(canvas, 72, y, ["• 身份证原件及复印件，以及一寸免冠彩色照片三张，背面写明姓名", "    和工号"])
        y = write(canvas, 72, y, ["• 学历证书", "• 离职证明"])
        write(canvas, 72, y, ["1. 先到前台登记", "2. 再到人事部报到"])

    assert text_of(pdf(draw)) == (
        "办理入职须带以下材料，请提前准备好原件和复印件各一份：\n\n"
        "- 身份证原件及复印件，以及一寸免冠彩色照片三张，背面写明姓名和工号\n- 学历证书\n- 离职证明\n"
        "1. 先到前台登记\n2. 再到人事部报到\n"
    )


def columns(canvas, *, interleaved: bool) -> None:
    write(canvas, 72, 800, ["两栏排版的论文题目横跨整个页面的宽度并且写得相当长一些以便测试"], size=14)
    left, right = wrapped("左栏文字" * 60, 18), wrapped("右栏文字" * 60, 18)
    if not interleaved:
        write(canvas, 72, 760, left)
        write(canvas, 310, 760, right)
        return
    for row, (one, two) in enumerate(zip(left, right, strict=True)):
        write(canvas, 72, 760 - 18 * row, [one])
        write(canvas, 310, 760 - 18 * row, [two])


@pytest.mark.parametrize("interleaved", [False, True], ids=["by-column", "by-line"])
def test_pain_38_two_columns_are_read_one_after_the_other(pdf, interleaved: bool) -> None:
    text = "".join(text_of(pdf(lambda canvas: columns(canvas, interleaved=interleaved))).split())
    assert text.endswith("左栏文字" * 60 + "右栏文字" * 60)


def test_label_and_value_lines_are_no_columns(pdf) -> None:
    def draw(canvas):
        for row in range(12):
            write(canvas, 72, 780 - 20 * row, [f"项目{row}"])
            write(canvas, 350, 780 - 20 * row, [f"{row}00 元"])

    lines = text_of(pdf(draw)).split("\n\n")
    assert lines[0] == "项目0 000 元"
    assert lines[5] == "项目5 500 元"


def test_pain_38_ruled_tables_become_tables_in_their_place(pdf) -> None:
    rows = [["类型", "天数|上限", "说明"], ["年假", "5", "工作满一年\n以后"], ["病假", "90", "凭证明"]]

    def draw(canvas):
        write(canvas, 72, 790, ["各类假期的天数见下表所列，超出部分按照事假处理，由人事部解释："])
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                canvas.rect(72 + 140 * column, 700 - 40 * number, 140, 40)
                write(canvas, 80 + 140 * column, 724 - 40 * number, cell.split("\n"), pitch=14)
        write(canvas, 72, 560, ["以上天数均为工作日。"])

    before, table, after = load_file(pdf(draw))
    assert before.page_content.startswith("各类假期的天数")
    assert table.page_content == (
        "| 类型 | 天数\\|上限 | 说明 |\n| --- | --- | --- |\n| 年假 | 5 | 工作满一年以后 |\n| 病假 | 90 | 凭证明 |\n\n"
    )
    assert table.metadata["kind"] == "table"
    assert after.page_content == "以上天数均为工作日。\n"


def test_tables_on_turned_pages(pdf) -> None:
    def draw(canvas):
        canvas.setPageRotation(90)
        canvas.rotate(90)
        canvas.translate(0, -595)
        write(canvas, 72, 500, ["横向页面上的表格如下所示，请各部门负责人认真核对之后签字确认："])
        for row in range(3):
            for column in range(2):
                canvas.rect(72 + 200 * column, 400 - 30 * row, 200, 30)
                write(canvas, 80 + 200 * column, 410 - 30 * row, [f"格{row}{column}"])

    sentence, table = load_file(pdf(draw))
    assert sentence.page_content == "横向页面上的表格如下所示，请各部门负责人认真核对之后签字确认：\n\n"
    assert table.page_content == "| 格00 | 格01 |\n| --- | --- |\n| 格10 | 格11 |\n| 格20 | 格21 |\n"


def test_headers_footers_and_page_numbers_are_dropped(pdf) -> None:
    def draw(canvas):
        for page in range(1, 7):
            write(canvas, 72, 815, ["某某公司内部资料" if page % 2 else "员工手册二〇二四版"], size=9)
            write(canvas, 72, 700, wrapped(f"第{page}页的正文：" + PROSE + "。", 36))
            write(canvas, 280, 30, [f"第 {page} 页 共 6 页"], size=9)
            canvas.showPage()

    parts = load_file(pdf(draw))
    assert [part.metadata["page"] for part in parts] == [1, 2, 3, 4, 5, 6]
    assert {part.metadata["pages"] for part in parts} == {6}
    assert [part.page_content.strip() for part in parts] == [f"第{page}页的正文：{PROSE}。" for page in range(1, 7)]


def test_equal_pages_of_a_short_file_are_kept(pdf) -> None:
    def draw(canvas):
        for page in (1, 2):
            write(canvas, 72, 800, ["请假申请表"])
            write(canvas, 290, 30, [f"- {page} -"])
            canvas.showPage()

    assert [part.page_content.strip() for part in load_file(pdf(draw))] == ["请假申请表", "请假申请表"]


def test_a_paragraph_over_the_page_break_belongs_to_its_first_page(pdf) -> None:
    def draw(canvas):
        write(canvas, 72, 120, wrapped(PROSE, 36)[:1])
        canvas.showPage()
        write(canvas, 72, 780, [*wrapped(PROSE + "。", 36)[1:], "", "　　另起一段。"])

    first, second = load_file(pdf(draw))
    assert (first.page_content, first.metadata["page"]) == (f"{PROSE}。\n\n", 1)
    assert (second.page_content, second.metadata["page"]) == ("另起一段。\n", 2)


def test_title_of_the_document(pdf) -> None:
    path = pdf(lambda canvas: (canvas.setTitle("请假制度"), write(canvas, 72, 700, ["正文。"])))
    assert load_file(path)[0].metadata["title"] == "请假制度"
    untitled = pdf(lambda canvas: (canvas.setTitle("Microsoft Word - 1.doc"), write(canvas, 72, 700, ["正文。"])))
    assert "title" not in load_file(untitled)[0].metadata


def test_sixty_pages_in_two_seconds(pdf) -> None:
    def draw(canvas):
        for page in range(60):
            write(canvas, 72, 780, wrapped((PROSE * 21)[page : page + 20 * len(PROSE)], 36))
            canvas.showPage()

    path = pdf(draw)
    load_file(path)
    started = time.process_time()
    assert len("".join(part.page_content for part in load_file(path))) > 60 * 19 * len(PROSE)
    assert time.process_time() - started < 2


def test_pain_39_a_scan_says_that_it_is_one(pdf) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    image = BytesIO()
    Image.new("RGB", (50, 50), "white").save(image, "PNG")
    path = pdf(lambda canvas: canvas.drawImage(ImageReader(image), 72, 300, 400, 400))
    with pytest.raises(EmptyFile, match="a scan"):
        load_file(path)
    with pytest.raises(EmptyFile, match="no text on its pages"):
        load_file(pdf(lambda canvas: canvas.showPage()))


def test_password(pdf) -> None:
    path = pdf(lambda canvas: write(canvas, 72, 700, ["秘密。"]), encrypt=StandardEncryption("pw"))
    with pytest.raises(EncryptedFile):
        load_file(path)


def test_a_pdf_that_opens_without_password_is_read(pdf) -> None:
    locked = StandardEncryption("", ownerPassword="owner", canCopy=0)
    assert text_of(pdf(lambda canvas: write(canvas, 72, 700, ["可以打开。"]), encrypt=locked)) == "可以打开。\n"


@pytest.mark.parametrize("share", [0.05, 0.5], ids=["head", "half"])
def test_truncated_pdf(pdf, tmp_path: Path, share: float) -> None:
    data = pdf(lambda canvas: write(canvas, 72, 700, [PROSE])).read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises((CorruptFile, EmptyFile)):
        load_file(path)


def test_eight_threads_read_at_once(pdf) -> None:
    paths = [pdf(lambda canvas, n=n: write(canvas, 72, 700, [f"第{n}份文件的内容。"])) for n in range(8)]
    found: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = text_of(paths[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"第{number}份文件的内容。\n" for number in range(8)}
