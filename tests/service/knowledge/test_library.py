"""Knowledge bases as a whole: names, life cycle, several programs on one data directory, damage."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import (
    InvalidName,
    KnowledgeBaseExists,
    KnowledgeBaseNotFound,
    KnowledgeBaseProtected,
    StoreCorrupted,
)
from service.knowledge import library as library_module

ROOT = Path(__file__).resolve().parents[3]
App = Any
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
NAMES = {
    "chinese": "人力资源（2024）",
    "emoji": "📚资料👨‍👩‍👧",
    "rare": "𰻝𰻝面",
    "quotes": "他说\"好\"，'行'。",
    "percent": "100%_%s{name}",
    "sql": "x'; DROP TABLE manifest; --",
    "dots_inside": "v1.2..最终",
    "reserved": "CON",
    "hundred": "长" * 100,
    "tilde": "~",
    "dash": "-h",
}
BAD = {
    "traversal": "../../etc",
    "folder": "a/b",
    "absolute": "/etc/passwd",
    "backslash": "a\\b",
    "empty": "",
    "blank": "   ",
    "wide_blank": "　",
    "dot": ".",
    "dots": "..",
    "newline": "两\n行",
    "nul": "a\x00b",
    "escape": "\x1b[31m红",
    "too_long": "长" * 101,
    "surrogate": "半个\ud83d",
}


def names(app: App) -> list[str]:
    return [info.name for info in app.knowledge_bases()]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_pain_36_any_name_will_do(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]], name: str
) -> None:
    app = make_app()
    app.create(name)
    app.add(name, write(**{"假期.txt": LEAVE}))
    again = make_app()
    assert names(again) == ["samples", name]
    assert found(again, "年假", name) == {"假期.txt"}
    assert all(path.name.isascii() for path in again.settings.data_dir.glob("[!.]*"))
    again.delete(name)
    assert names(again) == ["samples"]
    assert [path.name for path in again.settings.data_dir.glob("[!.]*")] == ["samples"]


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_pain_55_what_looks_like_a_path_is_refused(app: App, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        app.create(name)
    for language in ("zh", "en"):
        caught.value.text(language).encode()
    assert not (tmp_path / "data").exists()
    with pytest.raises(KnowledgeBaseNotFound):
        app.files(name)


def test_a_name_is_the_same_in_both_normal_forms(app: App) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    assert composed != decomposed
    app.create(decomposed)
    with pytest.raises(KnowledgeBaseExists):
        app.create(composed)
    assert names(app) == ["samples", composed]
    app.delete(f"  {decomposed} ")
    assert names(app) == ["samples"]


def test_a_missing_knowledge_base_is_named_with_those_there_are(app: App) -> None:
    app.create("人事")
    for call in (
        app.files,
        app.delete,
        app.rebuild,
        app.notices,
        lambda kb: app.add(kb, []),
        lambda kb: app.ask("?", kb),
    ):
        with pytest.raises(KnowledgeBaseNotFound) as caught:
            call("财务")
        assert "财务" in caught.value.reason("zh")
        assert "人事" in caught.value.advice("zh")


def test_the_samples_are_there_and_cannot_be_deleted(app: App) -> None:
    assert names(app) == ["samples"]
    for call in (app.delete, app.create):
        with pytest.raises((KnowledgeBaseProtected, KnowledgeBaseExists)):
            call("samples")
    with pytest.raises(KnowledgeBaseProtected):
        app.delete(" samples ")
    assert names(app) == ["samples"]


def test_a_deleted_name_can_be_created_again_and_is_empty(app: App, write: Callable[..., list[Path]]) -> None:
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    app.delete("人事")
    with pytest.raises(KnowledgeBaseNotFound):
        app.files("人事")
    app.create("人事")
    assert app.files("人事") == []
    assert app.search("年假", "人事").hits == ()


def test_two_programs_see_each_others_work(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    first, second = make_app(), make_app()
    first.create("人事")
    second.add("人事", write(**{"假期.txt": LEAVE}))
    assert found(first, "年假", "人事") == {"假期.txt"}
    first.remove("人事", "假期.txt")
    assert found(second, "年假", "人事") == set()
    second.delete("人事")
    with pytest.raises(KnowledgeBaseNotFound):
        first.files("人事")


def test_a_knowledge_base_that_another_program_made_anew_is_the_new_one(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    """The page is open; at the command line the knowledge base is deleted and created again."""
    page, command_line = make_app(), make_app()
    page.create("人事")
    page.add("人事", write(**{"旧.txt": "旧的补贴规定：每天一百元。"}))
    command_line.delete("人事")
    command_line.create("人事")
    command_line.add("人事", write(**{"假期.txt": LEAVE}))
    assert found(page, "补贴一百元", "人事") == set()
    assert found(page, "年假", "人事") == {"假期.txt"}
    page.add("人事", write(**{"新.txt": "病毒检测须知。"}))
    assert found(command_line, "病毒检测", "人事") == {"新.txt"}


def test_one_of_several_threads_creates_it(make_app: Callable[..., App]) -> None:
    apps = [make_app() for _ in range(4)]
    barrier = threading.Barrier(4)

    def create(app: App) -> str:
        barrier.wait(10)
        try:
            app.create("人事")
        except KnowledgeBaseExists:
            return "exists"
        return "created"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, apps)) == ["created", "exists", "exists", "exists"]
    assert names(apps[0]) == ["samples", "人事"]


_DELETED_WHILE_SEARCHED = """
import sys, threading, time
from collections import Counter
from pathlib import Path
from configs.environment import load_settings
from service.factory import build_app

app = build_app(load_settings({"data_dir": sys.argv[1]}, environ={}))
seen = Counter()

def search(name, stop):
    while not stop.is_set():
        try:
            app.search("年假", name)
        except Exception as error:
            seen[type(error).__name__] += 1
            time.sleep(0.001)

for number in range(8):
    name, stop = f"人事{number}", threading.Event()
    app.create(name)
    app.add(name, [Path(sys.argv[2])])
    threads = [threading.Thread(target=search, args=(name, stop)) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    app.delete(name)
    time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    app.create(name)
    app.delete(name)
print(dict(seen), [info.name for info in app.knowledge_bases()])
"""


def test_deleting_while_others_search_harms_nobody(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    """In a process of its own: closing a connection that another thread is using takes the process down."""
    (path,) = write(**{"假期.txt": LEAVE * 200})
    done = subprocess.run(
        [sys.executable, "-c", _DELETED_WHILE_SEARCHED, str(make_app().settings.data_dir), str(path)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    errors = set(re.findall(r"'(\w+)':", done.stdout))
    assert "KnowledgeBaseNotFound" in errors
    assert errors <= {"KnowledgeBaseNotFound", "StoreClosed"}
    assert "['samples']" in done.stdout  # and no knowledge base but the samples


def test_a_data_directory_may_lie_in_the_home_folder(
    make_app: Callable[..., App], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment file or a service's unit does not expand the tilde as a shell does."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    make_app(data_dir="~/资料").create("人事")
    assert (tmp_path / "home" / "资料").is_dir()


def test_several_programs_may_start_at_once_on_a_new_data_directory(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first commands at the same time: both see that there are no samples yet."""
    barrier = threading.Barrier(2)
    copytree = library_module.shutil.copytree

    def together(*arguments: Any, **options: Any) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):  # one may well wait for the other
            barrier.wait(2)
        return copytree(*arguments, **options)

    monkeypatch.setattr(library_module.shutil, "copytree", together)
    apps = [make_app(), make_app()]
    with ThreadPoolExecutor(2) as pool:
        lists = list(pool.map(names, apps))
    assert lists == [["samples"], ["samples"]]


def test_a_start_cut_short_leaves_no_half_samples(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: Path, target: Path, **__: Any) -> None:
        Path(target).mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(library_module.shutil, "copytree", cut)
    with pytest.raises(KeyboardInterrupt):
        make_app().knowledge_bases()
    monkeypatch.undo()
    app = make_app()
    app.refresh_samples()
    assert len(app.files("samples")) > 5


def test_a_creation_cut_short_does_not_block_the_name(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power fails between the folder and its manifest."""

    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    app = make_app()
    for victim in ("__init__", "set_manifest"):
        with monkeypatch.context() as patch:
            patch.setattr(library_module.KnowledgeStore, victim, cut)
            with pytest.raises(KeyboardInterrupt):
                app.create(f"人事-{victim}")
        again = make_app()
        assert names(again) == ["samples"]
        again.create(f"人事-{victim}")
        assert names(again) == ["samples", f"人事-{victim}"]
        again.delete(f"人事-{victim}")


@pytest.fixture
def damaged(make_app: Callable[..., App], write: Callable[..., list[Path]]) -> App:
    """An application with a sound knowledge base 好 and a damaged one 坏."""
    app = make_app()
    for name in ("好", "坏"):
        app.create(name)
        app.add(name, write(**{"假期.txt": LEAVE}))
    folder = next(info.id for info in app.knowledge_bases() if info.name == "坏")
    app.close()
    for path in (app.settings.data_dir / folder).glob("kb.sqlite*"):
        path.write_bytes(b"no database, but long enough to be looked at " * 50)
    return make_app()


def test_a_damaged_knowledge_base_does_not_take_the_others_with_it(
    damaged: App, found: Callable[..., set[str]]
) -> None:
    assert found(damaged, "年假", "好") == {"假期.txt"}
    damaged.create("新")
    assert "好" in names(damaged)


def test_the_advice_for_a_damaged_knowledge_base_can_be_followed(
    damaged: App, make_app: Callable[..., App], found: Callable[..., set[str]]
) -> None:
    """ "Move this data file away and run `kb rebuild`": done literally, the originals are searchable again."""
    with pytest.raises(StoreCorrupted) as caught:
        damaged.files("坏")
    path = Path(caught.value.values["path"])
    path.rename(path.with_suffix(".damaged"))
    damaged.close()
    app = make_app()
    app.rebuild("坏")
    assert len(found(app, "年假", "坏")) == 1


def test_a_knowledge_base_of_a_newer_program_is_named_and_left_alone(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.create("人事")
    folder = next(info.id for info in app.knowledge_bases() if info.name == "人事")
    app.close()
    connection = sqlite3.connect(app.settings.data_dir / folder / "kb.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorrupted, match="99"):
        make_app().files("人事")


def test_a_process_killed_while_adding_is_no_obstacle(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    app = make_app()
    app.create("人事")
    (path,) = write(**{"假期.txt": LEAVE})
    app.close()
    probe = (
        "import os, sys; from pathlib import Path; from configs.environment import load_settings;"
        "from service.factory import build_app; from vectorstores import records;"
        "app = build_app(load_settings({'data_dir': sys.argv[1]}, environ={}));"
        "insert = records.insert_chunks; records.insert_chunks = lambda *a: (insert(*a), os._exit(9));"
        "app.add('人事', [Path(sys.argv[2])])"
    )
    killed = subprocess.run([sys.executable, "-c", probe, str(app.settings.data_dir), str(path)], cwd=ROOT, check=False)
    assert killed.returncode == 9
    again = make_app()
    assert again.files("人事") == []
    assert [file.outcome for file in again.add("人事", [path]).files] == ["added"]
    assert found(again, "年假", "人事") == {"假期.txt"}
