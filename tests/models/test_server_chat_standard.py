"""LangChain's own tests of chat models, on a real server process."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from openai_server import running

from models.server_chat import ServerChat

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as address:
        yield address


class _OnServer:
    @pytest.fixture(autouse=True)
    def _address(self, server: str) -> None:
        self._server = server

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ServerChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "tiny", "base_url": f"{self._server}/good/standard/v1", "api_key": "none"}


class TestUnit(_OnServer, ChatModelUnitTests):
    pass


class TestIntegration(_OnServer, ChatModelIntegrationTests):
    """Text in, text out: all that KnowGLM asks of a server, and all that this one gives."""

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def model_override_value(self) -> str:
        return "small"
