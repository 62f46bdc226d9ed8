"""From settings to a running application."""

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from configs.environment import interface_language
from configs.model_config import PROJECT_DIR, Settings
from service.knowledge.library import SAMPLES, Library
from service.knowledge_qa import KnowledgeQA
from service.models.embedding_model import EmbeddingModel
from service.models.language_model import LanguageModel


def build_app(
    settings: Settings, *, embeddings: Embeddings | None = None, llm: BaseChatModel | None = None
) -> KnowledgeQA:
    """Build the application.

    Args:
        embeddings: used in the place of the configured embedding; any LangChain one.
        llm: used in the place of the configured language model; any LangChain chat model.

    Raises:
        ModelNotFound: weights are missing and `settings.missing_model` is "error".
    """
    shipped = PROJECT_DIR / "knowledge_base" / SAMPLES / "content"
    manifest = {"chunk_chars": settings.chunk_chars, "overlap_chars": settings.chunk_overlap_chars}
    library = Library(settings.data_dir, shipped, manifest)
    embedding, language = EmbeddingModel(settings, embeddings), LanguageModel(settings, llm)
    if settings.missing_model == "error":
        language.require()
        embedding.require()
    return KnowledgeQA(settings, interface_language(settings), library, embedding, language)
