"""Who may do what: one table of everything that the façade offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.account_errors import Forbidden
from core.accounts import Role, User
from core.documents import KnowledgeBaseInfo
from core.errors import KnowledgeBaseNotFound
from core.job_errors import JobNotFound
from core.jobs import Job, JobKind
from core.messages import well_formed
from service.knowledge_qa import KnowledgeQA
from service.people.accounts import Accounts

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """What one visitor may do."""

    qa: KnowledgeQA
    user: User
    owner: str
    accounts: Accounts | None

    def require(self, role: Role, kb: str | None = None) -> None:
        """Go on where the visitor has a role.

        Raises:
            KnowledgeBaseNotFound: the visitor has no role in the knowledge base at all, and is not told that it exists.
            Forbidden: the visitor's role is not enough.
        """
        if self.user.may(role, kb):
            return
        if kb is not None and self.user.role_in(kb) is None:
            raise self.no_such_kb(kb)
        raise Forbidden(role, kb)

    def no_such_kb(self, name: str) -> KnowledgeBaseNotFound:
        """Return the error for a knowledge base that does not exist, as far as the visitor is concerned."""
        known = "、".join(info.name for info in self.readable(self.qa.knowledge_bases()))
        return KnowledgeBaseNotFound(name=well_formed(name), known=known or "–")

    def readable(self, infos: list[KnowledgeBaseInfo]) -> list[KnowledgeBaseInfo]:
        """Return those that the visitor may read."""
        return [info for info in infos if self.user.may("reader", info.name)]

    def sees(self, job: Job) -> bool:
        """Return whether the visitor may know of a job."""
        return job.owner == self.owner or self.user.may("reader", None if job.kind == "download" else job.target)

    def require_for_job(self, kind: JobKind, target: str) -> None:
        """Go on where the visitor may start such a job; raises as `require`."""
        if kind == "download":
            self.require("admin")
        else:
            self.require("editor", target)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method of the façade takes. An argument named `owner` must be the visitor in any case.

    Attributes:
        role: None for every visitor.
        kb: the parameter that names the knowledge base or several; empty where the account's own role counts, which is
            also what counts where the argument is None.
        before: a further check, given the part of the façade and the arguments; raises.
        after: what becomes of the result, given the arguments too.
    """

    role: Role | None = None
    kb: str = ""
    before: Callable[[Access, Any, Arguments], None] | None = None
    after: Callable[[Access, Arguments, Any], Any] | None = None

    def check(self, access: Access, part: object, arguments: Arguments) -> None:
        """Go on where the visitor may call the method with these arguments.

        Raises:
            KnowledgeBaseNotFound, Forbidden: see `Access.require`; also for somebody else as the owner.
        """
        if arguments.get("owner", access.owner) != access.owner:
            raise Forbidden("admin", None)
        if self.role is not None:
            named = arguments[self.kb] if self.kb else None
            for kb in (named,) if named is None or isinstance(named, str) else named:
                access.require(self.role, kb)
        if self.before is not None:
            self.before(access, part, arguments)


# --- what follows a call, or goes before it --------------------------------------------------------------------------


def _readable(access: Access, _: Arguments, infos: list[KnowledgeBaseInfo]) -> list[KnowledgeBaseInfo]:
    return access.readable(infos)


def _claim(access: Access, arguments: Arguments, result: None) -> None:
    """Make who creates a knowledge base its admin."""
    if access.accounts is not None:
        access.accounts.claim_kb(arguments["name"], access.user.name)


def _follow(access: Access, arguments: Arguments, result: None) -> None:
    if access.accounts is not None:
        access.accounts.rename_kb(arguments["name"], arguments["new"])


def _forget(access: Access, arguments: Arguments, result: None) -> None:
    if access.accounts is not None:
        access.accounts.forget_kb(arguments["name"])


def _may_start(access: Access, _: object, arguments: Arguments) -> None:
    access.require_for_job(arguments["kind"], arguments["target"])


def _may_cancel(access: Access, jobs: Any, arguments: Arguments) -> None:
    """Let whoever started a job end it, and whoever could have."""
    job = _seen_job(access, arguments, jobs.get(arguments["id"]))
    if job.owner != access.owner:
        access.require_for_job(job.kind, job.target)


def _seen_job(access: Access, arguments: Arguments, job: Job) -> Job:
    if not access.sees(job):
        raise JobNotFound(id=arguments["id"])
    return job


def _seen_jobs(access: Access, _: Arguments, jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if access.sees(job)]


# --- the table -------------------------------------------------------------------------------------------------------

_ANYONE, _ADMIN = Rule(), Rule("admin")
_READER, _EDITOR = Rule("reader", "kb"), Rule("editor", "kb")
_READER_OF_NAME, _EDITOR_OF_NAME = Rule("reader", "name"), Rule("editor", "name")

RULES: Mapping[str, Rule | None] = {
    "language": _ANYONE,
    "settings": _ADMIN,
    "close": None,
    "knowledge_bases": Rule(after=_readable),
    "create": Rule("editor", after=_claim),
    "rename": Rule("admin", "name", after=_follow),
    "delete": Rule("admin", "name", after=_forget),
    "files": _READER_OF_NAME,
    "chunks": _READER_OF_NAME,
    "add": _EDITOR_OF_NAME,
    "remove": _EDITOR_OF_NAME,
    "reindex": _EDITOR_OF_NAME,
    "rebuild": _EDITOR_OF_NAME,
    "refresh_samples": Rule("editor"),
    "search": _READER,
    "retriever": _READER,
    "retrieval_settings": _READER,
    "ask": _READER,
    "explain": _READER,
    "prompt": _READER,
    "notices": _READER,
    "evaluate": _READER,
    "questions": _READER,
    "draft_questions": _READER,
    "add_questions": _EDITOR,
    "traces": _ADMIN,
    "trace": _ADMIN,
    "replay": _ADMIN,
    "clear_traces": _ADMIN,
    "model_in_force": _ANYONE,
    "load_model": _ADMIN,
    "unload_model": _ADMIN,
    "use_model": _ADMIN,
    "accounts.login_on": _ANYONE,
    "accounts.users": _ADMIN,
    "accounts.get": _ADMIN,
    "accounts.add": _ADMIN,
    "accounts.remove": _ADMIN,
    "accounts.set_password": _ADMIN,
    "accounts.set_role": Rule("admin", "kb"),
    "accounts.notices": _ADMIN,
    "accounts.verify": None,
    "accounts.of_pairs": None,
    "accounts.claim_kb": None,
    "accounts.rename_kb": None,
    "accounts.forget_kb": None,
    "conversations.create": _ANYONE,
    "conversations.list": _ANYONE,
    "conversations.load": _ANYONE,
    "conversations.rename": _ANYONE,
    "conversations.delete": _ANYONE,
    "conversations.begin": _ANYONE,
    "conversations.finish": _ANYONE,
    "conversations.stop": _ANYONE,
    "conversations.fail": _ANYONE,
    "conversations.drop_last": _ANYONE,
    "conversations.clear": _ANYONE,
    "conversations.rate": _ANYONE,
    "conversations.choose": _ANYONE,
    "conversations.history": _ANYONE,
    "conversations.rename_kb": None,
    "conversations.close": None,
    "curation.chunks": _READER,
    "curation.corrections": _READER,
    "curation.preview": _READER,
    "curation.preview_file": _ANYONE,
    "curation.source": _READER,
    "curation.original": _READER,
    "curation.edit": _EDITOR,
    "curation.set_enabled": _EDITOR,
    "curation.undo": _EDITOR,
    "kb_settings.saved": _READER,
    "kb_settings.in_force": _READER,
    "kb_settings.save": _EDITOR,
    "kb_settings.retrieval": None,
    "kb_settings.prompt": None,
    "kb_settings.ranking": None,
    "kb_settings.embeddings": None,
    "kb_settings.indexing": None,
    "kb_settings.notices": None,
    "kb_settings.apply": _EDITOR,
    "question_book.all": _READER,
    "question_book.find": _READER,
    "question_book.right": _READER,
    "question_book.export_file": _READER,
    "question_book.mark_right": _EDITOR,
    "question_book.mark_wrong": _EDITOR,
    "question_book.unmark": _EDITOR,
    "question_book.withdraw": _EDITOR,
    "question_book.mark_unanswerable": _EDITOR,
    "question_book.remove": _EDITOR,
    "question_book.import_file": _EDITOR,
    "uploads.suffixes": _ANYONE,
    "intake.start": _ANYONE,
    "intake.resume": None,
    "intake.rename_kb": None,
    "uploads.begin": _EDITOR,
    "uploads.receive": _ANYONE,
    "uploads.files": _ANYONE,
    "uploads.get": _ANYONE,
    "uploads.finish": _ANYONE,
    "uploads.give_up": _ANYONE,
    "uploads.discard": None,
    "uploads.unfinished": None,
    "uploads.note_attempts": None,
    "uploads.rename_kb": None,
    "uploads.close": None,
    "jobs.start": Rule(before=_may_start),
    "jobs.get": Rule(after=_seen_job),
    "jobs.of": Rule(after=_seen_jobs),
    "jobs.cancel": Rule(before=_may_cancel),
    "jobs.rename_target": None,
    "jobs.close": None,
}
"""By method or attribute, those of the façade's parts after a dot; None: for no visitor."""
