"""What is kept of answers: whole, bounded, private, readable later; and a retrieval run again."""

import json
import os
import stat
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings, ScriptedChat
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.retrieve import retrieve
from core.answers import Answer, Finished, Retrieval, RetrievalSettings
from core.errors import TraceNotFound, TraceNotReplayable, TraceUnreadable
from core.messages import Message, literal
from core.traces import ReplayReport, Trace
from service.answers.trace_json import SCHEMA, read_trace, trace_json
from service.answers.traces import TraceStore, kb_version, replay, searched_kbs

App = Any
ROOT = Path(__file__).resolve().parents[3]
KB = "人事"
QUESTION = "年假有几天？"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
TRAVEL = "云杉公司差旅规定\n出差补贴每天一百元，住宿标准为每晚四百元。\n"


def a_trace(created: float = 1_763_652_600.417, question: str = QUESTION) -> Trace:
    retrieval = Retrieval(question, (), (), RetrievalSettings(5, 0.3, 0.5, 500, 2000), 0.01)
    return Trace(Answer(question, "不知道。", True, "extractive", (), retrieval, "", 0.02), kbs=(KB,), created=created)


@pytest.fixture
def store(tmp_path: Path) -> TraceStore:
    return TraceStore(tmp_path / ".traces", keep=5)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / ".traces").iterdir())


# --- as JSON and back ------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=8)
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    float: st.floats(-1e6, 1e6),
    Message: st.builds(literal, TEXT, TEXT),
    Mapping[str, Any]: st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=3),
}


def drawn(hint: Any) -> st.SearchStrategy[Any]:
    """Draw a value with every field drawn, those with defaults too: one that is not written comes back wrong."""
    inner = typing.get_args(hint)
    if hint in LEAVES:
        return LEAVES[hint]
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: drawn(hints[field.name]) for field in fields(hint)})
    if typing.get_origin(hint) is tuple:
        return st.lists(drawn(inner[0]), max_size=2).map(tuple)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return st.one_of(*map(drawn, inner))
    return st.from_type(hint)  # an integer, a truth value, None, or one of some words


@settings(max_examples=40, deadline=None)
@given(drawn(Trace))
def test_every_trace_comes_back_as_it_was(trace: Trace) -> None:
    trace = replace(trace, answer=replace(trace.answer, trace_id=trace.id))
    assert read_trace(json.loads(json.dumps(trace_json(trace)))) == trace


def assert_holds(value: Any, part: Any) -> None:
    """Check that a JSON value holds all of another one, whatever fields have been added."""
    if isinstance(part, dict):
        for name in part:
            assert_holds(value[name], part[name])
    elif isinstance(part, list):
        for one, other in zip(value, part, strict=True):
            assert_holds(one, other)
    else:
        assert value == part


def test_a_file_of_schema_1_is_read_whatever_comes_later(store: TraceStore, tmp_path: Path) -> None:
    chunk = {
        "chunk_id": 7, "document_id": 2, "ordinal": 0, "source": "假期.txt", "heading": "年假", "kind": "text",
        "page": 3, "slide": None, "sheet": None, "row": None, "start": 10, "end": 22, "text": "员工有五天年假。",
    }  # fmt: skip
    support = {"support": {"start": 10, "end": 18}, "problems": [{"zh": "缺 {{x}}", "en": "no {{x}}"}]}
    limits = {"top_k": 5, "threshold": 0.3, "dense_weight": 0.25, "passage_chars": 500, "context_chars": 2000}
    scores = {"relevance": 0.5, "scores": {"lexical": 0.4, "dense": None}}
    written = {
        "schema": 1,
        "id": "20251120-153000-417-4f2a",
        "created": 1763652600.417,
        "kb": KB,
        "kb_version": "ab.3",
        "language": "zh",
        "settings": {"prompt": "default"},
        "history": [{"question": "有年假吗？", "answer": "有。"}],
        "answer": {
            "question": "几天？",
            "rewritten": QUESTION,
            "mode": "llm",
            "model": "chatglm-6b",
            "prompt": "human: 几天？",
            "left_out": {"turns": 1, "passages": 2},
            "text": "五天 [1]。",
            "refused": False,
            "citations": [{"n": 1, "relevance": 0.5, "start": 10, "end": 18, "quote": "五天", "chunk": chunk}],
            "removed_citations": [9],
            "grounding": {
                "score": 1.0,
                "verdicts": [{"start": 0, "end": 7, "level": "partly", "score": 0.5, "passage": 1, **support}],
            },
            "seconds": 2.5,
        },
        "retrieval": {
            "question": QUESTION,
            "settings": limits,
            "hits": [{"rank": 1, **scores, "dropped_by": None, "chunk": chunk}],
            "passages": [{"relevance": 0.5, "start": 0, "end": 40, "text": "……", "chunk": chunk}],
            "seconds": 0.01,
        },
    }
    id = store.save(a_trace())
    files(tmp_path)[0].write_text(json.dumps(written), "utf-8")
    trace = store.load(id)
    assert SCHEMA == 1
    assert_holds(trace_json(trace), written)
    assert (trace.kbs, trace.answer.citations[0].chunk.kb) == ((KB,), "")
    assert trace.answer.trace_id == "20251120-153000-417-4f2a"
    assert trace.answer.citations[0].chunk == trace.answer.retrieval.hits[0].chunk
    assert trace.answer.grounding is not None
    assert trace.answer.grounding.verdicts[0].problems[0].text("zh") == "缺 {x}"


# --- in the folder ---------------------------------------------------------------------------------------------------


def test_the_newest_stay_and_are_listed_first(store: TraceStore, tmp_path: Path) -> None:
    ids = [store.save(a_trace(created=1000.0 + n / 100, question=f"第 {n} 问")) for n in range(8)]
    assert [summary.question for summary in store.summaries()] == [f"第 {n} 问" for n in (7, 6, 5, 4, 3)]
    assert [summary.id for summary in store.summaries(limit=2)] == [ids[7], ids[6]]
    assert len(files(tmp_path)) == 5
    assert ids[7].startswith("19700101-001640-070-")
    kept = store.load(ids[5])
    assert (kept.id, kept.answer.trace_id, kept.answer.question, kept.created) == (ids[5], ids[5], "第 5 问", 1000.05)
    store.clear()
    assert (store.summaries(), files(tmp_path)) == ([], [])


def test_nothing_is_written_where_traces_are_off(tmp_path: Path) -> None:
    off = TraceStore(tmp_path / ".traces", keep=0)
    assert (off.save(a_trace()), off.summaries(), off.notices()) == ("", [], [])
    assert list(tmp_path.iterdir()) == []
    kept = TraceStore(tmp_path / ".traces", keep=5).save(a_trace())
    assert (off.save(a_trace()), [summary.id for summary in off.summaries()]) == ("", [kept])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_only_the_owner_may_read(store: TraceStore, tmp_path: Path) -> None:
    store.save(a_trace())
    assert stat.S_IMODE((tmp_path / ".traces").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)] == [0o600]


def test_threads_and_processes_never_take_each_others_place(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / ".traces", keep=1000)
    program = (
        "import sys, pathlib, test_traces as t; store = t.TraceStore(pathlib.Path(sys.argv[1]), 1000)\n"
        "for _ in range(60): print(store.save(t.a_trace()))"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / ".traces")]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "service" / "answers")))
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as other:
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda _: store.save(a_trace()), range(200)))
        assert other.stdout is not None
        theirs = other.stdout.read().split()
    ids += theirs
    assert len(theirs) == 60
    assert len(set(ids)) == 260
    assert {summary.id for summary in store.summaries()} == set(ids)


def test_an_id_that_is_taken_is_not_given_again(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits = iter(["aaaa", "aaaa", "bbbb", "aaaa", "cccc", "dddd"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(bits))
    first, second = store.save(a_trace()), store.save(a_trace())
    (tmp_path / ".traces" / f".{first[:-4]}cccc.part").touch()  # being written by somebody else
    assert [id[-4:] for id in (first, second, store.save(a_trace()))] == ["aaaa", "bbbb", "dddd"]


def test_what_cannot_be_written_whole_is_not_there_and_costs_no_answer(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        assert store.save(a_trace()) == ""
    assert files(tmp_path) == []
    assert "No space left on device" in store.notices()[0].text("en")
    assert store.save(a_trace())
    assert store.notices() == []


def test_what_a_crash_left_goes_with_time(store: TraceStore, tmp_path: Path) -> None:
    store.save(a_trace())
    old, new = (tmp_path / ".traces" / f".20251120-153000-000-{n}.part" for n in ("0000", "1111"))
    for part in (old, new):
        part.touch()
    os.utime(old, (0, 0))
    store.save(a_trace())
    assert (old.exists(), new.exists(), len(store.summaries())) == (False, True, 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"schema": 1, "id"',
        b"\xff\xfe",
        b"[]",
        b'"schema"',
        b'{"schema": 1}',
        b'{"schema": 2}',
        b'{"schema": []}',
    ],
    ids=["empty", "half", "binary", "list", "text", "fields_missing", "newer", "odd_schema"],
)
def test_a_damaged_file_is_left_out_of_the_list_and_named_by_load(
    store: TraceStore, tmp_path: Path, content: bytes
) -> None:
    good = store.save(a_trace(created=1.0))
    bad = store.save(a_trace(created=2.0))
    (tmp_path / ".traces" / f"{bad}.json").write_bytes(content)
    assert [summary.id for summary in store.summaries(limit=1)] == [good]
    with pytest.raises(TraceUnreadable, match=bad) as caught:
        store.load(bad)
    assert "读不出来" in caught.value.text("zh")


@pytest.mark.parametrize(
    "id",
    ["", "4f2a", "../x", "20251120-153000-417-zzzz", "20251120-153000-417-4f2a", "\ud83d"],
    ids=["empty", "end", "path", "letters", "mistyped", "surrogate"],
)
def test_an_unknown_id_is_an_error_that_names_the_nearest(store: TraceStore, tmp_path: Path, id: str) -> None:
    known = store.save(a_trace(created=1.0))
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(TraceNotFound) as caught:
        store.load(id)
    assert known in caught.value.text("zh")
    assert caught.value.http_status == 404
    with pytest.raises(TraceNotFound, match="–"):
        TraceStore(tmp_path / "none", keep=1).load(id)


def test_halves_of_characters_do_not_keep_a_trace_from_being_written(store: TraceStore) -> None:
    assert store.load(store.save(a_trace(question="半\ud83d个"))).answer.question == "半?个"


# --- run again -------------------------------------------------------------------------------------------------------


@pytest.fixture
def kb(make_app: Callable[..., App], tmp_path: Path) -> App:
    """An application with a dense leg and one knowledge base."""
    app = make_app(embeddings=HashedEmbeddings(), llm=ScriptedChat(pieces=["五天", "[1]。"]))
    app.create(KB)
    add(app, tmp_path, "假期.txt", LEAVE)
    add(app, tmp_path, "差旅.txt", TRAVEL)
    return app


def add(app: App, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert not app.add(KB, [tmp_path / name]).failed


def asked(app: App) -> Trace:
    answer = next(event.answer for event in app.ask(QUESTION, KB) if isinstance(event, Finished))
    return Trace(answer, (KB,), kb_version([app.retriever(KB).store.manifest()]))


def replayed(app: App, trace: Trace) -> ReplayReport:
    today = app.retriever(searched_kbs(trace))
    return replay(
        trace,
        lambda question, then: retrieve(question, today.store, then, today.dense),
        kb_version=kb_version([today.store.manifest()]),
        settings=today.settings,
    )


def kinds(report: ReplayReport) -> dict[tuple[str, int], tuple[str, ...]]:
    hits = [(change.before or change.after, change) for change in report.changes]
    return {(hit.chunk.source, hit.chunk.ordinal): change.kinds for hit, change in hits if hit is not None}


def test_an_unchanged_retrieval_is_identical(kb: App, store: TraceStore) -> None:
    trace = store.load(store.save(asked(kb)))
    assert trace.answer.prompt
    assert [hit.dense is not None for hit in trace.answer.retrieval.hits] == [True, True]
    report = replayed(kb, trace)
    assert (report.identical, report.kb_changed, report.changes, report.settings_changed) == (True, False, (), ())


def test_a_rebuild_gives_new_ids_and_the_same_retrieval(kb: App) -> None:
    trace = asked(kb)
    kb.rebuild(KB)
    report = replayed(kb, trace)
    then, now = ({hit.chunk.id for hit in one.hits} for one in (trace.answer.retrieval, report.retrieval))
    assert then.isdisjoint(now)
    assert (report.identical, report.kb_changed) == (True, True)


def test_what_came_and_what_went_is_reported(kb: App, tmp_path: Path) -> None:
    trace = asked(kb)
    kb.remove(KB, "差旅.txt")
    add(kb, tmp_path, "新规.txt", "年假有几天？自今年起，年假有十天。\n")
    report = replayed(kb, trace)
    assert (report.identical, report.kb_changed, report.same_passages) == (False, True, False)
    changed = kinds(report)
    assert changed["差旅.txt", 0] == ("went",)
    assert changed["新规.txt", 0] == ("came",)
    assert set(changed["假期.txt", 0]) >= {"moved", "rescored"}


def test_the_settings_of_then_are_used_and_those_of_now_are_told(kb: App, make_app: Callable[..., App]) -> None:
    trace = asked(kb)
    today = make_app(embeddings=HashedEmbeddings(), threshold=0.95, top_k=1)
    report = replayed(today, trace)
    assert report.identical
    assert {(change.name, change.now) for change in report.settings_changed} == {("threshold", 0.95), ("top_k", 1)}


def test_scores_count_as_changed_beyond_what_arithmetic_does(kb: App) -> None:
    trace = asked(kb)
    first, *others = trace.answer.retrieval.hits

    def report(**changed: Any) -> ReplayReport:
        now = replace(trace.answer.retrieval, hits=(replace(first, **changed), *others))
        return replay(trace, lambda *_: now)

    assert report(relevance=first.relevance + 5e-7, lexical=first.lexical - 5e-7).identical
    assert report(dense=(first.dense or 0) + 2e-6).changes[0].kinds == ("rescored",)
    assert report(dense=None).changes[0].kinds == ("rescored",)
    assert report(dropped_by="budget").changes[0].kinds == ("refated",)
    assert report(chunk=replace(first.chunk, start=1)).changes[0].kinds == ("relocated",)
    assert report().kb_changed is None


def test_other_passages_of_the_same_candidates_are_not_identical(kb: App) -> None:
    trace = asked(kb)
    assert trace.answer.retrieval.passages
    report = replay(trace, lambda *_: replace(trace.answer.retrieval, passages=()))
    assert (report.changes, report.same_passages, report.identical) == ((), False, False)


def test_equal_texts_of_one_file_are_told_apart(kb: App) -> None:
    trace = asked(kb)
    first = trace.answer.retrieval.hits[0]
    twins = replace(trace.answer.retrieval, hits=(first, replace(first, rank=2)))
    trace = replace(trace, answer=replace(trace.answer, retrieval=twins))
    assert replay(trace, lambda *_: twins).identical
    (gone,) = replay(trace, lambda *_: replace(twins, hits=twins.hits[:1])).changes
    assert (gone.kinds, gone.before) == (("went",), twins.hits[1])


def test_an_answer_that_searched_no_knowledge_base_is_not_replayed() -> None:
    trace = a_trace()
    assert searched_kbs(trace) == (KB,)
    not_searched = replace(trace.answer, retrieval=replace(trace.answer.retrieval, seconds=0.0))
    for other in (replace(trace, kbs=()), replace(trace, answer=not_searched)):
        with pytest.raises(TraceNotReplayable):
            searched_kbs(other)
