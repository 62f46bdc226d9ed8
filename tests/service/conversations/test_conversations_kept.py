"""Conversations as they are kept: whole, for their owner only, through restarts, crashes and crowds."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_texts import EDGE_TEXTS

from core.answers import Answer, Citation, DroppedBy, Hit, LeftOut, Passage, Retrieval, RetrievalSettings, Turn
from core.conversation_errors import (
    ConversationNotFound,
    ConversationsClosed,
    ConversationsUnreadable,
    ConversationsUnwritable,
    ExchangeNotFound,
)
from core.documents import Chunk
from core.grounding import Grounding, Verdict
from core.messages import literal
from service.conversations.store import Conversations

Open = Callable[[], Conversations]
ROOT = Path(__file__).resolve().parents[3]
ME, OTHER = "张三", "李四"
QUESTION = "年假有几天？"
SETTINGS = RetrievalSettings(5, 0.3, 0.5, 500, 2000)


def a_hit(rank: int, dropped_by: DroppedBy | None, kb: str = "人事") -> Hit:
    text = f"第 {rank} 段：每年有五天年假。"
    chunk = Chunk(rank, 1, rank, 0, len(text), text, "手册.docx", "假期 > 年假", "text", 3, None, None, None, kb)
    return Hit(chunk, rank, 1 / rank, 1 / rank, None, dropped_by)


def an_answer(text: str = "五天 [1]。", **changes: Any) -> Answer:
    """Return an answer in which every field says something."""
    low: Sequence[DroppedBy] = ["threshold"] * 5
    fates: Sequence[DroppedBy | None] = (None, "duplicate", None, *low)
    hits = tuple(a_hit(rank, fate) for rank, fate in enumerate(fates, start=1))
    chunk = hits[0].chunk
    answer = Answer(
        question=QUESTION,
        text=text,
        refused=False,
        mode="llm",
        citations=(Citation(1, chunk, 4, 8, 1.0, "五天年假"),),
        retrieval=Retrieval("入职满一年有几天年假？", hits, (Passage(chunk, 0, 20, chunk.text, 1.0),), SETTINGS, 0.01),
        prompt="human: 年假有几天？",
        seconds=1.5,
        rewritten="入职满一年有几天年假？",
        grounding=Grounding((Verdict(0, 6, "partly", 0.5, 1, 4, 8, (literal("缺 {x}", "no {x}"),)),), 0.5),
        removed_citations=(9,),
        left_out=LeftOut(1, 2),
        model="chatglm-6b int4 cpu",
        trace_id="20251120-153000-417-4f2a",
    )
    return replace(answer, **changes)


def a_refusal() -> Answer:
    return an_answer("没有找到。", refused=True, mode="none", citations=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations" / "conversations.sqlite"


@pytest.fixture
def reopened(path: Path) -> Iterator[Open]:
    """Open the file once more, as another start of the program or another process does."""
    opened: list[Conversations] = []

    def open_again() -> Conversations:
        opened.append(Conversations(path))
        return opened[-1]

    yield open_again
    for conversations in opened:
        conversations.close()


@pytest.fixture
def kept(reopened: Open) -> Conversations:
    return reopened()


def asked(kept: Conversations, id: str, question: str = QUESTION, answer: Answer | None = None) -> int:
    exchange = kept.begin(ME, id, question)
    kept.finish(ME, exchange, answer or an_answer())
    return exchange


def states(kept: Conversations, id: str) -> list[str]:
    return [exchange.state for exchange in kept.load(ME, id).exchanges]


def altered(path: Path, sql: str, *values: object) -> None:
    """Change the file behind the program's back."""
    connection = sqlite3.connect(path)
    connection.execute(sql, values)
    connection.commit()
    connection.close()


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_chats_are_not_lost_on_reload_or_restart(kept: Conversations, reopened: Open) -> None:
    id = kept.create(ME, ["人事", "samples", "人事"], "kb+web")
    asked(kept, id)
    before = kept.load(ME, id)
    kept.close()
    after = reopened()
    assert after.load(ME, id) == before
    assert (before.kbs, before.mode, before.title) == (("人事", "samples"), "kb+web", QUESTION)
    assert [line.id for line in after.list(ME)] == [id]


def test_an_answer_comes_back_with_all_that_the_page_shows(kept: Conversations, reopened: Open) -> None:
    id, answer = kept.create(ME, ["人事"], "kb"), an_answer()
    exchange = asked(kept, id, answer=answer)
    kept.rate(ME, exchange, 1)
    (loaded,) = reopened().load(ME, id).exchanges
    assert (loaded.id, loaded.question, loaded.state, loaded.text) == (exchange, QUESTION, "done", answer.text)
    assert loaded.rating == 1
    assert abs(loaded.created - time.time()) < 60
    assert loaded.answer is not None
    assert replace(loaded.answer, retrieval=answer.retrieval) == answer
    hits = loaded.answer.retrieval.hits
    assert [hit.rank for hit in hits] == [1, 3, 4, 5, 6], "those that were used and the three nearest misses"
    assert replace(answer.retrieval, hits=hits) == loaded.answer.retrieval
    assert loaded.answer.retrieval.nearest_misses == answer.retrieval.nearest_misses


@pytest.mark.parametrize("name", EDGE_TEXTS)
def test_any_text_comes_back_as_it_was(kept: Conversations, name: str) -> None:
    id = kept.create(ME, [EDGE_TEXTS[name]], "kb")
    asked(kept, id, EDGE_TEXTS[name], an_answer(EDGE_TEXTS[name]))
    conversation = kept.load(ME, id)
    assert (conversation.kbs, conversation.exchanges[0].question) == ((EDGE_TEXTS[name],), EDGE_TEXTS[name])
    assert conversation.exchanges[0].text == EDGE_TEXTS[name]


def test_halves_of_characters_do_not_stop_it(kept: Conversations) -> None:
    id = kept.create("张\ud800", ["库\udfff"], "kb")
    kept.stop("张\ud800", kept.begin("张\ud800", id, "问\ud800"), "答\udfff")
    kept.rename("张\ud800", id, "题\ud800")
    conversation = kept.load("张\ud800", id)
    exchange = conversation.exchanges[0]
    assert (conversation.title, conversation.kbs, exchange.question, exchange.text) == ("题?", ("库?",), "问?", "答?")
    assert [line.id for line in kept.list("张\ud800", "答\udfff")] == [id]
    with pytest.raises(ConversationNotFound):
        kept.load(ME, "\ud800")


@pytest.mark.parametrize("how", ["stop", "fail"])
def test_what_was_written_before_the_end_stays(kept: Conversations, how: str) -> None:
    id = kept.create(ME, [], "chat")
    exchange = kept.begin(ME, id, QUESTION)
    assert states(kept, id) == ["writing"]
    getattr(kept, how)(ME, exchange, "入职满")
    (loaded,) = kept.load(ME, id).exchanges
    assert (loaded.state, loaded.text, loaded.answer) == ({"stop": "stopped", "fail": "failed"}[how], "入职满", None)


def test_how_an_exchange_ended_is_said_once(kept: Conversations) -> None:
    id = kept.create(ME, [], "kb")
    stopped, done = kept.begin(ME, id, "一"), kept.begin(ME, id, "二")
    kept.stop(ME, stopped, "半句")
    kept.finish(ME, stopped, an_answer())
    kept.finish(ME, done, an_answer())
    kept.fail(ME, done, "too late")
    first, second = kept.load(ME, id).exchanges
    assert (first.state, first.text, first.answer) == ("stopped", "半句", None)
    assert (second.state, second.text) == ("done", an_answer().text)


def test_only_the_owner_of_the_files_can_read_them(kept: Conversations, path: Path) -> None:
    assert not path.exists(), "nothing is made before it is wanted"
    kept.begin(ME, kept.create(ME, [], "kb"), QUESTION)
    if os.name == "posix":
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.with_name(f"{path.name}-wal").stat().st_mode) == 0o600


# --- what users do with them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "title"),
    [
        (QUESTION, QUESTION),
        ("  年假\n有\t几天\x00？ ", "年假 有 几天 ？"),
        ("长" * 40, "长" * 40),
        ("长" * 41, "长" * 39 + "…"),
        ("年假 " * 200_000, ("年假 " * 13).rstrip() + "…"),
    ],
    ids=["as_it_is", "one_line", "just_fits", "too_long", "a_pasted_text"],
)
def test_the_title_is_the_first_question_until_renamed(kept: Conversations, question: str, title: str) -> None:
    id = kept.create(ME, [], "kb")
    assert kept.load(ME, id).title == ""
    asked(kept, id, question)
    asked(kept, id, "第二问")
    assert kept.load(ME, id).title == kept.list(ME)[0].title == title
    kept.rename(ME, id, " 我的\n对话 ")
    assert kept.load(ME, id).title == kept.list(ME)[0].title == "我的 对话"
    kept.rename(ME, id, " ")
    assert kept.list(ME)[0].title == title


def test_the_latest_conversation_comes_first(kept: Conversations, path: Path) -> None:
    one, two, three = (kept.create(ME, [str(n)], "kb") for n in range(3))
    assert [line.id for line in kept.list(ME)] == [three, two, one]
    exchange = kept.begin(ME, one, QUESTION)
    assert [line.id for line in kept.list(ME)] == [one, three, two]
    asked(kept, two)
    kept.rename(ME, three, "改名不算")
    assert [line.id for line in kept.list(ME)] == [two, one, three]
    kept.finish(ME, exchange, an_answer())
    assert [(line.id, line.kbs, line.exchanges) for line in kept.list(ME)] == [
        (one, ("0",), 1),
        (two, ("1",), 1),
        (three, ("2",), 0),
    ]
    altered(path, "UPDATE conversations SET updated = 1")  # all within one tick of the clock
    assert [line.id for line in kept.list(ME)] == [three, two, one]


def test_a_retry_takes_the_last_question_back(kept: Conversations) -> None:
    id = kept.create(ME, [], "kb")
    asked(kept, id, "一")
    exchange = kept.begin(ME, id, "二")
    assert kept.drop_last(ME, id) == "二"
    with pytest.raises(ExchangeNotFound):
        kept.finish(ME, exchange, an_answer())
    again = kept.begin(ME, id, "二")
    assert again > exchange, "a late answer to the first try must not become that of the second"
    kept.clear(ME, id)
    assert kept.load(ME, id).exchanges == ()
    with pytest.raises(ExchangeNotFound):
        kept.drop_last(ME, id)


def test_what_is_deleted_is_gone(kept: Conversations, path: Path) -> None:
    id, other = kept.create(ME, [], "kb"), kept.create(ME, [], "kb")
    asked(kept, id)
    asked(kept, other)
    kept.delete(ME, id)
    assert [line.id for line in kept.list(ME)] == [other]
    with pytest.raises(ConversationNotFound):
        kept.load(ME, id)
    connection = sqlite3.connect(path)
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("exchanges", "answers")]
    connection.close()
    assert counts == [(1,), (1,)]


def test_knowledge_bases_and_mode_can_change(kept: Conversations) -> None:
    id = kept.create(ME, ["人事"], "kb")
    kept.choose(ME, id, mode="chat")
    kept.choose(ME, id, kbs=["财务", "人事", "财务"])
    conversation = kept.load(ME, id)
    assert (conversation.kbs, conversation.mode) == (("财务", "人事"), "chat")
    with pytest.raises(ValueError, match="no such mode"):
        kept.create(ME, [], "sql")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no such mode"):
        kept.choose(ME, id, mode="sql")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no such rating"):
        kept.rate(ME, asked(kept, id), 5)  # type: ignore[arg-type]


def test_a_renamed_knowledge_base_is_followed(kept: Conversations, path: Path) -> None:
    quoted = '人"事'
    mine, others = kept.create(ME, [quoted, "财务"], "kb"), kept.create(OTHER, ["人", quoted], "kb")
    answer = an_answer(retrieval=Retrieval(quoted, (a_hit(1, None, quoted), a_hit(2, None)), (), SETTINGS, 0.1))
    asked(kept, mine, quoted, answer)
    damaged = asked(kept, mine)
    altered(path, "UPDATE answers SET answer = ? WHERE exchange_id = ?", '{"人\\"事"', damaged)
    kept.rename_kb(quoted, "财务")
    kept.delete(OTHER, kept.create(OTHER, [], "kb"))
    altered(path, "DELETE FROM exchanges WHERE id = ?", damaged)
    conversation = kept.load(ME, mine)
    assert (conversation.kbs, kept.load(OTHER, others).kbs) == (("财务",), ("人", "财务"))
    assert conversation.exchanges[0].answer is not None
    retrieval = conversation.exchanges[0].answer.retrieval
    assert ([hit.chunk.kb for hit in retrieval.hits], retrieval.question) == (["财务", "人事"], quoted)


# --- what a follow-up rests on ---------------------------------------------------------------------------------------


def test_history_is_not_off_by_one(kept: Conversations) -> None:
    id = kept.create(ME, [], "kb")
    assert kept.history(ME, id) == []
    for n in range(4):
        asked(kept, id, f"问 {n}", an_answer(f"答 {n}"))
    assert kept.history(ME, id) == [Turn(f"问 {n}", f"答 {n}") for n in range(4)]
    kept.begin(ME, id, "现在的问题")
    assert len(kept.history(ME, id)) == 4


def test_no_welcome_refusal_or_source_is_fed_back_as_history(kept: Conversations) -> None:
    id = kept.create(ME, [], "kb")
    asked(kept, id, "你好", an_answer("您好！", mode="small_talk"))
    asked(kept, id, "火星有多远？", a_refusal())
    asked(kept, id, "只列段落", an_answer("", mode="none"))
    kept.stop(ME, kept.begin(ME, id, "停下的"), "半句")
    kept.fail(ME, kept.begin(ME, id, "失败的"), "内存不足")
    asked(kept, id, QUESTION, an_answer("五天 [1]。", mode="extractive"))
    assert kept.history(ME, id) == [Turn(QUESTION, "五天 [1]。")]


# --- whose they are --------------------------------------------------------------------------------------------------


CALLS: dict[str, Callable[[Conversations, str, int], object]] = {
    "load": lambda kept, mine, _: kept.load(OTHER, mine),
    "rename": lambda kept, mine, _: kept.rename(OTHER, mine, "我的了"),
    "delete": lambda kept, mine, _: kept.delete(OTHER, mine),
    "clear": lambda kept, mine, _: kept.clear(OTHER, mine),
    "choose": lambda kept, mine, _: kept.choose(OTHER, mine, kbs=["别的"], mode="chat"),
    "begin": lambda kept, mine, _: kept.begin(OTHER, mine, "我也问"),
    "drop_last": lambda kept, mine, _: kept.drop_last(OTHER, mine),
    "history": lambda kept, mine, _: kept.history(OTHER, mine),
    "finish": lambda kept, _, exchange: kept.finish(OTHER, exchange, an_answer("假的")),
    "stop": lambda kept, _, exchange: kept.stop(OTHER, exchange, "假的"),
    "fail": lambda kept, _, exchange: kept.fail(OTHER, exchange, "假的"),
    "rate": lambda kept, _, exchange: kept.rate(OTHER, exchange, -1),
}


@pytest.mark.parametrize("call", CALLS)
def test_somebody_elses_conversation_is_as_good_as_not_there(kept: Conversations, call: str) -> None:
    id = kept.create(ME, ["人事"], "kb")
    asked(kept, id)
    exchange = kept.begin(ME, id, "还在写")
    before = kept.load(ME, id)
    with pytest.raises(ConversationNotFound):
        CALLS[call](kept, id, exchange)
    with pytest.raises(ConversationNotFound):
        CALLS[call](kept, "0" * 32, 2**70)
    assert kept.load(ME, id) == before
    assert (list(kept.list(OTHER)), len(kept.list(ME))) == ([], 1)


# --- search ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        *("假", "年假有", "五天", "天天", "乾", "坤", "𰻝", "🎉", "标题", "標題", "知識庫", "知识库"),
        *("ok轉乾", "ＯＫ轉乾", "说", "說", "title"),
        *("CHATGLM", "ｃｈａｔｇｌｍ-6b", "5%", "%_", "\\n", "'", '"', "\x00", "", " \n"),
        *("年假 5%_", "chatglm 标题 假", "年假 标题 " * 500),
    ],
    ids=lambda query: ascii(query[:9]),
)
def test_any_part_of_title_question_or_answer_finds_it(kept: Conversations, query: str) -> None:
    id = kept.create(ME, [], "kb")
    asked(
        kept, id, '年假有几天？it\'s "5%_" C:\\new', an_answer("ChatGLM-6B 说：五天天。\nOK轉乾坤，知識庫🎉\x00𰻝𰻝面")
    )
    kept.rename(ME, id, "我的标题 Title")
    assert [line.id for line in kept.list(ME, query)] == [id]
    assert list(kept.list(OTHER, query)) == []


@pytest.mark.parametrize(
    "query",
    ["病假", "_假", "年%", "%", "？五", "年假 病假", "内存", "人事", "done", "NULL", "*", "没写完"],
    ids=ascii,
)
def test_nothing_else_finds_it(kept: Conversations, query: str) -> None:
    id = kept.create(ME, ["人事"], "kb")
    asked(kept, id, QUESTION, an_answer("五天。"))
    kept.fail(ME, kept.begin(ME, id, "失败的"), "内存不足")
    kept.stop(ME, kept.begin(ME, id, "丢掉的"), "没写完")
    kept.drop_last(ME, id)
    assert list(kept.list(ME, query)) == []


def test_a_pasted_text_as_a_query_is_no_error(kept: Conversations) -> None:
    kept.create(ME, [], "kb")
    assert list(kept.list(ME, " ".join(map(str, range(5000))))) == []


def test_what_was_written_of_a_stopped_answer_is_found(kept: Conversations) -> None:
    id = kept.create(ME, [], "kb")
    kept.stop(ME, kept.begin(ME, id, QUESTION), "入职满")
    assert [line.id for line in kept.list(ME, "入职")] == [id]


def test_thousands_of_conversations_are_listed_and_searched_at_once(kept: Conversations, path: Path) -> None:
    kept.create(ME, [], "kb")
    connection = sqlite3.connect(path)
    rows = [(f"{n}", OTHER if n % 2 else ME, float(n)) for n in range(6000)]
    connection.executemany("INSERT INTO conversations VALUES (?, ?, '', '', '[]', 'kb', ?, 0)", rows)
    connection.executemany(
        """INSERT INTO exchanges (conversation_id, question, title, state, text, created, writer, searched)
           VALUES (?, '问', '问', 'done', '答', 0, 0, ?)""",
        [(f"{n}", f"第 {n} 问") for n in range(6000) for _ in range(3)],
    )
    connection.commit()
    connection.close()
    started = time.perf_counter()
    assert len(kept.list(ME)) == 3001
    assert [line.id for line in kept.list(OTHER, "第 5999 问")] == ["5999"]
    assert time.perf_counter() - started < 2


# --- several at once, and sudden ends --------------------------------------------------------------------------------


def test_threads_and_instances_write_side_by_side(reopened: Open) -> None:
    instances = [reopened(), reopened()]

    def work(n: int) -> str:
        kept = instances[n % 2]
        id = kept.create(ME, [str(n)], "kb")
        for turn in range(5):
            asked(kept, id, f"{n}-{turn}", an_answer(f"答 {n}-{turn}"))
        return id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(work, range(8)))
    for n, id in enumerate(ids):
        assert instances[0].history(ME, id) == [Turn(f"{n}-{turn}", f"答 {n}-{turn}") for turn in range(5)]
    assert len(instances[1].list(ME)) == 8


def another_process(path: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a process that is writing an answer, and return it with the conversation's id."""
    program = f"""if True:
        import sys
        from pathlib import Path
        from service.conversations.store import Conversations
        kept = Conversations(Path({str(path)!r}))
        id = kept.create({ME!r}, [], "kb")
        kept.fail({ME!r}, kept.begin({ME!r}, id, "早先的"), "内存不足")
        kept.begin({ME!r}, id, {QUESTION!r})
        print(id, flush=True)
        sys.stdin.read()
        kept.begin({ME!r}, id, "还活着")
        """
    command = [sys.executable, "-X", "utf8", "-c", program]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_question_survives_kill_9_while_its_answer_is_written(path: Path, reopened: Open) -> None:
    process, id = another_process(path)
    kept = reopened()
    mine = kept.begin(ME, id, "我的")
    assert states(kept, id) == ["failed", "writing", "writing"], "both servers on the folder are alive"
    process.kill()
    process.communicate(timeout=20)
    earlier, killed, living = reopened().load(ME, id).exchanges
    assert (earlier.state, earlier.text) == ("failed", "内存不足")
    assert (killed.question, killed.state, killed.text) == (QUESTION, "stopped", "")
    assert (living.id, living.state) == (mine, "writing"), "nobody stops what a living process writes"
    kept.finish(ME, mine, an_answer())
    assert states(kept, id) == ["failed", "stopped", "done"]


def test_whoever_takes_a_dead_writers_place_does_not_revive_its_answers(path: Path, reopened: Open) -> None:
    process, id = another_process(path)
    process.kill()
    process.communicate(timeout=20)
    kept = reopened()
    kept.begin(ME, kept.create(ME, [], "kb"), "新的问题")  # takes the number of the dead process
    assert states(kept, id) == ["failed", "stopped"]


def test_a_process_that_ends_well_leaves_nothing_being_written(kept: Conversations, reopened: Open) -> None:
    id = kept.create(ME, [], "kb")
    exchange = kept.begin(ME, id, QUESTION)
    kept.close()
    with pytest.raises(ConversationsClosed):
        kept.finish(ME, exchange, an_answer())
    assert states(reopened(), id) == ["stopped"]


# --- damage ----------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_told_of_and_left_as_it_is(path: Path, kept: Conversations) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    for _ in range(2):
        with pytest.raises(ConversationsUnreadable, match="move it away") as caught:
            kept.list(ME)
    assert str(path) in caught.value.reason("zh")
    assert path.read_bytes() == b"no database at all" * 100
    path.rename(path.with_name("old"))
    assert kept.list(ME, kept.create(ME, [], "kb")) == [], "once it is away, a new one is begun"


def test_the_file_of_a_newer_version_is_left_as_it_is(path: Path, kept: Conversations, reopened: Open) -> None:
    id = kept.create(ME, [], "kb")
    kept.close()
    altered(path, "PRAGMA user_version = 99")
    with pytest.raises(ConversationsUnreadable, match="99"):
        reopened().list(ME)
    altered(path, "PRAGMA user_version = 1")
    assert reopened().load(ME, id).id == id


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 1}', '{"schema": 99}', "null"])
def test_one_damaged_answer_costs_no_other_conversation(path: Path, kept: Conversations, damage: str) -> None:
    id, other = kept.create(ME, [], "kb"), kept.create(ME, [], "kb")
    exchange = asked(kept, id)
    asked(kept, other)
    altered(path, "UPDATE answers SET answer = ? WHERE exchange_id = ?", damage, exchange)
    with pytest.raises(ConversationsUnreadable, match=id):
        kept.load(ME, id)
    assert states(kept, other) == ["done"]
    assert len(kept.list(ME)) == 2
    kept.delete(ME, id)
    assert [line.id for line in kept.list(ME)] == [other]


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    kept = Conversations(tmp_path / "file" / "conversations.sqlite")
    with pytest.raises(ConversationsUnwritable) as caught:
        kept.create(ME, [], "kb")
    assert str(tmp_path) in caught.value.text("zh")
    kept.close()


def test_stored_answers_stay_small(path: Path, kept: Conversations) -> None:
    many = tuple(a_hit(rank, "threshold" if rank > 2 else None) for rank in range(1, 500))
    asked(kept, kept.create(ME, [], "kb"), answer=an_answer(retrieval=Retrieval("问", many, (), SETTINGS, 0.1)))
    connection = sqlite3.connect(path)
    ((text,),) = connection.execute("SELECT answer FROM answers").fetchall()
    connection.close()
    assert len(json.loads(text)["retrieval"]["hits"]) == 5
