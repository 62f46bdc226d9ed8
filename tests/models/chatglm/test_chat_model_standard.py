"""LangChain's own tests of chat models, on the tiny ChatGLM-6B with random weights."""

from functools import cache
from typing import Any

import pytest
from golden_cases import TINY
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import ConfigurableField
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from local_suites import PlainTextOnly
from pydantic import Field

from core.sampling import Sampling
from models.chatglm.chat_model import ChatGLM

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def loaded() -> ChatGLM:
    return ChatGLM.load(TINY / "v1_chat_tiny", device="cpu", sampling=Sampling(answer_tokens=24))


class TinyChatGLM(ChatGLM):
    """The suites make models of their fields; this one then has what only `load` reads."""

    decoder: Any = Field(default_factory=lambda: loaded().decoder, exclude=True, repr=False)
    tokenizer: Any = Field(default_factory=lambda: loaded().tokenizer, exclude=True, repr=False)
    chat_format: Any = Field(default_factory=lambda: loaded().chat_format, exclude=True, repr=False)


class _OnTinyModel(PlainTextOnly):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return TinyChatGLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        model = loaded()
        return {name: getattr(model, name) for name in ChatGLM.model_fields if name not in BaseChatModel.model_fields}


class TestUnit(_OnTinyModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnTinyModel, ChatModelIntegrationTests):
    pass


def test_its_sampling_may_be_configured_by_a_chain() -> None:
    """LangChain makes a new model of the fields for that."""
    field = ConfigurableField("sampling")
    short = loaded().configurable_fields(sampling=field).with_config(configurable={"sampling": Sampling(3)})
    answer = short.invoke("你好")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 3
