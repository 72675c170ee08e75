"""What makes a protocol possible and free of contradiction, beyond the types of its keys.

`findings` knows neither scanner nor instrument; `check` says whether a protocol fits those it is to be used with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acquisition_protocols import (
    fit,
    fit_beds,
    fit_instrument,
    fit_study,
    qc_rules,
    record_rules,
    sources,
    step_rules,
    study_rules,
)
from acquisition_protocols.instrument import Instrument
from daq.errors import RefusedError
from daq.model.finding import Finding, Said, error, warning
from daq.model.nuclide_table import NUCLIDES
from daq.model.nuclides import Nuclide
from daq.model.protocol import AcquisitionProtocol, ProtocolKind
from daq.model.protocol_file import ProtocolFile, Window
from daq.model.protocol_steps import energy_window
from daq.model.scanner import ScannerProfile
from daq.model.tables import close_names
from daq.model.windows import EnergyWindow, WindowSet, windows_inside

_CAMERA = frozenset({ProtocolKind.STATIC, ProtocolKind.WHOLE_BODY, ProtocolKind.GATED, ProtocolKind.SPECT})
KINDS_OF_MODALITY: dict[str, frozenset[ProtocolKind]] = {
    "gamma_camera": _CAMERA | {ProtocolKind.DYNAMIC, ProtocolKind.QC_FLOOD},
    "pet": frozenset({ProtocolKind.PET, ProtocolKind.DYNAMIC, ProtocolKind.GATED, ProtocolKind.QC_FLOOD}),
    "probe": frozenset({ProtocolKind.PROBE, ProtocolKind.QC_FLOOD}),
}
_PEAK_TOLERANCE = 0.03
"""A window's peak lies as near to a line of the nuclide, for detectors shift by a few per cent; else it is a slip."""


def findings(file: ProtocolFile, tables: dict[str, Any]) -> list[Finding]:
    """Return everything there is to say about a file whose keys and types are in order; `tables` as they were read."""
    return [
        *kind_and_modality(file),
        *nuclide(file),
        *windows(file),
        *record_rules.store(file),
        *record_rules.coincidence(file),
        *study_rules.heads(file),
        *step_rules.findings(file),
        *study_rules.tolerances(file),
        *qc_rules.findings(file),
        *sources.findings(tables),
    ]


def check(
    protocol: AcquisitionProtocol, scanner: ScannerProfile | None = None, instrument: Instrument | None = None
) -> list[Finding]:
    """Return what a scanner and an instrument cannot do of a protocol, and as warnings what this version cannot.

    `instrument` is an instrument profile. An error forbids the use of the protocol there, not of its file.
    """
    return [
        *([] if scanner is None else fit.findings(protocol, scanner)),
        *([] if scanner is None else fit_beds.findings(protocol, scanner)),
        *([] if scanner is None else fit_study.findings(protocol, scanner)),
        *([] if instrument is None else fit_instrument.findings(protocol, instrument)),
        *fit_instrument.beyond_this_version(protocol),
    ]


def kind_and_modality(file: ProtocolFile) -> Iterator[Finding]:
    """Demand a kind that the modality can do."""
    possible = KINDS_OF_MODALITY[file.modality]
    if file.kind not in possible:
        names = ", ".join(sorted(possible))
        yield error("kind", str(file.kind), f"modality {file.modality} does {names}")
    if file.kind is ProtocolKind.QC_FLOOD and file.requirements.administration != "none":
        reason = "a flood is taken of a source, without a patient"
        yield error("requirements.administration", file.requirements.administration, reason)
    if _is_late(file):
        reason = 'a dynamic study of PET starts before the injection: "follows"'
        yield warning("requirements.administration", file.requirements.administration, reason)


def nuclide(file: ProtocolFile) -> Iterator[Finding]:
    """Demand a nuclide that is known; warn of windows around no line of it."""
    if file.radionuclide is None:
        return
    known = NUCLIDES.get(file.radionuclide)
    if known is None:
        yield error("radionuclide", file.radionuclide, f"not in the nuclide table; {_close(file.radionuclide)}")
        return
    lines = _lines_kev(known)
    for name, window in file.windows.items():
        if window.peak is not None and not _is_near(float(window.peak.value), lines):
            stated = ", ".join(f"{line:g}" for line in lines)
            reason = f"no line of {file.radionuclide} is within 3 %; it has {stated} keV"
            yield warning(f"windows.{name}.peak", Said(window.peak.text), reason)


def windows(file: ProtocolFile) -> Iterator[Finding]:
    """Demand windows that make sense and lie inside what is recorded."""
    made: list[EnergyWindow] = []
    for name, window in file.windows.items():
        key = f"windows.{name}"
        why = _why_no_window(window)
        if why is not None:
            yield error(key, Said("as stated"), why)
            continue
        try:
            made.append(energy_window(name, window))
        except RefusedError as refused:
            yield error(key, Said("as stated"), str(refused))
    yield from _inside(file, made)


def _inside(file: ProtocolFile, made: list[EnergyWindow]) -> Iterator[Finding]:
    try:
        WindowSet(tuple(made))
    except RefusedError as refused:
        yield error("windows", Said(f"{len(made)} windows"), str(refused))
        return
    if file.recorded is None:
        return
    low, high = float(file.recorded.lower.value), float(file.recorded.upper.value)
    if low >= high:
        yield error("recorded.lower", Said(file.recorded.lower.text), f"must be below upper = {file.recorded.upper}")
        return
    for window in made:
        try:
            windows_inside(WindowSet((window,)), [EnergyWindow(low, high, "recorded")])
        except RefusedError:
            reason = f"is {window.lower_kev:g} to {window.upper_kev:g} keV; only {low:g} to {high:g} keV is recorded"
            yield error(f"windows.{window.name}", Said("as stated"), reason)


def _is_late(file: ProtocolFile) -> bool:
    return (
        file.modality == "pet"
        and file.kind is ProtocolKind.DYNAMIC
        and file.requirements.administration == "before_start"
    )


def _why_no_window(window: Window) -> str | None:
    by_peak = window.peak is not None or window.width is not None or window.offset is not None
    by_bounds = window.lower is not None or window.upper is not None
    if by_peak and by_bounds:
        return "has either peak and width (offset), or lower and upper, not both"
    if by_peak:
        return None if window.peak is not None and window.width is not None else "needs peak and width"
    if window.lower is None or window.upper is None:
        return "needs lower and upper, or peak and width"
    return None


def _lines_kev(known: Nuclide) -> list[float]:
    lines = [line.energy_kev for line in known.lines]
    peaks = [(usual.window.lower_kev + usual.window.upper_kev) / 2 for usual in known.usual_windows]
    daughter = [] if known.daughter is None else _lines_kev(NUCLIDES[known.daughter])
    return sorted({*lines, *daughter}) or peaks


def _is_near(peak_kev: float, lines: list[float]) -> bool:
    return any(abs(peak_kev - line) <= _PEAK_TOLERANCE * line for line in lines)


def _close(name: str) -> str:
    return close_names(name, tuple(NUCLIDES))
