"""The house keeps its rooms apart: who may import whom, what is loaded when, and how large things may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = {"loaders", "splitters", "models", "vectorstores", "chains"}
ALLOWED = {
    "core": set(),
    "analysis": set(),
    "configs": {"core"},
    **{part: {"core", "analysis"} for part in PARTS},
    "service": {"core", "analysis", "configs"} | PARTS,
    "cli": {"core", "configs", "service"},
    "ui": {"core", "configs", "service"},
    "cli_demo": {"cli"},
    "webui": {"ui"},
}
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "unstructured", "rapidocr", "rapidocr_onnxruntime"}
HEAVY |= {"openai", "langchain_openai", "huggingface_hub", "sentencepiece", "safetensors", "peft"}
HEAVY |= {"gradio", "pandas", "opencc", "pymilvus", "jieba", "docx", "pptx", "openpyxl", "pdfplumber", "pypdfium2"}
FORBIDDEN = {"pickle", "cPickle", "dill", "shelve", "marshal", "joblib", "cloudpickle"}
FILE_LINES, FUNCTION_LINES = 300, 50


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


ENTRIES = [ROOT / "cli_demo.py", ROOT / "webui.py"]
FILES = [*sorted(path for name in ALLOWED for path in (ROOT / name).rglob("*.py")), *ENTRIES]
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert not node.level, "relative import"
        return [node.module or ""]
    return []


def loaded_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when the module is imported: not functions, not `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not guarded and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from loaded_at_import(child)


def test_the_tree_is_where_this_test_looks_for_it() -> None:
    assert {room(path) for path in FILES} == set(ALLOWED)
    assert len(FILES) > 50


@each_file
def test_arrows_point_down_and_siblings_never_meet(path: Path) -> None:
    own = room(path)
    for node in ast.walk(TREES[path]):
        for name in imported(node):
            top = name.split(".")[0]
            assert top not in ALLOWED or top == own or top in ALLOWED[own], f"{own} imports {name}"


@each_file
def test_entries_read_of_the_settings_only_the_environment(path: Path) -> None:
    if room(path) in {"cli", "cli_demo", "ui", "webui"}:
        names = {name for node in ast.walk(TREES[path]) for name in imported(node)}
        assert {name for name in names if name.startswith("configs")} <= {"configs.environment"}


RUNTIMES = {  # loaded as a whole by the service once their model is wanted, with what they stand on
    "models/chatglm/": {"torch", "safetensors"},
    "models/server_": {"openai", "langchain_openai"},
    "ui/": {"gradio"},
}


@each_file
def test_heavy_libraries_wait_inside_functions(path: Path) -> None:
    own = path.relative_to(ROOT).as_posix()
    allowed = {name for start, names in RUNTIMES.items() if own.startswith(start) for name in names}
    top = {name.split(".")[0] for node in loaded_at_import(TREES[path]) for name in imported(node)}
    assert not top & (HEAVY - allowed)


@each_file
def test_nothing_runs_code_from_data(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        assert not {name.split(".")[0] for name in imported(node)} & FORBIDDEN
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") not in {"eval", "exec", "__import__"}
            for keyword in node.keywords:
                assert keyword.arg != "trust_remote_code" or getattr(keyword.value, "value", True) is False
                assert keyword.arg != "allow_dangerous_deserialization"
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            options = {getattr(key, "value", None): getattr(value, "value", True) for key, value in pairs}
            assert options.get("trust_remote_code", False) is False


@each_file
def test_only_the_settings_read_the_environment(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "putenv"}:
            line = ast.get_source_segment(path.read_text("utf-8"), node)
            is_switch = path.name == "unstructured_offline.py" and line == "os.environ"
            assert room(path) == "configs" or is_switch, f"{path.name}:{node.lineno}"
    if path.name == "unstructured_offline.py":
        assert path.read_text("utf-8").count("os.environ") == path.read_text("utf-8").count("os.environ.setdefault(")


@each_file
def test_only_the_command_line_prints(path: Path) -> None:
    calls = {getattr(node.func, "id", "") for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)}
    streams = {node.attr for node in ast.walk(TREES[path]) if isinstance(node, ast.Attribute)} & {"stdout", "stderr"}
    assert room(path) == "cli" or not (calls & {"print", "input"} or streams)


@each_file
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name


@pytest.mark.parametrize(
    ("modules", "strangers"),
    [
        ("cli.app", "torch transformers langchain_core langchain unstructured faiss numpy pandas gradio pydantic_ai"),
        ("service.factory", "torch transformers sentence_transformers unstructured faiss pandas gradio opencc"),
        ("ui.main", "torch transformers langchain_core unstructured faiss numpy pandas gradio fastapi uvicorn"),
    ],
    ids=["command_line", "application", "web_page"],
)
def test_a_start_loads_only_what_it_needs(modules: str, strangers: str) -> None:
    probe = f"import sys, {modules}; print(*sorted(set({strangers.split()!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    assert done.stdout.split() == []


def test_help_loads_no_heavy_library() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "cli_demo.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded
    assert not loaded & {*HEAVY, "langchain", "langchain_core", "numpy", "sqlite3"}
