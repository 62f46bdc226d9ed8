"""What stands around the views of the knowledge bases tab, as HTML."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from core.curation import Correction
from core.documents import DocumentRecord, FileOutcome, KnowledgeBaseInfo
from core.jobs import Job
from core.kb_settings import KbSettingName
from core.messages import Language, Message
from service.knowledge.library import SAMPLES
from ui.rendering import views
from ui.rendering.formats import original_address
from ui.rendering.templates import rendered
from ui.texts import knowledge_bases as words
from ui.texts import listings, rendering

_FILES_OF_A_JOB = 20
_QUIET_OUTCOMES: tuple[FileOutcome, ...] = ("added", "replaced", "unchanged")


def bases(
    infos: Sequence[KnowledgeBaseInfo], chosen: str, *, manageable: Collection[str], language: Language
) -> Markup:
    """Show the list of knowledge bases.

    Args:
        manageable: those that may be renamed and deleted, by name.
    """
    values = {"infos": infos, "chosen": chosen, "manageable": manageable, "samples": SAMPLES}
    return _view("list", language, **values)


def head(kb: str, notices: Sequence[Message], *, may_edit: bool, language: Language) -> Markup:
    """Show the name of a knowledge base and what there is to know about it."""
    return _view("head", language, kb=kb, notices=notices, may_edit=may_edit)


def dropzone(kb: str, *, limit_mb: int, suffixes: Sequence[str], language: Language) -> Markup:
    """Show where files for a knowledge base can be dropped; `ui/assets/dropzone.js` makes it work.

    Args:
        limit_mb: the largest file accepted, in units of 1024 * 1024 bytes.
        suffixes: those of the files that can be read, such as ".pdf".
    """
    said = {name: text.text(language, kb=kb, limit_mb=limit_mb) for name, text in words.UPLOADING.items()}
    values = {"kb": kb, "limit_mb": limit_mb, "suffixes": suffixes, "title": said["title"]}
    return _view("dropzone", language, texts_of_script=json.dumps(said, ensure_ascii=False), **values)


@dataclass(frozen=True, slots=True)
class _ShownJob:
    picture: Markup
    counts: Mapping[FileOutcome, int]
    left_out: int


def jobs(jobs: Iterable[Job], *, language: Language) -> Markup:
    """Show jobs; of their files only the last that became known, and once a job has ended those with a problem."""
    return _view("jobs", language, shown=[_shown(job, language) for job in jobs])


def _shown(job: Job, language: Language) -> _ShownJob:
    notable = [file for file in job.files if not (job.ended and file.outcome in _QUIET_OUTCOMES)]
    listed = tuple(notable[-_FILES_OF_A_JOB:])
    picture = views.job(replace(job, files=listed), language=language)
    return _ShownJob(picture, Counter(file.outcome for file in job.files), len(notable) - len(listed))


def files(kb: str, documents: Sequence[DocumentRecord], *, may_edit: bool, language: Language) -> Markup:
    """Show documents of a knowledge base, with where to download their originals."""
    originals = {one.name: original_address(kb, one.name) for one in documents if one.stored_as}
    return views.files(documents, language=language, originals=originals, may_edit=may_edit)


def pages(page: int, total: int, *, per_page: int, language: Language) -> Markup:
    """Show which part of a long list is shown, with the way to the parts beside it; nothing where it is one page.

    Args:
        page: counted from 1.
        total: entries of all pages.
    """
    return _view("pages", language, page=page, total=total, per_page=per_page)


def chunks_head(document: str, corrections: Sequence[Correction], *, may_edit: bool, language: Language) -> Markup:
    """Show whose chunks are listed below, and how much of the document was corrected."""
    waiting = sum(not one.applies for one in corrections)
    values = {"document": document, "corrections": len(corrections), "waiting": waiting, "may_edit": may_edit}
    return _view("chunks_head", language, **values)


def own_settings(own: Mapping[KbSettingName, str], *, may_edit: bool, language: Language) -> Markup:
    """Show the settings that a knowledge base has of its own."""
    return _view("own_settings", language, own=own, may_edit=may_edit)


def note(text: str) -> Markup:
    """Show one remark."""
    return Markup('<div class="kg"><p class="note">{}</p></div>').format(text)


def _view(name: str, language: Language, **values: Any) -> Markup:
    return rendered(f"kb_{name}.html", language, texts=rendering, lists=listings, words=words, **values)
