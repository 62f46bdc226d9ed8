"""LangChain's own tests of chat models, on a tiny checkpoint with random weights."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from local_suites import PlainTextOnly
from tiny_models import tiny_checkpoint

from core.sampling import Sampling
from models.causal_lm import CausalLM


@cache
def parts() -> dict[str, Any]:
    """What a model is made of; loaded once, as the suites build many."""
    with TemporaryDirectory() as folder:
        model = CausalLM.load(tiny_checkpoint(Path(folder)), name="tiny", device="cpu", sampling=Sampling(24))
    return {name: getattr(model, name) for name in type(model).model_fields if name not in BaseChatModel.model_fields}


class _OnTinyModel(PlainTextOnly):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return CausalLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return parts()


class TestUnit(_OnTinyModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnTinyModel, ChatModelIntegrationTests):
    pass
