"""The command line with language models: one that answers, one that is changed while the conversation runs.

Starting a process with a model takes seconds, so each conversation here does much, and most of `/model` is tried
without one.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from golden_cases import TINY
from openai_server import PIECES, running

from cli.chat import converse
from cli.render import Screen
from configs.environment import load_settings
from core.answers import Answer, Finished, Progress, Retrieval, RetrievalSettings
from core.model_errors import ModelNotFound
from service.factory import build_app

Command = Callable[..., Any]
KB, QUESTION = "人事", "年假有几天"
IN_FORCE = re.compile("语言模型：(.*)")
MODES = re.compile(r"(语言模型|摘录原句) · [\d.]+ 秒")
SMALL = {"ANSWER_TOKENS": "16", "EMBEDDING": "lexical", "DEVICE": "cpu"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a knowledge base, a tiny ChatGLM under a large one's name, and a broken model."""
    folder = tmp_path_factory.mktemp("chat")
    (folder / "假期.txt").write_text("云杉公司假期规定\n员工入职满一年后有五天年假。\n", "utf-8")
    app = build_app(load_settings({"data_dir": folder / "data", "embedding": "lexical"}, environ={}))
    app.create(KB)
    app.add(KB, [folder / "假期.txt"])
    app.close()
    shutil.copytree(TINY / "v1_chat_tiny", folder / "weights" / "chatglm-6b")
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{", "utf-8")
    return folder


@pytest.fixture
def cli(command: Command, office: Path) -> Callable[..., Any]:
    def run(*arguments: str, **settings: str) -> Any:
        return command(office / "data", *arguments, **{"MODEL_DIR": str(office / "weights"), **SMALL, **settings})

    return run


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as found:
        yield found


def lines(*typed: str) -> str:
    return "".join(f"{line}\n" for line in typed)


def test_a_conversation_changes_its_model_and_survives_what_goes_wrong(cli: Any, office: Path) -> None:
    done = cli(
        "--kb",
        KB,
        stdin=lines(
            QUESTION,
            "/model",
            "/model nonsense",
            "/model chatglm-6b int5",
            "/model chatglm2-6b",
            f"/model {office / 'broken'}",
            QUESTION,
            "/model chatglm-6b int4",
            "/model",
            QUESTION,
            "/model extractive",
            QUESTION,
            "stop",
        ),
    )
    assert done.code == 0
    assert "/model" in done.out.splitlines()[0]
    first, second, third, last = IN_FORCE.findall(done.out)
    assert re.fullmatch(r"chatglm-6b \((bf16|fp32, exact)\) on cpu", first)
    assert re.fullmatch(r"chatglm-6b \(int4(, exact)?\) on cpu", second)
    assert (third, last) == (second, "extractive")
    assert MODES.findall(done.out) == ["语言模型", "语言模型", "语言模型", "摘录原句"]
    assert "五天年假" in done.out.rpartition("extractive")[2]
    assert done.out.rstrip().endswith("再见。")
    assert "nonsense" in done.err
    assert "int5" in done.err
    assert "models download chatglm2-6b" in done.err
    assert str(office / "broken" / "config.json") in done.err
    assert "100%" not in done.err, "no progress bar where nobody sees it"


def test_ask_json_is_written_by_the_model(cli: Any) -> None:
    done = cli("ask", QUESTION, "--kb", KB, "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["mode"], done.json["refused"], done.json["question"]) == ("llm", False, QUESTION)
    assert done.json["answer"]
    assert done.json["nearest_misses"] == []


def test_on_a_server_the_wrong_name_is_told_and_can_be_changed(cli: Any, address: str) -> None:
    typed = lines(QUESTION, "/model", "/model tiny", QUESTION)
    settings = {"LLM": "nonsense", "LLM_URL": f"{address}/good/cli/v1", "LLM_API_KEY": "sk-very-secret"}
    done = cli("--kb", KB, stdin=typed, lang="en", **settings)
    assert done.code == 0
    assert "Set KNOWGLM_LLM to a model that the server has: tiny" in done.err
    assert re.findall("Language model: (.*)", done.out) == [
        f"{name} at {address}/good/cli/v1" for name in ("nonsense", "tiny")
    ]
    assert "".join(PIECES) in done.out
    assert "sk-very-secret" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("models", "list"), 0), (("models", "doctor"), 1), (("--kb", KB), 1)],
    ids=lambda value: None,
)
def test_a_broken_model_of_one_s_own_is_named(cli: Any, office: Path, arguments: Sequence[str], code: int) -> None:
    done = cli(*arguments, LLM=str(office / "broken"))
    assert done.code == code
    assert "broken" in done.out + done.err
    if arguments != ("models", "list"):
        assert "config.json" in done.out + done.err


def test_a_broken_model_does_not_keep_one_from_one_s_documents(cli: Any, office: Path) -> None:
    done = cli("kb", "files", KB, "--json", LLM=str(office / "broken"))
    assert [file["name"] for file in done.json["files"]] == ["假期.txt"]


# --- `/model` without a process ------------------------------------------------------------------------------------


class Changes:
    """An application that only notes what is changed."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.asked: list[tuple[str, list[str]]] = []
        self.model_in_force = "chatglm-6b"

    def files(self, _: str) -> list[Any]:
        return []

    def notices(self, _: str) -> list[Any]:
        return []

    def use_model(self, progress: Any, **changes: Any) -> str:
        self.changes.append(changes)
        progress(Progress(1, 2, "layer"))
        if changes["llm"] == "missing":
            raise ModelNotFound(name="missing", tried="nowhere")
        self.model_in_force = changes["llm"]
        return self.model_in_force

    def ask(self, question: str, _: str, history: Sequence[Any]) -> Iterator[Finished]:
        self.asked.append((question, [turn.question for turn in history]))
        retrieval = Retrieval(question, (), (), RetrievalSettings(1, 0, 0, 0, 100), 0.0)
        yield Finished(Answer(question, "答", False, "llm", (), retrieval, "", 0.0))


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Changes, str]]:
    """Type lines, and return what the application was told and what the screen showed."""

    def type_in(*typed: str) -> tuple[Changes, str]:
        app, waiting = Changes(), iter(typed)

        def read(_: str) -> str:
            try:
                return next(waiting)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        converse(app, KB, Screen("zh"))  # type: ignore[arg-type]
        shown = capsys.readouterr()
        return app, shown.out + shown.err

    return type_in


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("/model", []),
        ("  /model  ", []),
        ("/model glm", [{"llm": "glm", "precision": "auto"}]),
        ("/model  glm\tint4 ", [{"llm": "glm", "precision": "int4"}]),
        ("/model ~/glm fp16", [{"llm": "~/glm", "precision": "fp16"}]),
    ],
)
def test_model_takes_a_name_and_a_precision(talk: Any, typed: str, changes: list[dict[str, str]]) -> None:
    app, shown = talk(typed)
    assert (app.changes, app.asked) == (changes, [])
    assert IN_FORCE.findall(shown) == [changes[0]["llm"] if changes else "chatglm-6b"]


@pytest.mark.parametrize(
    "typed", ['/model "/my models/glm" int4', r"/model /my\ models/glm int4"], ids=["quoted", "escaped"]
)
def test_a_folder_may_have_a_blank_in_its_name(talk: Any, typed: str) -> None:
    app, _ = talk(typed)
    assert app.changes == [{"llm": "/my models/glm", "precision": "int4"}]


def test_too_many_words_change_nothing(talk: Any) -> None:
    app, _ = talk("/model glm int4 cuda:1")
    assert app.changes == []


@pytest.mark.parametrize("typed", ["model glm", "/models", "/modelglm", "what does /model do"])
def test_anything_else_is_a_question(talk: Any, typed: str) -> None:
    app, _ = talk(typed)
    assert (app.changes, app.asked) == ([], [(typed, [])])


def test_the_conversation_goes_on_after_a_change_and_after_an_error(talk: Any) -> None:
    app, shown = talk("甲", "/model missing", "乙", "/model other", "丙", "clear", "丁")
    assert [question for question, _ in app.asked] == ["甲", "乙", "丙", "丁"]
    assert [history for _, history in app.asked] == [[], ["甲"], ["甲", "乙"], []]
    assert IN_FORCE.findall(shown) == ["other"]
    assert "models download missing" in shown
    assert shown.count("再见。") == 1
