"""What people may do to a simulated device, by name, e.g. from the command line: press, open, heat, unplug."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from daq.devices.simulated.wire import Line, Wire
from daq.errors import UsageError

Given = float | str | bool | None
Action = Callable[[Given], None]


def act(device: str, actions: Mapping[str, Action], action: str, value: Given) -> None:
    """Do `action`; raise `UsageError` for one the device does not know, and for a value it cannot take."""
    if action not in actions:
        raise UsageError(f"{device} knows {', '.join(actions)}; not {action!r}")
    try:
        actions[action](value)
    except UsageError as why:
        raise UsageError(f"{device}, {action}: {why}") from None


def plain(do: Callable[[], None]) -> Action:
    """Return an action that takes no value."""

    def action(value: Given) -> None:
        if value is not None:
            raise UsageError(f"takes no value, not {value!r}")
        do()

    return action


def number(do: Callable[[float], None], *, least: float, most: float, unit: str) -> Action:
    """Return an action that takes a number within bounds."""

    def action(value: Given) -> None:
        try:
            given = math.nan if isinstance(value, bool) or value is None else float(value)
        except ValueError:
            given = math.nan
        if not least <= given <= most:
            raise UsageError(f"takes a number of {unit} from {least:g} to {most:g}, not {value!r}")
        do(given)

    return action


def text(do: Callable[[str], None]) -> Action:
    """Return an action that takes a text."""

    def action(value: Given) -> None:
        if not isinstance(value, str):
            raise UsageError(f"takes a text, not {value!r}")
        do(value)

    return action


def of_line(line: Line) -> dict[str, Action]:
    """Return what can be done to the wire of every device."""

    def become(state: Wire) -> Callable[[], None]:
        def do() -> None:
            line.state = state

        return do

    return {
        "cut-wire": plain(become(Wire.CUT)),
        "mute": plain(become(Wire.MUTE)),
        "mend-wire": plain(become(Wire.GOOD)),
    }
