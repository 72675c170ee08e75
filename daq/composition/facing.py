"""Whether heads will see the views that a protocol names, of a patient who lies as it was said when it was prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daq.errors import RefusedError
from daq.model.orientation import views_check
from daq.pipeline.facing import GANTRY, NOT_RECORDED

if TYPE_CHECKING:
    from daq.model.geometry import PatientOrientation
    from daq.model.protocol import AcquisitionProtocol, Step
    from daq.model.scanner import ScannerProfile


def require_facing(
    protocol: AcquisitionProtocol, scanner: ScannerProfile | None, orientation: PatientOrientation,
    gantry_deg: float | None,
) -> None:  # fmt: skip
    """Raise `RefusedError` where a head of any step would see another view than the protocol says.

    `gantry_deg`: where the gantry stands now, which holds for steps before the first that sets it; None: not known.
    """
    if scanner is None or GANTRY not in scanner.axes.rotary:
        return
    wrong = []
    for step in protocol.steps:
        gantry_deg = step.positions.get(GANTRY, gantry_deg)
        if gantry_deg is not None:
            wrong += [f"step {step.name!r}: {why}" for why in _wrong(step, scanner, orientation, gantry_deg)]
        if step.sweep is not None and step.sweep.axis == GANTRY:
            gantry_deg = step.sweep.end
    if wrong:
        why = "; ".join(dict.fromkeys(wrong))
        raise RefusedError(
            f"protocol {protocol.id} does not suit a patient who lies {orientation}: {why}; "
            "choose the protocol for this position, turn the gantry, or say how the patient lies"
        )


def unfaced(protocol: AcquisitionProtocol, scanner: ScannerProfile | None, gantry_deg: float | None) -> list[str]:
    """Return what to tell a person before heads look where nobody knows: which steps, or nothing."""
    if scanner is None or GANTRY not in scanner.axes.rotary or gantry_deg is not None or not scanner.heads:
        return []
    names = []
    for step in protocol.steps:
        if GANTRY in step.positions:
            break
        names.append(step.name)
    if not names:
        return []
    which = "all steps" if len(names) == len(protocol.steps) else "steps before the first that sets it"
    return [
        f"nothing tells where the gantry stands: {which} ({names[0]}{', ...' if len(names) > 1 else ''}) will have "
        f"no orientation letters, and no view, position or orientation in DICOM ({NOT_RECORDED})"
    ]


def _wrong(step: Step, scanner: ScannerProfile, orientation: PatientOrientation, gantry_deg: float) -> tuple[str, ...]:
    heads = [(head.id, head.angle_deg + gantry_deg) for head in sorted(scanner.heads, key=lambda head: head.number)]
    return views_check(step.views, heads, orientation)
