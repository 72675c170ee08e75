"""The series of pictures of a recording, made by the function that makes them live (`daq.pipeline.studyframer`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daq.errors import MismatchError, MissingError
from daq.model.framed import DAMAGED, Framed, ImageKind
from daq.model.headcalibration import steps_of as code_steps
from daq.model.protocol import AcquisitionProtocol, Gate, Phase
from daq.model.windows import EnergyWindow, WindowSet, windows_inside
from daq.pipeline.framing import uniformity_of
from daq.pipeline.framingrules import frame_of
from daq.pipeline.quiet import BY_CHANCE, HARDLY_PS, Quiet
from daq.pipeline.seriesrule import Setup
from daq.pipeline.studyframer import StudyFramer
from daq.pipeline.timetable import FIRST_PS, LAST_PS, Span
from daq.pipeline.timetablemarks import KINDS
from daq.storage.manifestfacts import heads_of, orientation_of, recorded_protocol, turns
from daq.storage.pictures import PIXELS
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing
from daq.storage.remarked import remarked
from daq.storage.steps import steps_of
from daq.storage.studyfacts import damages_in

if TYPE_CHECKING:
    import numpy.typing as npt

    from daq.model.layout import Layout
    from daq.model.processing import Processing
    from daq.storage.manifest import Manifest, RecordedStep
    from daq.storage.reader import ListMode

_NEEDED = ("time_ps", "x_mm", "y_mm")
_MARKS = ("kind", "time_ps", "source", "value", "value2", "text")
_PS_PER_S = 1e12


def framed_in(
    recording: ListMode,
    *,
    step: int | None = None,
    windows: Sequence[EnergyWindow] | None = None,
    frames: Sequence[Phase] | None = None,
    gate: Gate | None = None,
    most_pixels: int | None = None,
    weighted: bool = False,
) -> list[Framed]:
    """Return all series of a recording, or those of one step, counted from 1; matrix and zoom are the protocol's.

    `windows`, `frames` and `gate` stand in place of those it was acquired with. Raises `RefusedError` for windows
    outside of what was recorded and for more pixels than can be held; `MissingError` where there is no such step;
    `MismatchError` for a recording without positions, or without energies where windows are asked for; what reading
    raises.
    """
    recorded = _steps(recording)
    if step is not None and not 1 <= step <= len(recorded):
        raise MissingError(f"step {step}: the recording has {len(recorded)}")
    setup = setup_of(
        recording, windows=windows, frames=tuple(frames or ()), gate=gate, most_pixels=most_pixels, weighted=weighted
    )
    framer = StudyFramer(setup, steps=() if step is None else (step,))
    for mark in _marks(recording):
        framer.mark(**mark)
    if recording.manifest.state == "recovered":  # it may end in the middle of a step
        framer.told.cut(_last_ps(recording))
    framer.settle(complete=True)
    chosen = recorded[step - 1] if step is not None else None
    anew = None if windows is None else WindowSet(setup.windows)
    seen, numbers = _Seen(), [head.number for head in setup.heads]
    for singles in _parts(recording, chosen, anew):
        framer.add(singles)
        seen.note(singles["time_ps"])
        seen.quiet.note(singles["time_ps"], singles.get("head"), numbers)
    shared = recording.manifest.ledger is not None and len(recording.manifest.ledger.sources) == 1
    damages = tuple(f"{DAMAGED}{each}" for each in damages_in(recording))
    made = [_told_by(one, recorded, seen, shared=shared) for one in framer.framed()]
    return remarked([replace(one, notes=(*one.notes, *damages)) for one in made], recording.directory)


def setup_of(
    recording: ListMode, *, windows: Sequence[EnergyWindow] | None = None, frames: tuple[Phase, ...] = (),
    gate: Gate | None = None, most_pixels: int | None = None, weighted: bool = False,
) -> Setup:  # fmt: skip
    """Return what a recording says of itself, and what is asked of its pictures."""
    if "singles" not in recording.streams:
        raise MissingError(f"{recording.directory}: no singles were stored; `daq listmode replay --out` makes them")
    names = recording.schema("singles").names
    if not {"x_mm", "y_mm"} <= set(names):
        raise MismatchError(f"{recording.directory}: its singles have no positions: {', '.join(names)}")
    manifest = recording.manifest
    layout, _ = recorded_layout(manifest, recording.directory)
    processing = recorded_processing(manifest, recording.directory)
    protocol = recorded_protocol(manifest, recording.directory)
    has_bits = "windows" in names
    made = processing.windows if has_bits else ()
    if windows is not None:
        made = _windows_anew(recording, windows, processing, protocol, names, layout)
    plain = setup_from(manifest, layout, processing, protocol, most_pixels=most_pixels)
    if weighted and not plain.uniformity:
        raise MissingError(f"{recording.directory}: no uniformity map was recorded with it, so events have no weights")
    return replace(plain, windows=made, frames=frames, gate=gate, weighted=weighted)


def setup_from(
    manifest: Manifest, layout: Layout, processing: Processing, protocol: AcquisitionProtocol | None, *,
    most_pixels: int | None = None,
) -> Setup:  # fmt: skip
    """Return what is known of an acquisition by its manifest, before any row: live and later alike."""
    across, up, _ = code_steps(layout)
    told: Mapping[str, Any] = (manifest.scanner or {}).get("trigger_latency_ms") or {}
    return Setup(
        heads=heads_of(manifest, layout),
        field_pixels=frame_of(layout, processing, most_pixels=most_pixels or PIXELS),
        steps=protocol.steps if protocol else (),
        windows=processing.windows,
        orientation=orientation_of(manifest, protocol),
        uniformity=uniformity_of(processing.heads),
        code_mm=(0.0, 0.0) if processing.heads else (across, up),
        most_pixels=most_pixels,
        turns=turns(manifest, protocol),
        latency_ms={name: float(ms) for name, ms in told.items()},
    )


def _windows_anew(
    recording: ListMode, wanted: Sequence[EnergyWindow], processing: Processing, protocol: AcquisitionProtocol | None,
    names: Sequence[str], layout: Layout,
) -> tuple[EnergyWindow, ...]:  # fmt: skip
    """Return other windows, or raise where the recording does not hold what would be in them."""
    if "energy_kev" not in names:
        raise MismatchError(f"{recording.directory}: its singles have no energies, so they cannot be windowed anew")
    asked = WindowSet(tuple(wanted))
    if processing.singles == "windowed":
        return windows_inside(asked, processing.windows).windows
    if protocol is not None and protocol.recorded is not None:
        return windows_inside(asked, [protocol.recorded]).windows
    edges = [edge for field in layout.fields_to("energy_kev") for edge in field.edges]
    if edges and not processing.heads:  # what words can say; a calibration moves it
        return windows_inside(asked, [EnergyWindow(max(0.0, min(edges)), max(edges), "words")]).windows
    return asked.windows


def _steps(recording: ListMode) -> list[RecordedStep]:
    steps = recording.manifest.steps
    return (steps if steps is not None else steps_of(recording)) or []


def _marks(recording: ListMode) -> Iterator[dict[str, Any]]:
    if "marks" not in recording.streams:
        return
    for batch in recording.batches("marks", _MARKS):
        chosen = batch.filter(pc.is_in(batch.column("kind"), value_set=pa.array(KINDS)))
        yield from chosen.to_pylist()


def _last_ps(recording: ListMode) -> int:
    """Return the time of the last event that is kept; rows are in order of time."""
    last = max(0, recording.rows("singles") - 1)
    found = [batch.column("time_ps").to_pylist() for batch in recording.batches("singles", ["time_ps"], start_row=last)]
    return max((time_ps for times in found for time_ps in times), default=FIRST_PS)


def _parts(
    recording: ListMode, step: RecordedStep | None, windows: WindowSet | None
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Yield rows, of one step where that is asked for, with the bits of other windows where these are."""
    stored = recording.schema("singles").names
    columns = [*_NEEDED, *(name for name in ("head", "windows") if name in stored)]
    if windows is not None:
        columns = [*(name for name in columns if name != "windows"), "energy_kev"]
    begin_ps = None if step is None else step.begin_ps
    end_ps = None if step is None or step.end_ps is None else step.end_ps + 1
    for batch in recording.batches("singles", columns, start_ps=begin_ps, stop_ps=end_ps):
        rows = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in columns}
        if windows is not None:
            rows["windows"] = windows.mask(rows["energy_kev"])
        yield rows


@dataclass(slots=True)
class _Seen:
    """When the first and the last event came, how many did, and when heads had none."""

    first_ps: int = LAST_PS
    last_ps: int = FIRST_PS
    rows: int = 0
    quiet: Quiet = field(default_factory=Quiet)

    def note(self, times_ps: npt.NDArray[np.int64]) -> None:
        if len(times_ps):
            self.first_ps = min(self.first_ps, int(times_ps.min()))
            self.last_ps = max(self.last_ps, int(times_ps.max()))
            self.rows += len(times_ps)

    def sentences(self, steps: Sequence[RecordedStep]) -> list[str]:
        """Return for how long at an end of the recording nothing came, where that is no chance."""
        if not self.rows:
            return ["no event came"]
        least_ps = max(HARDLY_PS, BY_CHANCE * (self.last_ps - self.first_ps) // self.rows)
        begin_ps, end_ps = steps[0].begin_ps, steps[-1].end_ps
        found = []
        if self.first_ps - begin_ps > least_ps:
            found.append(f"no event came in the first {(self.first_ps - begin_ps) / _PS_PER_S:.2f} s")
        if end_ps is not None and end_ps - self.last_ps > least_ps:
            found.append(f"no event came in the last {(end_ps - self.last_ps) / _PS_PER_S:.2f} s")
        return found


def _told_by(framed: Framed, recorded: Sequence[RecordedStep], seen: _Seen, *, shared: bool) -> Framed:
    """Return a series with what the manifest says of its steps: how they ended, how long heads could take events."""
    steps = [recorded[number - 1] for number in framed.steps if number <= len(recorded)]
    if not steps:
        return framed
    active = sum((step.end_ps or step.begin_ps) - step.begin_ps - step.paused_ps for step in steps)
    heads = tuple(
        replace(
            head, live_share=_live(head.number, steps, shared=shared) / active if active > 0 else 1.0,
            live_told=all(step.source_live_ps and (shared or head.number in step.source_live_ps) for step in steps),
        )
        for head in framed.heads
    )  # fmt: skip
    heads = tuple(
        replace(head, silent_ps=silent) for head, silent in zip(heads, _silent(framed, steps, seen), strict=True)
    )
    whole = framed.completed and all(step.completed for step in steps)
    notes = (*framed.notes, *seen.sentences(steps))
    return replace(framed, heads=heads, completed=whole, ended_by=steps[-1].ended_by, notes=notes)


def _silent(framed: Framed, steps: Sequence[RecordedStep], seen: _Seen) -> list[Span | None]:
    """Return the longest time of each head without an event, where that is no chance; None where there is none.

    Frames of a dynamic study may begin before anything is injected: of them a time counts that an event went before.
    A head that looks away from everything is not judged; where no head has an event, all are.
    """
    spans = [(step.begin_ps, step.end_ps) for step in steps if step.end_ps is not None]
    counts = framed.counts.sum(axis=(1, 2, 3, 4), dtype=np.int64)
    found: list[Span | None] = []
    for head, count in zip(framed.heads, counts.tolist(), strict=True):
        since_ps = seen.quiet.first_ps(head.number) if framed.kind is ImageKind.DYNAMIC else None
        within = [(begin if since_ps is None else max(begin, since_ps), end) for begin, end in spans]
        longest = seen.quiet.longest(head.number, within)
        lasting = sum(end - begin for begin, end in spans)
        by_chance = BY_CHANCE * lasting // count if count else 0 if not counts.any() else lasting
        found.append(longest if longest is not None and longest[1] - longest[0] > by_chance else None)
    return found


def _live(head: int, steps: Sequence[RecordedStep], *, shared: bool) -> float:
    """Return how long a head could take events, ps: as long as its source, which has its number, or is that of all."""
    total = 0
    for step in steps:
        told = step.source_live_ps
        active = (step.end_ps or step.begin_ps) - step.begin_ps - step.paused_ps
        total += next(iter(told.values())) if shared and told else told.get(head, active)
    return total
