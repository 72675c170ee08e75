"""What service works at in `daq demo console`: a board of registers, and a supply of a ring; each a simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_BY, _REASON = "scandaq", "a demonstration"
_BOARD, _SUPPLY = "front_end", "ring_bias"
_LIMITS = f"""
[supplies.{_SUPPLY}]
max_v = 900.0
max_slope_v_per_s = 100.0
max_step_v = 50.0
tolerance_v = 2.0
trip_ua = 300.0
trip_s = 0.5
"""
"""Of a bias that no product has: fast enough to be watched, slow enough to be stopped on its way."""


@contextmanager
def board() -> Iterator[str]:
    """Run a board of registers while the context lasts; yield its part of the site file."""
    with _instrument("ipbus", "ipbus-board", "udp", _BOARD) as told:
        yield f"{told}{_device('front_end_board', 'instrument', _BOARD)}"


@contextmanager
def board_and_supply() -> Iterator[str]:
    """Run a board of registers and a supply of high voltage; yield their part of the site file."""
    with ExitStack() as stack:
        told = stack.enter_context(board())
        supply = stack.enter_context(_instrument("caen-n1470", "caen-n1470", "tcp", "bias_supply"))
        head = '[devices.detector]\nability = "detector_head"\n'  # its cover and its temperature guard the supply
        yield f"{told}{supply}{head}{_device(_SUPPLY, 'high_voltage', 'bias_supply', channel='0')}"


def with_supply(scanner: str, folder: Path) -> Path:
    """Write a shipped scanner with the limits of that supply into a folder."""
    from device_profiles import scanners

    shipped = Path(scanners.__file__).parent / "scanner" / f"{scanner}.toml"
    made = folder / "scanner.toml"
    made.write_text(shipped.read_text(encoding="utf-8") + _LIMITS, encoding="utf-8")
    return made


def with_lifecycle(folder: Path) -> None:
    """Begin the life-cycle of a folder with the calibration `ring`, which is used; another one waits to be signed."""
    from daq.composition import lifecyclesteps

    told = (folder / "ring.toml").read_text(encoding="utf-8")
    lifecyclesteps.begun(folder, reason=_REASON, by=_BY)
    lifecyclesteps.signed(folder, "ring", reason=_REASON, by=_BY, check="it is the truth of the simulator")
    lifecyclesteps.activated(folder, "ring", reason=_REASON, by=_BY)
    (folder / "ring-2.toml").write_text(told.replace('id = "ring"', 'id = "ring-2"'), encoding="utf-8")


@contextmanager
def _instrument(kind: str, profile: str, end: str, name: str) -> Iterator[str]:
    from daq.cli.demostation import process_of

    with process_of([kind]) as ready:
        endpoints: dict[str, Any] = ready.get("endpoints") or ready
        url = endpoints.get(end) or ready[end]
        yield f'[controllers.{name}]\nprofile = "{profile}"\nurl = "{url}"\n'


def _device(name: str, ability: str, controller: str, channel: str = "") -> str:
    at = f', channel = "{channel}"' if channel else ""
    return f'[devices.{name}]\nability = "{ability}"\nkind = "profile"\ncontroller = {{ name = "{controller}"{at} }}\n'
