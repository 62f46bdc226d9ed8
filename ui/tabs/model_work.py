"""What goes on in the background for the models: downloads, and changes of the one that writes the answers."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.account_errors import Forbidden
from core.answers import ProgressCallback
from core.jobs import Job
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from service.models.downloads import ModelChanges, start_download
from service.models.inventory import downloadable
from ui.components import QUIET, Updates, data_of, panel, refused, told
from ui.rendering import models as pictures
from ui.texts import models as texts
from ui.visitors import facade_for, visitor_of

_EVERY_S = 0.7
_RECENT = 3

Watched = tuple[int, tuple[str, ...]]  # the change and the downloads that had not ended when they were last looked at


class ModelWork:
    """It goes on without the page, and a page that is opened later shows it. Only who may manage models sees it."""

    def __init__(self, qa: KnowledgeQA, changes: ModelChanges, language: Language) -> None:
        self._qa, self._changes, self._language = qa, changes, language
        self._watched = gr.State((0, ()))
        self._panel = panel("model-work")
        self._timer = gr.Timer(_EVERY_S, active=False)
        self.widgets: list[Any] = [self._watched, self._panel, self._timer]

    def wire(
        self,
        everything: list[Any],
        *,
        changed: Callable[[gr.Request], Updates],
        listed: Callable[[gr.Request], Updates],
    ) -> None:
        """Let its buttons work.

        Args:
            changed: what to update once the language model has been changed.
            listed: what to update once something has been downloaded.
        """
        telling = told(self._language)
        self._after_change, self._after_download = changed, listed
        self._panel.click(telling(self.cancel), None, self.widgets, **QUIET)
        self._timer.tick(telling(self.tick), self._watched, everything, **QUIET)

    @property
    def is_changing(self) -> bool:
        """Whether the language model is being changed."""
        change = self._changes.last
        return change is not None and not change.ended

    def change(self, about: Message, work: Callable[[ProgressCallback], object], request: gr.Request) -> Updates:
        """Change the language model, and follow that.

        Raises:
            Forbidden: the visitor is no admin.
        """
        _require_admin(request)
        if not self._changes.start(about, work):
            raise refused(texts.BUSY.text(self._language))
        change = self._changes.last
        return self._following((change.number if change else 0, self._unended(request)), request)

    def download(self, name: str, request: gr.Request) -> Updates:
        """Download a model, and follow that."""
        id = start_download(facade_for(self._qa, request), name, visitor_of(request).owner)
        return self._following((self._changing(), (*self._unended(request), id)), request)

    def cancel(self, event: gr.EventData, request: gr.Request) -> Updates:
        """End a download or the change at its next step."""
        data = data_of(event)
        if data["action"] == "cancel-change":
            _require_admin(request)
            self._changes.cancel()
        else:
            facade_for(self._qa, request).jobs.cancel(data["job"])
        return self._following((self._changing(), self._unended(request)), request)

    def opened(self, request: gr.Request) -> Updates:
        """Show what goes on, and follow it."""
        return self._following((self._changing(), self._unended(request)), request)

    def tick(self, watched: Watched, request: gr.Request) -> Updates:
        """Show how far everything is, and what has become of what has ended since the last look."""
        change, downloads = watched
        updates = self.opened(request)
        has_changed, unended = change not in (0, self._changing()), self._unended(request)
        if has_changed:
            return updates | self._after_change(request)
        return updates | ({} if set(downloads) <= set(unended) else self._after_download(request))

    def _following(self, watched: Watched, request: gr.Request) -> Updates:
        """Show what goes on; what has just been begun is looked at once more even if it has ended."""
        if not visitor_of(request).user.may("admin"):
            return {}
        downloads = self._downloads(request)
        shown = [job for place, job in enumerate(downloads) if place < _RECENT or not job.ended]
        return {
            self._watched: watched,
            self._panel: pictures.work(self._changes.last, shown, downloadable(), language=self._language),
            self._timer: gr.Timer(active=any(watched)),
        }

    def _changing(self) -> int:
        """Return the number of the change that is being made; 0 for none."""
        change = self._changes.last
        return change.number if change is not None and not change.ended else 0

    def _unended(self, request: gr.Request) -> tuple[str, ...]:
        return tuple(job.id for job in self._downloads(request) if not job.ended)

    def _downloads(self, request: gr.Request) -> list[Job]:
        """Return the downloads that are known of, the newest first."""
        jobs = facade_for(self._qa, request).jobs
        known = [job for name in downloadable() for job in jobs.of(name) if job.kind == "download"]
        return sorted(known, key=lambda job: job.started, reverse=True)


def _require_admin(request: gr.Request) -> None:
    if not visitor_of(request).user.may("admin"):
        raise Forbidden("admin", None)
