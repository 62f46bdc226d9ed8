"""A small model server that speaks OpenAI's protocol, and misbehaves on demand: `python openai_server.py PORT`.

It listens at 127.0.0.1, on any free port for 0, prints that port, and ends when its standard input does. In an address
such as `http://127.0.0.1:PORT/silent/7/v1` the first part is how it behaves, the second a label for what it was asked:
`GET /seen/7` returns `[{"path", "headers", "body"}, …]`, and `{"gone": true}` where the client left before the end.
"""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

MODELS = ("tiny", "small")
PIECES = ("请假", "需要", "主管", "批准。")
CHAT_FIELDS = {"model", "messages", "stream", "temperature", "max_tokens", "top_p", "stop"}
HOSTILE = (
    "<script>window.taken = 1</script><img src=x onerror='window.taken = 1'>",
    "[here](javascript:window.taken=1) ![](http://tracker.example/pixel.png) ${window.taken=1} {{window.taken=1}}",
    "<svg onload=window.taken=1><iframe src='http://tracker.example'></iframe> ok [1]",
)
LONG_S = 60.0  # longer than any test waits
GAP_S = 0.2  # between the pieces of a slow answer

seen: dict[str, list[dict[str, Any]]] = defaultdict(list)


def piece(text: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODELS[0], "choices": [choice], **more}


def answer(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a good answer; a stop word ends it as the protocol says."""
    text = "".join(PIECES).partition((body.get("stop") or ["\0"])[0])[0]
    events = [piece(text[at : at + 2]) for at in range(0, len(text), 2)]
    events.append(piece(finish="stop"))
    if body.get("stream_options"):
        usage = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
        events.append(piece(usage=usage) | {"choices": []})
    return [event | {"model": body["model"]} for event in events]


def vector(text: str, salt: str = "") -> list[float]:
    """Return a vector of length 3 that depends on the text alone."""
    digest = hashlib.sha256(f"{salt}{text}".encode()).digest()
    numbers = [byte - 127.5 for byte in digest[:8]]
    length = sum(number * number for number in numbers) ** 0.5
    return [3 * number / length for number in numbers]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients leave
            super().handle()

    def do_GET(self) -> None:
        behaviour, label, *rest = urlsplit(self.path).path.strip("/").split("/")
        if behaviour == "seen":
            self.reply(200, seen[label])
        elif rest == ["v1", "models"] and behaviour != "elsewhere":
            self.reply(200, {"object": "list", "data": [{"id": name} for name in MODELS]})
        else:
            self.reply(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour, self.label, *rest = urlsplit(self.path).path.strip("/").split("/")  # a proxy gets a whole address
        seen[self.label].append(
            {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}
        )
        try:
            if rest in (["v1", "chat", "completions"], ["v1", "embeddings"]):
                act = PLAIN.get(behaviour) or getattr(Handler, behaviour.replace("-", "_"))
                act(self, body)
            else:
                self.reply(404, {"detail": "Not Found"})
        except OSError:
            seen[self.label].append({"gone": True})
            self.close_connection = True

    # --- replies ---

    def reply(self, status: int, body: Any, content_type: str = "application/json", **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events: Iterable[Any], gap_s: float = 0.0, end: bool = True) -> None:
        """Send events one by one, each a JSON object or a text as it is; without `end` the connection just breaks."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            text = event if isinstance(event, str) else f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
            self.chunk(text)
            time.sleep(gap_s)
        if end:
            self.chunk("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def wait_for_leaving(self) -> None:
        self.connection.settimeout(LONG_S)
        if not self.connection.recv(1):
            raise ConnectionAbortedError

    def requests(self) -> int:
        return sum("body" in item for item in seen[self.label])

    # --- chat ---

    def good(self, body: dict[str, Any]) -> None:
        if "input" in body:
            self.vectors(body, vector)
        elif body["model"] not in MODELS:
            self.reply(404, {"error": {"message": f"model '{body['model']}' not found", "code": None}})
        else:
            self.stream(answer(body))

    def strict(self, body: dict[str, Any]) -> None:
        """Refuse fields it does not know, by name, like a FastAPI server whose models forbid extra fields."""
        unknown = sorted(body.keys() - CHAT_FIELDS)
        if unknown:
            detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "not permitted"} for name in unknown]
            self.reply(422, {"detail": detail})
        else:
            self.good(body)

    def curt(self, body: dict[str, Any]) -> None:
        """Refuse fields it does not know, without a word why, in FastChat's form."""
        if body.keys() - CHAT_FIELDS:
            self.reply(400, {"object": "error", "message": "Bad Request", "code": 40001})
        else:
            self.good(body)

    def modern(self, body: dict[str, Any]) -> None:
        """Refuse `max_tokens` as OpenAI's reasoning models do."""
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model."
            self.reply(400, {"error": {"message": said, "type": "invalid_request_error", "param": "max_tokens"}})
        else:
            self.good(body)

    def slow(self, body: dict[str, Any]) -> None:
        self.stream(answer(body), gap_s=GAP_S)

    def hostile(self, body: dict[str, Any]) -> None:
        """Answer with what would take over a page that believed it."""
        self.stream([piece(text) for text in HOSTILE] + [piece(finish="stop")])

    def silent(self, body: dict[str, Any]) -> None:
        self.wait_for_leaving()

    def mute(self, body: dict[str, Any]) -> None:
        """Fall silent after the first piece."""
        self.stream([piece(PIECES[0])], end=False)
        self.wait_for_leaving()

    def broken(self, body: dict[str, Any]) -> None:
        self.stream(answer(body)[:2], end=False)

    def cut(self, body: dict[str, Any]) -> None:
        """End properly as HTTP, but not as an answer, as a gateway does whose model server died."""
        self.stream(answer(body)[:2])

    def hang_up(self, body: dict[str, Any]) -> None:
        self.close_connection = True

    def busy(self, body: dict[str, Any]) -> None:
        """Answer from the third request on."""
        if self.requests() < 3:
            self.reply(429, {"error": {"message": "Too many requests"}})
        else:
            self.good(body)

    def endless(self, body: dict[str, Any]) -> None:
        self.stream((piece("字") for _ in range(10_000)), gap_s=0.01)

    def malformed(self, body: dict[str, Any]) -> None:
        self.stream([piece(PIECES[0]), "data: {not json\n\n"])

    def not_utf8(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: \xff\xfe\n\n")
        self.close_connection = True

    def wrong_key(self, body: dict[str, Any]) -> None:
        self.reply(401, {"error": {"message": f"Incorrect key: {self.headers['Authorization']}"}})

    def overflow(self, body: dict[str, Any]) -> None:
        said = "This model's maximum context length is 2048 tokens, 'max_tokens' is too large."
        self.reply(400, {"object": "error", "message": said, "code": 40303})

    def moved(self, body: dict[str, Any]) -> None:
        self.reply(308, "", Location="https://elsewhere.example/v1")

    # --- embeddings ---

    def vectors(self, body: dict[str, Any], made: Callable[[str], list[Any]], kept: int | None = None) -> None:
        """Send vectors last first, each with its place."""
        data = [{"object": "embedding", "index": at, "embedding": made(text)} for at, text in enumerate(body["input"])]
        self.reply(200, {"object": "list", "data": data[:kept][::-1], "model": body["model"]})

    def jittering(self, body: dict[str, Any]) -> None:
        """Send vectors that differ a little from request to request, as low-precision arithmetic does."""
        jitter = 1e-3 * self.requests()
        self.vectors(body, lambda text: [number + jitter for number in vector(text)])

    def few_at_a_time(self, body: dict[str, Any]) -> None:
        if len(body["input"]) > 10:
            self.reply(400, {"error": {"message": "batch size is invalid, it should not be larger than 10."}})
        else:
            self.good(body)

    def without_index(self, body: dict[str, Any]) -> None:
        self.reply(200, {"data": [{"embedding": vector(text)} for text in body["input"]]})

    def growing(self, body: dict[str, Any]) -> None:
        self.vectors(body, lambda text: vector(text) + [0.0] * self.requests())


def says(status: int, body: Any, content_type: str = "application/json") -> Callable[[Handler, Any], None]:
    return lambda handler, _: handler.reply(status, body, content_type)


def sends(made: Callable[[str], list[Any]], kept: int | None = None) -> Callable[[Handler, Any], None]:
    return lambda handler, body: handler.vectors(body, made, kept)


PAGE = "<!doctype html><html><head><title>Welcome</title></head><body><h1>Open WebUI</h1></body></html>"
PLAIN: dict[str, Callable[[Handler, Any], None]] = {
    "always-busy": says(429, {"error": {"message": "Too many requests"}}),
    "failing": says(500, {"error": "the engine has died"}),
    "forbidden": says(403, "forbidden", "text/plain"),
    "elsewhere": says(404, {"detail": "Not Found"}),
    "page": says(200, PAGE, "text/html"),
    "bad-request": says(400, {"error": {"message": "no"}}),
    "whole": says(200, {"choices": [{"message": {"content": "请假"}}]}),
    "bare": says(200, [[1.0, 2.0]]),
    "none": says(200, {"data": []}),
    "empty": lambda handler, _: handler.stream([]),
    "other-shape": lambda handler, _: handler.stream([{"result": "hello"}]),
    "error-event": lambda handler, _: handler.stream([piece("请"), {"error": {"message": "CUDA error", "code": 500}}]),
    "error-text": lambda handler, _: handler.stream([piece("请"), {"error": "the worker died"}]),
    "fastchat-error": lambda handler, _: handler.stream([{"text": "**NETWORK ERROR**", "error_code": 50001}]),
    "other-model": sends(lambda text: vector(text, "other")),
    "too-few": sends(vector, kept=1),
    "zero": sends(lambda _: [0.0] * 8),
    "not-a-number": sends(lambda _: [float("nan")] * 8),
    "null": sends(lambda _: [None] * 8),
    "ragged": sends(lambda text: [1.0] * len(text)),
    "texts": sends(lambda _: ["a"]),
}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


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
