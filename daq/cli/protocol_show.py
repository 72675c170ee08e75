"""What `daq protocol show` prints: facts, windows, steps, and estimates with what they assume."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daq.cli.output import grouped, print_line, print_table
from daq.cli.protocol_details import details, duration, ends, step_json, tolerated
from daq.cli.protocol_expected import print_expected
from daq.composition.protocolfigures import Expected, estimate_json, estimated, expected_json
from daq.model.protocol import AcquisitionProtocol, Need, Step
from daq.model.protocol_estimate import Estimate, Figure

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.model.protocol_file import StepFile
    from daq.model.scanner import ScannerProfile
    from device_profiles.schema import InstrumentProfile


def as_json(
    loaded: LoadedProtocol, scanner: ScannerProfile | None, instrument: InstrumentProfile | None,
    told: Expected | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the protocol with its file's keys, where it came from, its steps as they are run and its estimate."""
    figures = estimated(loaded.protocol, scanner, instrument, told)
    return {
        "file": str(loaded.path), "sha256": loaded.sha256, "state": loaded.state, "state_reason": loaded.state_reason,
        "protocol": loaded.protocol.file.model_dump(mode="json", exclude_unset=True),
        "store": asdict(loaded.protocol.store),
        "pairing": None if loaded.protocol.coincidence is None else asdict(loaded.protocol.coincidence),
        "windows": [asdict(window) for window in loaded.protocol.windows.windows],
        "steps": [step_json(step) for step in loaded.protocol.steps],
        "hand_overs_at_end": [each.name for each in loaded.protocol.after],
        "estimate": estimate_json(figures),
        "expected": expected_json(told),
    }  # fmt: skip


def print_protocol(
    loaded: LoadedProtocol, scanner: ScannerProfile | None, instrument: InstrumentProfile | None,
    told: Expected | None = None,
) -> None:  # fmt: skip
    """Print a protocol for people."""
    protocol = loaded.protocol
    print_table(protocol.title, ["what", "value"], facts(loaded))
    if protocol.windows.windows:
        rows = [[w.name, f"{w.lower_kev:g} to {w.upper_kev:g} keV"] for w in protocol.windows.windows]
        print_table("Energy windows", ["name", "range"], rows)
    columns = ["step", "kind", "view", "positions", "ends at", "starts", "pause"]
    print_table("Steps", columns, [_row(protocol, group) for group in _groups(protocol)])
    if any(details(step) for step in protocol.steps):
        rows = [[_name(protocol, group), detail] for group in _groups(protocol) for detail in details(group[0])]
        print_table("About the steps", ["step", "what"], rows)
    if protocol.hand_overs:
        print_table("Handed over, confirmed by a person", ["name", "what", "when", "instruction"], _handed(protocol))
    _print_estimate(estimated(protocol, scanner, instrument, told))
    if told is not None:
        print_expected(told)
    print_table("Sources", ["of", "source"], [[key, text] for key, text in protocol.sources.items()])


def facts(loaded: LoadedProtocol) -> list[list[str]]:
    """Return the facts of a protocol as rows of two texts."""
    protocol, needs = loaded.protocol, loaded.protocol.requirements
    pairs = protocol.coincidence
    rows = [
        ["id", f"{protocol.id}, version {protocol.version}"],
        ["file", str(loaded.path)],
        ["state", loaded.state_reason],
        ["kind", f"{protocol.kind}, {protocol.modality}"],
        ["radionuclide", protocol.radionuclide or ""],
        ["collimator", " or ".join(needs.collimators)],
        ["QC needed", _needs(needs.qc)],
        ["calibrations needed", _needs(needs.calibrations)],
        ["patient lies", protocol.patient_orientation if protocol.modality == "gamma_camera" else ""],
        ["tolerances", tolerated(protocol.tolerances)],
        ["administration", "" if needs.administration == "none" else needs.administration.replace("_", " ")],
        ["recorded", "" if protocol.recorded is None else str(protocol.recorded).removeprefix("recorded ")],
        ["coincidence", "" if pairs is None else str(pairs)],
        ["stored", str(protocol.store)],
        ["notes", protocol.file.notes or ""],
    ]
    return [row for row in rows if row[1]]


def _needs(needs: tuple[Need, ...]) -> str:
    ages = ("" if need.maximum_age_s is None else f" of the last {need.maximum_age_s / 3600:g} h" for need in needs)
    return ", ".join(need.name + age for need, age in zip(needs, ages, strict=True))


def _handed(protocol: AcquisitionProtocol) -> list[list[str]]:
    """Return a row for everything that is handed over: name, what, before which step, instruction."""
    before = [(each, f"before {step.name}") for step in protocol.steps for each in step.before]
    after = [(each, "after the last step") for each in protocol.after]
    return [[each.name, each.what, when, each.instruction] for each, when in (*before, *after)]


def _groups(protocol: AcquisitionProtocol) -> list[list[Step]]:
    """Return the steps, those of one repetition together."""
    groups: dict[str, list[Step]] = {}
    for step in protocol.steps:
        groups.setdefault(step.key, []).append(step)
    return list(groups.values())


def _row(protocol: AcquisitionProtocol, group: list[Step]) -> list[str]:
    first, last = group[0], group[-1]
    said = _said(protocol, first)
    name = _name(protocol, group)
    view = "+".join(first.views) + (f" {first.laterality}" if first.laterality else "")
    return [name, str(first.kind), view, _positions(said, first, last), ends(first), first.start, str(first.pause)]


def _said(protocol: AcquisitionProtocol, step: Step) -> StepFile:
    return protocol.file.steps[int(step.key.removeprefix("steps[").removesuffix("]"))]


def _name(protocol: AcquisitionProtocol, group: list[Step]) -> str:
    name = _said(protocol, group[0]).name
    return name if len(group) == 1 else f"{name}, {len(group)} times"


def _positions(said: StepFile, first: Step, last: Step) -> str:
    texts = []
    for axis, at in first.positions.items():
        to = first.sweep.end if first.sweep is not None and first.sweep.axis == axis else last.positions[axis]
        texts.append(f"{axis} {at:g}" + (f" to {to:g}" if to != at else "") + f" {first.units[axis]}")
    if said.repeat is not None and said.repeat.overlap is not None:
        end = "" if said.repeat.first is None else f", {said.repeat.first} first"
        texts.append(f"{said.repeat.overlap} overlap{end}")
    if said.sweep is not None:
        texts.append(f"at {said.sweep.speed}")
    return ", ".join(texts)


def _print_estimate(figures: Estimate) -> None:
    print_line("Estimate")
    _print_figure("duration", figures.duration_s, duration)
    _print_figure("events recorded", figures.counts, grouped)
    _print_figure("bytes", figures.bytes, grouped)


def _print_figure(name: str, figure: Figure, text: Any) -> None:
    value = "unknown" if figure.value is None else f"about {text(figure.value)}"
    print_line(f"  {name}: {value}")
    for assumed in figure.assumes:
        print_line(f"    {assumed}")
