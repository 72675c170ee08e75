"""The compiled loop over FERS-5200 events. State in arrays, one pass, no Python per event."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from daq.listmode.codegen import CAUSES
from daq.listmode.fers_payload import Facts, Marks, Singles, hits, mark, rates, service, spectroscopy
from daq.listmode.loads import load_u32_little
from daq.model import fers as f
from daq.model.events import MARKS
from daq.model.kernel import kernel, spliced
from daq.model.order import NEVER_PS

_word: Any = load_u32_little

# Columns of `Carry.state`: the first three are those of every decoder.
_KNOWN, _TICKS, _LATEST_PS, _TRIGGER_ID, _TRIGGER_TICKS, _LOST, _CONVERTED, _SINCE_PS, _SINCE_KNOWN = range(9)
_BLIND = 10
STATE_COLUMNS = 11
"""A trigger id is one more than it is; 0 is none. Column 9 is `fers_payload.STATUS`. A source is blind to its dead time
where it sends events whose trigger ids count no photons."""

_SPECTROSCOPY, _SPECTROSCOPY_TIMING, _TIMING, _COUNTING, _WAVEFORM, _START, _SERVICE, _TEST = range(len(f.KINDS))
_UNKNOWN = len(f.KINDS) + CAUSES.index("unknown")
_OUT_OF_RANGE = len(f.KINDS) + CAUSES.index("out_of_range")
_TRIGGERS_LOST = len(f.KINDS) + len(CAUSES)
_TRIGGER_ID_JUMPS = _TRIGGERS_LOST + 1

_MARK_DEAD = MARKS.index("dead_time")
_SECOND_PS = 10**12
_MOST_HEADS = 256
_PAYLOAD = f.HEADER_BYTES
_W = f.WORD_BYTES


def _kind_of(qualifier: int) -> int:
    """Return the kind of an event, -1 for none that is known."""
    whole = {f.WAVEFORM: _WAVEFORM, f.SERVICE: _SERVICE, f.START_EVENT: _START, f.TEST: _TEST}
    modes = {
        f.SPECTROSCOPY: _SPECTROSCOPY, f.SPECTROSCOPY_TIMING: _SPECTROSCOPY_TIMING, f.TIMING: _TIMING,
        f.COUNTING: _COUNTING,
    }  # fmt: skip
    return whole.get(qualifier, modes.get(qualifier & f.MODE_MASK, -1))


_KIND_OF = np.array([_kind_of(qualifier) for qualifier in range(256)], np.int64)


@spliced
def _triggered(state: Any, counts: Any, s: Any, trigger_id: Any, ticks: Any) -> None:
    """Count an event, and the triggers between it and the one before that gave none."""
    if state[s, _TRIGGER_ID]:
        lost = trigger_id - state[s, _TRIGGER_ID]
        if lost < 0 or lost > ticks - state[s, _TRIGGER_TICKS]:
            counts[s, _TRIGGER_ID_JUMPS] += 1
        else:
            state[s, _LOST] += lost
            counts[s, _TRIGGERS_LOST] += lost
    state[s, _TRIGGER_ID], state[s, _TRIGGER_TICKS] = trigger_id + 1, ticks
    state[s, _CONVERTED] += 1


@spliced
def _dead_time(state: Any, s: Any, time_ps: Any, marks: Marks) -> None:
    """Tell the dead time once a second; time that goes back begins a second anew."""
    if state[s, _BLIND]:
        return
    elapsed_ps = time_ps - state[s, _SINCE_PS]
    if not state[s, _SINCE_KNOWN] or elapsed_ps < 0:
        state[s, _SINCE_KNOWN], state[s, _SINCE_PS] = 1, time_ps
    elif elapsed_ps >= _SECOND_PS:
        converted, lost = state[s, _CONVERTED], state[s, _LOST]
        share = converted / (converted + lost) if converted + lost else 1.0
        mark(marks, time_ps, _MARK_DEAD, s, lost, share)
        state[s, _CONVERTED], state[s, _LOST], state[s, _SINCE_PS] = 0, 0, time_ps


@spliced
def _events(
    data: Any, at: Any, words: Any, qualifier: Any, kind: Any, s: Any, when: Any, facts: Facts, singles: Singles,
    row: Any,
) -> Any:  # fmt: skip
    """Make the singles of an event; return the rows, or -1 for one that does not hold what it says."""
    if kind == _TIMING:
        return hits(data, at, words, qualifier, s, when, facts.window_ps, singles, row) if facts.timing else row
    if facts.timing:
        return row
    if not spectroscopy(data, at, words, qualifier, facts, singles.amplitudes[row]):
        return np.int64(-1)
    singles.time_ps[row] = when
    singles.head[row] = s
    return row + 1


@spliced
def _time_ps(ticks: Any, s: Any, d: Any, state: Any, zero: Any) -> Any:
    """Return the time of an event and take it for the source's newest."""
    state[s, _KNOWN], state[s, _TICKS] = 2, ticks
    if not zero[d, 2] or ticks > zero[d, 3]:
        zero[d, 2], zero[d, 3] = 1, ticks
    if not zero[d, 0]:
        zero[d, 0], zero[d, 1] = 1, ticks
    return (ticks - zero[d, 1]) * f.CLOCK_PS


def _frozen(kind: Any) -> Any:
    return types.Array(kind, 1, "C", readonly=True)


@kernel(
    types.UniTuple(types.int64, 2)(  # type: ignore[no-untyped-call]
        _frozen(types.uint8), _frozen(types.int64), _frozen(types.int64), _frozen(types.uint16),
        types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1], types.int64[::1],
        types.boolean, types.int64[::1], types.uint16[::1], types.uint16[::1],
        types.int64[::1], types.uint8[::1], types.uint16[:, ::1], types.uint32[::1], types.uint16[::1],
        types.int64[::1], types.uint8[::1], types.uint16[::1], types.int64[::1], types.float64[::1],
    )
)  # fmt: skip
def decode_events(  # noqa: C901 - one loop, for its speed
    data: Any, offset: Any, length: Any, source: Any, state: Any, zero: Any, counts: Any, ends: Any, told: Any,
    shared: Any, settings: Any, high: Any, low: Any,
    time_ps: Any, head: Any, amplitudes: Any, detector: Any, energy: Any,
    mark_time_ps: Any, mark_kind: Any, mark_source: Any, mark_value: Any, mark_value2: Any,
) -> Any:  # fmt: skip
    """Decode runs of whole events of the new protocol; return the rows of singles and of marks.

    `settings`: timing, gain, high_to, rates, window_ps of `Facts`. The others are those of `Carry` and `Decoded`.
    """
    facts = Facts(settings[0], settings[1], settings[2], settings[3], settings[4], high, low)
    singles = Singles(time_ps, head, amplitudes, detector, energy)
    marks = Marks(mark_time_ps, mark_kind, mark_source, mark_value, mark_value2, np.zeros(1, np.int64))
    row = np.int64(0)
    for packet in range(len(offset)):
        s = np.int64(source[packet])
        d = 0 if shared else s
        at, end = np.int64(offset[packet]), np.int64(offset[packet]) + np.int64(length[packet])
        told[packet], latest = NEVER_PS, state[s, _LATEST_PS]
        while at + _PAYLOAD + _W <= end:
            said = np.int64(_word(data, at + _W))
            words, qualifier = said & 0xFFFFFF, said >> 24
            size = _PAYLOAD + (words + 1) * _W
            if at + size > end:
                break
            kind = _KIND_OF[qualifier]
            ticks = np.int64(_word(data, at + 4 * _W)) | np.int64(_word(data, at + 5 * _W) & np.uint32(0xFFFFFF)) << 32
            at, event = at + size, at
            if kind < 0 or ticks >= f.MOST_TICKS or s >= _MOST_HEADS:
                counts[s, _UNKNOWN if kind < 0 else _OUT_OF_RANGE] += 1
                continue
            when = _time_ps(ticks, s, d, state, zero)
            told[packet] = max(told[packet], when)
            if kind <= _SPECTROSCOPY_TIMING:
                trigger_id = (
                    np.int64(_word(data, event + 2 * _W))
                    | np.int64(_word(data, event + 3 * _W) & np.uint32(0xFFFFFF)) << 32
                )
                _triggered(state, counts, s, trigger_id, ticks)
            elif kind <= _WAVEFORM:
                state[s, _BLIND] = 1
            first, sound = row, True
            if kind <= _TIMING:
                row = _events(data, event, words, qualifier, kind, s, when, facts, singles, row)
                sound = row >= 0
                row = row if sound else first
            elif kind == _COUNTING:
                rates(data, event, 1 if qualifier & f.RELATIVE_TIME else 0, words, s, when, facts, marks)
            elif kind == _SERVICE:
                sound = service(data, event, words, s, when, state, facts, marks)
            for single in range(first, row):
                latest = max(latest, time_ps[single])
            if kind <= _SPECTROSCOPY_TIMING or kind == _SERVICE:
                _dead_time(state, s, when, marks)
            counts[s, kind if sound else _OUT_OF_RANGE] += 1
        state[s, _LATEST_PS] = max(latest, told[packet])
        ends[packet, 0], ends[packet, 1] = row, 0
        ends[packet, 2], ends[packet, 3] = marks.rows[0], state[s, _LATEST_PS]
    return row, marks.rows[0]
