"""E-mail messages with their attachments. (Not `email.py`, which would hide the standard library's package.)"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from langchain_core.documents import Document

from core.load_errors import LoadError
from loaders.encodings import decode_text
from loaders.html import html_blocks
from loaders.parts import Block, FileLoader, assemble

_LABELS = (("Subject", "主题"), ("From", "发件人"), ("To", "收件人"), ("Cc", "抄送"))
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "cp950"}


class EmlLoader(FileLoader):
    """One message: who wrote what to whom and when, the text, and the attachments in a supported format.

    Args:
        path: where the bytes are.
        name: the file's name as the user knows it, for messages; the path's own name if not given.
        load_attachment: reads an attachment (path, name) into parts; none for a format that is not to be opened.
    """

    def __init__(
        self, path: Path, *, name: str | None = None, load_attachment: Callable[[Path, str], list[Document]]
    ) -> None:
        super().__init__(path, name=name)
        self._load_attachment = load_attachment

    def lazy_load(self) -> Iterator[Document]:
        """Yield the head, the body, and the parts of each readable attachment with its name in their `heading`.

        An attachment that cannot be read is named in the head all the same; it does not make the message unreadable.
        """
        message = message_from_bytes(self.path.read_bytes(), policy=policy.default)
        attachments = [part for part in message.iter_attachments() if part.get_filename()]
        subject = _header(message, "Subject")
        common = {"title": subject} if subject else {}
        head = "\n".join(_head_lines(message, attachments))
        yield Document(page_content=head + "\n\n", metadata={**common, "kind": "text"})
        yield from assemble(_body(message), **common)
        for attachment in attachments:
            yield from self._attached_parts(attachment)

    def _attached_parts(self, attachment: EmailMessage) -> Iterator[Document]:
        """Load an attachment from a private folder, under a name of our own."""
        name = str(attachment.get_filename())
        data = attachment.get_payload(decode=True)
        if not isinstance(data, bytes):
            return
        with TemporaryDirectory() as folder:
            path = Path(folder, "attachment" + PurePath(name).suffix.lower())
            path.write_bytes(data)
            try:
                parts = self._load_attachment(path, name)
            except LoadError:
                return  # named in the head
        for part in parts:
            below = part.metadata.pop("heading", None)
            part.metadata["heading"] = f"{name} > {below}" if below else name
            yield part


def _head_lines(message: EmailMessage, attachments: list[EmailMessage]) -> Iterator[str]:
    for key, label in _LABELS:
        if value := _header(message, key):
            yield f"{label}：{value}"
    if date := _header(message, "Date"):
        with suppress(ValueError):  # a date in no known form is kept as it is written
            date = parsedate_to_datetime(date).isoformat(sep=" ")
        yield f"日期：{date}"
    if attachments:
        yield "附件：" + "、".join(str(part.get_filename()) for part in attachments)


def _header(message: EmailMessage, key: str) -> str:
    """Return a header's text; raw bytes in it, which no standard allows, are decoded like any text."""
    raw = next((str(value) for name, value in message.raw_items() if name.lower() == key.lower()), "")
    value = str(message[key]) if raw.isascii() else decode_text(raw.encode("utf-8", "surrogateescape"))
    return " ".join(value.split()) if raw else ""


def _body(message: EmailMessage) -> list[Block]:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return []
    text = _decoded(body)
    if body.get_content_subtype() == "html":
        return html_blocks(text)[1]
    return [Block(text.strip())] if text.strip() else []


def _decoded(part: MIMEPart) -> str:
    """Decode by the declared charset, or by the text itself: mail programs call GBK "gb2312" and UTF-8 "us-ascii"."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes) or not data:
        return ""
    charset = (part.get_content_charset() or "utf-8").lower()
    try:
        return decode_text(data.decode(_SUPERSETS.get(charset, charset)).encode())
    except (UnicodeError, LookupError):
        return decode_text(data)
