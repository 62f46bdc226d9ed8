"""`cli_demo.py`: what it prints, what it returns, and the JSON that programs rely on.

Starting a process takes about a second, so the tests share one knowledge base that no test changes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
KB = "人事 资料📚"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
TRAVEL = "# 差旅规定\n\n## 补贴\n\n出差补贴每天一百元。\n\n## 住宿\n\n住宿标准为每晚四百元。\n"
CANTEEN = "云杉公司食堂规定\r\n食堂在二楼，周五供应羊肉泡馍。\r\n"
HIT = {"rank", "relevance", "kept", "dropped_by", "text", "source", "page", "heading", "document_id", "chunk_id"}
CITATION = {"n", "source", "page", "heading", "start", "end", "relevance", "quote"}


@dataclass(frozen=True)
class Office:
    """A data directory with one knowledge base, and what its commands printed."""

    data: Path
    files: Path
    created: Any
    added: Any

    def text(self, name: str) -> str:
        """Return the decoded text of an original."""
        data = (self.files / name).read_bytes()
        return data.decode("gb18030" if name == "食堂.txt" else "utf-8").replace("\r\n", "\n")


@pytest.fixture(scope="module")
def office(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Office:
    data = tmp_path_factory.mktemp("cli") / "data"
    files = data.parent / "文件 夹"
    contents = {
        "假期.txt": LEAVE.encode(),
        "副本/假期.txt": LEAVE.encode(),
        "子/差旅.md": TRAVEL.encode(),
        "食堂.txt": CANTEEN.encode("gb18030"),
        "坏.pdf": b"%PDF-1.7 broken",
        "模板[final].txt": "提示模板写作 [INST] 提问 [/INST] 应答 :smile:".encode(),
        ".藏/x.txt": b"hidden",
    }
    for name, content in contents.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(content)
    created = command(data, "kb", "create", KB)
    return Office(data, files, created, command(data, "kb", "add", KB, str(files)))


# --- knowledge bases -------------------------------------------------------------------------------------------------


def test_creating_says_so_and_twice_is_an_error_with_advice(office: Office, command: Command) -> None:
    assert (office.created.code, office.created.err) == (0, "")
    assert KB in office.created.out
    again = command(office.data, "kb", "create", KB)
    assert (again.code, again.out) == (1, "")
    assert "已经存在" in again.err
    assert "kb add" in again.err


def test_pain_6_a_folder_is_added_with_one_bad_file_named(office: Office) -> None:
    assert office.added.code == 1
    assert "6 个文件" in office.added.out
    assert "已添加 4" in office.added.out
    assert "内容重复 1" in office.added.out
    assert "失败 1" in office.added.out
    assert "坏.pdf" in office.added.err
    assert "另存一份" in office.added.err
    assert "x.txt" not in office.added.out + office.added.err


def test_adding_again_changes_nothing(office: Office, command: Command) -> None:
    again = command(office.data, "kb", "add", "--kb", KB, str(office.files / "假期.txt"), "--json")
    assert again.code == 0
    assert again.json["files"] == [
        {"name": "假期.txt", "outcome": "unchanged", "reason": None, "next_step": None, "chunks": 1, "pages": None}
    ]


def test_files_json_is_the_contract(office: Office, command: Command) -> None:
    done = command(office.data, "kb", "files", KB, "--json")
    assert (done.code, set(done.json)) == (0, {"files"})
    assert "假期.txt" in done.out  # readable, not \\u5047
    files = {file["name"]: file for file in done.json["files"]}
    assert list(files) == sorted(files)
    assert set(files) == {"假期.txt", "副本/假期.txt", "子/差旅.md", "食堂.txt", "坏.pdf", "模板[final].txt"}
    states = sorted(files[name]["state"] for name in ("假期.txt", "副本/假期.txt"))
    assert states == ["duplicate", "indexed"]
    for name, file in files.items():
        assert set(file) >= {"name", "state", "reason", "chunks", "pages", "sha256"}
        assert file["sha256"] == hashlib.sha256((office.files / name).read_bytes()).hexdigest()
        assert (file["reason"] is None) is (file["state"] == "indexed")
        assert (file["chunks"] > 0) is (file["state"] == "indexed")
    assert files["坏.pdf"]["state"] == "failed"


def test_files_and_list_as_tables_in_both_languages(office: Office, command: Command) -> None:
    chinese = command(office.data, "kb", "files", "--kb", KB)
    english = command(office.data, "kb", "files", KB, lang="en")
    assert "失败" in chinese.out
    assert "可检索" in chinese.out
    assert "failed" in english.out
    assert "indexed" in english.out
    for done in (chinese, english):
        assert all(name in done.out for name in ("假期.txt", "子/差旅.md", "坏.pdf", "模板[final].txt"))
    listed = command(office.data, "kb", "list", lang="en")
    assert KB in listed.out
    assert "embedding" in listed.out


def test_list_json_names_every_knowledge_base(office: Office, command: Command) -> None:
    bases = command(office.data, "kb", "list", "--json").json["knowledge_bases"]
    assert bases[0]["name"] == "samples"
    (own,) = [base for base in bases if base["name"] == KB]
    assert (own["embedding"], own["chunks"] > 2) == ("lexical", True)


def test_the_whole_life_of_a_knowledge_base(command: Command, tmp_path: Path) -> None:
    """create, add, remove, rebuild, delete; `--kb` and NAME mean the same."""
    data, file = tmp_path / "data", tmp_path / "假期.txt"
    file.write_text(LEAVE, encoding="utf-8")
    other = tmp_path / "差旅.md"
    other.write_text(TRAVEL, encoding="utf-8")
    assert command(data, "kb", "create", "--kb", "甲", "--json").json == {"name": "甲"}
    added = command(data, "kb", "add", "甲", str(file), str(other), str(tmp_path / "没有.txt"), "--json")
    assert added.code == 1
    assert [entry["outcome"] for entry in added.json["files"]] == ["added", "added", "failed"]
    assert added.json["files"][2]["next_step"]
    removed = command(data, "kb", "remove", "--kb", "甲", "差旅.md")
    assert (removed.code, "差旅.md" in removed.out) == (0, True)
    missing = command(data, "kb", "remove", "甲", "差旅.md", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (1, "document_not_found")
    rebuilt = command(data, "kb", "rebuild", "甲", "--json", CHUNK_CHARS="60")
    assert rebuilt.code == 0
    assert [(entry["name"], entry["outcome"]) for entry in rebuilt.json["files"]] == [("假期.txt", "replaced")]
    deleted = command(data, "kb", "delete", "--kb", "甲")
    assert (deleted.code, "甲" in deleted.out) == (0, True)
    gone = command(data, "kb", "files", "甲")
    assert gone.code == 1
    protected = command(data, "kb", "delete", "samples", "--yes")
    assert (protected.code, "示例" in protected.err) == (1, True)


# --- questions -------------------------------------------------------------------------------------------------------


def test_ask_json_is_the_contract_and_quotes_stand_where_it_says(office: Office, command: Command) -> None:
    for question, source, expected in (
        ("年假有几天？", "假期.txt", "五天年假"),
        ("食堂周五供应什么？", "食堂.txt", "羊肉泡馍"),
    ):
        done = command(office.data, "ask", question, "--kb", KB, "--json")
        assert (done.code, done.err) == (0, "")
        answer = done.json
        assert set(answer) >= {"question", "answer", "refused", "mode", "citations", "seconds"}
        assert (answer["question"], answer["refused"], answer["mode"]) == (question, False, "extractive")
        assert expected in answer["answer"]
        assert 0 < answer["seconds"] < 10
        numbers = [citation["n"] for citation in answer["citations"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers
        for citation in answer["citations"]:
            assert set(citation) >= CITATION
            assert 0 < citation["relevance"] <= 1
            assert f"[{citation['n']}]" in answer["answer"]
            if citation["source"].endswith(".txt"):
                assert office.text(citation["source"])[citation["start"] : citation["end"]] == citation["quote"]
        assert answer["citations"][0]["source"].endswith(source)


def test_search_json_is_the_contract(office: Office, command: Command) -> None:
    done = command(office.data, "search", "出差补贴和年假", "--kb", KB, "--json", "--top-k", "1")
    assert (done.code, done.err) == (0, "")
    result = done.json
    assert set(result) >= {"question", "threshold", "hits"}
    assert result["question"] == "出差补贴和年假"
    assert 0 < result["threshold"] < 1
    assert [hit["rank"] for hit in result["hits"]] == list(range(1, len(result["hits"]) + 1))
    assert [hit["kept"] for hit in result["hits"]].count(True) == 1
    for hit in result["hits"]:
        assert set(hit) >= HIT | {"scores"}
        assert set(hit["scores"]) == {"lexical", "dense"}
        assert hit["scores"]["dense"] is None
        assert 0 <= hit["scores"]["lexical"] <= 1
        assert hit["kept"] is (hit["dropped_by"] is None)
        assert hit["dropped_by"] in {None, "threshold", "duplicate", "top_k", "budget"}
        assert isinstance(hit["document_id"], int)
        assert isinstance(hit["chunk_id"], int)
        assert isinstance(hit["text"], str)
    relevance = [hit["relevance"] for hit in result["hits"]]
    assert relevance == sorted(relevance, reverse=True)
    headings = {hit["source"]: hit["heading"] for hit in result["hits"]}
    assert "差旅规定" in headings["子/差旅.md"]


def test_a_threshold_is_a_share_or_a_percentage(office: Office, command: Command) -> None:
    flag = command(
        office.data, "search", "年假和补贴", "--kb", KB, "--json", "--threshold", "40%", THRESHOLD="0.9"
    ).json
    variable = command(office.data, "search", "年假和补贴", "--kb", KB, "--json", THRESHOLD="0.4").json
    assert flag == variable
    assert flag["threshold"] == 0.4


def test_an_answer_for_people_shows_its_sources(office: Office, command: Command) -> None:
    chinese = command(office.data, "ask", "年假有几天？", "--kb", KB)
    english = command(office.data, "ask", "年假有几天？", "--kb", KB, lang="en")
    for done, words in (
        (chinese, ("出处", "摘录原句", "阈值")),
        (english, ("Sources", "quoted sentences", "threshold")),
    ):
        assert done.code == 0
        assert "五天年假" in done.out
        assert "[1] " in done.out
        assert "%" in done.out
        assert all(word in done.out for word in words)
    assert "内置模式" in chinese.err
    assert "Embedded mode" in english.err


def test_pain_22_a_refusal_shows_the_nearest_misses_and_no_sources(office: Office, command: Command) -> None:
    refused = command(office.data, "ask", "年假申请", "--kb", KB, "--threshold", "100%")
    assert refused.code == 0
    assert "不作回答" in refused.out
    assert "低于阈值 100%" in refused.out
    assert "出处" not in refused.out
    as_json = command(office.data, "ask", "火星上有没有水", "--kb", KB, "--json").json
    assert (as_json["refused"], as_json["citations"]) == (True, [])


def test_search_for_people_shows_every_fate(office: Office, command: Command) -> None:
    done = command(office.data, "search", "年假补贴", "--kb", KB, "--top-k", "1", "--threshold", "0", lang="en")
    assert done.code == 0
    for word in ("relevance", "fate", "used", "beyond top-k"):
        assert word in done.out


def test_square_brackets_in_documents_are_only_text(office: Office, command: Command) -> None:
    """Prompt templates, forum markup and configuration files are full of them."""
    searched = command(office.data, "search", "提示模板", "--kb", KB, "--threshold", "0")
    assert searched.code == 0
    assert "[INST] 提问 [/INST] 应答 :smile:" in searched.out
    assert "模板[final].txt" in searched.out


def test_the_samples_answer_without_any_preparation(office: Office, command: Command) -> None:
    done = command(office.data, "ask", "KnowGLM 需要哪个版本的 Python？", "--json")
    assert done.code == 0
    assert "3.11" in done.json["answer"]


# --- conversation ----------------------------------------------------------------------------------------------------


def test_a_broken_file_among_the_samples_does_not_break_the_json(command: Command, tmp_path: Path) -> None:
    command(tmp_path, "kb", "list")
    (tmp_path / "samples" / "content" / "坏.pdf").write_bytes(b"%PDF-1.7 broken")
    done = command(tmp_path, "ask", "ChatGLM-6B 有多少参数？", "--json")
    assert not done.json["refused"]
    assert "坏.pdf" in done.err


def test_a_conversation_takes_questions_clear_and_stop(office: Office, command: Command) -> None:
    talk = "年假有几天？\n\nclear\n火星上有没有水\n  \n食堂周五供应什么\nSTOP\n年假须提前几天申请\n"
    done = command(office.data, "--kb", KB, stdin=talk)
    assert done.code == 0
    assert KB in done.out.splitlines()[0]
    first, rest = done.out.split("对话已清空。")
    assert "五天年假" in first
    assert "不作回答" in rest
    assert "羊肉泡馍" in rest
    assert done.out.count("摘录原句") == 2
    assert done.out.rstrip().endswith("再见。")
    assert done.out.count("提前三天申请") <= 2  # nothing is answered after stop


@pytest.mark.parametrize("talk", ["", "出差补贴多少"], ids=["nothing", "no_newline"])
def test_the_end_of_input_ends_the_conversation(office: Office, command: Command, talk: str) -> None:
    done = command(office.data, "--kb", KB, stdin=talk, lang="en")
    assert done.code == 0
    assert done.out.rstrip().endswith("Goodbye.")
    assert ("一百元" in done.out) is bool(talk)


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_pain_56_every_bad_setting_is_listed_at_once(office: Office, command: Command) -> None:
    done = command(
        office.data, "search", "年假", "--top-k", "0", "--threshold", "120%", TOPK="3", CHUNK_CHARS="x", LLM="chatglm6b"
    )
    assert (done.code, done.out) == (2, "")
    for part in (
        "--top-k=0",
        "1–50",
        "--threshold",
        "KNOWGLM_TOPK",
        "KNOWGLM_TOP_K",
        "KNOWGLM_CHUNK_CHARS=x",
        "chatglm-6b",
    ):
        assert part in done.err
    as_json = command(office.data, "search", "年假", "--json", lang="en", TOP_K="many")
    assert (as_json.code, as_json.json["error"]["code"]) == (2, "bad_config")
    assert "KNOWGLM_TOP_K=many" in as_json.json["error"]["message"]


def test_a_missing_knowledge_base_is_an_error_with_advice(office: Office, command: Command) -> None:
    done = command(office.data, "ask", "年假", "--kb", "财务")
    assert (done.code, done.out) == (1, "")
    for part in ("财务", KB, "kb create"):
        assert part in done.err
    as_json = command(office.data, "search", "年假", "--kb", "财务", "--json", lang="en")
    assert as_json.code == 1
    assert set(as_json.json["error"]) == {"code", "message", "next_step"}
    assert as_json.json["error"]["code"] == "kb_not_found"


@pytest.mark.parametrize(
    "arguments",
    [
        ("kb", "files"),
        ("kb", "add", KB),
        ("kb", "remove", "--kb", KB),
        ("ask", "   "),
        ("ask",),
        ("sing",),
        ("ask", "年假", "--loud"),
    ],
    ids=["no_name", "no_files", "nothing_to_remove", "blank", "no_question", "no_command", "no_option"],
)
def test_wrong_usage_is_exit_code_2(office: Office, command: Command, arguments: tuple[str, ...]) -> None:
    done = command(office.data, *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.strip()


def test_a_name_that_looks_like_a_path_is_refused(office: Office, command: Command) -> None:
    done = command(office.data, "kb", "create", "../../etc", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "invalid_name")
    assert {path.name for path in office.data.parent.iterdir()} == {"data", "文件 夹"}


def test_a_data_directory_that_cannot_be_is_named(office: Office, command: Command) -> None:
    done = command(office.data, "kb", "list", DATA_DIR=str(office.files / "假期.txt"))
    assert done.code in (1, 2)
    assert "假期.txt" in done.err


def test_missing_weights_may_be_an_error(office: Office, command: Command) -> None:
    done = command(office.data, "ask", "年假", "--kb", KB, MISSING_MODEL="error")
    assert (done.code, done.out) == (1, "")
    assert "chatglm-6b" in done.err


def test_a_question_that_is_no_unicode_is_answered_all_the_same(office: Office, command: Command) -> None:
    """A terminal set to GBK hands over bytes that are not UTF-8."""
    done = command(office.data, "ask", "年假有几天".encode() + "？".encode("gbk"), "--kb", KB, "--json")
    assert done.code == 0
    assert "五天年假" in done.json["answer"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_help_is_in_the_users_language(office: Office, command: Command, lang: str) -> None:
    top, inner = (command(office.data, *path, "--help", lang=lang) for path in ((), ("kb",)))
    assert (top.code, inner.code) == (0, 0)
    has_chinese = any("\u4e00" <= sign <= "\u9fff" for sign in top.out + inner.out)
    assert has_chinese is (lang == "zh")
    for name in ("create", "list", "add", "files", "remove", "delete", "rebuild"):
        assert name in inner.out
