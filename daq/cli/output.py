"""What commands print: results on stdout (text or JSON), progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "?")


def print_json(result: dict[str, Any]) -> None:
    """Print the result as indented JSON, in ASCII where stdout cannot take every character."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(result, indent=1, ensure_ascii=not utf8) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as its content; numbers, which is whatever begins with a digit, stand at the right."""
    table = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *table, strict=True)]
    right = [bool(table) and all(row[i][:1].isdigit() or not row[i] for row in table) for i in range(len(columns))]
    if title:
        print_line(title)
    for row in [list(columns), ["-" * width for width in widths], *table]:
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        print_line(("  " + "  ".join(cells)).rstrip())


def print_line(text: str = "") -> None:
    """Print one line of a result. Control characters, which a profile's texts may hold, do not reach the terminal."""
    sys.stdout.write(text.translate(_CONTROLS) + "\n")


def say(text: str) -> None:
    """Tell the person, on stderr, what is going on."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def progress(*, quiet: bool = False) -> Progress:
    """Return a progress display on stderr, shown only to a terminal and not when `quiet`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"), console=console, disable=quiet or not console.is_terminal,
    )  # fmt: skip


def grouped(number: float) -> str:
    """Return a whole number with thin grouping: 218 881 -> `218,881`."""
    return f"{number:,.0f}"
