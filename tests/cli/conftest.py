"""The command line as a user runs it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What was printed, all of which must be one JSON object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@pytest.fixture(scope="session")
def command() -> Callable[..., Done]:
    """Run `cli_demo.py` over a data directory: `command(folder, "kb", "list", lang="en", TOP_K="3")`."""

    def run(data: Path, *arguments: str | bytes, stdin: str = "", lang: str = "zh", **settings: str) -> Done:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KNOWGLM_", "LC_", "COLUMNS"))}
        own = {"KNOWGLM_DATA_DIR": str(data), "KNOWGLM_MODEL_DIR": str(data / "none"), "KNOWGLM_LANG": lang}
        own |= {f"KNOWGLM_{name}": value for name, value in settings.items()}
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli_demo.py"), *arguments],
            cwd=data.parent,
            env=clean | {"LC_ALL": "C", "COLUMNS": "200"} | own,  # the poorest terminal there is
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run
