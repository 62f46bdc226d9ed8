"""The ways in which `ask` may answer."""

from enum import StrEnum


class Mode(StrEnum):
    """What `ask --mode` may be; see `core.answers.AskMode`."""

    KB = "kb"
    CHAT = "chat"
    RETRIEVAL = "retrieval"
    WEB = "web"
    KB_AND_WEB = "kb+web"
