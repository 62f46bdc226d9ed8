"""Why was it not found? The way of an expected passage through every stage, up to the one that lost it."""

from collections.abc import Mapping
from dataclasses import replace

from langchain_core.embeddings import Embeddings

from chains.explaining.advice import advise
from chains.explaining.documents import locate
from chains.explaining.examination import Case, Examination
from chains.explaining.stages import retrieval_steps
from chains.retrieve import DenseLeg
from core.answers import RetrievalSettings
from core.evaluation import Expected
from core.explanations import Explanation
from core.plugs import BrowsableStore


def explain(
    question: str, expected: Expected, store: BrowsableStore, settings: RetrievalSettings, dense: DenseLeg | None = None
) -> Explanation:
    """Name the first stage that loses what is expected, and what would change that.

    What is expected is found if one of the answer's passages holds it: the text, or else some chunk of the file or
    page. A setting that is recommended has been tried out.

    Args:
        dense: None leaves the lexical leg alone, as in `retrieve`.

    Raises:
        ValueError: nothing is expected.
    """
    if expected == Expected():
        raise ValueError("nothing is expected")
    located = locate(expected, store)
    if not located.wanted:
        return Explanation(question, expected, located.steps)
    case = Case(question, located.wanted, store, dense and _asked_once(dense), is_text=bool(expected.text))
    exam = Examination(case, settings)
    *steps, last = retrieval_steps(exam)
    changes: Mapping[str, float] = {}
    if last.outcome == "lost":
        advice = advise(exam, last.stage)
        last, changes = replace(last, advice=advice.text), advice.changes
    return Explanation(
        question=question,
        expected=expected,
        steps=(*located.steps, *steps, last),
        changes=changes,
        chunk=exam.alone.chunk if exam.targets else None,
        hit=exam.hit,
        passage=exam.held.number if exam.held else None,
        retrieval=exam.retrieval,
    )


class _Remembering(Embeddings):
    """An embedding that computes each question's vector once."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._vectors: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embeddings.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        if text not in self._vectors:
            self._vectors[text] = self._embeddings.embed_query(text)
        return self._vectors[text]


def _asked_once(dense: DenseLeg) -> DenseLeg:
    return replace(dense, embeddings=_Remembering(dense.embeddings))
