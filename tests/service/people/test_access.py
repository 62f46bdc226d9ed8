"""What each role may do, that nothing is forgotten, and that nobody learns of what is not theirs."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cheap_accounts import GOOD, cheap_passwords

from core.account_errors import Forbidden
from core.accounts import LOCAL_ADMIN, ROLES, Role, User
from core.answers import Finished
from core.errors import KnowledgeBaseExists, KnowledgeBaseNotFound
from core.job_errors import JobNotFound
from core.jobs import Job, JobKind
from service.knowledge_qa import KnowledgeQA
from service.people.access import guarded
from service.people.access_rules import RULES
from service.people.accounts import Accounts

App = KnowledgeQA
ME = "user:me"
READER = User("小明", roles={"人事": "reader"})


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts(tmp_path / "users.json", passwords=cheap_passwords())
    for name, role in (("读者", "reader"), ("编辑", "editor"), ("管理员", "admin")):
        accounts.add(name, GOOD, cast(Role, role))
    accounts.add("小明", GOOD, roles={"人事": "reader"})
    return accounts


@pytest.fixture
def filled(app: App, write: Callable[..., list[Path]]) -> App:
    for kb in ("人事", "财务"):
        app.create(kb)
        app.add(kb, write(**{f"{kb}.txt": f"{kb}制度：员工入职满一年后有五天年假。"}))
    return app


@pytest.fixture
def seen_by(filled: App, accounts: Accounts) -> Callable[..., App]:
    """The façade as somebody sees it."""

    def see(user: User | str) -> App:
        known = accounts.get(user) if isinstance(user, str) else user
        assert known is not None
        return guarded(filled, known, owner=f"user:{known.name}", accounts=accounts)

    return see


# --- nothing is forgotten ----------------------------------------------------------------------------------------


def parts_of(app: App) -> Iterator[tuple[str, object]]:
    """Yield the façade itself as "", and every public part of it that is a service of its own."""
    yield "", app
    for name, value in inspect.getmembers(app):
        if not name.startswith("_") and type(value).__module__.startswith("service."):
            yield f"{name}.", value


def offered(app: App) -> dict[str, Any]:
    """Return everything public, by its path."""
    parts = dict(parts_of(app))
    found = {}
    for path, part in parts.items():
        for name, value in inspect.getmembers(part):
            if not name.startswith("_") and f"{name}." not in parts:
                found[path + name] = value
    return found


def test_everything_that_the_facade_offers_has_a_rule(app: App) -> None:
    assert sorted(offered(app).keys() - RULES.keys()) == [], "say in service/people/access_rules.py who may do it"


def test_no_rule_is_about_what_is_gone(app: App) -> None:
    there = {path for path, _ in parts_of(app)}
    rules = {path for path in RULES if path[: path.find(".") + 1] in there}
    assert sorted(rules - offered(app).keys()) == []


def test_a_part_that_is_added_is_noticed(app: App) -> None:
    app.curation = Accounts.of_pairs([])  # type: ignore[attr-defined]  # any service
    assert "curation.rename_kb" in offered(app).keys() - RULES.keys()


def test_rules_name_parameters_that_there_are(app: App) -> None:
    for path, value in offered(app).items():
        rule = RULES[path]
        if rule is not None and rule.kb:
            assert rule.kb in inspect.signature(value).parameters, path
        names = {"kb", "kbs"} | ({"name"} if "." not in path else set())
        is_checked_later = path.startswith("conversations.")  # they only note what the next question is asked of
        if rule is not None and callable(value) and path != "create" and not is_checked_later:
            assert rule.kb or not names & inspect.signature(value).parameters.keys(), f"{path} is about a kb"


@pytest.mark.parametrize("path", [path for path, rule in RULES.items() if rule is None])
def test_what_is_for_no_visitor_is_not_there(path: str) -> None:
    part, _, name = path.rpartition(".")
    thing = SimpleNamespace(**{name: lambda: "done"})
    visible = guarded(
        cast(App, SimpleNamespace(**{part: thing}) if part else thing), LOCAL_ADMIN, owner=ME, accounts=None
    )
    with pytest.raises(AttributeError):
        getattr(getattr(visible, part) if part else visible, name)


@pytest.mark.parametrize("name", ["_library", "_model", "__dict__x", "nothing", "of_tomorrow"])
def test_security_report_what_has_no_rule_is_not_there(seen_by: Callable[..., App], name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(seen_by(LOCAL_ADMIN), name)


# --- roles -------------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[Role, Callable[[App], object]]] = {
    "files": ("reader", lambda qa: qa.files("人事")),
    "chunks": ("reader", lambda qa: qa.chunks("人事", "人事.txt")),
    "search": ("reader", lambda qa: qa.search("年假", "人事")),
    "retriever": ("reader", lambda qa: qa.retriever(kb="人事")),
    "ask": ("reader", lambda qa: list(qa.ask("年假有几天", "人事"))),
    "explain": ("reader", lambda qa: qa.explain("年假", "人事", "五天")),
    "prompt": ("reader", lambda qa: qa.prompt("人事")),
    "notices": ("reader", lambda qa: qa.notices("人事")),
    "questions": ("reader", lambda qa: qa.questions("人事")),
    "draft_questions": ("reader", lambda qa: qa.draft_questions("人事", 1)),
    "kb_settings.save": ("editor", lambda qa: qa.kb_settings.save("人事", system_prompt="简短")),
    "add_questions": ("editor", lambda qa: qa.add_questions("人事", [], "user")),
    "add": ("editor", lambda qa: qa.add("人事", [])),
    "remove": ("editor", lambda qa: qa.remove("人事", "人事.txt")),
    "rebuild": ("editor", lambda qa: qa.rebuild("人事")),
    "delete": ("admin", lambda qa: qa.delete("人事")),
}


@pytest.mark.parametrize("here", [True, False], ids=["in_one", "in_all"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", CALLS)
def test_pain_1764_a_role_is_enough_or_not(seen_by: Callable[..., App], call: str, role: Role, *, here: bool) -> None:
    needed, run = CALLS[call]
    qa = seen_by(User("小明", roles={"人事": role}) if here else User("小明", role))
    if ROLES.index(role) >= ROLES.index(needed):
        run(qa)
    else:
        with pytest.raises(Forbidden) as caught:
            run(qa)
        assert (caught.value.needed, caught.value.kb) == (needed, "人事")


@pytest.mark.parametrize("call", CALLS)
def test_pain_1764_a_private_knowledge_base_does_not_exist_for_others(seen_by: Callable[..., App], call: str) -> None:
    """The same error as for one that is not there, down to the last letter but the name."""
    stranger = seen_by(User("小红", roles={"财务": "admin"}))
    told = {}
    for name in ("人事", "XYZ"):
        with pytest.raises(KnowledgeBaseNotFound) as caught:
            CALLS[call][1](cast(App, Renamed(stranger, name)))
        told[name] = caught.value.text("zh").replace(name, "*")
    assert told["人事"] == told["XYZ"]
    assert "财务" in told["XYZ"]
    assert "人事" not in told["XYZ"]
    assert "samples" not in told["XYZ"]


class Renamed:
    """Calls the façade about another knowledge base than the one that is named."""

    def __init__(self, qa: object, name: str) -> None:
        self.qa, self.name = qa, name

    def __getattr__(self, method: str) -> object:
        if not callable(getattr(self.qa, method)):
            return Renamed(getattr(self.qa, method), self.name)

        def call(*positional: object, **named: object) -> object:
            other = {key: self.name if value == "人事" else value for key, value in named.items()}
            return getattr(self.qa, method)(*(self.name if value == "人事" else value for value in positional), **other)

        return call


def test_security_report_a_deleted_knowledge_base_does_not_tell_of_the_others(
    filled: App, seen_by: Callable[..., App]
) -> None:
    filled.delete("人事")
    with pytest.raises(KnowledgeBaseNotFound) as caught:  # the façade's own error lists all of them
        seen_by(READER).files("人事")
    assert "财务" not in caught.value.text("zh")


def test_lists_hold_what_may_be_read(seen_by: Callable[..., App]) -> None:
    def names(user: User) -> list[str]:
        return [info.name for info in seen_by(user).knowledge_bases()]

    assert names(LOCAL_ADMIN) == names(User("读", "reader")) == ["samples", "人事", "财务"]
    assert names(READER) == ["人事"]
    assert names(User("谁")) == []


def test_security_report_the_default_knowledge_base_is_checked_too(seen_by: Callable[..., App]) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        seen_by(READER).search("年假")
    with pytest.raises(KnowledgeBaseNotFound):
        seen_by(READER).notices()


@pytest.mark.parametrize("spelling", [" 人事", "人事\n"], ids=["blank", "newline"])
def test_a_name_is_checked_as_it_is_opened(seen_by: Callable[..., App], spelling: str) -> None:
    assert seen_by(READER).files(spelling)
    with pytest.raises(KnowledgeBaseNotFound):
        seen_by(User("小红", roles={"财务": "reader"})).files(spelling)


class SeveralAtOnce:
    """A façade that searches several knowledge bases."""

    def search(self, question: str, kb: str | Sequence[str] = "samples") -> Sequence[str]:
        return [kb] if isinstance(kb, str) else kb

    def knowledge_bases(self) -> list[Any]:
        return []


class TwoFaced(list[str]):
    """A sequence that is another one when it is read again."""

    def __iter__(self) -> Iterator[str]:
        names = list(super().__iter__())
        self[:] = ["财务"]
        return iter(names)


def test_of_several_each_one_is_checked() -> None:
    qa = guarded(cast(App, SeveralAtOnce()), READER, owner=ME, accounts=None)
    assert qa.search("年假", cast(Any, ["人事", "人事"])) == ("人事", "人事")
    assert qa.search("年假", cast(Any, TwoFaced(["人事"]))) == ("人事",)
    for names in (["人事", "财务"], ("财务", "人事"), {"财务": 1}):
        with pytest.raises(KnowledgeBaseNotFound, match="财务"):
            qa.search("年假", kb=cast(Any, names))


@pytest.mark.parametrize("call", ["traces", "clear_traces", "settings", "load_model"])
def test_the_application_is_for_admins_of_all(seen_by: Callable[..., App], call: str) -> None:
    def use(user: User) -> None:
        value = getattr(seen_by(user), call)
        if callable(value):
            value()

    for user in (User("编", "editor"), User("管", roles={"人事": "admin"}), User("谁")):
        with pytest.raises(Forbidden) as caught:
            use(user)
        assert caught.value.kb is None
    use(User("管", "admin"))


def test_a_stream_is_the_facades_own(seen_by: Callable[..., App]) -> None:
    stream = seen_by(READER).ask("年假有几天", "人事")
    *_, last = stream
    assert isinstance(last, Finished)
    assert "五天" in last.answer.text


def test_arguments_must_fit_the_method(seen_by: Callable[..., App]) -> None:
    with pytest.raises(TypeError):
        seen_by(READER).files()  # type: ignore[call-arg]


# --- knowledge bases that come and go ----------------------------------------------------------------------------


def test_who_creates_a_knowledge_base_is_its_admin(seen_by: Callable[..., App], accounts: Accounts) -> None:
    accounts.set_role("小明", "reader", "新")  # left over from one of that name
    seen_by("编辑").create("新")
    creator, other = accounts.get("编辑"), accounts.get("小明")
    assert creator is not None
    assert other is not None
    assert creator.role_in("新") == "admin"
    assert other.role_in("新") is None
    seen_by("编辑").delete("新")
    assert dict(accounts.get("编辑").roles) == {}  # type: ignore[union-attr]


@pytest.mark.parametrize("user", ["读者", "小明"], ids=["reader_of_all", "reader_of_one"])
def test_readers_create_nothing(filled: App, seen_by: Callable[..., App], user: str) -> None:
    with pytest.raises(Forbidden):
        seen_by(user).create("新")
    assert "新" not in [info.name for info in filled.knowledge_bases()]


def test_a_name_that_is_taken_changes_no_roles(seen_by: Callable[..., App], accounts: Accounts) -> None:
    with pytest.raises(KnowledgeBaseExists):
        seen_by("编辑").create("人事")
    assert accounts.get("小明").may("reader", "人事")  # type: ignore[union-attr]
    assert dict(accounts.get("编辑").roles) == {}  # type: ignore[union-attr]


def test_deleting_takes_the_roles_along(seen_by: Callable[..., App], accounts: Accounts) -> None:
    seen_by("管理员").delete("人事")
    assert dict(accounts.get("小明").roles) == {}  # type: ignore[union-attr]


def test_renaming_takes_the_roles_along(accounts: Accounts) -> None:
    renamed: list[tuple[str, str]] = []
    facade = SimpleNamespace(rename=lambda name, new: renamed.append((name, new)))
    accounts.set_role("小明", "admin", "人事")
    user = accounts.get("小明")
    assert user is not None
    guarded(cast(App, facade), user, owner=ME, accounts=accounts).rename("人事", new="人力")  # type: ignore[attr-defined]
    assert renamed == [("人事", "人力")]
    assert dict(accounts.get("小明").roles) == {"人力": "admin"}  # type: ignore[union-attr]


def test_without_a_login_all_works_and_no_accounts_come_about(filled: App, tmp_path: Path) -> None:
    empty = Accounts(tmp_path / "none.json")
    for accounts in (None, empty):
        qa = guarded(filled, LOCAL_ADMIN, owner="visitor", accounts=accounts)
        qa.create("新")
        qa.delete("新")
    assert not empty.login_on


# --- what belongs to somebody ------------------------------------------------------------------------------------


class Conversations:
    def list(self, owner: str, query: str = "") -> list[str]:
        return [f"{owner} {query}"]


def test_security_report_nobody_can_name_another_owner() -> None:
    facade = cast(App, SimpleNamespace(conversations=Conversations()))
    mine = guarded(facade, LOCAL_ADMIN, owner=ME, accounts=None).conversations  # type: ignore[attr-defined]
    assert mine.list(ME, "年假") == [f"{ME} 年假"]
    assert mine.list(owner=ME) == [f"{ME} "]
    for owner in ("user:other", "", None, f"{ME} "):
        with pytest.raises(Forbidden):
            mine.list(owner)
        with pytest.raises(Forbidden):
            mine.list(query="年假", owner=owner)


def job(id: str, kind: JobKind, target: str, owner: str) -> Job:
    return Job(id, kind, target, owner, "running", None, None, None, 0.0, ())


class Jobs:
    """Three jobs: somebody's in each of two knowledge bases, and a download that has the name of one of them."""

    def __init__(self) -> None:
        all_jobs = [
            job("1", "add", "人事", "other"),
            job("2", "add", "财务", "other"),
            job("3", "download", "人事", "x"),
        ]
        self.all = {each.id: each for each in all_jobs}
        self.cancelled: list[str] = []

    def start(self, kind: JobKind, target: str, owner: str, work: object) -> str:
        return f"{kind} {target}"

    def get(self, id: str) -> Job:
        return self.all[id]

    def of(self, target: str) -> list[Job]:
        return [each for each in self.all.values() if each.target == target]

    def cancel(self, id: str) -> None:
        self.cancelled.append(id)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def jobs_of(jobs: Jobs) -> Callable[[User], Any]:
    facade = SimpleNamespace(jobs=jobs, knowledge_bases=list)
    return lambda user: guarded(cast(App, facade), user, owner=ME, accounts=None).jobs  # type: ignore[attr-defined]


def test_jobs_are_started_by_editors_and_downloads_by_admins(jobs_of: Callable[[User], Any]) -> None:
    editor = jobs_of(User("编", roles={"人事": "editor"}))
    assert editor.start("add", "人事", ME, None) == "add 人事"
    with pytest.raises(Forbidden):
        editor.start("add", "人事", "other", None)
    with pytest.raises(Forbidden):
        editor.start("download", "人事", ME, None)
    with pytest.raises(KnowledgeBaseNotFound):
        editor.start("rebuild", "财务", ME, None)
    with pytest.raises(Forbidden):
        jobs_of(READER).start("reindex", "人事", ME, None)
    assert jobs_of(LOCAL_ADMIN).start("download", "chatglm-6b", ME, None)


def test_jobs_are_seen_by_readers_of_their_knowledge_base(jobs_of: Callable[[User], Any], jobs: Jobs) -> None:
    reader = jobs_of(READER)
    assert [each.id for each in reader.of("人事")] == ["1"]
    assert reader.of("财务") == []
    assert reader.get("1").target == "人事"
    for hidden in ("2", "3"):
        with pytest.raises(JobNotFound):
            reader.get(hidden)
    jobs.all["2"] = replace(jobs.all["2"], owner=ME)
    assert reader.get("2").owner == ME
    assert [each.id for each in jobs_of(LOCAL_ADMIN).of("人事")] == ["1", "3"]


def test_jobs_are_ended_by_their_owners_and_by_editors(jobs_of: Callable[[User], Any], jobs: Jobs) -> None:
    reader, editor = jobs_of(READER), jobs_of(User("编", roles={"人事": "editor"}))
    with pytest.raises(Forbidden):
        reader.cancel("1")
    for hidden in ("2", "3"):
        with pytest.raises(JobNotFound):
            editor.cancel(hidden)
    assert jobs.cancelled == []
    editor.cancel("1")
    jobs.all["1"] = replace(jobs.all["1"], owner=ME)
    reader.cancel("1")
    assert jobs.cancelled == ["1", "1"]


def test_who_runs_a_knowledge_base_gives_roles_in_it_and_nowhere_else(accounts: Accounts) -> None:
    facade = SimpleNamespace(accounts=accounts, knowledge_bases=list)
    boss = User("管", roles={"人事": "admin"})
    mine = guarded(cast(App, facade), boss, owner=ME, accounts=accounts).accounts  # type: ignore[attr-defined]
    mine.set_role("小明", "editor", "人事")
    assert accounts.get("小明").role_in("人事") == "editor"  # type: ignore[union-attr]
    with pytest.raises(KnowledgeBaseNotFound):
        mine.set_role("小明", "editor", "财务")
    with pytest.raises(Forbidden):
        mine.set_role("管", "admin")
    with pytest.raises(Forbidden):
        mine.users()
    with pytest.raises(AttributeError):
        mine.verify("小明", GOOD, "")
