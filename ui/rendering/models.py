"""What the models tab shows, as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from core.answers import Progress
from core.jobs import Job
from core.messages import Language, Message
from ui.rendering import views
from ui.rendering.templates import rendered
from ui.texts import listings
from ui.texts import models as words

if TYPE_CHECKING:
    from service.models.downloads import DownloadTerms, ModelChange
    from service.models.inventory import Inventory, ModelEntry

_EMBEDDED = "extractive"
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Now:
    """The language model as it runs.

    Attributes:
        model: what is in force, for a person to read.
        is_loaded: it is in memory.
        adapter: name of the adapter that the settings want; empty for none.
        has_adapter: the model that is loaded says that it has it.
        notices: what the visitor should know; the first one says of the embedded mode why it is in force.
        variables: what would keep the changes that were made; empty where there were none.
    """

    model: str
    is_loaded: bool
    adapter: str
    has_adapter: bool
    notices: Sequence[Message]
    variables: str

    @property
    def is_embedded(self) -> bool:
        """Whether no language model writes the answers."""
        return self.model == _EMBEDDED

    @property
    def headline(self) -> Message:
        """What writes the answers, in a sentence."""
        if not self.is_embedded:
            return words.RUNS.filled(model=self.model)
        return self.notices[0] if self.notices else words.RUNS_EMBEDDED

    @property
    def remarks(self) -> Sequence[Message]:
        """The notices that the headline does not give."""
        return self.notices[1:] if self.is_embedded else self.notices


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the catalogue, and what the visitor may do with it.

    Attributes:
        value: the setting that names it, where it can be loaded; empty otherwise.
        terms: what its download takes, where it can be downloaded.
    """

    entry: "ModelEntry"
    is_loaded: bool
    value: str = ""
    terms: "DownloadTerms | None" = None


def now(state: Now, *, is_changing: bool, may_manage: bool, language: Language) -> Markup:
    """Show what writes the answers."""
    return _view("now", language, now=state, is_changing=is_changing, may_manage=may_manage)


def catalogue(rows: Sequence[Row], inventory: "Inventory", *, may_manage: bool, language: Language) -> Markup:
    """Show every model: the memory that it needs, what of it is here, and what can be done with it.

    Args:
        inventory: what the rows are of, with the devices whose memory was looked at, if that is done.
    """
    return _view("catalogue", language, rows=rows, devices=inventory.devices, may_manage=may_manage)


def work(
    change: "ModelChange | None", downloads: Sequence[Job], kinds: Mapping[str, str], *, language: Language
) -> Markup:
    """Show the last change of the language model, and downloads.

    Args:
        kinds: "llm" or "embedding" by the name of each model that can be downloaded.
    """
    shown = [(job, views.job(_measured(job, language), language=language)) for job in downloads]
    waiting = change.progress if change and not change.ended and change.progress else None
    is_waiting = waiting is not None and not waiting.label
    given = {"change": change, "is_waiting": is_waiting, "downloads": shown, "kinds": kinds}
    return _view("work", language, **given)


def note(text: str) -> Markup:
    """Show one remark."""
    return Markup('<p class="kg note">{}</p>').format(text)


def heading(title: Message, about: Message, *, language: Language) -> Markup:
    """Show the title of a part and what it is for."""
    return Markup('<div class="kg part"><h3>{}</h3><p class="note">{}</p></div>').format(
        title.text(language), about.text(language)
    )


def apply_button(*, language: Language) -> Markup:
    """Show the button of the form."""
    return _view("apply", language)


def _measured(job: Job, language: Language) -> Job:
    """Return a download whose progress says how much has come."""
    step = job.progress
    if step is None:
        return job
    done, total = step.done / _GB, step.total / _GB
    label = words.FETCHED.text(language, file=step.label, done=done, total=total)
    return replace(job, progress=Progress(step.done, step.total, label))


def _view(name: str, language: Language, **values: object) -> Markup:
    return rendered(f"model_{name}.html", language, lists=listings, words=words, **values)
