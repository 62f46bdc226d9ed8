"""The sentencepiece tokenizers of ChatGLM-6B (`ice_text.model`) and of ChatGLM2-6B and ChatGLM3-6B (`tokenizer.model`).

Text never becomes a special id: "<sop>" or "<|user|>" in a question stays the characters that it is.
"""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.messages import Message, literal, well_formed
from core.model_errors import CheckpointUnreadable
from models.folders import LFS_POINTER

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

_NEWLINE, _TAB = "<n>", "<|tab|>"
_BLANKS = {f"<|blank_{count}|>": " " * count for count in range(2, 81)}  # runs of spaces
_SPELLED_OUT = {_NEWLINE: "\n", _TAB: "\t", **_BLANKS}
_WHITESPACE_PIECE = re.compile("|".join(map(re.escape, _SPELLED_OUT)))
WHITESPACE_PIECES = tuple(_SPELLED_OUT)
"""What ChatGLM-6B writes for newlines, tabs and runs of spaces; decoding replaces them even where it spells them."""

_ICE_CONTROL = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
_GLM3_ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_GLM2_SPECIAL = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", *_GLM3_ROLES)
_GLM2_FIRST_TEXT_ID = 3  # after <unk>, <s>, </s>
TOKENIZER_FILES = {"v1": "ice_text.model", "v2": "tokenizer.model"}


class Tokenizer(ABC):
    """Text to ids and back."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text, none of them special."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; those that are special or have no piece vanish, broken UTF-8 becomes U+FFFD."""

    @property
    @abstractmethod
    def ids(self) -> int:
        """Number of ids, special ones included: one more than the highest."""

    @abstractmethod
    def special(self, piece: str) -> int | None:
        """Return the id of a special piece such as "[gMASK]", None where there is no such piece."""


class IceTokenizer(Tokenizer):
    """ChatGLM-6B: a unigram model over NFKC text, with pieces for newlines, tabs and runs of spaces.

    Lossy by design: full-width punctuation and digits become ASCII. Decoding does without the removal of spaces before
    punctuation that transformers applied to the released tokenizer; it damages code. The tokenizer file of the first
    weeks lacks its last 344 pieces; they are added, so that the ids are those of the later one.

    Args:
        model: the contents of `ice_text.model`.

    Raises:
        RuntimeError: these are not a sentencepiece model.
    """

    def __init__(self, model: bytes) -> None:
        self._pieces = _processor(model)
        if self.special("[gMASK]") is None:
            self._pieces = _processor(model + b"".join(_later_pieces()))

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text, none of them special."""
        text = well_formed(text).replace("\n", _NEWLINE).replace("\t", _TAB)
        return self._pieces.encode(re.sub(" {2,80}", lambda run: f"<|blank_{len(run[0])}|>", text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; those that are special or have no piece vanish, broken UTF-8 becomes U+FFFD."""
        count = self._pieces.get_piece_size()
        text = self._pieces.decode([number for number in ids if 0 <= number < count])
        return _WHITESPACE_PIECE.sub(lambda piece: _SPELLED_OUT[piece[0]], text)

    @property
    def ids(self) -> int:
        """Number of ids: one for each piece."""
        return self._pieces.get_piece_size()

    def special(self, piece: str) -> int | None:
        """Return the id of a control piece."""
        number = self._pieces.piece_to_id(piece)
        return number if self._pieces.is_control(number) else None


class ChatGLM2Tokenizer(Tokenizer):
    """ChatGLM2-6B and ChatGLM3-6B: byte-pair encoding without normalisation; special ids follow the last piece.

    Args:
        model: the contents of `tokenizer.model`.

    Raises:
        RuntimeError: these are not a sentencepiece model.
    """

    def __init__(self, model: bytes) -> None:
        self._pieces = _processor(model)
        count = self._pieces.get_piece_size()
        self._special = {piece: count + offset for offset, piece in enumerate(_GLM2_SPECIAL)}

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text, none of them special."""
        return self._pieces.encode(well_formed(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; those that are special or have no piece vanish, broken UTF-8 becomes U+FFFD."""
        count = self._pieces.get_piece_size()
        return self._pieces.decode([number for number in ids if _GLM2_FIRST_TEXT_ID <= number < count])

    @property
    def ids(self) -> int:
        """Number of ids: one for each piece, and the special ones after them."""
        return self._pieces.get_piece_size() + len(_GLM2_SPECIAL)

    def special(self, piece: str) -> int | None:
        """Return the id of a piece of the released tokenizers that plain text cannot produce."""
        return self._special.get(piece)


def load_tokenizer(folder: Path, family: Literal["v1", "v2"]) -> Tokenizer:
    """Return the tokenizer of a checkpoint: "v1" for ChatGLM-6B, "v2" for ChatGLM2-6B and ChatGLM3-6B.

    Raises:
        CheckpointUnreadable: its file is missing, a Git LFS pointer, or no sentencepiece model.
    """
    path = folder / TOKENIZER_FILES[family]
    model = _read(path)
    try:
        return IceTokenizer(model) if family == "v1" else ChatGLM2Tokenizer(model)
    except RuntimeError as error:
        why = Message("不是完整的 sentencepiece 模型", "it is not a whole sentencepiece model")
        raise _unreadable(path, why) from error


def _read(path: Path) -> bytes:
    try:
        model = path.read_bytes()
    except FileNotFoundError as error:
        raise _unreadable(path, Message("文件不存在", "there is no such file")) from error
    except OSError as error:
        raise _unreadable(path, literal(str(error), str(error))) from error
    if model.startswith(LFS_POINTER):
        why = Message("它是 Git LFS 指针，不是文件本身", "it is a Git LFS pointer, not the file itself")
        raise _unreadable(path, why)
    if not model:
        raise _unreadable(path, Message("文件是空的", "the file is empty"))
    return model


def _unreadable(path: Path, why: Message) -> CheckpointUnreadable:
    remedy = Message(
        "从模型的发布页重新下载 {file}（git 克隆的目录里可运行 `git lfs pull`），放进 {folder}。",
        "Download {file} again from the model's page (`git lfs pull` in a git clone) into {folder}.",
    )
    return CheckpointUnreadable(file=path, why=why, remedy=remedy.filled(file=path.name, folder=path.parent))


def _processor(model: bytes) -> "SentencePieceProcessor":
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_proto=model)


def _later_pieces() -> Iterator[bytes]:
    """Yield what an early `ice_text.model` lacks, in the encoding of sentencepiece's `ModelProto`.

    Serialized protobuf messages are merged by concatenation, so that these bytes may simply follow the file.
    """
    control, user_defined, byte = 3, 4, 6  # SentencePiece.Type
    for piece in _ICE_CONTROL:
        yield _piece(piece, control)
    for piece in (_TAB, *_BLANKS):
        yield _piece(piece, user_defined)
    for value in range(256):
        yield _piece(f"<0x{value:02X}>", byte)
    yield b"\x12\x03\x98\x02\x01"  # trainer_spec (field 2, 3 bytes): byte_fallback (field 35) = true


def _piece(piece: str, kind: int) -> bytes:
    """Return `pieces` (field 1): piece (field 1), score (field 2) 0.0, type (field 3); all shorter than 128 bytes."""
    text = piece.encode()
    message = b"\x0a%c%b\x15%b\x18%c" % (len(text), text, struct.pack("<f", 0.0), kind)
    return b"\x0a%c%b" % (len(message), message)
