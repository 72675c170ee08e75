"""A running acquisition on the screen: bars that live, or lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from daq.cli.output import say
from daq.cli.stationtext import alarm_line, is_shown, progress_line, status_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_EVERY_S = 10.0
_BAR = 40
_MOST_ALARMS = 5


class Display(Protocol):
    """Shows what a station says."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *what: object) -> None: ...

    def show(self, event: dict[str, Any]) -> None:
        """Show an event."""

    def note(self, text: str) -> None:
        """Show what is no event."""


class Lines:
    """Lines on stderr: every change of state, every alarm, progress every ten seconds; nothing when `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._said: dict[str, str] = {}
        self._run: str | None = None
        self._progress_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        """Leave the lines as they are."""

    def show(self, event: dict[str, Any]) -> None:
        """Say what is new."""
        data = event["data"]
        match event["event"]:
            case "status":
                self._run = data["run"]
                self._say_once("status", status_line(data))
            case "alarm":
                self._say_once(f"{data['device']} {data['name']}", alarm_line(data))
            case "progress" if self._run in (None, data["run"]) and time.monotonic() - self._progress_s > _EVERY_S:
                self._progress_s = time.monotonic()
                self.note(progress_line(data))

    def note(self, text: str) -> None:
        """Say it."""
        if not self._quiet:
            say(text)

    def _say_once(self, about: str, line: str) -> None:
        if self._said.get(about) != line:
            self._said[about] = line
            self.note(line)


class Bars:
    """Bars on the terminal that stderr is, renewed four times a second."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._status: dict[str, Any] | None = None
        self._progress: dict[str, Any] | None = None
        self._alarms: dict[tuple[str, str], dict[str, Any]] = {}
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *what: object) -> None:
        self._live.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Take what is new into the picture."""
        data = event["data"]
        match event["event"]:
            case "status":
                if self._status is not None and data["step"] != self._status["step"]:
                    self._progress = None
                self._status = data
            case "progress" if self._status is None or data["run"] == self._status["run"]:  # not that of a run before
                self._progress = data
            case "alarm":
                self._alarms[data["device"], data["name"]] = data

    def note(self, text: str) -> None:
        """Print it above the picture."""
        from rich.text import Text

        self._live.console.print(Text(text))

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        lines: list[RenderableType] = []
        if self._status is not None:
            lines.append(Text(status_line(self._status), style="bold"))
        if self._progress is not None:
            row = Table.grid(padding=(0, 1))
            fraction = self._progress["fraction"]
            bar = ProgressBar(total=1.0, completed=min(fraction or 0.0, 1.0), width=_BAR, pulse=fraction is None)
            row.add_row(bar, Text(progress_line(self._progress)))
            lines.append(row)
        shown = [alarm for alarm in self._alarms.values() if is_shown(alarm)]
        lines += [Text(alarm_line(alarm), style="red") for alarm in shown[:_MOST_ALARMS]]
        if len(shown) > _MOST_ALARMS:
            lines.append(Text(f"and {len(shown) - _MOST_ALARMS} more alarms", style="red"))
        return Group(*lines)


class JsonLines:
    """Events as JSON on stdout, one a line; everything else on stderr."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        """Leave the lines as they are."""

    def show(self, event: dict[str, Any]) -> None:
        """Print the event."""
        import json

        sys.stdout.write(json.dumps({key: event[key] for key in ("event", "data", "skipped") if key in event}) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say it."""
        say(text)


def display(*, quiet: bool) -> Display:
    """Return bars where stderr is a terminal, else lines; nothing but silence when `quiet`."""
    if quiet or not sys.stderr.isatty():
        return Lines(quiet=quiet)
    from rich.console import Console

    return Bars(Console(stderr=True))
