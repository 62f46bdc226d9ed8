"""The variables that name the model hub and its token."""

import pytest

from configs.hub import hub_endpoint, hub_token
from core.errors import ConfigError


def test_the_endpoint_is_the_hub_or_its_mirror() -> None:
    assert hub_endpoint({}) == hub_endpoint({"HF_ENDPOINT": " "}) == "https://huggingface.co"
    assert hub_endpoint({"HF_ENDPOINT": "https://mirror.example/"}) == "https://mirror.example"
    with pytest.raises(ConfigError, match=r"HF_ENDPOINT=mirror\.example"):
        hub_endpoint({"HF_ENDPOINT": "mirror.example"})


def test_a_token_is_one_word_and_a_wrong_one_is_not_shown() -> None:
    assert hub_token({}) == ""
    assert hub_token({"HF_TOKEN": " hf_abc\n"}) == "hf_abc"
    with pytest.raises(ConfigError) as caught:
        hub_token({"HF_TOKEN": "令牌"})
    assert "令牌" not in caught.value.text("en")
