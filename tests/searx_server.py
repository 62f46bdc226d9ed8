"""A small SearXNG that speaks its JSON interface, and misbehaves on demand: `python searx_server.py PORT`.

It listens at 127.0.0.1, on any free port for 0, prints that port, and ends when its standard input does. In an address
such as `http://127.0.0.1:PORT/slow/7/search?q=…` the first part is how it behaves, the second a label for what it was
asked: `GET /seen/7` returns `[{"path", "query", "headers"}, …]`.
"""

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LONG_S = 60.0  # longer than any test waits
FORBIDDEN = (  # what SearXNG answers where search.formats lacks json
    "<!doctype html>\n<html lang=en>\n<title>403 Forbidden</title>\n<h1>Forbidden</h1>\n"
    "<p>You don&#39;t have the permission to access the requested resource.</p>\n"
)
PAGE = "<!doctype html><html><head><title>Router</title></head><body><h1>Log in</h1></body></html>"

seen: dict[str, list[dict[str, Any]]] = defaultdict(list)


def result(number: int, **changed: Any) -> dict[str, Any]:
    """Return one entry of `results` with the fields that SearXNG sends."""
    return {
        "url": f"https://example.org/{number}",
        "title": f"年假规定 第{number}版",
        "content": f"员工入职满一年后有{number}天年假，须提前{number}天申请。",
        "publishedDate": None,
        "engine": "bing",
        "engines": ["bing", "google"],
        "positions": [number],
        "score": 1 / number,
        "category": "general",
        "template": "default.html",
        "parsed_url": ["https", "example.org", f"/{number}", "", "", ""],
    } | changed


def reply(results: Any = (), **changed: Any) -> dict[str, Any]:
    """Return a whole reply with the fields that SearXNG sends."""
    lists = {name: [] for name in ("answers", "corrections", "infoboxes", "suggestions", "unresponsive_engines")}
    return {"query": "", "number_of_results": 0, "results": list(results), **lists, **changed}


DIRTY = (
    result(1, title="<b>年</b>假 &amp; 病假", content="有<em>五</em>天<br>年假&nbsp;&lt;须批准&gt; <!-- 广告 -->x < y"),
    result(2, title="\x1b[31m红\u202e字\u200b标题", content="<script>alert(1)</script>List<String> 的\n用法"),
    result(3, title="", content=None),
    result(4, url="javascript:alert(1)"),
    result(5, url=None),
    result(6, url="https://example.org/1/"),
    result(7, url="https://example.org/1#:~:text=年假"),
    {"title": "没有地址"},
    "no result at all",
    result(8, title="半个字符\ud83d", content="半个\ud83d字符"),
)
INFOBOX = {"infobox": "年假", "id": "https://zh.wikipedia.org/wiki/年假", "content": "年假是带薪的假期。", "urls": []}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients leave
            super().handle()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)  # a proxy gets a whole address
        behaviour, label, *rest = parts.path.strip("/").split("/")
        if behaviour == "seen":
            self.send(200, seen[label])
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        seen[label].append({"path": parts.path, "query": query, "headers": headers})
        if rest != ["search"]:
            self.send(404, "Not Found", "text/plain")
        else:
            BEHAVIOURS[behaviour](self)

    def send(self, status: int, body: Any, content_type: str = "application/json", **headers: str) -> None:
        data = (
            body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def silent(self) -> None:
        self.connection.settimeout(LONG_S)
        self.connection.recv(1)
        self.close_connection = True

    def trickle(self) -> None:
        """Send a byte now and then, always sooner than a client loses patience."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b" ")
            time.sleep(0.05)

    def hang_up(self) -> None:
        self.close_connection = True

    def cut(self) -> None:
        """Promise more than is sent."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"results": [')
        self.close_connection = True


def says(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.send(status, body, content_type, **headers)


SILENT_ENGINES = [["google", "CAPTCHA"], ["bing", "timeout"]]
BEHAVIOURS: dict[str, Callable[[Handler], None]] = {
    "good": says(200, reply(result(number) for number in range(1, 31))),
    "dirty": says(200, reply(DIRTY)),
    "infobox": says(200, reply([result(1)], infoboxes=[INFOBOX, {"infobox": "没有地址"}])),
    "some-silent": says(200, reply([result(1)], unresponsive_engines=SILENT_ENGINES)),
    "all-silent": says(200, reply(unresponsive_engines=SILENT_ENGINES)),
    "empty": says(200, reply()),
    "no-json": says(403, FORBIDDEN, "text/html"),
    "limited": says(429, "Too Many Requests", "text/plain"),
    "failing": says(500, PAGE, "text/html"),
    "page": says(200, PAGE, "text/html"),
    "other-json": says(200, {"status": "ok"}),
    "other-shape": says(200, {"results": {"1": "a"}}),
    "odd": says(200, {"results": [], "infoboxes": 3, "unresponsive_engines": "google"}),
    "list": says(200, [1, 2]),
    "not-utf8": says(200, b'{"results": "\xff\xfe"}'),
    "huge": says(200, b" " * 9_000_000 + b'{"results": []}'),
    "nested": says(200, "[" * 100_000),
    "nowhere": says(302, "over there", "text/plain"),
    "moved": says(302, "", Location="/good/elsewhere/search"),
    "slow": Handler.silent,
    "trickle": Handler.trickle,
    "hang-up": Handler.hang_up,
    "cut": Handler.cut,
}


class Server(ThreadingHTTPServer):
    daemon_threads = True


def main() -> None:
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


@contextmanager
def running() -> Iterator[str]:
    """Run the server as a process of its own and yield its address, without the parts that say how it behaves."""
    command = [sys.executable, __file__, "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


if __name__ == "__main__":
    main()
