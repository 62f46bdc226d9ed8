"""The settings of knowledge bases: saved with them, and in force for one of them or for several together."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.embeddings import Embeddings

from configs.model_config import Settings
from configs.prompts import PROMPTS
from core.answers import RetrievalSettings
from core.evaluation import Suggestion
from core.kb_settings import KbSettingName, KbSettings, SettingInForce
from core.messages import Message
from service.knowledge.indexing import Indexing
from service.knowledge.library import Library
from service.knowledge.saved_settings import (
    KB_SETTINGS,
    MEASURED,
    agreed,
    checked_changes,
    checked_overrides,
    is_on_scale,
    read_saved,
    require_splitting,
    saved_entries,
)
from service.models.embedding_model import EmbeddingModel
from service.models.embedding_models import EmbeddingModels
from vectorstores.knowledge_store import KnowledgeStore

_OF_APPLICATION = {"prompt_template": "prompt"}  # the application's setting that goes by another name
_LENGTHS = ("chunk_chars", "chunk_overlap_chars")

_OTHER_SPLIT = Message(
    "知识库“{name}”按 {stored} 字（重叠 {stored_overlap}）切分，设置是 {wanted} 字（重叠 {overlap}）；"
    "运行 kb rebuild {name} 后生效。",
    "The knowledge base “{name}” was split at {stored} characters (overlap {stored_overlap}), the setting is {wanted} "
    "(overlap {overlap}); run kb rebuild {name} to apply it.",
)
_OTHER_EMBEDDING = Message(
    "知识库“{name}”的向量来自 {stored}，设置是 {wanted}；运行 kb rebuild {name} 后生效。",
    "The vectors of the knowledge base “{name}” come from {stored}, the setting is {wanted}; "
    "run kb rebuild {name} to apply it.",
)
_NO_VECTORS = Message(
    "知识库“{name}”里有 {count} 块没有向量，检索只用词面匹配；运行 kb rebuild {name} 补上。",
    "{count} chunks of the knowledge base “{name}” have no vectors: they are found lexically only. "
    "Run kb rebuild {name}.",
)
_OTHER_SCALE = Message(
    "知识库“{name}”存的 {names} 是按别的嵌入模型定的，现在不起作用；请重新定一次。",
    "What the knowledge base “{name}” saved as {names} was measured with another embedding and does not apply now; "
    "measure it again.",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """How the language model is asked.

    Attributes:
        template: with `{passages}` and `{question}`.
        system: what it is told beforehand.
    """

    template: str
    system: str


class KnowledgeBaseSettings:
    """What knowledge bases have of their own, and what is in force.

    A flag or variable wins over what a knowledge base saved, and that over the application's default. Knowledge bases
    that are asked together have of their own what all of them saved alike.

    Lengths of chunks and another embedding take effect with the next rebuild, "lexical" and everything else at once. A
    threshold and a dense weight are measured on the scale of one embedding, by a calibration or by eye: while another
    one ranks they do not apply, and `notices` says so.

    Methods that take the name of a knowledge base raise `KnowledgeBaseNotFound`. Threads may share an instance.
    """

    def __init__(self, settings: Settings, library: Library, embeddings: EmbeddingModels) -> None:
        self._settings, self._library, self._embeddings = settings, library, embeddings
        self._saving = threading.Lock()

    # --- by name -----------------------------------------------------------------------------------------------------

    def saved(self, kb: str) -> KbSettings:
        """Return what is saved with a knowledge base."""
        return read_saved(self._library.open(kb).manifest())

    def in_force(self, kb: str) -> tuple[SettingInForce, ...]:
        """Return every setting that a knowledge base could have of its own, as it is, and where it comes from."""
        return self._in_force([self._library.open(kb)])

    def save(self, kb: str, **changes: Any) -> None:
        """Save settings with a knowledge base, all of them or none.

        Args:
            changes: by the names of `KbSettings`; None goes back to the application's.

        Raises:
            ConfigError: with every wrong name and every wrong value in one list.
            InvalidPrompt: the template lacks a placeholder, or has one that is unknown.
            ModelNotFound: the weights of the embedding are not on this machine.
        """
        values, store = checked_changes(changes), self._library.open(kb)
        with self._saving:
            manifest = store.manifest()
            after = replace(read_saved(manifest), **values)
            if not changes.keys().isdisjoint(_LENGTHS):
                require_splitting(*self._lengths(after))
            if after.embedding is not None and "embedding" in changes:
                self._embeddings.named(after.embedding).require()
            store.set_manifest(**saved_entries(manifest, values, self._scale(store, after)))

    def apply(self, kb: str, suggestion: Suggestion) -> None:
        """Save suggested settings with a knowledge base."""
        values: dict[str, Any] = {name: value for name, value in suggestion.entries.items() if name in KB_SETTINGS}
        store = self._library.open(kb)
        with self._saving:
            store.set_manifest(**saved_entries(store.manifest(), values, suggestion.embedding))

    # --- of open stores ----------------------------------------------------------------------------------------------

    def retrieval(
        self,
        stores: Sequence[KnowledgeStore],
        overrides: Mapping[str, float] | None = None,
        *,
        chunks: int | None = None,
    ) -> RetrievalSettings:
        """Return the settings in force for one question.

        Args:
            overrides: settings for this question alone.
            chunks: how many are searched, on which the default threshold depends; by default those of the stores.

        Raises:
            ConfigError: with every wrong override in one list.
        """
        value = {one.name: one.value for one in self._in_force(stores, chunks)}
        in_force = RetrievalSettings(
            top_k=int(value["top_k"]),
            threshold=float(value["threshold"]),
            dense_weight=float(value["dense_weight"]),
            passage_chars=self._settings.passage_chars,
            context_chars=self._settings.context_chars,
        )
        return replace(in_force, **checked_overrides(overrides or {}))

    def prompt(self, stores: Sequence[KnowledgeStore]) -> Prompt:
        """Return the prompt in force."""
        value = {one.name: one.value for one in self._in_force(stores)}
        return Prompt(str(value["prompt_template"]), str(value["system_prompt"]))

    def ranking(self, store: KnowledgeStore) -> EmbeddingModel:
        """Return the embedding that ranks now: until a rebuild brings another, the one whose vectors are stored."""
        return self._ranking(store, read_saved(store.manifest()))

    def embeddings(self, store: KnowledgeStore) -> Embeddings | None:
        """Return what embeds for a knowledge base's vectors; None where no embedding ranks.

        Raises:
            EmbedderMismatch: its vectors are of another one than is here.
        """
        return self.ranking(store).for_store(store)

    def indexing(self, store: KnowledgeStore, *, anew: bool = False) -> Indexing:
        """Return what indexes the files of a knowledge base with its own settings.

        Args:
            anew: for a rebuild, which brings what was saved since the last one.

        Raises:
            ConfigError: the length of chunks and their overlap do not go together.
            ModelNotFound: a rebuild is to bring an embedding whose weights are not on this machine.
        """
        if store.chunk_count and not anew:
            return Indexing(self._settings, self.ranking(store))
        saved = read_saved(store.manifest())
        chunk_chars, overlap_chars = self._lengths(saved)
        require_splitting(chunk_chars, overlap_chars)
        embedding = self._embeddings.named(self._own_embedding(saved))
        if anew and embedding is not self._embeddings.default:
            embedding.require()
        if not store.chunk_count:  # its first document is indexed as a rebuild would
            store.set_manifest(chunk_chars=chunk_chars, overlap_chars=overlap_chars)
        lengths = {"chunk_chars": chunk_chars, "chunk_overlap_chars": overlap_chars}
        return Indexing(self._settings.model_copy(update=lengths), embedding)

    def notices(self, store: KnowledgeStore) -> list[Message]:
        """Return what the user should know: why a rebuild is needed, and what was saved but does not apply."""
        manifest = store.manifest()
        saved = read_saved(manifest)
        embedding = self._embeddings.named(self._own_embedding(saved))
        notices = embedding.notices()
        if store.chunk_count:
            notices += [*_other_split(manifest, *self._lengths(saved)), *_other_vectors(store, embedding)]
        stale = [one for one in MEASURED if getattr(saved, one) is not None]
        if stale and not is_on_scale(manifest, self._scale(store, saved)):
            notices.append(_OTHER_SCALE.filled(name=manifest.get("name", ""), names=", ".join(stale)))
        return notices

    # --- precedence --------------------------------------------------------------------------------------------------

    def _in_force(self, stores: Sequence[KnowledgeStore], chunks: int | None = None) -> tuple[SettingInForce, ...]:
        count = sum(store.chunk_count for store in stores) if chunks is None else chunks
        models = [self.ranking(store) for store in stores]
        ranking = next((model for model in models if model.name != "lexical"), self._embeddings.default)
        own, default = agreed([self._applicable(store) for store in stores]), self._defaults(count, ranking)
        return tuple(self._resolved(name, own, value) for name, value in default.items())

    def _resolved(self, name: KbSettingName, own: KbSettings, default: int | float | str) -> SettingInForce:
        if _OF_APPLICATION.get(name, name) in self._settings.model_fields_set:
            return SettingInForce(name, default, "explicit")
        value = getattr(own, name)
        return SettingInForce(name, default, "default") if value is None else SettingInForce(name, value, "kb")

    def _applicable(self, store: KnowledgeStore) -> KbSettings:
        """Return what a knowledge base saved, without what was measured on another scale."""
        manifest = store.manifest()
        saved = read_saved(manifest)
        if is_on_scale(manifest, self._scale(store, saved)):
            return saved
        return replace(saved, threshold=None, dense_weight=None)

    def _defaults(self, chunks: int, ranking: EmbeddingModel) -> dict[KbSettingName, int | float | str]:
        settings = self._settings
        threshold, weight = settings.threshold, settings.dense_weight
        return {
            "chunk_chars": settings.chunk_chars,
            "chunk_overlap_chars": settings.chunk_overlap_chars,
            "threshold": default_threshold(chunks) if threshold is None else threshold,
            "top_k": settings.top_k,
            "dense_weight": ranking.dense_weight if weight is None else weight,
            "prompt_template": PROMPTS[settings.prompt],
            "system_prompt": settings.system_prompt,
            "embedding": self._embeddings.default.configured,
        }

    def _lengths(self, saved: KbSettings) -> tuple[int, int]:
        """Return the length of chunks and their overlap that are in force, in characters."""
        chars = self._resolved("chunk_chars", saved, self._settings.chunk_chars)
        overlap = self._resolved("chunk_overlap_chars", saved, self._settings.chunk_overlap_chars)
        return int(chars.value), int(overlap.value)

    def _own_embedding(self, saved: KbSettings) -> str | None:
        return None if "embedding" in self._settings.model_fields_set else saved.embedding

    def _ranking(self, store: KnowledgeStore, saved: KbSettings) -> EmbeddingModel:
        wanted, stored = self._embeddings.named(self._own_embedding(saved)), store.embedding
        is_explicit = "embedding" in self._settings.model_fields_set
        if stored is None or is_explicit or wanted.configured in ("lexical", stored.name):
            return wanted
        return self._embeddings.of_vectors(stored.name) or wanted

    def _scale(self, store: KnowledgeStore, saved: KbSettings) -> str:
        """Return the fingerprint of the embedding that ranks; empty for the lexical leg alone."""
        stored = store.embedding
        return stored.fingerprint if stored and self._ranking(store, saved).name != "lexical" else ""


def default_threshold(chunk_count: int) -> float:
    """Return the threshold of a knowledge base that has not been calibrated.

    The more chunks, the better the best wrong one: the line that separates answerable from unanswerable questions
    rises with the logarithm of their number (measured in `bench/retrieval.py`).
    """
    return 0.24 + 0.055 * math.log10(max(chunk_count, 5) / 5)


def _other_split(manifest: Mapping[str, Any], chunk_chars: int, overlap_chars: int) -> list[Message]:
    stored, stored_overlap = manifest.get("chunk_chars", chunk_chars), manifest.get("overlap_chars", overlap_chars)
    if (stored, stored_overlap) == (chunk_chars, overlap_chars):
        return []
    then, now = {"stored": stored, "stored_overlap": stored_overlap}, {"wanted": chunk_chars, "overlap": overlap_chars}
    return [_OTHER_SPLIT.filled(name=manifest.get("name", ""), **then, **now)]


def _other_vectors(store: KnowledgeStore, embedding: EmbeddingModel) -> list[Message]:
    """Tell of vectors that a rebuild would bring."""
    if embedding.name == "lexical":
        return []
    name, stored, missing = store.manifest().get("name", ""), store.embedding, store.chunks_without_vectors
    if stored and stored.name != embedding.name and missing < store.chunk_count:
        return [_OTHER_EMBEDDING.filled(name=name, stored=stored.name, wanted=embedding.name)]
    return [_NO_VECTORS.filled(name=name, count=missing)] if missing else []
