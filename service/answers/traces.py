"""Traces of answers, kept on this machine, as many as set: all that is kept of what users ask. And their replay."""

import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from core.answers import Hit, Retrieval, RetrievalSettings
from core.errors import TraceError, TraceNotFound, TraceNotReplayable, TraceUnreadable
from core.messages import Message, well_formed
from core.traces import HitChange, ReplayReport, SettingChange, Trace, TraceSummary
from service.answers.trace_json import read_trace, trace_json

_ID = re.compile(r"\d{8}-\d{6}-\d{3}-[0-9a-f]{4}", re.ASCII)
_PART_LIFE_S = 3600  # a file that is not finished after this long never will be
_NOT_KEPT = Message(
    "回答的记录没有保留，因为写不进 {folder}：{detail}",
    "No traces of the answers are kept, because {folder} cannot be written: {detail}",
)


class TraceStore:
    """The newest traces, in a folder that only its owner can read. Threads and processes may share the folder.

    Args:
        folder: made with the first trace.
        keep: how many traces stay; 0 stores none and leaves those that there are until `clear`.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep
        self._problem: Message | None = None

    def save(self, trace: Trace) -> str:
        """Keep a trace and return the id that it got; empty where it is not kept.

        A folder that cannot be written costs no answer: `notices` tells of it.
        """
        if not self._keep:
            return ""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            id, part = self._claim(trace.created)
            try:
                part.write_text(_as_text(replace(trace, id=id)), "utf-8")
                part.replace(self._path(id))
            finally:
                part.unlink(missing_ok=True)
            self._trim()
        except OSError as error:
            self._problem = _NOT_KEPT.filled(folder=self._folder, detail=error.strerror or error)
            return ""
        self._problem = None
        return id

    def load(self, trace_id: str) -> Trace:
        """Return a trace.

        Raises:
            TraceNotFound: none has this id.
            TraceUnreadable: its file is damaged, or of a newer version.
        """
        if not _ID.fullmatch(trace_id):  # an id is never a path
            raise self._not_found(trace_id)
        path = self._path(trace_id)
        try:
            return read_trace(json.loads(path.read_bytes()))
        except FileNotFoundError:
            raise self._not_found(trace_id) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TraceUnreadable(path=path, detail=f"{type(error).__name__}: {error}") from error

    def summaries(self, limit: int | None = None) -> list[TraceSummary]:
        """Return the newest traces, newest first; damaged ones are left out."""
        return list(islice(self._summaries(), limit))

    def clear(self) -> None:
        """Delete every trace."""
        for path in [*map(self._path, self._ids()), *self._parts()]:
            path.unlink(missing_ok=True)

    def notices(self) -> list[Message]:
        """Return what the user should know: why the last answer left no trace."""
        return [self._problem] if self._problem else []

    def _claim(self, created: float) -> tuple[str, Path]:
        """Return an id of nobody else's and the file to write: an id is taken while either of its files is there."""
        while True:
            id = _new_id(created)
            part = self._folder / f".{id}.part"
            try:
                part.touch(mode=0o600, exist_ok=False)
            except FileExistsError:
                continue
            if not self._path(id).exists():
                return id, part
            part.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Delete the traces beyond `keep`, and what a crash has left."""
        for id in self._ids()[self._keep :]:
            self._path(id).unlink(missing_ok=True)
        for part in self._parts():
            if time.time() - _modified_at(part) > _PART_LIFE_S:
                part.unlink(missing_ok=True)

    def _ids(self) -> list[str]:
        """Return the ids of all traces, newest first."""
        names = (path.stem for path in self._folder.glob("*.json"))
        return sorted((name for name in names if _ID.fullmatch(name)), reverse=True)

    def _parts(self) -> list[Path]:
        return list(self._folder.glob(".*.part"))

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.json"

    def _summaries(self) -> Iterator[TraceSummary]:
        for id in self._ids():
            try:
                yield self.load(id).summary
            except TraceError:  # damaged, or deleted in between: `load` says so to whoever asks for it
                continue

    def _not_found(self, trace_id: str) -> TraceNotFound:
        nearest = get_close_matches(trace_id, self._ids(), cutoff=0.0)
        return TraceNotFound(id=well_formed(trace_id), nearest=", ".join(nearest) or "–")


def searched_kbs(trace: Trace) -> tuple[str, ...]:
    """Return the names of the knowledge bases that a replay searches.

    Raises:
        TraceNotReplayable: none was searched; a retrieval that did not take place took no time.
    """
    if not (trace.kbs and trace.answer.retrieval.seconds):
        raise TraceNotReplayable(id=trace.id)
    return trace.kbs


def replay(
    trace: Trace,
    search: Callable[[str, RetrievalSettings], Retrieval],
    *,
    kb_version: str = "",
    settings: RetrievalSettings | None = None,
) -> ReplayReport:
    """Run the retrieval of a trace again, with the question and the settings it had, and compare.

    A candidate is the same if its knowledge base, its file and its text are, whatever id a rebuild gave it.

    Args:
        search: retrieves from the knowledge bases of the trace, by the one path.
        kb_version: what they are now; empty where unknown.
        settings: those that a question asked today would meet.
    """
    then = trace.answer.retrieval
    now = search(then.question, then.settings)
    before, after = (_by_text(hits, searched_kbs(trace)[0]) for hits in (then.hits, now.hits))
    changes = [HitChange(before.get(key), after.get(key)) for key in before | after]
    changes.sort(key=lambda change: min(hit.rank for hit in (change.before, change.after) if hit is not None))
    return ReplayReport(
        trace=trace,
        retrieval=now,
        changes=tuple(change for change in changes if change.kinds),
        kb_changed=trace.kb_version != kb_version if trace.kb_version and kb_version else None,
        settings_changed=_setting_changes(then.settings, settings or then.settings),
    )


def kb_version(manifests: Iterable[Mapping[str, Any]]) -> str:
    """Return what changes whenever the searchable content of a knowledge base does, from the manifests of all."""
    return "+".join(f"{manifest['database_id']}.{manifest.get('generation', 0)}" for manifest in manifests)


def _new_id(created: float) -> str:
    """Return an id that sorts by time: date, time and milliseconds in UTC, and 16 random bits."""
    moment = datetime.fromtimestamp(created, UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def _as_text(trace: Trace) -> str:
    return well_formed(json.dumps(trace_json(trace), ensure_ascii=False, indent=1))


def _modified_at(path: Path) -> float:
    """Return seconds since the epoch; now, for a file that has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _by_text(hits: Iterable[Hit], kb: str) -> dict[tuple[object, ...], Hit]:
    """Return candidates by knowledge base, file, text, and which of those equal in all of them.

    Args:
        kb: of candidates that do not say it, as in traces of older versions.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    keyed: dict[tuple[object, ...], Hit] = {}
    for hit in hits:
        text = hit.chunk.kb or kb, hit.chunk.source, hit.chunk.text
        keyed[(*text, seen[text])] = hit
        seen[text] += 1
    return keyed


def _setting_changes(then: RetrievalSettings, now: RetrievalSettings) -> tuple[SettingChange, ...]:
    pairs = [(field.name, getattr(then, field.name), getattr(now, field.name)) for field in fields(then)]
    return tuple(SettingChange(*pair) for pair in pairs if pair[1] != pair[2])
