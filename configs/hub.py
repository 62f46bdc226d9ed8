"""Where models are downloaded from, and with which token: the variables that every Hugging Face program reads."""

import os
from collections.abc import Mapping

from core.errors import ConfigError
from core.messages import literal

_HUB = "https://huggingface.co"


def hub_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return the address of the model hub: HF_ENDPOINT, which names a mirror, else the hub itself; no slash at the end.

    Raises:
        ConfigError: HF_ENDPOINT is no address.
    """
    environ = os.environ if environ is None else environ
    endpoint = environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB
    if not endpoint.startswith(("http://", "https://")):
        zh, en = "应以 http:// 或 https:// 开头", "must begin with http:// or https://"
        raise ConfigError([literal(f"HF_ENDPOINT={endpoint}：{zh}", f"HF_ENDPOINT={endpoint}: {en}")])
    return endpoint


def hub_token(environ: Mapping[str, str] | None = None) -> str:
    """Return HF_TOKEN, empty if unset.

    Raises:
        ConfigError: it holds characters that no token has, which no request could carry.
    """
    environ = os.environ if environ is None else environ
    token = environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(
            [literal("HF_TOKEN：含有不可能出现在令牌里的字符", "HF_TOKEN: holds characters no token has")]
        )
    return token
