"""The work that goes on in the background for one knowledge base: followed, and cancelled."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.jobs import Job, JobKind, Work
from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, panel, told
from ui.rendering import knowledge_bases as pictures
from ui.visitors import facade_for, visitor_of

_EVERY_S = 1.0
_RECENT = 3


class KbJobs:
    """The jobs of the chosen knowledge base. They go on without the page, and a page that is opened later shows them.

    A timer of the page asks how far they are, so that what is shown is always the knowledge base that is on show. Only
    who may start jobs sees them.
    """

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        self._panel = panel("kb-jobs")
        self._timer = gr.Timer(_EVERY_S, active=False)
        self.widgets: list[Any] = [self._panel, self._timer]

    def wire(self, kb: gr.State, view: gr.State, everything: list[Any], *, ended: Callable[..., Updates]) -> None:
        """Let its buttons work.

        Args:
            kb: the name of the chosen knowledge base.
            view: what is shown of its files.
            ended: given both and the request, what else to update once no job is running.
        """
        telling = told(self._language)
        self._ended = ended
        self._panel.click(telling(self.cancel), kb, self.widgets, **QUIET)
        self._timer.tick(telling(self.tick), [kb, view], everything, **QUIET)

    def start(self, kind: JobKind, kb: str, work: Work, request: gr.Request) -> Updates:
        """Start a job, and follow it."""
        facade_for(self._qa, request).jobs.start(kind, kb, visitor_of(request).owner, work)
        return self.followed(kb, request)

    def followed(self, kb: str, request: gr.Request) -> Updates:
        """Show the jobs until they have ended, at least once more: one that has just been started may be through."""
        return {**self.opened(kb, request), self._timer: gr.Timer(active=True)}

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Show the jobs of a knowledge base."""
        jobs = self._jobs(kb, request)
        shown = [job for place, job in enumerate(jobs) if place < _RECENT or not job.ended]
        return {
            self._panel: pictures.jobs(shown, language=self._language),
            self._timer: gr.Timer(active=any(not job.ended for job in jobs)),
        }

    def tick(self, kb: str, view: Any, request: gr.Request) -> Updates:
        """Show how far the jobs are, and what has become of the knowledge base once they have ended."""
        is_working = any(not job.ended for job in self._jobs(kb, request))
        return self.opened(kb, request) | ({} if is_working else self._ended(kb, view, request))

    def cancel(self, kb: str, event: gr.EventData, request: gr.Request) -> Updates:
        """End a job at its next step; what it has stored stays."""
        facade_for(self._qa, request).jobs.cancel(data_of(event)["job"])
        return self.followed(kb, request)

    def _jobs(self, kb: str, request: gr.Request) -> list[Job]:
        may_see = visitor_of(request).user.may("editor", kb)
        return facade_for(self._qa, request).jobs.of(kb) if may_see else []
