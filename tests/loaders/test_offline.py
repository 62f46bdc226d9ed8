"""`unstructured` reports home at import and downloads a model on first use; no new release may bring that back."""

import subprocess
import sys
from pathlib import Path

import docx
import pytest

from loaders.registry import load_file

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError(f"network use: {args}")

class NoSocket(socket.socket):
    def __init__(self, *args, **kwargs):
        refuse(*args)

socket.socket = NoSocket
socket.getaddrinfo = socket.create_connection = refuse
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen")
sys.addaudithook(lambda event, args: refuse(event, args) if event in FORBIDDEN else None)

from pathlib import Path
from loaders.registry import load_file

heavy = {"unstructured", "pandas", "docx", "pptx", "openpyxl", "pdfplumber", "pypdfium2", "spacy"} & set(sys.modules)
assert not heavy, heavy
print("".join(part.page_content for part in load_file(Path(sys.argv[1]))))
"""


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    word = docx.Document()
    word.add_heading("请假制度", 1)
    word.add_paragraph("员工请假须提前三天申请。The head of department approves it within a day.")
    word.save(str(tmp_path / "a.docx"))
    return tmp_path / "a.docx"


def test_pain_41_docx_is_read_with_sockets_blocked(letter: Path) -> None:
    assert load_file(letter)[0].page_content.startswith("请假制度\n\n员工请假须提前三天申请。The head")


def test_pain_41_a_fresh_process_touches_no_socket(letter: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(letter)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("请假制度\n")
    assert "network use" not in done.stderr
