"""`webui.py` as a process: what it says before it serves, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import uvicorn
from cheap_accounts import GOOD
from fastapi import FastAPI
from web_site import ROOT, Site, serving

import ui.main
from service.people.accounts import USERS_FILE, Accounts
from ui.serving import serve_until_ended

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]
SECONDS_TO_END = 5
ANYWHERE = "0.0.0.0"  # noqa: S104 - who listens there is asked for a login, or warned
PAIR = f"小明:{GOOD}"


Main = Callable[..., tuple[int, str]]


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Run `webui.py` in this process until it gives up, and return its exit code and what it said of that."""

    def run(*arguments: str, language: str = "zh", **variables: str) -> tuple[int, str]:
        variables = {"KNOWGLM_DATA_DIR": str(tmp_path / "data"), "KNOWGLM_LLM": "extractive"} | variables
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(ui.main, "LANGUAGE", language)
        monkeypatch.setattr(sys, "argv", ["webui.py", "--port", "0", *arguments])
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            ui.main.main()
        told = capsys.readouterr()
        assert not told.out
        return ended.value.code, told.err  # type: ignore[return-value]

    return run


def asked(site: Site, path: str, **headers: str) -> tuple[int, str]:
    connection = connected(site)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def connected(site: Site) -> HTTPConnection:
    address = urlsplit(site.url)
    return HTTPConnection(address.hostname or "", address.port, timeout=20)


def said_by(site: Site) -> str:
    return (site.data_dir.parent / f"{site.data_dir.name}.log").read_text("utf-8")


# --- what keeps it from starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (("--host", ANYWHERE), {}, 2, ("--without-login", "users add")),
        (("--public-name", "kb.example.com"), {}, 2, ("kb.example.com", "--without-login")),
        (("--public-name", "https://kb.example.com/x"), {}, 2, ("--public-name",)),
        (("--auth", "no-colon-but-secret"), {}, 2, ("--auth",)),
        (("--auth", "name:short"), {}, 2, ("8",)),
        (("--auth", PAIR, "--auth", PAIR), {}, 1, ("小明",)),
        (("--users", "none.json"), {}, 2, ("none.json", "users add")),
        (("--auth", PAIR, "--users", "none.json"), {}, 2, ("--users",)),
        (("--host", "192.0.2.1", "--without-login"), {}, 1, ("192.0.2.1", "--host")),
        ((), {"KNOWGLM_TOPK": "3"}, 2, ("KNOWGLM_TOPK", "KNOWGLM_TOP_K")),
        ((), {"KNOWGLM_LANG": "fr"}, 2, ("KNOWGLM_LANG=fr",)),
        (("--port", "99999"), {}, 2, ("65535",)),
    ],
    ids=[
        *("anywhere", "proxy", "bad_name", "no_pair", "weak", "twice", "no_users", "two_sources"),
        *("foreign", "setting", "lang", "port"),
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_keeps_it_from_starting_is_said_in_a_few_lines(
    main: Main, arguments: tuple[str, ...], variables: dict[str, str], code: int, words: tuple[str, ...], language: str
) -> None:
    ended, said = main(*arguments, language=language, **variables)
    assert ended == code
    assert all(word in said for word in words), said
    assert "secret" not in said
    assert len(said.splitlines()) < 12


def test_a_port_in_use_is_said_before_anything_is_loaded(main: Main) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = main("--port", str(port))
    assert code == 1
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


@pytest.mark.parametrize("arguments", [(), ("--auth", PAIR)], ids=["open", "login"])
def test_a_data_directory_that_is_none_is_said(
    tmp_path: Path, main: Main, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui.main, "_prepare", lambda qa: qa.refresh_samples())
    (tmp_path / "data").write_text("a file", "utf-8")
    code, said = main(*arguments)
    assert code == 1
    assert str(tmp_path / "data") in said


@pytest.mark.parametrize(("language", "words"), [("zh", "监听的地址"), ("en", "address to listen on")])
def test_help_speaks_both_languages_and_loads_nothing_heavy(language: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "webui.py", "--help"],
        cwd=ROOT,
        env={**os.environ, "KNOWGLM_LANG": language, "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    for part in (words, "--host", "--port", "--auth", "--users", "--public-name", "--without-login"):
        assert part in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded
    assert not loaded & {"gradio", "fastapi", "starlette", "uvicorn", "numpy", "pandas", "langchain_core", "sqlite3"}


@pytest.mark.parametrize("is_proxied", [True, False])
def test_only_a_proxy_on_this_machine_is_believed(is_proxied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: configs.append(self.config))
    serve_until_ended(FastAPI(), None, is_proxied=is_proxied)  # type: ignore[arg-type]
    assert configs[0].proxy_headers is is_proxied
    assert configs[0].forwarded_allow_ips == ["127.0.0.1", "::1"]


# --- how it starts and ends --------------------------------------------------------------------------------------


def ended_by(site: Site, ending: signal.Signals) -> None:
    """End it while a page listens."""
    connection = connected(site)
    cookie = {"Cookie": asked_in(site)} if "--users" in site.process.args else {}  # type: ignore[operator]
    connection.request("GET", "/zh/gradio_api/heartbeat/abc", headers=cookie)
    stream = connection.getresponse()
    assert stream.status == 200
    assert stream.read(5) == b"data:"
    began = time.monotonic()
    site.process.send_signal(ending)
    assert site.process.wait(20) == 0
    assert time.monotonic() - began < SECONDS_TO_END
    stream.close()
    connection.close()


def test_on_this_machine_the_page_is_there_for_the_asking(tmp_path: Path) -> None:
    Accounts(tmp_path / "data" / USERS_FILE).add("小明", GOOD, "admin")
    with serving(tmp_path / "data", KNOWGLM_LANG="en") as site:
        assert asked(site, "/zh/")[0] == 200
        assert asked(site, "/zh/", Host="evil.example")[0] == 421
        ended_by(site, signal.SIGINT)
        (hint,) = said_by(site).splitlines()  # and nothing of the end
        assert "No login is needed" in hint
        assert "--users" in hint


def test_other_machines_without_login_and_after_a_sudden_death_with_one_behind_a_proxy(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--host", ANYWHERE, "--without-login", KNOWGLM_LANG="en") as site:
        assert f"no login on {ANYWHERE}" in said_by(site)
        assert [asked(site, "/zh/", Host=host)[0] for host in ("127.0.0.1", "192.168.1.2", "evil.example")] == [
            200,
            200,
            421,
        ]
        site.process.kill()
        site.process.wait(10)
    users = tmp_path / "users.json"
    Accounts(users).add("小明", GOOD, "admin")
    with serving(tmp_path / "data", "--public-name", "kb.example.com", "--users", str(users)) as site:
        assert [asked(site, "/zh/", Host=host)[0] for host in ("kb.example.com", "evil.example")] == [401, 421]
        wrong = [logged_in(site, "wrong password", client)[0] for client in ["192.0.2.1"] * 6 + ["192.0.2.2"]]
        assert wrong == [401] * 5 + [429, 401]
        code, cookie = logged_in(site, GOOD, "192.0.2.3")
        assert code == 303
        assert "Secure" in cookie
        ended_by(site, signal.SIGTERM)
        assert said_by(site) == ""


def asked_in(site: Site) -> str:
    return logged_in(site, GOOD, "192.0.2.3")[1].partition(";")[0]


def logged_in(site: Site, password: str, client: str) -> tuple[int, str]:
    """Log in through a proxy, and return the answer's code and cookie."""
    headers = {
        "Host": "kb.example.com",
        "X-Forwarded-For": client,
        "X-Forwarded-Proto": "https",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = connected(site)
    connection.request("POST", "/login", urlencode({"user": "小明", "password": password}), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Set-Cookie", "")


def test_it_ends_in_order_before_it_has_begun(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "webui.py", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "KNOWGLM_DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    process.stdout.readline()  # it reads the samples now
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")
