"""How models and the doctor's findings look: on the terminal, and as JSON whose names programs rely on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from cli import model_texts
from core.answers import Progress, ProgressCallback
from core.messages import Language, Message

if TYPE_CHECKING:
    from service.models.doctor_machine import Check
    from service.models.inventory import Inventory, ModelEntry

_PRECISIONS = {
    "fp32": "fp32",
    "fp16": model_texts.COLUMN_HALF,
    "int8": "int8",
    "int4": "int4",
}  # bf16 takes what fp16 does
_COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}
_UNKNOWN = "–"
_JUMP_BYTES = 1_000_000  # more at once than a connection brings: was here before, and says nothing of the speed


class ModelScreen:
    """Writes to standard output, progress to standard error, in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._out = Console(highlight=False)

    def inventory(self, inventory: "Inventory") -> None:
        """Print every model, one table a kind, and below them what is wrong with those that are not complete."""
        for kind, title in model_texts.KINDS.items():
            entries = [entry for entry in inventory.models if entry.kind == kind]
            self._out.print(self._models(title, entries, with_memory=kind == "llm"))
            self._out.print()
        self._lines(model_texts.LEGEND.text(self._language), style="dim")
        for device in inventory.devices:
            self._say(model_texts.DEVICE, label=device.label, free=device.free_gb, total=device.total_gb)
        for entry in inventory.models:
            for problem in entry.report.problems:
                self._say(model_texts.PROBLEM, name=entry.name, problem=problem.text(self._language))

    def checks(self, checks: "Sequence[Check]") -> None:
        """Print what the doctor found, each with its cure on the next line, and the verdict."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in checks:
            found = Text(check.found.text(self._language))
            if check.cure:
                found.append(f"\n→ {check.cure.text(self._language)}", style="bold")
            area = Text(model_texts.AREAS[check.area].text(self._language))
            table.add_row(Text(model_texts.MARKS[check.level], style=_COLORS[check.level]), area, found)
        self._out.print(table)
        counts = {level: sum(check.level == level for check in checks) for level in ("problem", "warning")}
        self._say(model_texts.VERDICT, problems=counts["problem"], warnings=counts["warning"])

    @contextmanager
    def download(self) -> Iterator[ProgressCallback]:
        """Show bytes, speed and the file in work while the block runs; nothing where standard error is no terminal."""
        console = Console(stderr=True, highlight=False)
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(None), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True))
        with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(model_texts.LISTING.text(self._language), total=None)

            def show(progress: Progress) -> None:
                if progress.done - bar.tasks[0].completed > _JUMP_BYTES:
                    bar.reset(task, completed=progress.done)
                bar.update(task, completed=progress.done, total=progress.total, description=progress.label)

            yield show

    def _models(self, title: Message, entries: "Sequence[ModelEntry]", *, with_memory: bool) -> Table:
        columns = [title, model_texts.COLUMN_STATE, model_texts.COLUMN_DISK, model_texts.COLUMN_DOWNLOAD]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        for column in [*columns, *(_PRECISIONS.values() if with_memory else ())]:
            heading = column if isinstance(column, str) else column.text(self._language)
            table.add_column(heading, overflow="fold", justify="left" if column in columns[:2] else "right")
        for entry in entries:
            cells = [
                "→" if entry.in_force else "*" if entry.configured else "",
                entry.name,
                model_texts.STATES[entry.state].text(self._language),
                _gb(entry.report.size_bytes / 1e9),
                _gb(entry.download_gb),
                *(_memory(entry, precision) for precision in _PRECISIONS if with_memory),
            ]
            table.add_row(*(Text(cell) for cell in cells))
        return table

    def _say(self, message: Message, **values: Any) -> None:
        self._lines(message.text(self._language, **values))

    def _lines(self, text: str, style: str = "") -> None:
        self._out.print(Text(text, style=style))


def inventory_json(inventory: "Inventory", language: Language) -> dict[str, Any]:
    """Return every model, and the devices that were looked at."""
    return {
        "models": [
            {
                "name": entry.name,
                "kind": entry.kind,
                "backend": entry.spec.backend,
                "repository": entry.spec.repository or None,
                "folder": str(entry.folder) if entry.folder else None,
                "state": entry.state,
                "problems": [problem.text(language) for problem in entry.report.problems],
                "size_bytes": entry.report.size_bytes,
                "download_gb": entry.download_gb or None,
                "memory_gb": dict(entry.memory_gb),
                "fitting": list(entry.fitting),
                "configured": entry.configured,
                "in_force": entry.in_force,
            }
            for entry in inventory.models
        ],
        "devices": [
            {
                "name": device.name,
                "label": device.label,
                "free_gb": round(device.free_gb, 2),
                "total_gb": round(device.total_gb, 2),
                "bf16": device.bf16,
            }
            for device in inventory.devices
        ],
    }


def checks_json(checks: "Sequence[Check]", language: Language) -> dict[str, Any]:
    """Return what the doctor found."""
    return {
        "ok": not any(check.level == "problem" for check in checks),
        "checks": [
            {
                "area": check.area,
                "level": check.level,
                "found": check.found.text(language),
                "next_step": check.cure.text(language) if check.cure else None,
            }
            for check in checks
        ],
    }


def _memory(entry: "ModelEntry", precision: str) -> str:
    known = {str(name): size for name, size in entry.memory_gb.items()}
    if precision not in known:
        return ""
    return f"{known[precision]:.1f}" if precision in entry.fitting else f"({known[precision]:.1f})"


def _gb(size: float) -> str:
    return f"{size:.1f}" if size else _UNKNOWN
