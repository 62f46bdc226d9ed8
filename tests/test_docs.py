"""The documents say what the program does: settings, commands, formats, and the READMEs' code runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from cli.app import app
from core.messages import Language
from docs.make_tables import READMES, settings_table
from loaders.registry import SUPPORTED_SUFFIXES
from ui.main import app as web_app
from ui.texts import shell

LANGUAGES: tuple[Language, ...] = ("en", "zh")
NAMED_BY_THE_USER = {
    "torch",
    "transformers",
    "cpm_kernels",
    "langchain",
    "faiss-cpu",
    "sentence-transformers",
    "unstructured",
    "gradio",
    "jieba",
}


def readme(language: Language) -> str:
    return READMES[language].read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_settings_table_is_that_of_the_code(language: Language) -> None:
    assert settings_table(language) in readme(language), "run: python docs/make_tables.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_is_described_and_no_other(language: Language) -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    groups = {name: group.commands for name, group in root.commands.items() if isinstance(group, TyperGroup)}
    commands = root.commands.keys() - groups.keys()
    commands |= {f"{group} {name}" for group, names in groups.items() for name in names}
    pattern = rf"\| `python cli_demo.py ((?:(?:{'|'.join(groups)}) )?[a-z]+)"
    assert set(re.findall(pattern, readme(language))) == commands


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_of_the_web_page_is_described_and_no_other(language: Language) -> None:
    options = {name for parameter in typer.main.get_command(web_app).params for name in parameter.opts}
    assert set(re.findall(r"\| `(--[a-z-]+)[^`]*` \|", readme(language))) == options


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_tab_of_the_web_page_is_described(language: Language) -> None:
    tabs = {message.text(language) for name, message in vars(shell).items() if name.startswith("TAB_")}
    assert tabs <= set(re.findall(r"^\| ([^|`]+) \|", readme(language), flags=re.M))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_format_is_named(language: Language) -> None:
    text = readme(language)
    line = next(line for line in text.splitlines() if line.startswith(("Formats:", "支持的格式：")))
    line += text.split(line)[1].split("\n\n")[0]
    aliases = {".markdown", ".htm"}
    missing = [suffix for suffix in SUPPORTED_SUFFIXES if suffix not in aliases and suffix[1:] not in line]
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_code_in_the_readme_runs(language: Language, root: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", readme(language), flags=re.S)
    assert blocks
    environment = {"KNOWGLM_DATA_DIR": str(tmp_path), "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    for block in blocks:
        command = [sys.executable, "-c", block]
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "62 亿" in done.stdout


def test_the_two_commands_of_the_first_screen_are_the_same_in_both_languages() -> None:
    commands = [re.findall(r"^pip install [^#]*", readme(language), flags=re.M) for language in LANGUAGES]
    assert [line.strip() for line in commands[0]] == [line.strip() for line in commands[1]]
    assert len(commands[0]) == 2


def test_requirements_hold_the_packages_the_user_named_with_lower_bounds(root: Path) -> None:
    lines = [
        line.split("#")[0].strip() for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    lines = [line for line in lines if line]
    names = {re.split(r"[<>=\[]", line)[0] for line in lines}
    assert names >= NAMED_BY_THE_USER
    assert not [line for line in lines if ">=" not in line]


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_links_lead_somewhere(document: str, root: Path) -> None:
    path = root / document
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not missing


def test_files_named_in_the_documents_exist(root: Path) -> None:
    for document in ("CONTRIBUTING.md", "docs/architecture.md", "README.md"):
        text = (root / document).read_text(encoding="utf-8")
        named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text)
        assert [name for name in named if not (root / name).exists()] == []
