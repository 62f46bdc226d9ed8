"""Web search against a server of SearXNG's interface, and what becomes of its results."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import searx_server
from fakes import HashedEmbeddings, new_document

from chains.answer import AnswerPlugs, answer_events
from chains.retrieve import DenseLeg, logistic, retrieve
from configs.prompts import PROMPTS
from core.answers import Answer, Finished, RetrievalSettings
from core.documents import EmbeddingIdentity
from core.errors import StoreUnwritable
from core.web_errors import WebSearchFailed, WebSearchOff
from service.answers.web_search import WebResult, WebSearch, build_web_search
from service.answers.web_store import web_store
from service.knowledge.library import Library
from splitters.chinese import ChineseTextSplitter
from vectorstores.combined import CombinedStore
from vectorstores.knowledge_store import KnowledgeStore

SETTINGS = RetrievalSettings(top_k=5, threshold=0.2, dense_weight=0.3, passage_chars=500, context_chars=2000)
SPLITTER = ChineseTextSplitter()
QUESTION = "年假有几天"
on_loopback = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with searx_server.running() as address:
        yield address


@pytest.fixture
def label(request: pytest.FixtureRequest) -> str:
    return str(abs(hash(request.node.name)))


@pytest.fixture
def searx(server: str, label: str) -> Any:
    """Build a search of the server: `searx("good", results=3)`."""

    def build(behaviour: str, *, results: int = 8, timeout_s: float = 5.0) -> WebSearch:
        return WebSearch("searxng", f"{server}/{behaviour}/{label}", results, timeout_s)

    return build


def requests(server: str, label: str) -> list[dict[str, Any]]:
    return httpx.get(f"{server}/seen/{label}", trust_env=False).json()


class TestOff:
    """Sockets are blocked here: an attempt to connect would be another error."""

    @pytest.mark.parametrize(("engine", "url"), [("off", "http://127.0.0.1:9"), ("searxng", "")], ids=["off", "no_url"])
    def test_nothing_is_searched_unless_a_setting_says_where(self, engine: Any, url: str) -> None:
        with pytest.raises(WebSearchOff) as caught:
            build_web_search(engine, url, 8, 5.0)
        for language in ("zh", "en"):
            assert "KNOWGLM_WEB_SEARCH_URL" in caught.value.advice(language)

    @pytest.mark.parametrize("engine", ["searxng", "ddgs"])
    def test_building_a_search_connects_to_nothing(self, engine: Any) -> None:
        search = build_web_search(engine, "http://127.0.0.1:9", 8, 5.0)
        assert (search.engine, search.results) == (engine, 8)
        assert search.find("  \n ") == []


@on_loopback
class TestSearxng:
    def test_the_results_come_in_the_order_of_the_engine(self, searx: Any) -> None:
        found = searx("good").find(QUESTION)
        assert [result.url for result in found] == [f"https://example.org/{number}" for number in range(1, 9)]
        assert found[2] == WebResult(
            "年假规定 第3版", "https://example.org/3", "员工入职满一年后有3天年假，须提前3天申请。"
        )
        assert len(searx("good", results=20).find(QUESTION)) == 20

    @pytest.mark.parametrize(
        ("question", "language"),
        [
            (QUESTION, "zh"),
            ("ChatGLM 的显存", "zh"),
            ("annual leave", "all"),
            ("有給休暇は何日", "all"),
            ("2024?", "all"),
        ],
        ids=["chinese", "mixed", "english", "japanese", "numbers"],
    )
    def test_it_is_asked_as_its_documentation_says(
        self, searx: Any, server: str, label: str, question: str, language: str
    ) -> None:
        searx("good").find(f" {question}\n")
        (request,) = requests(server, label)
        assert request["path"] == f"/good/{label}/search"
        assert request["query"] == {"q": question, "format": "json", "language": language}

    @pytest.mark.parametrize("ending", ["/", "/search", "/search/"], ids=["slash", "search", "both"])
    def test_an_address_is_understood_however_it_ends(self, searx: Any, ending: str) -> None:
        search = searx("good")
        assert WebSearch("searxng", search.url + ending, 8, 5.0).find(QUESTION)

    def test_a_question_of_any_kind_is_sent(self, searx: Any, server: str, label: str) -> None:
        for question in ("长" * 20_000, "半个\ud83d字符", "a&q=b#c?d=%"):
            assert searx("good").find(question)
        long, half, signs = requests(server, label)
        assert long["query"]["q"] == "长" * 300
        assert half["query"]["q"] == "半个?字符"
        assert signs["query"]["q"] == "a&q=b#c?d=%"

    def test_results_are_plain_text_and_pages_once(self, searx: Any) -> None:
        first, second, third, last = searx("dirty").find(QUESTION)
        assert first == WebResult("年假 & 病假", "https://example.org/1", "有五天 年假 <须批准> x < y")
        assert second == WebResult("[31m红字标题", "https://example.org/2", "List<String> 的 用法")
        assert third == WebResult("https://example.org/3", "https://example.org/3", "")
        assert last == WebResult("半个字符?", "https://example.org/8", "半个?字符")

    def test_the_summary_of_an_encyclopedia_is_a_result_too(self, searx: Any) -> None:
        box, page = searx("infobox").find(QUESTION)
        assert box == WebResult("年假", "https://zh.wikipedia.org/wiki/年假", "年假是带薪的假期。")
        assert page.url == "https://example.org/1"

    def test_no_results_are_no_error_unless_no_engine_answered(self, searx: Any) -> None:
        assert searx("empty").find(QUESTION) == []
        assert len(searx("some-silent").find(QUESTION)) == 1
        with pytest.raises(WebSearchFailed) as caught:
            searx("all-silent").find(QUESTION)
        assert "google – CAPTCHA、bing – timeout" in caught.value.reason("zh")
        with pytest.raises(WebSearchFailed, match="google"):
            searx("odd").find(QUESTION)

    @pytest.mark.parametrize(
        ("behaviour", "reason", "remedy"),
        [
            ("no-json", "403", "search.formats"),
            ("limited", "429", "server.limiter"),
            ("failing", "500", "log"),
            ("page", "Router Log in", "KNOWGLM_WEB_SEARCH_URL"),
            ("other-json", "status", "KNOWGLM_WEB_SEARCH_URL"),
            ("other-shape", "results", "KNOWGLM_WEB_SEARCH_URL"),
            ("list", "1, 2", "KNOWGLM_WEB_SEARCH_URL"),
            ("not-utf8", "not of SearXNG", "KNOWGLM_WEB_SEARCH_URL"),
            ("huge", "not of SearXNG", "KNOWGLM_WEB_SEARCH_URL"),
            ("nested", "not of SearXNG", "KNOWGLM_WEB_SEARCH_URL"),
            ("nowhere", "over there", "KNOWGLM_WEB_SEARCH_URL"),
            ("moved", "/good/elsewhere/search", "KNOWGLM_WEB_SEARCH_URL"),
            ("hang-up", "cannot be reached", "SearXNG runs"),
            ("cut", "cannot be reached", "SearXNG runs"),
        ],
    )
    def test_a_server_that_misbehaves_is_named_with_what_to_do(
        self, searx: Any, behaviour: str, reason: str, remedy: str
    ) -> None:
        search = searx(behaviour)
        with pytest.raises(WebSearchFailed) as caught:
            search.find(QUESTION)
        assert search.url in caught.value.reason("en")
        assert reason in caught.value.reason("en")
        assert remedy in caught.value.advice("en")
        assert "<" not in caught.value.text("zh")
        assert caught.value.text("zh") != caught.value.text("en")

    @pytest.mark.parametrize("behaviour", ["slow", "trickle"])
    def test_silence_ends_in_time(self, searx: Any, behaviour: str) -> None:
        started = time.monotonic()
        with pytest.raises(WebSearchFailed, match=r"did not answer within 0\.3 s"):
            searx(behaviour, timeout_s=0.3).find(QUESTION)
        assert time.monotonic() - started < 3

    def test_a_redirect_is_not_followed(self, searx: Any, server: str) -> None:
        with pytest.raises(WebSearchFailed):
            searx("moved").find(QUESTION)
        assert requests(server, "elsewhere") == []

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "http://127.0.0.1:99999", "http://[broken"], ids=["closed", "port", "bracket"]
    )
    def test_an_address_where_nothing_is(self, url: str) -> None:
        with pytest.raises(WebSearchFailed) as caught:
            WebSearch("searxng", url, 8, 5.0).find(QUESTION)
        assert url in caught.value.reason("zh")

    def test_a_password_in_the_address_is_sent_and_never_shown(self, searx: Any, server: str, label: str) -> None:
        search = searx("no-json")
        with pytest.raises(WebSearchFailed) as caught:
            WebSearch("searxng", search.url.replace("//", "//me:secret@"), 8, 5.0).find(QUESTION)
        assert "secret" not in caught.value.text("zh")
        assert requests(server, label)[0]["headers"]["authorization"].startswith("Basic ")

    def test_no_proxy_stands_before_this_machine(self, searx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert searx("good").find(QUESTION)


class Ddgs(ModuleType):
    """The package `ddgs`, whose `DDGS().text` answers as told and remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        super().__init__("ddgs")
        package = self
        self.asked: list[tuple[Any, ...]] = []

        class DDGS:
            def __init__(self, proxy: str | None = None, timeout: int | None = 5, *, verify: bool = True) -> None:
                self.timeout = timeout

            def text(self, query: str, **options: Any) -> list[dict[str, Any]]:
                package.asked.append((self.timeout, query, options))
                if isinstance(answer, str):
                    raise package.exceptions.DDGSException(answer)
                return answer

        self.DDGS = DDGS
        self.exceptions = ModuleType("ddgs.exceptions")
        self.exceptions.DDGSException = type("DDGSException", (Exception,), {})


@pytest.fixture
def ddgs(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(answer: Any) -> Ddgs:
        package = Ddgs(answer)
        monkeypatch.setitem(sys.modules, "ddgs", package)
        monkeypatch.setitem(sys.modules, "ddgs.exceptions", package.exceptions)
        return package

    return install


class TestDdgs:
    def test_its_results_are_treated_like_the_others(self, ddgs: Any) -> None:
        pages = [
            {"title": "<b>年假</b>", "href": "https://a.example/", "body": "五天&nbsp;年假"},
            {"title": "又是它", "href": "https://a.example", "body": "五天"},
            {"title": "别的", "href": "https://b.example/1", "body": "病假"},
        ]
        package = ddgs(pages)
        found = WebSearch("ddgs", "", 2, 2.5).find(QUESTION)
        assert found == [
            WebResult("年假", "https://a.example/", "五天 年假"),
            WebResult("别的", "https://b.example/1", "病假"),
        ]
        WebSearch("ddgs", "", 2, 2.5).find("annual leave")
        assert package.asked == [
            (3, QUESTION, {"region": "cn-zh", "max_results": 2}),
            (3, "annual leave", {"region": "us-en", "max_results": 2}),
        ]

    def test_finding_nothing_is_no_error(self, ddgs: Any) -> None:
        ddgs("No results found.")
        assert WebSearch("ddgs", "", 8, 5.0).find(QUESTION) == []

    def test_what_it_raises_is_told(self, ddgs: Any) -> None:
        ddgs("operation timed out")
        with pytest.raises(WebSearchFailed, match="operation timed out"):
            WebSearch("ddgs", "", 8, 5.0).find(QUESTION)

    def test_without_the_package_the_remedy_is_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ddgs", None)
        with pytest.raises(WebSearchFailed) as caught:
            WebSearch("ddgs", "", 8, 5.0).find(QUESTION)
        for language in ("zh", "en"):
            assert "pip install ddgs" in caught.value.advice(language)


# --- what becomes of the results -------------------------------------------------------------------------------------

RESULTS = [
    WebResult("请假制度 | 某公司", "https://a.example/2023/leave", "员工入职满一年后有五天年假。年假须提前三天申请。"),
    WebResult("差旅报销", "https://b.example/travel", "出差补贴每天一百元，凭发票报销。"),
    WebResult("请假制度 | 某公司", "https://c.example/v1.2/leave", "病假须提供医院证明。"),
    WebResult("Annual leave", "https://d.example/leave", "Employees have five days of leave after one year."),
]


def answered(question: str, store: Any, dense: DenseLeg | None = None) -> Answer:
    plugs = AnswerPlugs(lambda _: nullcontext(store), dense, None, PROMPTS["default"], "", 0, "zh")
    *_, last = answer_events(question, plugs, SETTINGS)
    assert isinstance(last, Finished)
    return last.answer


def test_an_answer_cites_title_and_address(tmp_path: Path) -> None:
    with web_store(RESULTS, tmp_path, SPLITTER, None, None) as store:
        answer = answered("年假须提前几天申请", store)
    assert not answer.refused
    assert "提前三天" in answer.text
    citation = answer.citations[0]
    assert citation.quote in RESULTS[0].snippet
    assert (citation.chunk.source, citation.chunk.heading, citation.chunk.kind) == (
        "请假制度 | 某公司",
        "https://a.example/2023/leave",
        "web",
    )


def test_the_one_retrieval_works_on_it_with_both_legs(tmp_path: Path) -> None:
    embeddings = HashedEmbeddings()
    identity = EmbeddingIdentity("hashed", "f", embeddings.dimensions)
    with web_store(RESULTS, tmp_path, SPLITTER, embeddings, identity) as store:
        assert store.chunks_without_vectors == 0
        retrieval = retrieve("出差补贴多少", store, SETTINGS, DenseLeg(embeddings, logistic(0.5, 0.1)))
        for hit in retrieval.hits:
            assert hit.dense is not None
    best = retrieval.passages[0]
    assert best.chunk.source == "差旅报销"
    assert best.text == "差旅报销\n\n出差补贴每天一百元，凭发票报销。"
    assert len(embeddings.embedded) == len(RESULTS)
    assert not any("example" in text for text in embeddings.embedded)


def test_one_answer_rests_on_a_knowledge_base_and_the_web_together(tmp_path: Path) -> None:
    with closing(KnowledgeStore(tmp_path / "kb")) as base, web_store(RESULTS, tmp_path, SPLITTER, None, None) as web:
        base.put_documents([new_document("手册.md", ["食堂周五供应羊肉泡馍。", "员工食堂在二楼，刷卡就餐。"])])
        combined = CombinedStore([base, web])
        sources = {question: answered(question, combined).citations[0].chunk for question in ("食堂几楼", "出差补贴")}
    assert [(chunk.source, chunk.heading) for chunk in sources.values()] == [
        ("手册.md", ""),
        ("差旅报销", "https://b.example/travel"),
    ]


def test_pages_of_one_title_are_documents_of_their_own(tmp_path: Path) -> None:
    with web_store(RESULTS, tmp_path, SPLITTER, None, None) as store:
        addresses = {document.name: document.metadata["url"] for document in store.documents()}
    assert addresses["请假制度 | 某公司"] == "https://a.example/2023/leave"
    assert addresses["请假制度 | 某公司 (2)"] == "https://c.example/v1.2/leave"
    assert len(addresses) == len(RESULTS)


def test_the_address_is_shown_but_not_searched(tmp_path: Path) -> None:
    with web_store(RESULTS, tmp_path, SPLITTER, None, None) as store:
        assert retrieve("2023 example travel", store, SETTINGS).hits == ()
        assert {hit.chunk.heading for hit in retrieve("报销", store, SETTINGS).hits} == {"https://b.example/travel"}


def test_a_long_snippet_is_split_and_grows_again(tmp_path: Path) -> None:
    snippet = "".join(f"第{number}条规定：员工每满{number}年增加{number}天年假。" for number in range(1, 40))
    with web_store([WebResult("规定", "https://a.example", snippet)], tmp_path, SPLITTER, None, None) as store:
        chunks = store.document_chunks("规定")
        retrieval = retrieve("每满30年增加多少天", store, SETTINGS)
    assert len(chunks) > 2
    assert {chunk.heading for chunk in chunks} == {"https://a.example"}
    assert "第30条" in retrieval.hits[0].chunk.text
    assert len(retrieval.passages[0].text) > len(retrieval.hits[0].chunk.text)


def test_results_without_anything_to_search_for_do_no_harm(tmp_path: Path) -> None:
    for results in ([], [WebResult("!!!", "https://a.example", "…")]):
        with web_store(results, tmp_path, SPLITTER, HashedEmbeddings(), None) as store:
            assert store.chunk_count == 0
            assert answered(QUESTION, store).refused


def test_nothing_of_it_stays_and_no_library_lists_it(tmp_path: Path) -> None:
    library = Library(tmp_path / "data", tmp_path / "samples", {})
    with (
        web_store(RESULTS, tmp_path / "data", SPLITTER, None, None) as one,
        web_store(RESULTS[:1], tmp_path / "data", SPLITTER, None, None) as other,
    ):
        assert (one.chunk_count, other.chunk_count) == (4, 1)
        assert library.infos() == []
    with pytest.raises(ZeroDivisionError), web_store(RESULTS, tmp_path / "data", SPLITTER, None, None):
        _ = 1 / 0
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritable, match="file"), web_store(RESULTS, tmp_path / "file", SPLITTER, None, None):
        pass


def test_ten_results_become_passages_in_a_fifth_of_a_second(tmp_path: Path) -> None:
    results = [WebResult(f"标题{n}", f"https://a.example/{n}", f"第{n}号工程按图纸施工。" * 20) for n in range(10)]
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        with web_store(results, tmp_path, SPLITTER, None, None) as store:
            assert retrieve("第7号工程", store, SETTINGS).passages
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.2
