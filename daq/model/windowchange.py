"""Energy windows that are others in one exam than its protocol says: what is asked for, what is allowed, what is kept.

The protocol of the site stays as it is. What is recorded is the wide spectrum, so a window that was chosen badly can be
chosen again later (`daq listmode frame --window`); before the start it decides what counts, and what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from daq.errors import MissingError, RefusedError
from daq.model.arguments import Named
from daq.model.nuclide_table import nuclide
from daq.model.window_sets import line_inside
from daq.model.windows import EnergyWindow

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol

How = Literal["by hand", "by its peak"]
USUAL_LIMIT_PERCENT = 5.0
"""Where the scanner profile has no limit for its peak: 5 % takes a seventh of the peak out of a window of 20 %."""
NARROWEST, WIDEST = 0.5, 1.5
"""A window may be that many times as wide as the protocol has it: less loses the peak, more takes in the scatter."""
_SAME_KEV = 0.05


class WindowEdges(BaseModel):
    """One window as it is wanted for this exam."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    window: Named
    lower_kev: Annotated[float, Field(ge=0, le=5000)]
    upper_kev: Annotated[float, Field(gt=0, le=5000)]
    how: How = "by hand"


@dataclass(frozen=True, slots=True)
class Allowed:
    """How far windows may be moved: `limit_percent` of the photopeak, inside what the instrument records, in keV."""

    limit_percent: float = USUAL_LIMIT_PERCENT
    source: str = "5 % takes a seventh of the peak out of a window of 20 %"
    """Where the limit comes from."""
    low_kev: float | None = None
    high_kev: float | None = None


@dataclass(frozen=True, slots=True)
class WindowChange:
    """What became of one window: from the protocol's to this exam's edges, in keV, by whom, when and how."""

    window: str
    from_kev: tuple[float, float]
    to_kev: tuple[float, float]
    by: str
    at_utc: str
    how: How
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, as journal and manifest hold it."""
        return {**asdict(self), "from_kev": list(self.from_kev), "to_kev": list(self.to_kev)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> WindowChange:
        """Return what `to_json` made."""
        low, high = told["from_kev"]
        lower, upper = told["to_kev"]
        return cls(
            str(told["window"]), (float(low), float(high)), (float(lower), float(upper)), str(told["by"]),
            str(told["at_utc"]), told["how"], str(told.get("reason", "")),
        )  # fmt: skip

    @property
    def edges(self) -> WindowEdges:
        """Return what is to be asked for to have it again."""
        return WindowEdges(window=self.window, lower_kev=self.to_kev[0], upper_kev=self.to_kev[1], how=self.how)

    @property
    def sentence(self) -> str:
        """Return it in words."""
        before, after = (f"{low:g} to {high:g} keV" for low, high in (self.from_kev, self.to_kev))
        return f"energy window {self.window} is {after} in this exam, the protocol has {before}; set {self.how}"


def line_of(protocol: AcquisitionProtocol, window: EnergyWindow) -> float | None:
    """Return the photopeak that a window of the protocol is about, keV; None for one about none, of scatter say."""
    said = protocol.file.windows.get(window.name) if protocol.file is not None else None
    if said is not None and said.peak is not None:
        return float(said.peak.value)
    try:
        return None if protocol.radionuclide is None else line_inside(nuclide(protocol.radionuclide), window)
    except (MissingError, RefusedError):
        return None


def require_changeable(protocol: AcquisitionProtocol) -> None:
    """Raise `RefusedError` for an exam whose windows cannot be others than those of its protocol."""
    if not protocol.of_patient:
        raise RefusedError("quality control is judged with the energy windows of its protocol: they are not changed")
    if protocol.modality != "gamma_camera" or protocol.coincidence is not None:
        raise RefusedError("energy windows are changed for one exam with a gamma camera alone")
    if not protocol.windows.windows:
        raise RefusedError(f"protocol {protocol.id} has no energy window")
    if protocol.store.singles == "windowed":
        raise RefusedError(
            f"protocol {protocol.id} records only what lies inside its windows, so they stay as they were signed"
        )


def named(protocol: AcquisitionProtocol, name: str | None) -> EnergyWindow:
    """Return a window as the protocol has it, the first where none is named; raise `RefusedError` for no such one."""
    windows = protocol.signed_windows
    return windows.windows[0] if name is None else windows.windows[windows.bit(name)]


def checked(protocol: AcquisitionProtocol, wanted: WindowEdges, allowed: Allowed) -> EnergyWindow:
    """Return the window as it will be; raise `RefusedError` with numbers for one that is not allowed."""
    require_changeable(protocol)
    signed = named(protocol, wanted.window)
    window = EnergyWindow(round(wanted.lower_kev, 2), round(wanted.upper_kev, 2), signed.name)
    _require_recorded(window, allowed)
    line_kev = line_of(protocol, signed)
    if line_kev is not None and not window.lower_kev < line_kev < window.upper_kev:
        raise RefusedError(
            f"{_told(window)}: the photopeak at {line_kev:g} keV would lie outside; the protocol has {_told(signed)}"
        )
    _require_near(window, signed, line_kev, allowed)
    _require_width(window, signed)
    return window


def changes_of(
    protocol: AcquisitionProtocol, wanted: Iterable[WindowEdges], allowed: Allowed, *, by: str, at_utc: str,
    reason: str = "", before: Sequence[WindowChange] = (),
) -> tuple[WindowChange, ...]:  # fmt: skip
    """Return what differs from the protocol: `before`, and what is wanted besides. Raises what `checked` raises.

    A window that is wanted as the protocol has it is no change any more.
    """
    kept = {each.window: each for each in before}
    for edges in wanted:
        window, signed = checked(protocol, edges, allowed), named(protocol, edges.window)
        kept.pop(signed.name, None)
        if not same(window, signed):
            kept[signed.name] = WindowChange(
                signed.name, (signed.lower_kev, signed.upper_kev), (window.lower_kev, window.upper_kev), by, at_utc,
                edges.how, reason,
            )  # fmt: skip
    return tuple(kept.values())


def same(one: EnergyWindow, other: EnergyWindow) -> bool:
    """Return True where two windows have the same edges, but for rounding."""
    edges = ((one.lower_kev, other.lower_kev), (one.upper_kev, other.upper_kev))
    return all(abs(a - b) < _SAME_KEV for a, b in edges)


def _require_recorded(window: EnergyWindow, allowed: Allowed) -> None:
    low, high = allowed.low_kev, allowed.high_kev
    if (low is not None and window.lower_kev < low) or (high is not None and window.upper_kev > high):
        recorded = f"{0 if low is None else low:g} to {'any' if high is None else format(high, 'g')} keV"
        raise RefusedError(f"{_told(window)}: the camera records {recorded}")


def _require_near(window: EnergyWindow, signed: EnergyWindow, line_kev: float | None, allowed: Allowed) -> None:
    moved_kev = (window.lower_kev + window.upper_kev - signed.lower_kev - signed.upper_kev) / 2.0
    about_kev = line_kev or (signed.lower_kev + signed.upper_kev) / 2.0
    most_kev = about_kev * allowed.limit_percent / 100.0
    if abs(moved_kev) > most_kev + _SAME_KEV:
        raise RefusedError(
            f"{_told(window)}: its middle is {moved_kev:+.1f} keV off that of the protocol ({_told(signed)}); at most "
            f"{most_kev:.1f} keV are possible here ({allowed.limit_percent:g} % of {about_kev:g} keV). A peak that is "
            "further off is a fault of the camera or another nuclide: tell the physicist"
        )


def _require_width(window: EnergyWindow, signed: EnergyWindow) -> None:
    wide, usual = window.upper_kev - window.lower_kev, signed.upper_kev - signed.lower_kev
    if not NARROWEST * usual - _SAME_KEV <= wide <= WIDEST * usual + _SAME_KEV:
        raise RefusedError(
            f"{_told(window)} is {wide:.1f} keV wide; the protocol has {usual:.1f} keV, and {NARROWEST * usual:.1f} to "
            f"{WIDEST * usual:.1f} keV are possible here; another width is another protocol"
        )


def _told(window: EnergyWindow) -> str:
    return f"{window.lower_kev:g} to {window.upper_kev:g} keV"
