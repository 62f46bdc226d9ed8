"""What a knowledge base has of its own: saved, checked, in force in the right order, and applied when it should be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings, OtherEmbeddings, ScriptedChat

from configs.catalogue import EMBEDDINGS
from configs.prompts import PROMPTS
from core.answers import Finished
from core.errors import ConfigError, EmbedderMismatch, InvalidPrompt, KnowledgeBaseNotFound
from core.evaluation import Expected, LabelledQuestion
from core.kb_settings import KbSettings
from core.model_errors import ModelNotFound
from service.knowledge.kb_settings import default_threshold
from service.knowledge.saved_settings import KB_SETTINGS, is_on_scale, read_saved

App = Any
KB = "人事"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
MANUAL = "".join(f"第{n}条 年假与{'甲乙丙丁戊己庚辛壬癸'[n % 10]}类岗位的关系，由人事部解释。\n\n" for n in range(40))
TEMPLATE = "材料\n{passages}\n请答：{question}"
ALL: dict[str, Any] = {
    "chunk_chars": 90,
    "chunk_overlap_chars": 30,
    "threshold": 0.07,
    "top_k": 2,
    "dense_weight": 0.8,
    "prompt_template": TEMPLATE,
    "system_prompt": "你是人事",
    "embedding": "lexical",
}


@pytest.fixture
def hr(make_app: Callable[..., App], write: Callable[..., list[Path]]) -> Callable[..., App]:
    """Build applications over one data directory in which 人事 has two files: `hr(threshold=0.5)`."""

    def build(**options: Any) -> App:
        app = make_app(**{"embeddings": HashedEmbeddings(), **options})
        if KB not in [info.name for info in app.knowledge_bases()]:
            app.create(KB)
            app.add(KB, write(**{"假期.txt": LEAVE, "手册.txt": MANUAL}))
        return app

    return build


class FolderEmbeddings(HashedEmbeddings):
    """What is in a folder of weights: another vector space for each name."""

    loaded: list[str] = []  # noqa: RUF012 - of all of them

    def __init__(self, folder: Path, **_: Any) -> None:
        super().__init__(64 + len(folder.name))
        self.fingerprint, self.freed = f"weights of {folder.name}", False
        self.loaded.append(folder.name)

    def free(self) -> None:
        self.freed = True


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put the weights of an embedding of the catalogue where they are looked for: `weights("m3e-base")`."""
    monkeypatch.setattr("service.models.embedding_model.SentenceTransformerEmbeddings", FolderEmbeddings)
    monkeypatch.setattr(FolderEmbeddings, "loaded", [])

    def put(name: str) -> Path:
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            (folder / file).touch()
        return folder

    return put


def said(app: App) -> str:
    return "\n".join(notice.text(language) for notice in app.notices(KB) for language in ("zh", "en"))


def sources(app: App) -> dict[str, str]:
    return {one.name: one.source for one in app.kb_settings.in_force(KB)}


def values(app: App) -> dict[str, Any]:
    return {one.name: one.value for one in app.kb_settings.in_force(KB)}


def dense_hits(app: App) -> set[bool]:
    return {hit.dense is not None for hit in app.search("年假有几天？", KB).hits}


# --- saved -----------------------------------------------------------------------------------------------------------


def test_everything_is_saved_for_every_program_and_can_be_cleared(hr: Callable[..., App]) -> None:
    app = hr()
    assert app.kb_settings.saved(KB) == KbSettings()
    app.kb_settings.save(KB, **ALL)
    assert asdict(hr().kb_settings.saved(KB)) == ALL
    app.kb_settings.save(KB, top_k=None, system_prompt=None)
    assert asdict(app.kb_settings.saved(KB)) == {**ALL, "top_k": None, "system_prompt": None}
    app.kb_settings.save(KB, **dict.fromkeys(ALL))
    assert hr().kb_settings.saved(KB) == KbSettings()
    with pytest.raises(KnowledgeBaseNotFound):
        app.kb_settings.save("没有", top_k=1)


def test_what_older_versions_saved_is_read(hr: Callable[..., App]) -> None:
    app = hr()
    before = {"prompt_template": TEMPLATE, "system_prompt": None, "threshold": 0.4, "top_k": 3, "dense_weight": 0.5}
    app._library.open(KB).set_manifest(**before, calibrated_for="HashedEmbeddings:256")
    assert app.kb_settings.saved(KB) == KbSettings(threshold=0.4, top_k=3, dense_weight=0.5, prompt_template=TEMPLATE)
    assert values(app)["threshold"] == 0.4
    assert app.kb_settings.saved(KB).chunk_chars is None, "what it is split with is no wish"


@pytest.mark.parametrize(
    "entries",
    [
        {"threshold": 1.5},
        {"threshold": "0.4"},
        {"threshold": None},
        {"threshold": True},
        {"threshold": float("nan")},
        {"top_k": 0},
        {"top_k": 51},
        {"top_k": 3.0},
        {"top_k": True},
        {"dense_weight": -0.1},
        {"own_chunk_chars": 10},
        {"own_embedding": "no-such-model"},
        {"own_embedding": ["lexical"]},
        {"prompt_template": "{question}"},
        {"system_prompt": 3},
        {"chunk_chars": 90, "overlap_chars": 10, "other": 1},
    ],
    ids=lambda entries: "_".join(f"{key}_{value}" for key, value in entries.items()),
)
def test_saved_entries_that_are_not_valid_are_left_out(entries: dict[str, Any]) -> None:
    assert read_saved(entries) == KbSettings()


def test_every_wrong_name_and_value_is_in_one_list_and_nothing_is_saved(hr: Callable[..., App]) -> None:
    app = hr()
    wrong = {"top_k": 99, "threshold": 1.5, "chunk_chars": "viele", "embedding": "no-such", "llm": "chatglm-6b"}
    with pytest.raises(ConfigError) as caught:
        app.kb_settings.save(KB, dense_weight=0.5, **wrong)
    assert len(caught.value.problems) == 5
    for language in ("zh", "en"):
        listed = [problem.text(language) for problem in caught.value.problems]
        assert all(any(name in line.lower() for line in listed) for name in wrong)
    assert app.kb_settings.saved(KB) == KbSettings()


def test_a_template_that_cannot_be_filled_is_refused_with_everything_else(hr: Callable[..., App]) -> None:
    app = hr()
    with pytest.raises(InvalidPrompt):
        app.kb_settings.save(KB, top_k=3, prompt_template="{question}")
    assert app.kb_settings.saved(KB) == KbSettings()


@pytest.mark.parametrize(
    ("application", "saved", "changes"),
    [
        ({}, {}, {"chunk_chars": 60, "chunk_overlap_chars": 40}),
        ({}, {"chunk_chars": 60}, {"chunk_overlap_chars": 40}),
        ({"chunk_overlap_chars": 100}, {}, {"chunk_chars": 60}),
        ({}, {"chunk_chars": 300, "chunk_overlap_chars": 140}, {"chunk_chars": None}),
    ],
    ids=["together", "saved_before", "of_the_application", "cleared"],
)
def test_lengths_that_do_not_go_together_are_refused(
    hr: Callable[..., App], application: dict[str, int], saved: dict[str, int], changes: dict[str, int]
) -> None:
    app = hr(**application)
    app.kb_settings.save(KB, **saved)
    with pytest.raises(ConfigError):
        app.kb_settings.save(KB, **changes)
    assert app.kb_settings.saved(KB) == KbSettings(**saved)


def test_savings_at_the_same_time_are_all_kept(hr: Callable[..., App]) -> None:
    app = hr()
    changes = [{name: value} for name, value in ALL.items() if name not in ("embedding", "chunk_overlap_chars")] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: app.kb_settings.save(KB, **change), changes))
    saved = asdict(app.kb_settings.saved(KB))
    assert {name: saved[name] for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }


# --- in force --------------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_what_is_saved_and_that_over_the_default(hr: Callable[..., App]) -> None:
    app = hr(llm="extractive")
    assert [one.name for one in app.kb_settings.in_force(KB)] == list(KB_SETTINGS)
    assert set(sources(app).values()) == {"default"}
    chunks = sum(file.chunks for file in app.files(KB))
    assert values(app) == {
        "chunk_chars": 250,
        "chunk_overlap_chars": 0,
        "threshold": default_threshold(chunks),
        "top_k": 5,
        "dense_weight": 0.3,
        "prompt_template": PROMPTS["default"],
        "system_prompt": "",
        "embedding": "HashedEmbeddings",
    }
    app.kb_settings.save(KB, **ALL)
    assert (values(app), set(sources(app).values())) == (ALL, {"kb"})
    flags = {"chunk_chars": 400, "chunk_overlap_chars": 80, "threshold": 0.6, "top_k": 9, "dense_weight": 0.1}
    explicit = hr(**flags, prompt="brief", system_prompt="短", embedding="m3e-base")
    assert set(sources(explicit).values()) == {"explicit"}
    texts = {"prompt_template": PROMPTS["brief"], "system_prompt": "短", "embedding": "HashedEmbeddings"}
    assert values(explicit) == {**flags, **texts}


def test_an_automatic_threshold_that_is_set_explicitly_wins_too(hr: Callable[..., App]) -> None:
    hr().kb_settings.save(KB, threshold=0.9)
    app = hr(threshold="auto")
    chunks = sum(file.chunks for file in app.files(KB))
    assert (sources(app)["threshold"], values(app)["threshold"]) == ("explicit", default_threshold(chunks))


def test_pain_10_a_threshold_found_in_the_retrieval_test_is_obeyed_everywhere(hr: Callable[..., App]) -> None:
    """Upstream's retrieval test had settings of its own, which never reached the conversation."""
    app, question = hr(), "入职满一年有几天年假？"
    best = app.search(question, KB).hits[0].relevance
    assert app.search(question, KB).passages
    app.kb_settings.save(KB, threshold=min(1.0, best + 0.01), top_k=1)
    for used in (app, hr()):
        *_, last = used.ask(question, KB)
        assert isinstance(last, Finished)
        assert last.answer.refused
        assert used.search(question, KB).passages == ()
        assert used.retriever(KB).invoke(question) == []
        assert used.evaluate(KB, [LabelledQuestion(question, (Expected(file="假期.txt"),))]).outcomes[0].refused
        explained = used.explain(question, KB, "假期.txt").retrieval
        assert explained is not None
        assert used.retrieval_settings(KB) == used.search(question, KB).settings == explained.settings
    app.kb_settings.save(KB, threshold=0.0)
    assert len([hit for hit in app.search(question, KB).hits if hit.kept]) == 1


def test_a_prompt_goes_back_to_the_settings_by_itself(hr: Callable[..., App]) -> None:
    model = ScriptedChat(pieces=["五天 [1]"])
    app = hr(llm=model)
    app.kb_settings.save(KB, prompt_template=TEMPLATE, system_prompt="你是人事")
    app.kb_settings.save(KB, prompt_template=None)
    list(app.ask("年假有几天？", KB))
    assert model.calls[-1][0].content == "你是人事"
    assert not model.prompt.startswith("材料")


# --- chunks ----------------------------------------------------------------------------------------------------------


def longest(app: App, document: str = "手册.txt") -> int:
    return max(len(chunk.text) for chunk in app.chunks(KB, document))


def test_pain_18_the_length_of_chunks_is_the_knowledge_bases_own_from_the_next_rebuild_on(
    hr: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = hr()
    assert longest(app) > 120
    app.kb_settings.save(KB, chunk_chars=60, chunk_overlap_chars=30)
    assert all(text in said(app) for text in ("250 字（重叠 0）", "60 字（重叠 30）", "kb rebuild"))
    app.add(KB, write(**{"新.txt": MANUAL.replace("人事部", "财务部")}))
    assert longest(app, "新.txt") > 120, "until then one knowledge base is split in one way"
    app.rebuild(KB)
    assert longest(app) <= 60
    assert longest(app, "新.txt") <= 60
    first, second = app.chunks(KB, "手册.txt")[:2]
    assert second.start < first.end
    assert "60 字" not in said(app)
    again = hr()
    again.add(KB, write(**{"又.txt": MANUAL.replace("人事部", "法务部")}))
    assert longest(again, "又.txt") <= 60
    app.kb_settings.save(KB, chunk_chars=None, chunk_overlap_chars=None)
    assert "250 字" in said(app)


def test_pain_18_only_the_overlap_is_a_reason_for_a_rebuild_too(hr: Callable[..., App]) -> None:
    app = hr()
    app.kb_settings.save(KB, chunk_overlap_chars=60)
    assert "重叠 60" in said(app)
    app.rebuild(KB)
    assert "重叠 60" not in said(app)


def test_an_empty_knowledge_base_is_split_as_it_says_from_its_first_document_on(
    make_app: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = make_app()
    app.create(KB)
    app.kb_settings.save(KB, chunk_chars=60)
    app.add(KB, write(**{"手册.txt": MANUAL}))
    assert longest(app) <= 60
    assert "60 字" not in said(app)


def test_lengths_that_a_flag_makes_impossible_stop_a_rebuild_and_nothing_else(hr: Callable[..., App]) -> None:
    hr().kb_settings.save(KB, chunk_chars=60)
    app = hr(chunk_overlap_chars=100)
    with pytest.raises(ConfigError):
        app.rebuild(KB)
    assert app.search("年假", KB).hits
    app.remove(KB, "假期.txt")


# --- embeddings ------------------------------------------------------------------------------------------------------


def test_lexical_takes_effect_at_once_and_the_vectors_wait(hr: Callable[..., App]) -> None:
    app = hr()
    assert dense_hits(app) == {True}
    app.kb_settings.save(KB, embedding="lexical")
    assert dense_hits(app) == {False}
    assert "rebuild" not in said(app)
    app.rebuild(KB)
    assert dense_hits(app) == {False}
    app.kb_settings.save(KB, embedding=None)
    assert "没有向量" in said(app)
    app.rebuild(KB)
    assert dense_hits(app) == {True}


def test_weights_that_are_not_here_are_refused_when_saved_and_when_they_are_needed(
    hr: Callable[..., App], weights: Callable[[str], Path]
) -> None:
    app = hr()
    with pytest.raises(ModelNotFound) as caught:
        app.kb_settings.save(KB, embedding="m3e-base", top_k=2)
    assert "m3e-base" in caught.value.text("zh")
    assert app.kb_settings.saved(KB) == KbSettings()
    folder = weights("m3e-base")
    app.kb_settings.save(KB, embedding="m3e-base")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound):
        app.rebuild(KB)
    assert dense_hits(app) == {True}, "what was indexed still ranks by the vectors that it has"
    assert "m3e-base" in said(app)


def test_pain_44_another_embedding_comes_with_the_next_rebuild_and_the_old_one_ranks_until_then(
    hr: Callable[..., App], weights: Callable[[str], Path], write: Callable[..., list[Path]]
) -> None:
    weights("m3e-base")
    app = hr()
    app.kb_settings.save(KB, embedding="m3e-base")
    assert all(text in said(app) for text in ("HashedEmbeddings", "m3e-base", "kb rebuild"))
    before = app.search("年假有几天？", KB).hits
    app.add(KB, write(**{"差旅.txt": "出差补贴每天一百元。"}))
    assert dense_hits(app) == {True}
    assert FolderEmbeddings.loaded == []
    app.rebuild(KB)
    after = app.search("年假有几天？", KB).hits
    assert {hit.dense for hit in before}.isdisjoint({hit.dense for hit in after})
    assert all(hit.dense is not None for hit in after)
    assert {info.name: info.embedding for info in app.knowledge_bases()}[KB] == "m3e-base"
    assert "kb rebuild" not in said(app)
    assert dense_hits(hr(embeddings=OtherEmbeddings())) == {True}, "the application's own is another matter"
    app.kb_settings.save(KB, embedding=None)
    assert dense_hits(app) == {True}
    assert "kb rebuild" in said(app)


def test_pain_44_a_flag_that_names_another_embedding_is_still_an_error(
    hr: Callable[..., App], make_app: Callable[..., App], weights: Callable[[str], Path]
) -> None:
    weights("m3e-base")
    weights("bge-base-zh-v1.5")
    app = hr()
    app.kb_settings.save(KB, embedding="m3e-base")
    app.rebuild(KB)
    with pytest.raises(EmbedderMismatch):
        make_app(embedding="bge-base-zh-v1.5").search("年假", KB)


def test_an_embedding_is_loaded_once_for_all_and_freed_at_the_end(
    hr: Callable[..., App], weights: Callable[[str], Path], write: Callable[..., list[Path]]
) -> None:
    weights("m3e-base")
    app = hr()
    for name in ("财务", "法务"):
        app.create(name)
        app.kb_settings.save(name, embedding="m3e-base")
        assert FolderEmbeddings.loaded == [], "a name alone loads nothing"
    for name in ("财务", "法务"):
        app.add(name, write(**{f"{name}.txt": LEAVE}))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda name: app.search("年假", name).hits, ["财务", "法务"] * 3))
    assert all(hit.dense is not None for hits in found for hit in hits)
    assert FolderEmbeddings.loaded == ["m3e-base"]
    model = app._embeddings.named("m3e-base").get()
    app.close()
    assert model.freed


def test_the_default_weight_and_the_calibration_are_those_of_the_embedding_that_ranks(
    hr: Callable[..., App], weights: Callable[[str], Path]
) -> None:
    weights("bge-base-zh-v1.5")
    app = hr()
    app.kb_settings.save(KB, embedding="bge-base-zh-v1.5")
    assert app.retrieval_settings(KB).dense_weight == 0.3
    app.rebuild(KB)
    spec = EMBEDDINGS["bge-base-zh-v1.5"]
    assert app.retrieval_settings(KB).dense_weight == spec.dense_weight == 0.5
    leg = app.retriever(KB).dense
    assert leg is not None
    assert leg.relevance(spec.calibration.midpoint) == pytest.approx(0.5)


# --- scales ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("embedding", "same"), [("a:4", True), ("", False), ("b:4", False)], ids=["same", "lexical_now", "another"]
)
def test_a_measurement_is_of_one_embedding(embedding: str, same: bool) -> None:
    assert is_on_scale({"threshold": 0.4, "calibrated_for": "a:4"}, embedding) is same
    assert is_on_scale({"threshold": 0.4}, embedding), "older versions saved no embedding with it"


def test_a_threshold_set_by_hand_does_not_silently_apply_on_another_scale(
    hr: Callable[..., App], make_app: Callable[..., App]
) -> None:
    app = hr()
    app.kb_settings.save(KB, threshold=0.9, dense_weight=0.9, top_k=2)
    assert "measured with another" not in said(app)
    lexical = make_app()
    assert lexical.kb_settings.saved(KB).threshold == 0.9
    assert sources(lexical)["threshold"] == sources(lexical)["dense_weight"] == "default"
    assert (sources(lexical)["top_k"], lexical.search("年假", KB).settings.top_k) == ("kb", 2)
    assert "threshold, dense_weight" in said(lexical)
    assert hr().search("年假", KB).settings.threshold == 0.9, "back on its own scale it applies again"
    lexical.kb_settings.save(KB, threshold=0.2)
    assert (values(lexical)["threshold"], lexical.kb_settings.saved(KB).dense_weight) == (0.2, None)
    assert "measured with another" not in said(lexical)
    assert sources(hr())["threshold"] == "default"


def test_a_threshold_saved_together_with_lexical_is_of_the_lexical_scale(hr: Callable[..., App]) -> None:
    app = hr()
    app.kb_settings.save(KB, embedding="lexical", threshold=0.11)
    assert values(app)["threshold"] == 0.11
    app.kb_settings.save(KB, embedding=None)
    assert sources(app)["threshold"] == "default"


def test_a_calibration_and_a_hand_replace_each_other(hr: Callable[..., App], make_app: Callable[..., App]) -> None:
    app = hr()
    app.kb_settings.save(KB, threshold=0.9, top_k=7)
    questions = [LabelledQuestion("年假有几天？", (Expected(text="五天年假"),)), LabelledQuestion("火星有多远？")] * 3
    lexical = make_app()
    suggestion = lexical.evaluate(KB, questions).suggestion
    lexical.kb_settings.apply(KB, suggestion)
    saved = lexical.kb_settings.saved(KB)
    assert saved.threshold == suggestion.value("threshold") != 0.9
    assert saved.top_k == suggestion.value("top_k")
    assert values(lexical)["threshold"] == saved.threshold
    assert sources(app)["threshold"] == "default"
    app.kb_settings.save(KB, threshold=0.5)
    assert values(app)["threshold"] == 0.5
