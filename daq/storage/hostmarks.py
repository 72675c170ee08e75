"""Put the host's marks between the marks that a front end sent, each with the time its source had reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS, NO_SOURCE
from daq.model.kernel import kernel

Ints = npt.NDArray[np.int64]


class HostMarks(NamedTuple):
    """Marks of a call by the packet before which they belong (ascending); vectors of equal length."""

    packet: Ints
    kind: npt.NDArray[np.uint8]
    source: npt.NDArray[np.uint16]
    value: Ints
    value2: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of marks."""
        return len(self.packet)


def collected(groups: list[tuple[str, Ints, npt.NDArray[np.uint16], Ints, npt.NDArray[np.float64]]]) -> HostMarks:
    """Return the marks of all groups (kind, packets, sources, value, value2) in the order of their packets.

    Of several at one packet those of the earlier group come first.
    """
    groups = [group for group in groups if len(group[1])]
    if not groups:
        none = np.empty(0, np.int64)
        return HostMarks(none, none.astype(np.uint8), none.astype(np.uint16), none, none.astype(np.float64))
    packet = np.concatenate([group[1] for group in groups])
    order = np.argsort(packet, kind="stable")
    kinds = np.repeat([MARKS.index(group[0]) for group in groups], [len(group[1]) for group in groups])
    return HostMarks(
        packet[order],
        kinds.astype(np.uint8)[order],
        np.concatenate([group[2] for group in groups]).astype(np.uint16)[order],
        np.concatenate([group[3] for group in groups]).astype(np.int64)[order],
        np.concatenate([group[4] for group in groups]).astype(np.float64)[order],
    )


@kernel("void(int64[::1], uint16[::1], int64[::1], uint16[::1], int64[::1], int64[::1], int64[::1])")
def _mark_times(packet, source, run_packet, run_source, run_latest, latest, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the latest time of each mark's source, or of all, before the mark's packet.

    `latest` int64 [sources] is what held before the call; it is brought up to date.
    """
    newest = int64_min = -(1 << 62)
    for s in range(latest.size):
        newest = max(newest, latest[s])
    if newest == int64_min:
        newest = 0
    run = 0
    for mark in range(packet.size):
        while run < run_packet.size and run_packet[run] < packet[mark]:
            latest[run_source[run]] = run_latest[run]
            newest = max(newest, run_latest[run])
            run += 1
        if source[mark] == NO_SOURCE:
            out[mark] = newest
        elif source[mark] < latest.size:
            out[mark] = latest[source[mark]]
        else:
            out[mark] = 0


def times_of(
    marks: HostMarks, run_packet: Ints, run_source: npt.NDArray[np.uint16], run_latest: Ints, before: Ints
) -> Ints:
    """Return the time of each mark, ps: its source's latest, or the latest of all for `NO_SOURCE`.

    Runs of words, one row each: their packet, source and that source's latest time after them. `before` int64 [sources]
    holds the latest times before the call.
    """
    out = np.empty(len(marks), np.int64)
    reach = max(len(before), int(run_source.max()) + 1 if len(run_source) else 0)
    latest = np.zeros(reach, np.int64)
    latest[: len(before)] = before
    _mark_times(  # type: ignore[no-untyped-call]
        np.ascontiguousarray(marks.packet), np.ascontiguousarray(marks.source), np.ascontiguousarray(run_packet),
        np.ascontiguousarray(run_source), np.ascontiguousarray(run_latest), latest, out,
    )  # fmt: skip
    return out


def merged(
    decoded: Mapping[str, npt.NDArray[Any]] | None, marks: HostMarks, times: Ints, run_packet: Ints, run_end: Ints
) -> dict[str, Any]:
    """Return the columns of `decoded` marks (None: there are none) with the host's put between them.

    `run_end` int64 [runs] is the number of decoded marks after each run of words.
    """
    host: dict[str, npt.NDArray[Any]] = {
        "time_ps": times, "kind": marks.kind, "source": marks.source, "value": marks.value, "value2": marks.value2,
    }  # fmt: skip
    rows = 0 if decoded is None else len(decoded["time_ps"])
    if decoded is None or not rows:
        return {**host, "text": [""] * len(marks)}
    after = np.searchsorted(run_packet, marks.packet, "left")
    place = np.where(after > 0, run_end[np.maximum(after, 1) - 1], 0)
    columns: dict[str, Any] = {
        name: np.insert(decoded[name], place, values.astype(decoded[name].dtype)) for name, values in host.items()
    }
    return {**columns, "text": [""] * (rows + len(marks))}


class AxisPlace(NamedTuple):
    """Where an axis was at a detector time, in mm or degrees, and whether it moved then."""

    axis: str
    time_ps: int
    position: float
    moving: bool


def axes_marks(told: Sequence[AxisPlace]) -> dict[str, Any]:
    """Return a `position` mark for each place, as columns."""
    return {
        "time_ps": np.array([one.time_ps for one in told], np.int64),
        "kind": np.full(len(told), MARKS.index("position"), np.uint8),
        "source": np.full(len(told), NO_SOURCE, np.uint16),
        "value": np.array([one.moving for one in told], np.int64),
        "value2": np.array([one.position for one in told], np.float64),
        "text": [one.axis for one in told],
    }


def one_mark(
    kind: str, time_ps: int, *, value: int = 0, value2: float = np.nan, text: str = "", source: int = NO_SOURCE
) -> dict[str, Any]:
    """Return a single mark, of no source unless given, as columns."""
    return {
        "time_ps": np.array([time_ps], np.int64),
        "kind": np.array([MARKS.index(kind)], np.uint8),
        "source": np.array([source], np.uint16),
        "value": np.array([value], np.int64),
        "value2": np.array([value2]),
        "text": [text],
    }
