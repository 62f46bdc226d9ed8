"""What one question is put to: the knowledge bases that are searched, as one store with one dense leg."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.retrieve import DenseLeg, logistic
from core.asking_errors import EmbeddingsDiffer, NoKnowledgeBase
from core.plugs import ChunkStore
from service.knowledge.kb_settings import KnowledgeBaseSettings
from service.models.embedding_model import EmbeddingModel
from vectorstores.combined import CombinedStore
from vectorstores.knowledge_store import KnowledgeStore


@dataclass(frozen=True, slots=True)
class Scope:
    """Open knowledge bases, and the embedding that ranks in those that have vectors of it.

    Attributes:
        models: by the place of its knowledge base, the embedding of each that has a dense leg; all of them are one
            vector space.
    """

    stores: tuple[KnowledgeStore, ...]
    models: Mapping[int, EmbeddingModel]

    @property
    def store(self) -> ChunkStore:
        """All of them as one store.

        Raises:
            NoKnowledgeBase: there is none.
        """
        if not self.stores:
            raise NoKnowledgeBase
        return self.stores[0] if len(self.stores) == 1 else CombinedStore(self.stores, self.models)

    def beside(self, found: ChunkStore) -> ChunkStore:
        """Return all of them and another store as one; its vectors, if any, are of the embedding that ranks."""
        if not self.stores:
            return found
        return CombinedStore([*self.stores, found], [*self.models, len(self.stores)])

    @property
    def model(self) -> EmbeddingModel | None:
        """The embedding that ranks; None leaves the lexical leg alone."""
        return next(iter(self.models.values()), None)

    @property
    def dense(self) -> DenseLeg | None:
        """The dense leg."""
        return dense_leg(self.model)


def open_scope(stores: Sequence[KnowledgeStore], own: KnowledgeBaseSettings) -> Scope:
    """Return the scope of a question.

    Raises:
        EmbedderMismatch: the vectors of a knowledge base are of another embedding than the one in force.
        EmbeddingsDiffer: those of two knowledge bases are of different ones.
    """
    ranking = {at: own.ranking(store) for at, store in enumerate(stores) if store.chunk_count}
    models = {at: model for at, model in ranking.items() if model.for_store(stores[at]) is not None}
    spaces = {at: identity for at in models if (identity := stores[at].embedding)}
    if len({identity.fingerprint for identity in spaces.values()}) > 1:
        listed = (f"{stores[at].manifest().get('name', '')} ({identity.name})" for at, identity in spaces.items())
        raise EmbeddingsDiffer(listed=", ".join(listed))
    return Scope(tuple(stores), models)


def dense_leg(model: EmbeddingModel | None) -> DenseLeg | None:
    """Return the dense leg of an embedding; None where there is none."""
    embeddings = model.get() if model else None
    if model is None or embeddings is None:
        return None
    return DenseLeg(embeddings, logistic(model.calibration.midpoint, model.calibration.scale))
