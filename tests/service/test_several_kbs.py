"""Several knowledge bases asked as one, and settings for one question alone."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings, ScriptedChat

from chains.answer import REFUSAL
from core.answers import Answer, AskOptions, Finished, Turn
from core.asking_errors import EmbeddingsDiffer, NoKnowledgeBase
from core.errors import ConfigError, KnowledgeBaseNotFound
from core.model_errors import ModelNotFound
from service.answers.web_search import WebResult
from service.knowledge.kb_settings import default_threshold
from service.models.changes import with_model_changes

App = Any
HR, FINANCE = "人事", "财务"
BOTH = (HR, FINANCE)
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
TRAVEL = "云杉公司差旅规定\n出差补贴每天一百元。\n住宿标准为每晚四百元。\n"
SHARED = "云杉公司的总部在杭州市西湖区。\n"
HEADQUARTERS = "云杉公司总部在哪里？"
TEMPLATE = "材料\n{passages}\n请答：{question}"


@pytest.fixture
def office(make_app: Callable[..., App], write: Callable[..., list[Path]]) -> Callable[..., App]:
    """Build applications with 人事 and 财务, which have a file name and a text in common: `office(top_k=1)`."""

    def build(**options: Any) -> App:
        app = make_app(**{"threshold": None, **options})
        if HR not in [info.name for info in app.knowledge_bases()]:
            for name, text in ((HR, LEAVE), (FINANCE, TRAVEL)):
                app.create(name)
                app.add(name, write(**{"规定.txt": text, "总部.txt": SHARED}))
        return app

    return build


def asked(app: App, question: str, kb: Any = BOTH, mode: str = "kb", **options: Any) -> Answer:
    *_, last = app.ask(question, kb, [], AskOptions(mode=mode, **options))
    assert isinstance(last, Finished)
    return last.answer


def kept(app: App, question: str, kb: Any = BOTH, **overrides: float) -> list[tuple[str, str]]:
    hits = app.search(question, kb, overrides or None).hits
    return [(hit.chunk.kb, hit.chunk.source) for hit in hits if hit.kept]


# --- several knowledge bases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("embeddings", [None, HashedEmbeddings()], ids=["lexical", "both_legs"])
def test_pain_51_several_knowledge_bases_answer_as_one(office: Callable[..., App], embeddings: Any) -> None:
    """LC#1908 and others: "only one; maybe later"."""
    app = office(embeddings=embeddings)
    assert kept(app, "员工年假有几天？")[0] == (HR, "规定.txt")
    assert kept(app, "出差补贴每天多少钱？")[0] == (FINANCE, "规定.txt")
    answer = asked(app, "员工年假有几天？出差补贴每天多少钱？")
    assert "五天年假" in answer.text
    assert "一百元" in answer.text
    assert {(citation.chunk.kb, citation.chunk.source) for citation in answer.citations} == {
        (HR, "规定.txt"),
        (FINANCE, "规定.txt"),
    }
    for citation in answer.citations:  # the way back to the file of the right knowledge base
        chunk = citation.chunk
        assert any(own.text == chunk.text for own in app.chunks(chunk.kb, chunk.source))
        assert citation.quote in chunk.text


def test_one_alone_is_what_it_was_and_says_which(office: Callable[..., App]) -> None:
    app = office()
    assert app.search("年假", HR).hits[0].chunk.id in {chunk.id for chunk in app.chunks(HR, "规定.txt")}
    assert {hit.chunk.kb for hit in app.search("云杉公司", HR).hits} == {HR}
    assert app.search("年假", [HR]).hits == app.search("年假", HR).hits == app.search("年假", [HR, f" {HR} "]).hits
    assert {chunk.kb for chunk in app.chunks(HR, "规定.txt")} == {HR}
    app.rename(HR, "人力资源")
    assert {hit.chunk.kb for hit in app.search("云杉公司", "人力资源").hits} == {"人力资源"}


def test_the_same_text_in_two_knowledge_bases_is_used_once(office: Callable[..., App]) -> None:
    hits = office().search(HEADQUARTERS, BOTH).hits
    shared = [hit for hit in hits if hit.chunk.source == "总部.txt"]
    assert {hit.chunk.kb for hit in shared} == set(BOTH)
    assert [hit.dropped_by for hit in shared] == [None, "duplicate"]


def test_the_order_in_which_they_are_named_changes_no_score(office: Callable[..., App]) -> None:
    app = office(embeddings=HashedEmbeddings())
    one, other = (app.search("云杉公司年假和出差", kbs).hits for kbs in (BOTH, BOTH[::-1]))
    by_place = [{(hit.chunk.kb, hit.chunk.source): round(hit.relevance, 9) for hit in hits} for hits in (one, other)]
    assert by_place[0] == by_place[1]
    assert len(by_place[0]) == 4


def test_the_default_threshold_is_that_of_all_chunks_together(
    office: Callable[..., App], write: Callable[..., list[Path]]
) -> None:
    app = office()
    app.add(HR, write(**{"手册.txt": "".join(f"第{n}条 由人事部解释。\n\n" * 20 for n in range(40))}))
    chunks = [sum(file.chunks for file in app.files(name)) for name in BOTH]
    assert app.retrieval_settings(BOTH).threshold == default_threshold(sum(chunks)) > default_threshold(chunks[1])
    assert app.search("年假", BOTH).settings == app.retrieval_settings(BOTH)


def test_what_is_saved_applies_where_all_agree(office: Callable[..., App]) -> None:
    model = ScriptedChat(pieces=["好 [1]"])
    app = office(llm=model)
    app.kb_settings.save(HR, threshold=0.01, top_k=2, prompt_template=TEMPLATE, system_prompt="你是人事")
    alone = app.retrieval_settings(HR)
    assert (alone.threshold, alone.top_k) == (0.01, 2)
    assert app.retrieval_settings(BOTH) == app.search("年假", BOTH).settings
    assert (app.retrieval_settings(BOTH).threshold, app.retrieval_settings(BOTH).top_k) == (default_threshold(4), 5)
    app.kb_settings.save(FINANCE, top_k=2, prompt_template=TEMPLATE, system_prompt="你是财务")
    assert (app.retrieval_settings(BOTH).threshold, app.retrieval_settings(BOTH).top_k) == (default_threshold(4), 2)
    asked(app, "员工年假有几天？")
    assert model.prompt.startswith("材料")
    assert len(model.calls[-1]) == 1, "two system prompts are none"
    assert app.prompt(BOTH).template == TEMPLATE


def test_different_embeddings_are_an_error_that_says_what_to_do(
    office: Callable[..., App], make_app: Callable[..., App], write: Callable[..., list[Path]], tmp_path: Path
) -> None:
    app = office(embeddings=HashedEmbeddings())

    class Other(HashedEmbeddings):
        fingerprint = "other"

        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(32)

    folder = tmp_path / "weights" / "m3e-base"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("service.models.embedding_model.SentenceTransformerEmbeddings", Other)
        app.kb_settings.save(FINANCE, embedding="m3e-base")
        app.rebuild(FINANCE)
        for call in (app.search, app.ask, lambda question, kbs: app.retriever(kbs)):
            with pytest.raises(EmbeddingsDiffer) as caught:
                call("年假", BOTH)
            assert "人事 (HashedEmbeddings), 财务 (m3e-base)" in caught.value.reason("zh")
            assert "kb rebuild" in caught.value.advice("en")
        assert kept(app, "员工年假有几天？", HR)
        assert kept(app, "出差补贴每天多少钱？", FINANCE)
        app.kb_settings.save(FINANCE, embedding=None)
        app.rebuild(FINANCE)
    assert kept(app, "员工年假有几天？")


def test_one_that_chose_lexical_is_found_lexically_beside_one_with_vectors(office: Callable[..., App]) -> None:
    """Its vectors wait; they are of no use in a search that it has no dense leg in."""
    app = office(embeddings=HashedEmbeddings())
    app.kb_settings.save(FINANCE, embedding="lexical")
    hits = app.search("云杉公司年假和出差补贴", BOTH).hits
    assert {(hit.chunk.kb, hit.dense is not None) for hit in hits} == {(HR, True), (FINANCE, False)}
    assert kept(app, "出差补贴每天多少钱？")[0] == (FINANCE, "规定.txt")


def test_an_empty_knowledge_base_does_no_harm(office: Callable[..., App]) -> None:
    app = office(embeddings=HashedEmbeddings())
    app.create("空")
    assert kept(app, "员工年假有几天？", ["空", HR])[0] == (HR, "规定.txt")
    assert kept(app, "员工年假有几天？", ["空"]) == []


def test_none_at_all_is_an_error_except_where_none_is_asked(office: Callable[..., App]) -> None:
    """Upstream chatted on without a word where no knowledge base was chosen."""
    app = office(llm=ScriptedChat(pieces=["你好"]))
    for call in (app.search, app.ask, lambda _, kbs: app.retriever(kbs)):
        with pytest.raises(NoKnowledgeBase) as caught:
            call("年假", [])
        assert "知识库" in caught.value.text("zh")
    assert asked(app, "你是谁？", [], "chat").text == "你好"
    with pytest.raises(KnowledgeBaseNotFound):
        app.search("年假", [HR, "没有"])
    with pytest.raises(ModelNotFound):
        office().ask("你是谁？", [], (), AskOptions(mode="chat"))


def test_talking_to_the_model_alone_needs_no_embedding_that_fits(office: Callable[..., App]) -> None:
    office(embeddings=HashedEmbeddings())
    app = office(embeddings=HashedEmbeddings(64), llm=ScriptedChat(pieces=["你好"]))
    assert asked(app, "你是谁？", BOTH, "chat").text == "你好"


def test_the_retriever_searches_them_as_one(office: Callable[..., App]) -> None:
    documents = office().retriever(BOTH).invoke("员工年假有几天？出差补贴每天多少钱？")
    assert {(document.metadata["kb"], document.metadata["source"]) for document in documents} >= {
        (HR, "规定.txt"),
        (FINANCE, "规定.txt"),
    }


def test_a_web_search_goes_beside_all_of_them(office: Callable[..., App], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [WebResult("年假新闻", "https://example.org/1", "今年起员工年假改为十天。")]

    class Search:
        def find(self, _: str) -> list[WebResult]:
            return found

    monkeypatch.setattr("service.answers.asking.build_web_search", lambda *_: Search())
    app = office(web_search="searxng", web_search_url="http://127.0.0.1:9", embeddings=HashedEmbeddings())
    answer = asked(app, "云杉公司员工年假有几天？", mode="kb+web", overrides={"threshold": 0.0})
    assert {hit.chunk.kb for hit in answer.retrieval.hits} == {HR, FINANCE, ""}
    assert all(hit.dense is not None for hit in answer.retrieval.hits)
    assert {hit.chunk.kb for hit in asked(app, "年假有几天？", [], "web").retrieval.hits} == {""}


def test_a_trace_of_several_is_kept_and_run_again(office: Callable[..., App], write: Callable[..., list[Path]]) -> None:
    app = office(embeddings=HashedEmbeddings())
    answer = asked(app, HEADQUARTERS, overrides={"top_k": 1, "threshold": 0.1})
    trace = app.trace(answer.trace_id)
    assert (trace.kbs, app.traces(1)[0].kbs) == (BOTH, BOTH)
    assert {hit.chunk.kb for hit in trace.answer.retrieval.hits} == set(BOTH)
    report = app.replay(answer.trace_id)
    assert (report.identical, report.kb_changed) == (True, False)
    assert {change.name for change in report.settings_changed} == {"top_k", "threshold"}
    app.remove(HR, "总部.txt")
    report = app.replay(answer.trace_id)
    assert (report.identical, report.kb_changed) == (False, True)
    gone = [change.before for change in report.changes if change.kinds == ("went",)]
    assert [(hit.chunk.kb, hit.chunk.source) for hit in gone if hit] == [(HR, "总部.txt")]
    app.delete(HR)
    with pytest.raises(KnowledgeBaseNotFound):
        app.replay(answer.trace_id)


def test_notices_are_those_of_all_each_once(office: Callable[..., App]) -> None:
    app = office()
    app.kb_settings.save(HR, chunk_chars=80)
    alone, both = app.notices(HR), app.notices(BOTH)
    assert set(both) == set(alone)
    assert len(both) == len(set(both)) == len(app.notices(FINANCE)) + 1


# --- one question ----------------------------------------------------------------------------------------------------


def test_pain_10_settings_of_one_question_apply_to_it_alone(office: Callable[..., App]) -> None:
    """Upstream wrote them onto the store that everybody shared."""
    app, before = office(), office().retrieval_settings(HR)
    assert kept(app, "云杉公司", HR, threshold=1.0) == []
    assert len(kept(app, "云杉公司", HR, threshold=0.0, top_k=1)) == 1
    overrides = {"top_k": 1, "threshold": 0.0, "dense_weight": 0.2, "passage_chars": 0, "context_chars": 100}
    assert (
        app.search("年假", HR, overrides).settings.__class__(**overrides) == app.search("年假", HR, overrides).settings
    )
    assert asked(app, "员工年假有几天？", overrides={"threshold": 1.0}).refused
    assert not asked(app, "员工年假有几天？").refused
    explained = app.explain("员工年假有几天？", HR, "规定.txt", {"threshold": 1.0})
    assert explained.lost is not None
    assert explained.lost.stage == "threshold"
    assert app.retrieval_settings(HR) == before
    assert app.kb_settings.saved(HR).top_k is None


def test_an_override_wins_over_a_flag_and_over_what_is_saved(office: Callable[..., App]) -> None:
    app = office(top_k=4)
    app.kb_settings.save(HR, threshold=0.2)
    settings = app.search("年假", HR, {"top_k": 2, "threshold": 0.3}).settings
    assert (settings.top_k, settings.threshold) == (2, 0.3)
    assert app.search("年假", HR, {}).settings == app.retrieval_settings(HR)


@pytest.mark.parametrize("use", ["search", "ask", "explain"])
def test_every_wrong_override_is_in_one_list(office: Callable[..., App], use: str) -> None:
    app = office()
    wrong = {"top_k": 0, "threshold": 1.5, "context_chars": float("nan"), "topk": 3, "llm": 1, "dense_weight": 0.5}
    calls: dict[str, Callable[[], Any]] = {
        "search": lambda: app.search("年假", HR, wrong),
        "ask": lambda: app.ask("年假", HR, (), AskOptions(overrides=wrong)),
        "explain": lambda: app.explain("年假", HR, "规定.txt", wrong),
    }
    with pytest.raises(ConfigError) as caught:
        calls[use]()
    assert len(caught.value.problems) == 5
    assert all(name in caught.value.text("en").lower() for name in wrong if name != "dense_weight")


def test_the_language_of_fixed_texts_is_chosen_for_each_question(office: Callable[..., App]) -> None:
    app = office()
    question = "Who wrote Hamlet?"
    assert asked(app, question, language="en").text == REFUSAL.en
    assert asked(app, question, language="zh").text == asked(app, question).text == REFUSAL.zh
    english = asked(app, "你好", language="en")
    assert english.mode == "small_talk"
    assert english.text.isascii()
    assert app.trace(english.trace_id).language == "en"


class Rendezvous(HashedEmbeddings):
    """Keeps questions waiting until two of them are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier: threading.Barrier | None = None

    def embed_query(self, text: str) -> list[float]:
        if self.barrier and text == HEADQUARTERS:
            self.barrier.wait(10)
        return super().embed_query(text)


def test_pain_28_two_users_never_see_each_others_settings(office: Callable[..., App]) -> None:
    """Upstream wrote a request's settings onto the shared store: whoever asked at the same time got them too."""
    embeddings = Rendezvous()
    app = office(embeddings=embeddings)
    embeddings.barrier = threading.Barrier(2)
    users: list[tuple[Any, dict[str, float]]] = [
        (HR, {"top_k": 1, "threshold": 0.0, "dense_weight": 0.9}),
        (BOTH, {"top_k": 4, "threshold": 0.01, "dense_weight": 0.1}),
    ]

    def ask(user: tuple[Any, dict[str, float]]) -> list[Answer]:
        kb, overrides = user
        return [asked(app, HEADQUARTERS, kb, overrides=overrides) for _ in range(10)]

    with ThreadPoolExecutor(2) as pool:
        for (kb, overrides), answers in zip(users, pool.map(ask, users), strict=True):
            for answer in answers:
                retrieval = answer.retrieval
                assert {name: getattr(retrieval.settings, name) for name in overrides} == overrides
                assert sum(hit.kept for hit in retrieval.hits) <= overrides["top_k"]
                assert {hit.chunk.kb for hit in retrieval.hits} == ({HR} if kb == HR else set(BOTH))
    embeddings.barrier = None
    assert app.search("年假", HR).settings == app.retrieval_settings(HR)


def test_questions_go_on_while_the_model_is_changed(office: Callable[..., App]) -> None:
    app = office()
    done = threading.Event()

    def change() -> None:
        for number in range(40):
            app.use_model(llm="extractive", temperature=number / 40)
        done.set()

    def ask() -> int:
        count = 0
        while not done.is_set() or count == 0:
            answer = asked(app, "员工年假有几天？", overrides={"top_k": 1 + count % 5})
            assert answer.retrieval.settings.top_k == 1 + count % 5
            assert "五天年假" in answer.text
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        changing, *asking = pool.submit(change), *(pool.submit(ask) for _ in range(3))
        changing.result(60)
        assert all(one.result(60) for one in asking)
    assert app.settings.temperature == 39 / 40
    assert app.settings.llm == "extractive"


def test_changes_of_the_model_at_the_same_time_are_all_kept(
    office: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(settings: Any, changes: Any) -> Any:
        changed = with_model_changes(settings, changes)
        time.sleep(0.02)
        return changed

    monkeypatch.setattr("service.knowledge_qa.with_model_changes", slowly)
    app = office(llm="extractive")
    changes = [{"temperature": 0.5}, {"top_p": 0.25}, {"sample_top_k": 7}, {"seed": 11}, {"answer_tokens": 99}]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda change: app.use_model(**change), changes))
    assert {name: getattr(app.settings, name) for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }


def test_a_follow_up_to_several_is_rewritten_and_found(office: Callable[..., App]) -> None:
    *_, last = office().ask("出差呢？补贴每天多少钱？", BOTH, [Turn("员工年假有几天？", "五天。")])
    assert isinstance(last, Finished)
    assert "一百元" in last.answer.text
