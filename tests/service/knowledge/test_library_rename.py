"""Renaming a knowledge base: everybody sees the new name, nobody is disturbed, nothing is ever half done."""

import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import (
    InvalidName,
    KnowledgeBaseBusy,
    KnowledgeBaseExists,
    KnowledgeBaseNotFound,
    KnowledgeBaseProtected,
    StoreCorrupted,
)
from service.knowledge import library as library_module
from service.knowledge.library import Library

ROOT = Path(__file__).resolve().parents[3]
App = Any
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n"


@pytest.fixture
def make_library(tmp_path: Path) -> Callable[[], Library]:
    """Open the same data directory as often as wanted, each time as another program would."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    return lambda: Library(tmp_path / "data", shipped, {})


@pytest.fixture
def library(make_library: Callable[[], Library]) -> Library:
    return make_library()


def test_it_keeps_its_documents_and_searches_go_on(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    app = make_app()
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    retriever = app.retriever("人事")
    app.rename("人事", "人力资源")
    assert [info.name for info in app.knowledge_bases()] == ["samples", "人力资源"]
    assert found(app, "年假", "人力资源") == {"假期.txt"}
    assert retriever.invoke("年假")[0].metadata["source"] == "假期.txt"
    with pytest.raises(KnowledgeBaseNotFound) as caught:
        app.files("人事")
    assert "人力资源" in caught.value.advice("zh")
    app.rebuild("人力资源")
    assert found(make_app(), "年假", "人力资源") == {"假期.txt"}


def test_the_store_that_is_open_stays_open(library: Library) -> None:
    store = library.create("旧")
    library.rename("旧", "新")
    assert library.open("新") is store
    assert store.manifest()["name"] == "新"


def test_other_programs_that_have_it_open_see_the_new_name(make_library: Callable[[], Library]) -> None:
    here, there = make_library(), make_library()
    here.create("旧")
    store = there.open("旧")
    here.rename("旧", "新")
    assert there.names() == ["新"]
    assert there.open("新") is store
    with pytest.raises(KnowledgeBaseNotFound):
        there.open("旧")
    there.rename("新", "更新")
    assert here.names() == ["更新"]
    here.delete("更新")
    assert there.names() == []


def test_the_old_name_is_free_and_the_new_one_is_taken(make_library: Callable[[], Library]) -> None:
    here, there = make_library(), make_library()
    first = here.create("旧")
    first.set_manifest(mark="first")
    here.rename("旧", "新")
    there.create("旧").set_manifest(mark="second")
    for library in (here, there):
        assert library.names() == ["旧", "新"] or library.names() == ["新", "旧"]
        assert library.open("新").manifest()["mark"] == "first"
        assert library.open("旧").manifest()["mark"] == "second"
        with pytest.raises(KnowledgeBaseExists):
            library.create("新")
        with pytest.raises(KnowledgeBaseExists):
            library.rename("旧", "新")
    here.delete("旧")
    assert there.names() == ["新"]
    assert there.open("新").manifest()["mark"] == "first"


def test_names_may_go_round_in_a_circle(library: Library) -> None:
    for name in "甲乙丙":
        library.create(name).set_manifest(first=name)
    for name, new in (("甲", "空"), ("乙", "甲"), ("丙", "乙"), ("空", "丙")):
        library.rename(name, new)
    assert {name: library.open(name).manifest()["first"] for name in library.names()} == {
        "甲": "乙",
        "乙": "丙",
        "丙": "甲",
    }
    assert len({info.id for info in library.infos()}) == 3


@pytest.mark.parametrize(
    ("name", "new"),
    [("hr", "HR"), ("ＨＲ", "HR"), ("人事１", "人事1"), ("臺灣", "台湾"), ("a", "á")],
    ids=["case", "width", "digits", "script", "accent"],
)
def test_what_differs_in_case_width_or_script_is_another_name(library: Library, name: str, new: str) -> None:
    library.create(name).set_manifest(mark="first")
    library.rename(name, new)
    assert library.names() == [new]
    library.create(name)
    with pytest.raises(KnowledgeBaseExists):
        library.rename(name, new)
    assert library.open(new).manifest()["mark"] == "first"


def test_what_differs_in_blanks_or_normal_form_alone_is_the_same_name(library: Library) -> None:
    library.create("café")
    for same in ("café", "  café　", unicodedata.normalize("NFD", "café")):
        library.rename(same, same)
        library.rename("café", same)
        assert library.names() == ["café"]


@pytest.mark.parametrize("new", ["", "　", "a/b", "..", "两\n行", "长" * 101], ids=list("123456"))
def test_a_name_that_could_not_be_created_cannot_be_given(library: Library, new: str) -> None:
    library.create("旧")
    with pytest.raises(InvalidName):
        library.rename("旧", new)
    assert library.names() == ["旧"]


def test_the_samples_keep_their_name_and_nobody_takes_it(app: App) -> None:
    app.create("旧")
    with pytest.raises(KnowledgeBaseProtected) as caught:
        app.rename(" samples", "新")
    assert "改名" in caught.value.reason("zh")
    with pytest.raises(KnowledgeBaseExists):
        app.rename("旧", "samples")
    with pytest.raises(KnowledgeBaseNotFound):
        app.rename("没有", "新")
    assert [info.name for info in app.knowledge_bases()] == ["samples", "旧"]


@pytest.mark.parametrize("cut_at", ["set_manifest", "write_name"])
def test_a_renaming_cut_short_leaves_the_old_name_or_the_new_one(
    make_library: Callable[[], Library], monkeypatch: pytest.MonkeyPatch, cut_at: str
) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    library = make_library()
    library.create("旧").set_manifest(mark="first")
    with monkeypatch.context() as patch:
        patch.setattr(
            *(library_module.KnowledgeStore, cut_at) if cut_at == "set_manifest" else (library_module, cut_at), cut
        )
        with pytest.raises(KeyboardInterrupt):
            library.rename("旧", "新")
    left = "旧" if cut_at == "set_manifest" else "新"
    for again in (library, make_library()):
        assert again.names() == [left]
        assert again.open(left).manifest()["mark"] == "first"
    library.rename(left, "完")
    assert library.names() == ["完"]


def test_a_creation_under_the_old_name_cut_short_blocks_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    library.create("旧")
    library.rename("旧", "新")
    with monkeypatch.context() as patch:
        patch.setattr(Library, "_free_folder", cut)
        with pytest.raises(KeyboardInterrupt):
            library.create("旧")
    library.create("旧")
    assert sorted(library.names()) == sorted(["旧", "新"])


def test_a_renamed_one_that_is_damaged_is_found_and_rebuilt_under_its_new_name(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    """ "Move this data file away and run `kb rebuild`", and meanwhile there is another one of the old name."""
    app = make_app()
    app.create("旧")
    app.add("旧", write(**{"假期.txt": LEAVE}))
    app.rename("旧", "新")
    app.create("旧")
    folder = next(info.id for info in app.knowledge_bases() if info.name == "新")
    app.close()
    for path in (app.settings.data_dir / folder).glob("kb.sqlite*"):
        path.write_bytes(b"no database, but long enough to be looked at " * 50)
    again = make_app()
    assert {info.name for info in again.knowledge_bases() if info.is_damaged} == {"新"}
    assert again.files("旧") == []
    with pytest.raises(StoreCorrupted) as caught:
        again.files("新")
    with pytest.raises(KnowledgeBaseExists):
        again.create("新")
    Path(caught.value.values["path"]).rename(Path(caught.value.values["path"]).with_suffix(".damaged"))
    again.close()
    last = make_app()
    last.rebuild("新")
    assert len(found(last, "年假", "新")) == 1
    assert last.files("旧") == []


def test_a_knowledge_base_of_an_older_program_can_be_renamed(make_library: Callable[[], Library]) -> None:
    library = make_library()
    folder = library.create("旧").folder
    (folder / "name.txt").unlink()
    library.rename("旧", "新")
    assert make_library().names() == ["新"]
    assert (folder / "name.txt").read_text("utf-8") == "新"


def test_a_deleted_knowledge_base_is_not_brought_back_by_a_file_that_comes_too_late(library: Library) -> None:
    """Adding goes on in another thread for a moment, and makes the folder of the originals anew."""
    store = library.create("旧")
    library.delete("旧")
    store.originals.folder.mkdir(parents=True)
    (store.originals.folder / ".partial-1").write_bytes(b"x")
    with pytest.raises(KnowledgeBaseNotFound):
        library.open("旧")
    library.create("旧")
    assert library.names() == ["旧"]


def test_opening_does_not_look_at_every_other_database(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        library.create(f"库{number}")
    library.rename("库7", "新")
    library.open("新")
    read, manifest = list[str](), library_module.KnowledgeStore.manifest

    def counted(store: Any) -> Any:
        read.append(store.folder.name)
        return manifest(store)

    monkeypatch.setattr(library_module.KnowledgeStore, "manifest", counted)
    library.open("新")
    library.open("库3")
    assert len(read) == 2


def test_one_of_several_that_want_a_name_gets_it(make_library: Callable[[], Library]) -> None:
    """Two creations and two renamings, each in a program of its own as far as locks go."""
    for round_ in range(5):
        libraries, together = [make_library() for _ in range(4)], threading.Barrier(4)
        for number in (0, 1):
            libraries[0].create(f"旧{round_}{number}")

        def want(number: int, wanted: str = f"名{round_}", old: str = f"旧{round_}") -> str:
            together.wait(10)  # noqa: B023 - used up before the next round
            try:
                if number < 2:
                    libraries[number].rename(f"{old}{number}", wanted)  # noqa: B023
                else:
                    libraries[number].create(wanted)  # noqa: B023
            except KnowledgeBaseExists:
                return "exists"
            return "got it"

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(want, range(4))) == ["exists"] * 3 + ["got it"]
        assert libraries[3].names().count(f"名{round_}") == 1


_PROCESS = """
import sys, time
from pathlib import Path
from core.errors import KnowledgeBaseExists, KnowledgeBaseNotFound
from service.knowledge.library import Library

data, number = Path(sys.argv[1]), int(sys.argv[2])
library = Library(data, data, {})
library.names()
print("ready", flush=True)
sys.stdin.readline()
won = []
for round_ in range(6):
    try:
        if number:
            library.rename(f"旧{number}-{round_}", f"名{round_}")
        else:
            library.create(f"名{round_}")
        won.append(round_)
    except KnowledgeBaseExists:
        pass
print(*won)
"""


def test_one_of_several_programs_that_want_a_name_gets_it(library: Library, tmp_path: Path) -> None:
    for number in (1, 2):
        for round_ in range(6):
            library.create(f"旧{number}-{round_}")
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(tmp_path / "data"), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in range(3)
    ]
    for program in programs:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
    won = sorted(int(round_) for program in programs for round_ in program.communicate("\n", timeout=60)[0].split())
    assert won == list(range(6))
    assert sorted(name for name in library.names() if name.startswith("名")) == sorted(f"名{n}" for n in range(6))


def test_while_it_is_renamed_again_and_again_others_find_it_under_one_name_or_the_other(
    make_library: Callable[[], Library],
) -> None:
    here, there, stop, wrong = make_library(), make_library(), threading.Event(), list[object]()
    here.create("甲").set_manifest(mark="it")

    def look() -> None:
        while not stop.is_set():
            names = there.names()
            if len(names) != 1 or names[0] not in ("甲", "乙"):
                wrong.append(names)
            for name in "甲乙":
                try:
                    if there.open(name).manifest()["mark"] != "it":
                        wrong.append(name)
                except KnowledgeBaseNotFound:
                    pass

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        here.rename("甲", "乙")
        here.rename("乙", "甲")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_a_program_that_died_while_it_renamed_is_no_obstacle(library: Library, tmp_path: Path) -> None:
    library.create("旧")
    script = (
        "import os, sys; from pathlib import Path; from service.knowledge import library;"
        "library.write_name = lambda *_: os.kill(os.getpid(), 9);"
        "data = Path(sys.argv[1]); library.Library(data, data, {}).rename('旧', '新')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "data")], cwd=ROOT, timeout=60, check=False)
    assert done.returncode not in (0, 1)
    assert library.names() == ["新"]
    began = time.monotonic()
    library.rename("新", "完")
    assert time.monotonic() - began < 5


def test_who_waits_too_long_for_another_program_is_told(
    make_library: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "_PATIENCE_S", 0.05)
    here, there = make_library(), make_library()
    here.create("旧")
    with here._naming("旧"):
        with pytest.raises(KnowledgeBaseBusy):
            there.rename("旧", "新")
        assert there.open("旧").manifest()["name"] == "旧"  # who only searches waits for nobody
    there.rename("旧", "新")
