"""Make coincidences of singles: prompts and delayeds, by a rule, in one pass over singles in the order of time.

What comes out is a function of the singles and their order alone; how they are cut into pushes changes only when it
comes out. A single opens a window `[t, t + W]` and, with a delay, `[t + D, t + D + W]`; later singles in it are its
partners. `docs/explanations/coincidences.md` says what the policies do and what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError, MismatchError, UnexpectedError
from daq.model.coincidence import PairingRule
from daq.model.events import DELAYED, PROMPT
from daq.pipeline import pairing_rule as r
from daq.pipeline.pairing_kernels import FALLS, LEAST_LISTED, NO_ROOM, emit, find
from daq.pipeline.pairing_memory import Memory
from daq.pipeline.pairing_search import BLOCK, MAP_WORDS, first_fall

MOST_PARTNERS = 64
"""Singles in one window; one that holds more is not paired, but counted: `overfull_prompt`, `overfull_delayed`."""

MOST_HELD = 1 << 20
"""Singles held until their windows have closed; a delayed window that more of them come before is overfull as well."""

Columns = dict[str, npt.NDArray[Any]]
_COLUMNS = {
    "time_ps": np.int64, "detector_a": np.uint32, "detector_b": np.uint32, "tof_ps": np.int32,
    "energy_a_kev": np.float32, "energy_b_kev": np.float32, "kind": np.uint8,
}  # fmt: skip
_LINE_BYTES = 64
_EARLIEST_PS, _LATEST_PS = -(1 << 63), (1 << 63) - 1
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Singles that may pair, in the order of time; `used` is 1 for those that are in a prompt."""

    time_ps: npt.NDArray[np.int64]
    detector: npt.NDArray[np.uint32]
    energy_kev: npt.NDArray[np.float32]
    used: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_ps)

    def cut(self, begin: int, end: int) -> _Rows:
        """Return some of the rows, as views."""
        part = slice(begin, end)
        return _Rows(self.time_ps[part], self.detector[part], self.energy_kev[part], self.used[part])

    def then(self, more: _Rows) -> _Rows:
        """Return these rows and those of `more`, in arrays of their own."""
        return _Rows(
            np.concatenate([self.time_ps, more.time_ps]),
            np.concatenate([self.detector, more.detector]),
            np.concatenate([self.energy_kev, more.energy_kev]),
            np.concatenate([self.used, more.used]),
        )


class Pairer:
    """Pairs singles as they come. Late singles never pair; a time below that of the single before it begins anew."""

    def __init__(
        self,
        rule: PairingRule,
        *,
        window_mask: int = 0,
        most_partners: int = MOST_PARTNERS,
        most_held: int = MOST_HELD,
    ) -> None:
        """Start empty. `window_mask` are the bits of `windows` of which a single must have one; 0: no condition.

        A window of up to `most_partners` singles, at least 3, is looked at; `most_held`, more than that, are held.
        Raises `LimitError` for a rule that no two detectors could satisfy or a ring too large for the tables.
        """
        if not LEAST_LISTED <= most_partners < most_held:
            raise LimitError(
                f"at most {most_partners} partners and {most_held} singles held: 3 and one more are the least"
            )
        self._mask = window_mask
        self._rule = r.numbers_of(rule, most_partners=most_partners, most_held=most_held)
        self._reach_ps = rule.half_window_ps + (rule.delay_ps or 0)
        self._most_held = most_held
        self._places = r.places_of(rule.ring)
        self._counts = np.zeros((2, r.COUNTS), np.int64)
        self._singles = {"singles": 0, "late": 0, "excluded": 0, "unpaired": 0}
        self._held = _no_rows()
        self._memory = Memory()
        self._used = np.empty(0, np.uint8)
        self._bits = np.zeros(MAP_WORDS, np.uint64)
        self._scratch = np.empty((4, BLOCK + 1), np.int32)
        self._least_room = BLOCK * most_partners + 2
        self._listed = np.empty(self._least_room, np.int64)
        self._rejects = np.empty(self._least_room, np.int32)
        self._verdicts = np.empty(self._least_room, np.uint8)
        self._prompts = np.empty(self._least_room, np.int64)
        self._delayeds = np.empty(self._least_room if rule.delay_ps else 0, np.int64)

    @property
    def held_rows(self) -> int:
        """Return the singles whose windows are still open."""
        return len(self._held)

    @property
    def held_ps(self) -> tuple[int, int] | None:
        """Return the times of the first and the last single held; None where none is."""
        times = self._held.time_ps
        return (int(times[0]), int(times[-1])) if len(times) else None

    @property
    def counts(self) -> dict[str, int]:
        """Return what was counted so far, over all pushes.

        Singles: `singles` = `late` + `excluded` (in no window of the mask) + `unpaired` (in no prompt) + those in a
        prompt + `held_rows`. Pairs, of prompt and delayed windows together: those found are `prompts` + `delayeds` +
        `rejected_detector` (a detector with itself) + `rejected_unknown` (a number where no detector is) +
        `rejected_sector` + `rejected_axial` + `rejected_multiple` (left out by the policy).
        """
        prompt, delayed = self._counts[PROMPT].tolist(), self._counts[DELAYED].tolist()
        causes = {
            "rejected_detector": r.SAME, "rejected_unknown": r.UNKNOWN, "rejected_sector": r.SECTOR,
            "rejected_axial": r.AXIAL,
        }  # fmt: skip
        each = {"multiples": r.MULTIPLES, "kept_multiples": r.KEPT, "overfull": r.OVERFULL}
        return {
            **self._singles,
            "prompts": prompt[r.ROWS],
            "delayeds": delayed[r.ROWS],
            **{name: r.rejected(self._counts, cause) for name, cause in causes.items()},
            "rejected_multiple": prompt[r.BY_POLICY] + delayed[r.BY_POLICY],
            **{f"{name}_prompt": prompt[place] for name, place in each.items()},
            **{f"{name}_delayed": delayed[place] for name, place in each.items()},
        }

    def push(self, singles: Mapping[str, npt.NDArray[Any]]) -> Columns:
        """Take singles in the order of time; return the coincidences whose windows have closed, as fresh columns.

        Takes `time_ps`, `detector`, `energy_kev` [rows] and, where given, `windows` and `late`. Raises `MismatchError`
        for singles without `windows` when only those in some may pair.
        """
        rows = self._eligible(singles)
        blocks = []
        if len(rows) and len(self._held) and rows.time_ps[0] < self._held.time_ps[-1]:
            blocks.append(self.flush())
        columns = self._take(rows)
        blocks += self._in_runs(rows) if columns is None else [columns]
        return _joined(blocks)

    def _in_runs(self, rows: _Rows) -> list[Columns]:
        """Return the pairs of rows of which some are earlier than the one before: there order began anew."""
        blocks, begin = [], 0
        while begin < len(rows):
            end = first_fall(rows.time_ps, begin)
            taken = self._take(rows.cut(begin, end))
            if taken is None:
                raise UnexpectedError(f"singles {begin} to {end} of a push ascend, yet pairing found a time that falls")
            blocks.append(taken)
            if end < len(rows):
                blocks.append(self.flush())
            begin = end
        return blocks

    def flush(self) -> Columns:
        """Close all windows: return what is left; nothing that comes later pairs with what was."""
        held = self._part(self._held, len(self._held))
        if held is None:
            raise UnexpectedError("singles that are held ascend, yet pairing found a time that falls")
        columns = self._columns([held])
        self._held = _no_rows()
        return columns

    def _eligible(self, singles: Mapping[str, npt.NDArray[Any]]) -> _Rows:
        """Return the singles that may pair; count the others."""
        time_ps = np.ascontiguousarray(singles["time_ps"], np.int64)
        detector = np.ascontiguousarray(singles["detector"], np.uint32)
        energy_kev = np.ascontiguousarray(singles["energy_kev"], np.float32)
        self._singles["singles"] += len(time_ps)
        late = singles.get("late")
        keep = None
        if late is not None and late.any():
            keep = ~late
            self._singles["late"] += int(np.count_nonzero(late))
        if self._mask:
            if "windows" not in singles:
                raise MismatchError("singles have no column windows, and only those in energy windows are to pair")
            inside = (singles["windows"] & np.uint16(self._mask)) != 0
            outside = ~inside if keep is None else keep & ~inside
            self._singles["excluded"] += int(np.count_nonzero(outside))
            keep = inside if keep is None else keep & inside
        if keep is not None:
            time_ps, detector, energy_kev = time_ps[keep], detector[keep], energy_kev[keep]
        if len(self._used) < len(time_ps):
            self._used = np.empty(len(time_ps) + len(time_ps) // 2, np.uint8)
        used = self._used[: len(time_ps)]
        used[:] = 0
        return _Rows(time_ps, detector, energy_kev, used)

    def _take(self, more: _Rows) -> Columns | None:
        """Take rows that are no earlier than those held; return the pairs of windows that have closed.

        Of many rows only those are copied that may be partners of the rows held. None, and nothing taken, where a time
        is below the one before it: that is seen on the way, and hardly ever.
        """
        held, head, parts, before = self._held, self._reached(more), [], self._counts.copy()
        if head == len(more):
            more = held.then(more)
        elif len(held):
            parts.append(_kept(self._part(held.then(more.cut(0, head)), len(held))))
        closed = self._closed(more)
        parts.append(self._part(more, closed))
        if None in parts or first_fall(more.time_ps, closed) < len(more):
            self._counts = before
            return None
        columns = self._columns([part for part in parts if part is not None])
        self._held = more.cut(closed, len(more)).then(_no_rows())
        return columns

    def _reached(self, more: _Rows) -> int:
        """Return how many of further rows may be in a window of the rows held."""
        if not len(self._held):
            return 0
        until = min(int(self._held.time_ps[-1]) + self._reach_ps, _LATEST_PS)
        return int(np.searchsorted(more.time_ps, until, side="right"))

    def _closed(self, rows: _Rows) -> int:
        """Return how many rows from the first on no further row can be a partner of."""
        if not len(rows):
            return 0
        since = max(int(rows.time_ps[-1]) - self._reach_ps, _EARLIEST_PS)
        return max(int(np.searchsorted(rows.time_ps, since)), len(rows) - self._most_held)

    def _part(self, rows: _Rows, openers: int) -> _Part | None:
        """Find the pairs of the windows that the first rows opened; None where a time falls."""
        state = np.zeros(4, np.int64)
        ended = NO_ROOM
        while ended == NO_ROOM:
            ended = find(
                rows.time_ps, rows.detector, rows.energy_kev, self._places, openers, self._rule, state, self._counts,
                self._bits, self._scratch, self._listed, self._rejects, self._verdicts, self._prompts, self._delayeds,
            )  # fmt: skip
            self._prompts = _longer(self._prompts, int(state[2]) + self._least_room)
            self._delayeds = _longer(self._delayeds, int(state[3]) + self._least_room)
        if ended == FALLS:
            return None
        return _Part(rows, openers, self._prompts[: state[2]], self._delayeds[: state[3]])

    def _columns(self, parts: list[_Part]) -> Columns:
        """Return the pairs of all parts, and count the rows that are done; what follows in a part begins the next."""
        ends = list(accumulate((part.pairs for part in parts), initial=0))
        columns = new_columns(ends[-1], self._memory)
        used = np.empty(0, np.uint8)
        for part, begin, end in zip(parts, ends, ends[1:], strict=False):
            rows = part.rows
            rows.used[: len(used)] = used
            emit(
                part.prompts, part.delayeds, int(self._rule[r.DELAY]), rows.time_ps, rows.detector, rows.energy_kev,
                rows.used, *(column[begin:end] for column in columns.values()),
            )  # fmt: skip
            self._counts[:, r.ROWS] += len(part.prompts), len(part.delayeds)
            self._singles["unpaired"] += part.openers - int(np.count_nonzero(rows.used[: part.openers].view(np.bool_)))
            used = rows.used[part.openers :]
        return columns


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows, how many of them are openers, and the pairs found of these."""

    rows: _Rows
    openers: int
    prompts: Ints
    delayeds: Ints

    @property
    def pairs(self) -> int:
        return len(self.prompts) + len(self.delayeds)


def _kept(part: _Part | None) -> _Part | None:
    """Return a part with pairs of its own: those just found are good until more are found."""
    return part and _Part(part.rows, part.openers, part.prompts.copy(), part.delayeds.copy())


def _longer(array: Ints, needed: int) -> Ints:
    """Return an array of at least as many places, with what is in `array`."""
    if len(array) >= needed or not len(array):
        return array
    longer = np.empty(max(needed, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer


def new_columns(rows: int, memory: Memory | None = None) -> Columns:
    """Return columns without values, in one piece of memory, that of `memory` where given.

    Pieces of their own would all begin at the same place of a page, and written side by side push one another out of
    the cache.
    """
    sizes = [-(-rows * np.dtype(kind).itemsize // _LINE_BYTES) * _LINE_BYTES for kind in _COLUMNS.values()]
    piece, begin, columns = (memory or Memory()).piece(sum(sizes)), 0, {}
    for (name, kind), size in zip(_COLUMNS.items(), sizes, strict=True):
        columns[name] = piece[begin : begin + size].view(kind)[:rows]
        begin += size
    return columns


def _no_rows() -> _Rows:
    return _Rows(np.empty(0, np.int64), np.empty(0, np.uint32), np.empty(0, np.float32), np.empty(0, np.uint8))


def _joined(blocks: list[Columns]) -> Columns:
    """Return the rows of all blocks, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    if not blocks:
        return new_columns(0)
    return {name: np.concatenate([block[name] for block in blocks]) for name in _COLUMNS}
