"""Write the generated tables of both READMEs.

`python docs/make_tables.py` writes the settings, from configs/model_config.py; with `--figures OUT.json` also the
figures, from what `python bench/retrieval.py --json OUT.json` has measured.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from configs.environment import PREFIX
from configs.model_config import PROJECT_DIR, Settings, about
from core.messages import Language, Message

READMES: dict[Language, Path] = {"en": PROJECT_DIR / "README.md", "zh": PROJECT_DIR / "README.zh-CN.md"}

_SETTINGS_HEAD = Message("| 变量 | 默认值 | 含义 |\n|---|---|---|", "| variable | default | meaning |\n|---|---|---|")
_FIGURES_HEAD = Message("| 测什么 | 目标 | 实测 |\n|---|---|---|", "| what | goal | measured |\n|---|---|---|")
_FIGURES: tuple[tuple[str, str, str, Message], ...] = (
    ("cmrc2018", "R@1", "≥ 86.5 %", Message("CMRC2018 B 半：首位命中", "CMRC2018 half B: right chunk first")),
    ("cmrc2018", "R@10", "≥ 99.5 %", Message("CMRC2018 B 半：前十命中", "CMRC2018 half B: right chunk in first ten")),
    ("cmrc2018", "MRR@10", "", Message("CMRC2018 B 半：MRR@10", "CMRC2018 half B: MRR@10")),
    (
        "cmrc2018",
        "answer_hit",
        "≥ 84 %",
        Message("两句摘录含有标准答案（拒答算错）", "two quoted sentences hold an answer (a refusal is a miss)"),
    ),
    (
        "cmrc2018",
        "AUROC",
        "≥ 97 %",
        Message("可答与不可答问题的区分（AUROC）", "answerable against unanswerable questions (AUROC)"),
    ),
    (
        "cmrc2018",
        "accuracy",
        "",
        Message("同上，默认阈值下的正确率", "the same, accuracy at the default threshold"),
    ),
    ("medical_zh", "R@10", "≥ 35 %", Message("患者提问 → 医生回答：前十命中", "patient → doctor's answer, first ten")),
    ("dureader", "R@10", "≥ 87 %", Message("DuReader 网页：前十命中", "DuReader web pages, first ten")),
    ("xquad_en", "R@1", "≥ 90.5 %", Message("XQuAD 英文：首位命中", "XQuAD English: right chunk first")),
    (
        "race",
        "ratio",
        "≤ 1",
        Message(
            "建索引用时 ÷ bm25s + jieba（{chunks} 块，{documents} 个文件）",
            "indexing time ÷ bm25s with jieba ({chunks} chunks, {documents} files)",
        ),
    ),
    ("race", "p50_ms", "", Message("同一规模下一次检索，中位数", "one search at that size, median")),
    ("race", "p95_ms", "≤ 20 ms", Message("同一规模下一次检索，p95", "one search at that size, p95")),
)


def settings_table(language: Language) -> str:
    """Return the table of all settings."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(name, field.default)} | {about(name).text(language)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_SETTINGS_HEAD.text(language), *rows])


def figures_table(results: dict[str, dict[str, Any]], language: Language) -> str:
    """Return the table of measured figures."""
    rows = [
        f"| {label.text(language, **_counts(results[dataset]))} | {goal} | {_shown(figure, results[dataset][figure])} |"
        for dataset, figure, goal, label in _FIGURES
    ]
    return "\n".join([_FIGURES_HEAD.text(language), *rows])


def replaced(text: str, section: str, table: str) -> str:
    """Return a README with the table between the marks of a section exchanged."""
    marks = rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)"
    return re.sub(marks, lambda match: f"{match[1]}{table}\n{match[2]}", text, flags=re.S)


def _default(name: str, value: object) -> str:
    if isinstance(value, Path):
        return f"`{value.relative_to(PROJECT_DIR).as_posix()}`"
    if value is None and "auto" in about(name).en:
        return "`auto`"
    shown = "" if value is None else str(value)
    return f"`{shown}`" if shown else "–"


def _counts(figures: dict[str, Any]) -> dict[str, Any]:
    return {"chunks": f"{figures.get('chunks', 0):,}", "documents": f"{figures.get('documents', 0):,}"}


def _shown(figure: str, value: float) -> str:
    if figure.endswith("_ms"):
        return f"{value:.1f} ms"
    return f"{value:.2f}" if figure == "ratio" else f"{100 * value:.1f} %"


def main() -> None:
    """Rewrite both READMEs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    for language, path in READMES.items():
        text = replaced(path.read_text(encoding="utf-8"), "settings", settings_table(language))
        if arguments.figures:
            results = json.loads(arguments.figures.read_text(encoding="utf-8"))
            text = replaced(text, "figures", figures_table(results, language))
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
