"""`webui.py` as a process of its own, for tests that visit it with a browser or without."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_GRACE_S = 15


@dataclass
class Site:
    """A running `webui.py`."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def serving(data_dir: Path, *arguments: str, **variables: str) -> Iterator[Site]:
    """Run `webui.py` on a free port until the block ends."""
    command = [sys.executable, "webui.py", "--port", "0", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KNOWGLM_")}
    environ |= {"KNOWGLM_DATA_DIR": str(data_dir), "KNOWGLM_LLM": "extractive", "KNOWGLM_EMBEDDING": "lexical"}
    with (data_dir.parent / f"{data_dir.name}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ | {"PYTHONUNBUFFERED": "1"} | variables,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        )
    assert process.stdout is not None
    try:
        address = next((found[0] for line in process.stdout if (found := re.search(r"http://\S+:\d+", line))), None)
        assert address, Path(log.name).read_text("utf-8")
        yield Site(address, data_dir, process)
    finally:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
