"""The embeddings of one application: its own, and those that its knowledge bases chose for themselves."""

import threading

from configs.catalogue import EMBEDDINGS
from configs.model_config import Settings
from service.models.embedding_model import EmbeddingModel


class EmbeddingModels:
    """One instance a name, each loaded at its first use. Threads may share it.

    Args:
        default: the application's own.
    """

    def __init__(self, settings: Settings, default: EmbeddingModel) -> None:
        self.default = default
        self._settings = settings
        self._others: dict[str, EmbeddingModel] = {}
        self._lock = threading.Lock()

    def named(self, name: str | None) -> EmbeddingModel:
        """Return the embedding of this name of the catalogue, from its folder on this machine.

        The application's own, wherever it runs, is meant by None and by the name that the settings give it.
        """
        if name is None or name == self._settings.embedding:
            return self.default
        with self._lock:
            if name not in self._others:
                changes = {"embedding": name, "embedding_url": ""}
                self._others[name] = EmbeddingModel(self._settings.model_copy(update=changes))
            return self._others[name]

    def of_vectors(self, name: str) -> EmbeddingModel | None:
        """Return the embedding that vectors are of, by the name that is stored with them; None if it is not here."""
        if name == self.default.name:
            return self.default
        model = self.named(name) if name in EMBEDDINGS else None
        return model if model and model.name == name else None

    def close(self) -> None:
        """Let go of every model."""
        with self._lock:
            models = [self.default, *self._others.values()]
        for model in models:
            model.close()
