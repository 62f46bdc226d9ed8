"""What can be wrong with the choice of knowledge bases for a question."""

from core.errors import KnowledgeBaseError, StoreError
from core.messages import Message


class NoKnowledgeBase(KnowledgeBaseError):
    """A question that is to be answered from documents was put to no knowledge base."""

    code, http_status = "no_kb", 422
    what = Message("没有选择知识库。", "No knowledge base is chosen.")
    cure = Message(
        "选择至少一个知识库；要直接与语言模型对话，用 chat 方式。",
        "Choose one at least; to talk to the language model alone, use the mode chat.",
    )


class EmbeddingsDiffer(StoreError):
    """Knowledge bases whose vectors are of different spaces were asked together, where no score compares."""

    code, http_status = "embeddings_differ", 409
    what = Message(
        "这些知识库的嵌入模型不同，不能一起检索：{listed}。",
        "These knowledge bases have different embeddings and cannot be searched together: {listed}.",
    )
    cure = Message(
        "分开提问；或在知识库的设置里改成同一个嵌入模型，再用 `python cli_demo.py kb rebuild` 重建。",
        "Ask them one by one, or give them the same embedding in their settings and rebuild them with "
        "`python cli_demo.py kb rebuild`.",
    )
