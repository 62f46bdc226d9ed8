"""Download of one model from a Hugging Face hub or a mirror of it: only what is needed, resumable, verified.

The two requests it takes are made with httpx. huggingface_hub reads its environment when it is imported, fetches
through a second transport (Xet) of its own, reports progress through tqdm and cannot be cancelled.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from filelock import FileLock, Timeout

from core.answers import Progress, ProgressCallback, ignore_progress
from core.messages import Message
from core.model_errors import DownloadFailed
from models.hub_files import WORK_FOLDER, RemoteFile, VerifiedFiles, needed_files, read_listing

_TIMEOUT = httpx.Timeout(30.0, connect=15.0)
_ATTEMPTS = 5  # in a row that bring nothing, before the hub counts as out of reach
_PAUSE_S = 0.5  # before the connection is made again, doubled after each of them
_BUSY = {408, 429, 500, 502, 503, 504}

_UNREACHABLE = Message(
    "连不上 {endpoint}（{detail}）；可用环境变量 HF_ENDPOINT 指定镜像站",
    "{endpoint} does not answer ({detail}); the environment variable HF_ENDPOINT can name a mirror",
)
_FORBIDDEN = Message(
    "需要授权（{status}）：先在 {endpoint}/{repository} 同意许可，再把令牌放进环境变量 HF_TOKEN",
    "it needs permission ({status}): accept the licence at {endpoint}/{repository}, then put a token into HF_TOKEN",
)
_NO_REPOSITORY = Message(
    "{endpoint} 上没有仓库 {repository}，或它不公开",
    "{endpoint} has no repository {repository}, or it is not public",
)
_REFUSED = Message("{endpoint} 拒绝了请求（{status}）", "{endpoint} refused the request ({status})")
_NO_LISTING = Message(
    "{endpoint} 的回答不是带大小和哈希的文件列表（{detail}）",
    "{endpoint} did not answer with a list of files, sizes and hashes ({detail})",
)
_NO_WEIGHTS = Message(
    "{repository} 里没有可用格式的权重", "{repository} holds no weights in a format that is read here"
)
_WRONG_HASH = Message(
    "{file} 的内容不对：应为 {expected}，下载两次，得到 {found}",
    "{file} is not what was published: expected {expected}, got {found} twice",
)
_NO_SPACE = Message(
    "磁盘空间不够：{folder} 还需要 {needed_gb:.1f} GB，只有 {free_gb:.1f} GB",
    "not enough disk space: {folder} needs {needed_gb:.1f} GB more, {free_gb:.1f} GB are free",
)
_DISK_FULL = Message("磁盘满了：{path}", "the disk is full: {path}")
_UNWRITABLE = Message("写不进 {path}（{detail}）", "{path} cannot be written ({detail})")
_BUSY_FOLDER = Message("另一个程序正在下载到 {folder}", "another program is downloading into {folder}")
_BAD_PROXY = Message("代理设置用不了（{detail}）", "the proxy settings cannot be used ({detail})")


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What became of a download.

    Attributes:
        files: names of the files the model needs, relative to `folder`.
        total_bytes: of all of them.
        fetched_bytes: that came over the network this time.
        is_complete: False where it was cancelled.
    """

    folder: Path
    files: tuple[str, ...]
    total_bytes: int
    fetched_bytes: int
    is_complete: bool


class _Cancelled(Exception):
    """The caller wants no more."""


def download(
    repository: str,
    folder: Path,
    *,
    endpoint: str,
    progress: ProgressCallback = ignore_progress,
    token: str = "",
    cancelled: Callable[[], bool] = lambda: False,
) -> DownloadReport:
    """Bring the files of a model into `folder`, each under its name only once its size and hash are right.

    What is there already is kept, and what an earlier call began, however it ended, is gone on with.

    Args:
        repository: "owner/name".
        endpoint: address of the hub, without a slash at the end.
        progress: called with bytes of all files and the name of the file in work.
        token: sent to `endpoint` and to no other host.
        cancelled: asked after each block; once it says True, the call returns.

    Raises:
        DownloadFailed: with the reason.
    """
    try:
        work = folder / WORK_FOLDER
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / "lock", timeout=0), _client(repository, token) as client:
            return _Download(repository, folder, endpoint, client, cancelled).run(progress)
    except Timeout as error:
        raise DownloadFailed(name=repository, why=_BUSY_FOLDER.filled(folder=folder)) from error
    except OSError as error:
        why = _DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else _UNWRITABLE
        path = error.filename or folder
        raise DownloadFailed(name=repository, why=why.filled(path=path, detail=error.strerror)) from error


def _client(repository: str, token: str) -> httpx.Client:
    """Return a client that follows redirects; httpx drops the token where one leads to another host."""
    headers = {"Accept-Encoding": "identity"}  # ranges are of the plain bytes
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        return httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True)
    except (ImportError, ValueError) as error:  # a SOCKS proxy without its package, a proxy of no known kind
        raise DownloadFailed(name=repository, why=_BAD_PROXY.filled(detail=error)) from error


class _Meter:
    """Bytes done over all files; what is shown never falls, even where a file has to be fetched again."""

    def __init__(self, total: int, callback: ProgressCallback) -> None:
        self._total, self._callback = total, callback
        self._finished = self._shown = 0

    def show(self, file: RemoteFile, done: int) -> None:
        self._shown = max(self._shown, self._finished + min(done, file.size))
        self._callback(Progress(self._shown, self._total, file.name))

    def finish(self, file: RemoteFile) -> None:
        self._finished += file.size
        self.show(file, 0)


class _Download:
    """One call of `download`, which holds the folder's lock."""

    def __init__(
        self, repository: str, folder: Path, endpoint: str, client: httpx.Client, cancelled: Callable[[], bool]
    ) -> None:
        self._repository, self._folder, self._endpoint = repository, folder, endpoint
        self._client, self._cancelled = client, cancelled
        self._verified = VerifiedFiles(folder)
        self._files_url = ""
        self._fetched_bytes = 0

    def run(self, progress: ProgressCallback) -> DownloadReport:
        files = self._list()
        meter = _Meter(sum(file.size for file in files), progress)
        try:
            missing = []
            for file in files:
                self._stop_if_cancelled()
                meter.show(file, 0)
                if self._verified.holds(file):
                    meter.finish(file)
                else:
                    missing.append(file)
            self._require_space(missing)
            for file in missing:
                self._fetch(file, meter)
                meter.finish(file)
            is_complete = True
        except _Cancelled:
            is_complete = False
        names, total = tuple(file.name for file in files), sum(file.size for file in files)
        return DownloadReport(self._folder, names, total, self._fetched_bytes, is_complete)

    def _list(self) -> list[RemoteFile]:
        """Return the files that the model needs, and fix the commit they are fetched from."""
        try:
            response = self._client.get(f"{self._endpoint}/api/models/{self._repository}", params={"blobs": "true"})
            response.raise_for_status()
            description = response.json()
            files = needed_files(read_listing(description))
            self._files_url = f"{self._endpoint}/{self._repository}/resolve/{quote(description['sha'], safe='')}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._failed(_NO_LISTING, detail=repr(error)) from error
        if not any(file.name.endswith((".safetensors", ".bin")) for file in files):
            raise self._failed(_NO_WEIGHTS)
        return files

    def _require_space(self, missing: list[RemoteFile]) -> None:
        needed = sum(file.size - _size(self._part(file)) for file in missing)
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise self._failed(_NO_SPACE, folder=self._folder, needed_gb=needed / 1e9, free_gb=free / 1e9)

    def _fetch(self, file: RemoteFile, meter: _Meter) -> None:
        """Bring one file under its name; one whose content is wrong is fetched a second time from the start."""
        part, found = self._part(file), ""
        for _ in range(2):
            self._fill(file, part, meter)
            found = file.digest_of(part)
            if found == file.digest:
                target = self._folder / file.name
                target.parent.mkdir(exist_ok=True)
                part.replace(target)
                self._verified.remember(file)
                return
            part.unlink()
        raise self._failed(_WRONG_HASH, file=file.name, expected=file.digest, found=found)

    def _fill(self, file: RemoteFile, part: Path, meter: _Meter) -> None:
        """Append to the part until it has the file's size; a connection that breaks is made anew."""
        part.touch()
        failures = 0
        while (before := _size(part)) < file.size:
            try:
                self._append(file, part, meter)
            except httpx.HTTPError as error:
                failures = 0 if _size(part) > before else failures + 1
                if failures == _ATTEMPTS or not _may_pass(error):
                    raise self._unreachable(error) from error
                time.sleep(_PAUSE_S * 2**failures)

    def _append(self, file: RemoteFile, part: Path, meter: _Meter) -> None:
        start = _size(part)
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._client.stream("GET", f"{self._files_url}/{quote(file.name)}", headers=headers) as response:
            response.raise_for_status()
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            with part.open("ab" if goes_on else "wb") as stream:
                for block in response.iter_bytes():
                    stream.write(block)
                    self._fetched_bytes += len(block)
                    meter.show(file, stream.tell())
                    self._stop_if_cancelled()
                    if stream.tell() > file.size:
                        return  # something else; its hash will say so
                if stream.tell() < file.size:
                    raise httpx.RemoteProtocolError("the answer ended early")
                stream.flush()
                os.fsync(stream.fileno())  # or a power cut could leave a file that only looks verified

    def _part(self, file: RemoteFile) -> Path:
        """Return where the file grows: named by its hash, so that a later version never continues an older one."""
        return self._folder / WORK_FOLDER / file.digest

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise _Cancelled

    def _unreachable(self, error: Exception) -> DownloadFailed:
        if not isinstance(error, httpx.HTTPStatusError):
            return self._failed(_UNREACHABLE, detail=str(error) or type(error).__name__)
        status = error.response.status_code
        # The hub says 401, not 404, of what it does not have, lest private names can be guessed.
        if status == 404 or error.response.headers.get("X-Error-Code") == "RepoNotFound":
            return self._failed(_NO_REPOSITORY)
        return self._failed(_FORBIDDEN if status in (401, 403) else _REFUSED, status=status)

    def _failed(self, why: Message, **values: object) -> DownloadFailed:
        filled = why.filled(endpoint=self._endpoint, repository=self._repository, **values)
        return DownloadFailed(name=self._repository, why=filled)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _may_pass(error: httpx.HTTPError) -> bool:
    """Tell whether the same request may succeed a little later."""
    return not isinstance(error, httpx.HTTPStatusError) or error.response.status_code in _BUSY
