"""Model hubs on loopback: the two requests of the Hugging Face hub that a download makes, and its ways to fail.

Run as a program, `hub_server.py FOLDER` serves each folder in FOLDER as a hub of its own below `/NAME`: its
`repositories/OWNER/NAME/` holds files, its `plan.json` says what goes wrong, and its `requests.jsonl` records what was
asked and answered. Tests use `start_hubs`, which runs it as a process of its own.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LARGE = (".bin", ".safetensors", ".model", ".onnx")
_BLOCK = 16_384


@dataclass(frozen=True)
class Plan:
    """What the hub does; each field at its default means that all is well.

    Attributes:
        token: every request must carry it.
        statuses: HTTP status by file name, or by "" for the listing.
        drop_after: bytes of an answer after which the connection is cut.
        drops: how many answers are cut.
        corrupt: names of files that are sent with a wrong first byte …
        corruptions: … this many times.
        redirect: address of another hub, to which requests for large files are sent.
        ignores_range: every file is sent from its start.
        pause_s: after each block.
        listing: sent in the place of the listing.
    """

    token: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    drop_after: int = 0
    drops: int = 1
    corrupt: tuple[str, ...] = ()
    corruptions: int = 1
    redirect: str = ""
    ignores_range: bool = False
    pause_s: float = 0.0
    listing: Any = None


@dataclass(frozen=True)
class Hub:
    """A running hub, as a test sees it."""

    folder: Path
    url: str

    def plan(self, **values: Any) -> None:
        """Say what goes wrong from now on."""
        draft = self.folder / "plan.new"
        draft.write_text(json.dumps(asdict(Plan(**values))), encoding="utf-8")
        draft.replace(self.folder / "plan.json")

    def publish(self, repository: str, **files: bytes) -> None:
        """Put files into a repository."""
        for name, content in files.items():
            path = self.folder / "repositories" / repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request: file ("" for the listing), range, authorization, status, sent (bytes of the answer)."""
        record = self.folder / "requests.jsonl"
        return [json.loads(line) for line in record.read_text("utf-8").splitlines()] if record.exists() else []

    def sent(self, name: str) -> int:
        """Bytes of a file that have been sent, over all requests."""
        return sum(request["sent"] for request in self.requests if request["file"] == name)

    @property
    def fetched(self) -> set[str]:
        """Names of the files that were asked for."""
        return {request["file"] for request in self.requests} - {""}


@dataclass(frozen=True)
class HubServer:
    """A running process that serves hubs."""

    folder: Path
    url: str

    def new_hub(self) -> Hub:
        """Return an empty hub in which all is well."""
        name = f"hub{len(list(self.folder.iterdir()))}"
        hub = Hub(self.folder / name, f"{self.url}/{name}")
        (hub.folder / "repositories").mkdir(parents=True)
        hub.plan()
        return hub


@contextmanager
def start_hubs(folder: Path) -> Iterator[HubServer]:
    """Run a server over an empty folder while the block runs."""
    command = [sys.executable, str(Path(__file__)), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            yield HubServer(folder, f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # 40 ms an answer otherwise
    root: Path
    counts: dict[tuple[Path, str], int]

    def do_GET(self) -> None:
        _, hub, *rest = self.path.split("/")
        self.folder = self.root / hub
        plan = Plan(**json.loads((self.folder / "plan.json").read_text("utf-8")))
        path = unquote(urlsplit("/" + "/".join(rest)).path)
        is_listing = path.startswith("/api/models/")
        repository = "/".join(path.removeprefix("/api/models/").strip("/").split("/")[:2])
        name = "" if is_listing else path.partition(f"/resolve/{COMMIT}/")[2]
        root = self.folder / "repositories" / repository
        status = plan.statuses.get(name, 200)
        if plan.token and self.headers["Authorization"] != f"Bearer {plan.token}":
            status = 401
        if status == 200 and not (root / name).exists():
            status = 404
        if status != 200:
            self._answer(name, status, b"refused")
        elif is_listing:
            listing = plan.listing or {"id": repository, "sha": COMMIT, "siblings": _siblings(root)}
            self._answer(name, 200, json.dumps(listing).encode())
        elif plan.redirect and name.endswith(_LARGE):
            self._answer(name, 302, b"", Location=plan.redirect + path)
        else:
            self._send_file(name, (root / name).read_bytes(), plan)

    def _send_file(self, name: str, content: bytes, plan: Plan) -> None:
        if name in plan.corrupt and self._happens("corrupt " + name, plan.corruptions):
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and not plan.ignores_range else 0
        if not start:
            return self._answer(name, 200, content, plan)
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._answer(name, 206, content[start:], plan, **{"Content-Range": span})

    def _answer(self, name: str, status: int, body: bytes, plan: Plan | None = None, **headers: str) -> None:
        plan, length = plan or Plan(), len(body)
        if plan.drop_after and length > plan.drop_after and self._happens("drop", plan.drops):
            body, self.close_connection = body[: plan.drop_after], True
        self._record(file=name, range=self.headers["Range"], status=status, sent=len(body))
        self.send_response(status)
        for key, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        try:
            for at in range(0, len(body), _BLOCK):
                self.wfile.write(body[at : at + _BLOCK])
                time.sleep(plan.pause_s)
        except OSError:  # the other side has gone
            self.close_connection = True

    def _happens(self, what: str, times: int) -> bool:
        key = self.folder, what
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key] <= times

    def _record(self, **values: Any) -> None:
        values["authorization"] = self.headers["Authorization"]
        with (self.folder / "requests.jsonl").open("a", encoding="utf-8") as record:
            record.write(json.dumps(values) + "\n")

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


def _siblings(root: Path) -> list[dict[str, Any]]:
    listed = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content, name = path.read_bytes(), path.relative_to(root).as_posix()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith(_LARGE):
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        listed.append(entry)
    return listed


def _serve(folder: Path) -> None:
    _Handler.root, _Handler.counts = folder, {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
