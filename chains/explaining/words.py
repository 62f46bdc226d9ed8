"""The words of a question: which of them a chunk shares, and where the others are."""

from collections.abc import Iterable, Sequence

from analysis.terms import TermKind, index_form, kind_of, occurrences
from chains.explaining import texts
from core.documents import Chunk
from core.messages import Message
from core.plugs import BrowsableStore

_SHARED_SHOWN = 6
_TERMS_SHOWN = 4
_SOURCES_SHOWN = 2


def shared_terms(question: str, chunk: Chunk, store: BrowsableStore) -> list[str]:
    """Return terms of the question that a chunk has in its title, heading or text, the rarest first.

    Single characters are left out where words or pairs of characters are shared.
    """
    runs = _runs(chunk, store)
    shared = [term for term in _rarest_first(question, store) if occurrences(term, runs)]
    return (_wide(shared) or shared)[:_SHARED_SHOWN]


def where_terms_are(question: str, candidates: Sequence[Chunk], store: BrowsableStore) -> Message:
    """Return each of the question's rarer terms with documents whose candidates have it."""
    terms = _rarest_first(question, store)
    runs = [(chunk.source, _runs(chunk, store)) for chunk in candidates]
    told = []
    for term in (_wide(terms) or terms)[:_TERMS_SHOWN]:
        sources = list(dict.fromkeys(source for source, own in runs if occurrences(term, own)))
        places = ", ".join(sources[:_SOURCES_SHOWN]) + (" …" if len(sources) > _SOURCES_SHOWN else "")
        told.append(texts.said(texts.TERM, term=term, places=places or texts.NOWHERE))
    return texts.listed(told) if told else texts.NOWHERE


def _rarest_first(question: str, store: BrowsableStore) -> list[str]:
    weights = store.term_weights(question)
    return sorted(weights, key=lambda term: -weights[term])


def _wide(terms: Iterable[str]) -> list[str]:
    return [term for term in terms if kind_of(term) is not TermKind.UNIGRAM]


def _runs(chunk: Chunk, store: BrowsableStore) -> str:
    record = store.document(chunk.source)
    return index_form("\n".join((record.title if record else "", chunk.heading, chunk.text))).runs
