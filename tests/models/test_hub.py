"""Download of a model, against a hub that is a process of its own on loopback."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, HubServer, start_hubs

from core.answers import Progress
from core.messages import Language
from core.model_errors import DownloadFailed
from models import hub as hub_module
from models.hub import DownloadReport, download
from models.hub_files import WORK_FOLDER, RemoteFile

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

REPOSITORY = "THUDM/chatglm-tiny"
SHARD = "pytorch_model-00001-of-00002.bin"
SHARD_BYTES = 300_000
FILES = {
    "config.json": b'{"model_type": "chatglm"}',
    "tokenizer_config.json": b"{}",
    "ice_text.model": "冰".encode() * 3000,
    "pytorch_model.bin.index.json": b"{}",
    SHARD: bytes(range(251)) * 1195 + bytes(55),
    "pytorch_model-00002-of-00002.bin": b"\x07" * 70_000,
    "README.md": b"# ChatGLM",
    "MODEL_LICENSE": b"The ChatGLM-6B License",
    "modeling_chatglm.py": b"raise SystemExit",
    "quantization.so": b"\x7fELF",
    "onnx/model.onnx": b"onnx",
    "onnx/config.json": b"{}",
    ".gitattributes": b"* text",
}
UNNEEDED = {"modeling_chatglm.py", "quantization.so", "onnx/model.onnx", "onnx/config.json", ".gitattributes"}
NEEDED = set(FILES) - UNNEEDED
TOTAL = sum(len(FILES[name]) for name in NEEDED)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with start_hubs(tmp_path_factory.mktemp("hubs")) as running:
        yield running


@pytest.fixture
def hub(server: HubServer) -> Hub:
    hub = server.new_hub()
    hub.publish(REPOSITORY, **FILES)
    return hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "权重" / "chatglm-tiny"


@pytest.fixture
def fetch(hub: Hub, folder: Path) -> Callable[..., DownloadReport]:
    return lambda **options: download(REPOSITORY, folder, **{"endpoint": hub.url, **options})


def visible(folder: Path) -> set[str]:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith(WORK_FOLDER)}


def parts(folder: Path) -> list[Path]:
    return [path for path in (folder / WORK_FOLDER).iterdir() if len(path.name) in (40, 64)]


def failure(fetch: Callable[..., DownloadReport], language: Language = "en", **options: Any) -> str:
    with pytest.raises(DownloadFailed) as caught:
        fetch(**options)
    assert caught.value.reason("zh") != caught.value.reason("en")
    return caught.value.reason(language)


# --- what is fetched -------------------------------------------------------------------------------------------------


def test_a_model_arrives_whole_and_without_its_code(fetch: Any, hub: Hub, folder: Path) -> None:
    report = fetch()
    assert report == DownloadReport(folder, report.files, TOTAL, TOTAL, is_complete=True)
    assert set(report.files) == visible(folder) == hub.fetched == NEEDED
    assert all((folder / name).read_bytes() == FILES[name] for name in NEEDED)
    assert parts(folder) == []


def test_progress_counts_bytes_and_ends_at_the_total(fetch: Any) -> None:
    seen: list[Progress] = []
    fetch(progress=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (done[0], done[-1], {progress.total for progress in seen}) == (0, TOTAL, {TOTAL})
    assert {progress.label for progress in seen} == NEEDED
    assert any(0 < progress.done < TOTAL and progress.label == SHARD for progress in seen)


def test_a_repository_without_weights_is_refused(hub: Hub, folder: Path) -> None:
    hub.publish("a/gguf", **{"config.json": b"{}", "model-q4.gguf": b"x"})
    assert "no weights" in failure(lambda: download("a/gguf", folder, endpoint=hub.url))


# --- again -----------------------------------------------------------------------------------------------------------


def test_a_complete_model_is_verified_and_not_fetched_again(fetch: Any, hub: Hub) -> None:
    fetch()
    before = len(hub.requests)
    again = fetch()
    assert (again.fetched_bytes, again.is_complete) == (0, True)
    assert len(hub.requests) == before + 1  # the listing


def test_hashes_are_computed_once(fetch: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch()
    hashed: list[str] = []
    digest_of = RemoteFile.digest_of
    monkeypatch.setattr(RemoteFile, "digest_of", lambda file, path: hashed.append(file.name) or digest_of(file, path))
    fetch()
    assert hashed == []
    os.utime(folder / SHARD, ns=(1, 1))
    fetch()
    assert hashed == [SHARD]


def test_files_that_a_user_copied_here_are_recognised_and_damaged_ones_replaced(
    fetch: Any, hub: Hub, folder: Path
) -> None:
    folder.mkdir(parents=True)
    for name in NEEDED:
        (folder / name).write_bytes(FILES[name])
    damaged = bytearray(FILES[SHARD])
    damaged[1000] ^= 1
    (folder / SHARD).write_bytes(damaged)
    (folder / "config.json").write_bytes(b"version https://git-lfs")
    fetch()
    assert hub.fetched == {SHARD, "config.json"}
    assert (folder / SHARD).read_bytes() == FILES[SHARD]


def test_a_damaged_record_costs_nothing_but_time(fetch: Any, hub: Hub, folder: Path) -> None:
    fetch()
    for content in ("{", "[]", '{"config.json": 3}'):
        (folder / WORK_FOLDER / "verified").write_text(content)
        assert fetch().fetched_bytes == 0


def test_the_record_is_no_json_file_which_an_embeddings_fingerprint_would_read(fetch: Any, folder: Path) -> None:
    fetch()
    assert {path.name for path in folder.rglob("*.json")} == {name for name in NEEDED if name.endswith(".json")}


# --- interruptions ---------------------------------------------------------------------------------------------------


def test_a_connection_that_breaks_is_made_again_where_it_stopped(fetch: Any, hub: Hub, folder: Path) -> None:
    hub.plan(drop_after=40_000, drops=99)
    assert fetch().is_complete
    assert (folder / SHARD).read_bytes() == FILES[SHARD]
    assert hub.sent(SHARD) == SHARD_BYTES
    ranges = [request["range"] for request in hub.requests if request["file"] == SHARD]
    assert ranges == [None, *(f"bytes={start}-" for start in range(40_000, SHARD_BYTES, 40_000))]
    assert len(ranges) > hub_module._ATTEMPTS  # those that bring something are not counted


def test_a_hub_that_ignores_ranges_is_read_from_the_start(fetch: Any, hub: Hub, folder: Path) -> None:
    hub.plan(drop_after=100_000, ignores_range=True)
    assert fetch().is_complete
    assert (folder / SHARD).read_bytes() == FILES[SHARD]
    assert hub.sent(SHARD) == 100_000 + SHARD_BYTES


def test_a_busy_hub_is_asked_again_and_at_last_named(fetch: Any, hub: Hub, folder: Path) -> None:
    hub.plan(statuses={SHARD: 503})
    assert "503" in failure(fetch)
    assert sum(request["file"] == SHARD for request in hub.requests) == hub_module._ATTEMPTS
    hub.plan()
    assert fetch().is_complete


def test_a_cancelled_download_stops_at_once_and_is_gone_on_with(fetch: Any, hub: Hub, folder: Path) -> None:
    hub.plan(pause_s=0.005)
    seen: list[Progress] = []
    report = fetch(progress=seen.append, cancelled=lambda: bool(seen) and seen[-1].done > 100_000)
    assert not report.is_complete
    assert 0 < report.fetched_bytes < 300_000
    hub.plan()
    again = fetch()
    assert again.is_complete
    assert report.fetched_bytes + again.fetched_bytes == TOTAL


def test_ctrl_c_keeps_what_has_come(fetch: Any, folder: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=interrupt)
    (part,) = parts(folder)
    assert part.stat().st_size > 50_000
    assert fetch().fetched_bytes < TOTAL - 50_000


def test_pain_a_download_killed_with_9_goes_on_where_it_stopped(hub: Hub, folder: Path, root: Path, fetch: Any) -> None:
    hub.plan(pause_s=0.02)
    program = "import sys, pathlib; from models.hub import download; " + (
        "download(sys.argv[1], pathlib.Path(sys.argv[2]), endpoint=sys.argv[3])"
    )
    command = [sys.executable, "-c", program, REPOSITORY, str(folder), hub.url]
    with subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}) as process:
        digest = hashlib.sha256(FILES[SHARD]).hexdigest()
        part, deadline = folder / WORK_FOLDER / digest, time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 50_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    kept = part.stat().st_size
    assert 50_000 < kept < SHARD_BYTES
    assert not (folder / SHARD).exists()
    hub.plan()
    report = fetch()
    assert report.is_complete
    assert (folder / SHARD).read_bytes() == FILES[SHARD]
    assert f"bytes={kept}-" in [request["range"] for request in hub.requests]
    assert report.fetched_bytes <= TOTAL - kept


def test_two_downloads_into_one_folder_do_not_mix(fetch: Any, folder: Path) -> None:
    messages: list[str] = []

    def again(progress: Progress) -> None:
        if progress.done > 100_000 and not messages:
            messages.append(failure(fetch))

    assert fetch(progress=again).is_complete
    assert "another program" in messages[0]


# --- wrong content ---------------------------------------------------------------------------------------------------


def test_a_wrong_file_is_fetched_once_more(fetch: Any, hub: Hub, folder: Path) -> None:
    hub.plan(corrupt=(SHARD, "config.json"))
    seen: list[Progress] = []
    assert fetch(progress=seen.append).is_complete
    assert (folder / SHARD).read_bytes() == FILES[SHARD]
    assert hub.sent(SHARD) == 2 * SHARD_BYTES
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == TOTAL


@pytest.mark.parametrize("name", [SHARD, "config.json"], ids=["large", "small"])
def test_a_file_that_stays_wrong_is_named_with_both_hashes_and_never_appears(
    fetch: Any, hub: Hub, folder: Path, name: str
) -> None:
    hub.plan(corrupt=(name,), corruptions=9)
    reason = failure(fetch)
    listed = hashlib.sha256(FILES[name]).hexdigest()
    if name == "config.json":
        content = FILES[name]
        listed = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    assert name in reason
    assert listed in reason
    assert "got" in reason
    assert name not in visible(folder)
    assert hub.sent(name) == 2 * len(FILES[name])
    assert parts(folder) == []


def test_a_new_version_never_continues_an_older_part(fetch: Any, hub: Hub, folder: Path) -> None:
    fetch(cancelled=lambda: len(parts(folder)) > 0 and parts(folder)[0].stat().st_size > 50_000)
    hub.publish(REPOSITORY, **{SHARD: b"new" * 100_000})
    hub.plan()
    assert fetch().is_complete
    assert (folder / SHARD).read_bytes() == b"new" * 100_000


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_gated_model_asks_for_a_token_and_takes_it(fetch: Any, hub: Hub) -> None:
    hub.plan(token="hf_secret")
    reason = failure(fetch)
    assert "HF_TOKEN" in reason
    assert f"{hub.url}/{REPOSITORY}" in reason
    wrong = failure(fetch, token="hf_wrong")
    assert "hf_wrong" not in wrong
    assert fetch(token="hf_secret").is_complete


def test_the_token_does_not_follow_to_another_host(fetch: Any, hub: Hub, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    with start_hubs(tmp_path / "storage") as other:
        storage = other.new_hub()
        storage.publish(REPOSITORY, **FILES)
        hub.plan(token="hf_secret", redirect=storage.url)
        storage.plan(drop_after=100_000)
        assert fetch(token="hf_secret").is_complete
        assert SHARD in storage.fetched
        assert {request["authorization"] for request in storage.requests} == {None}
        assert "bytes=100000-" in [request["range"] for request in storage.requests]
    assert {request["authorization"] for request in hub.requests} == {"Bearer hf_secret"}
    assert (folder / SHARD).read_bytes() == FILES[SHARD]


def test_an_unknown_repository_is_named(hub: Hub, folder: Path) -> None:
    reason = failure(lambda: download("THUDM/chatglm-7b", folder, endpoint=hub.url))
    assert "no repository THUDM/chatglm-7b" in reason


def test_a_hub_out_of_reach_points_to_the_mirrors(folder: Path, fetch: Any) -> None:
    for endpoint in ("http://127.0.0.1:9", "http://[broken"):
        with pytest.raises(DownloadFailed) as caught:
            fetch(endpoint=endpoint)
        assert endpoint in caught.value.reason("zh")
        assert "HF_ENDPOINT" in caught.value.text("zh")


@pytest.mark.parametrize(
    "listing",
    [
        ["no object"],
        {"sha": "main"},
        {"sha": "main", "siblings": [{"rfilename": "config.json"}]},
        {"sha": "main", "siblings": [{"rfilename": "config.json", "size": 2, "blobId": "../../etc/passwd"}]},
        {"sha": "main", "siblings": [{"rfilename": "config.json", "size": "2", "blobId": "0" * 40}]},
        {"sha": 7, "siblings": []},
        "<html>please log in</html>",
    ],
    ids=["list", "no_files", "no_sizes", "path_as_hash", "text_as_size", "number_as_commit", "page"],
)
def test_a_mirror_that_lists_no_sizes_and_hashes_is_refused(fetch: Any, hub: Hub, listing: Any) -> None:
    hub.plan(listing=listing)
    assert "list of files" in failure(fetch)


# --- the machine -----------------------------------------------------------------------------------------------------


def test_space_is_counted_before_anything_is_fetched(fetch: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda _: usage(1, 1, TOTAL - 1))
    assert "not enough disk space" in failure(fetch)
    assert hub.fetched == set()
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda _: usage(1, 1, TOTAL))
    assert fetch().is_complete


def test_a_disk_that_fills_up_is_named(fetch: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(folder / "x"))

    monkeypatch.setattr(hub_module.os, "fsync", full)
    assert "the disk is full" in failure(fetch)
    assert visible(folder) == set()


def test_a_folder_that_cannot_be_made_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    reason = failure(lambda: download(REPOSITORY, tmp_path / "file" / "model", endpoint=hub.url))
    assert "cannot be written" in reason


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:9", "socks5://127.0.0.1:9"], ids=["unknown", "socks"])
def test_a_proxy_that_cannot_be_used_is_named(fetch: Any, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert "proxy" in failure(fetch)
