"""The loops of pairing: which windows hold partners, what the policy leaves of them, and the rows of the pairs.

Rows are singles in the order of time. A window is opened by one row, the *opener*; the rows in it are its partners. A
pair found is one int64: opener (from bit 32), partner (from bit 1), kind (bit 0). `rule` int64 holds what `Field` of
`daq.pipeline.pairing_rule` says; `places` uint32 says where a detector is, by its number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, int32, int64, types, uint8, uint32, uint64

from daq.model.events import DELAYED, PROMPT
from daq.model.kernel import kernel, spliced
from daq.pipeline import pairing_rule as r

_HERE = r.HERE
_HALF_WINDOW, _DELAY, _POLICY, _SECTOR_FROM, _SECTOR_SPAN, _RINGS, _MOST, _REACH = (
    r.HALF_WINDOW, r.DELAY, r.POLICY, r.SECTOR_FROM, r.SECTOR_SPAN, r.RINGS, r.MOST_PARTNERS, r.MOST_HELD,
)  # fmt: skip
_ROWS, _MULTIPLES, _KEPT, _OVERFULL = r.ROWS, r.MULTIPLES, r.KEPT, r.OVERFULL
_SAME, _UNKNOWN, _SECTOR, _AXIAL, _BY_POLICY = r.SAME, r.UNKNOWN, r.SECTOR, r.AXIAL, r.BY_POLICY
_GOOD = 0

_TAKE_ALL, _TAKE_WINNER_OF_GOODS, _TAKE_WINNER_IF_IS_GOOD, _TAKE_WINNER_IF_ALL, _KILL_IF_MANY = range(5)
_KEEP_ONE, _KEEP_ANY, _KEEP_ALL = 6, 7, 8
_ALL_GOODS, _NONE = -2, -1

_TIMES = types.Array(int64, 1, "C", readonly=True)
_DETECTORS = types.Array(uint32, 1, "C", readonly=True)
_ENERGIES = types.Array(float32, 1, "C", readonly=True)
_PLACES = types.Array(uint32, 1, "C", readonly=True)


@kernel(int64(_TIMES, int64))
def first_decrease(time: Any, begin: int) -> int:
    """Return the first row from `begin` on whose time is below that of the row before it; the end if there is none."""
    for row in range(max(begin, 1), len(time)):
        if time[row] < time[row - 1]:
            return row
    return len(time)


@kernel(types.UniTuple(int64, 2)(_TIMES, int64, int64, int64, int64[::1], int32[::1], int32[:, ::1]))
def search(time: Any, begin: int, until: int, pointer: int, rule: Any, prompts: Any, delayeds: Any) -> Any:
    """Write which openers in `begin` to `until` have a row in their windows; return how many, prompt and delayed.

    `prompts` takes the openers, `delayeds` [, 2] the openers and the first row in their delayed window, which for the
    first opener is no row before `pointer`.
    """
    rows = len(time)
    window, delay = uint64(rule[_HALF_WINDOW]), uint64(rule[_DELAY])
    count = 0
    for row in range(begin, min(until, rows - 1)):
        prompts[count] = row
        count += int64(uint64(time[row + 1] - time[row]) <= window)
    found = 0
    if delay:
        partner = pointer
        for row in range(begin, until):
            partner = max(partner, row + 1)
            while partner < rows and uint64(time[partner] - time[row]) < delay:
                partner += 1
            if partner < rows and uint64(time[partner] - time[row]) - delay <= window:
                delayeds[found, 0] = row
                delayeds[found, 1] = partner
                found += 1
    return count, found


@spliced
def _place(detector: int, places: Any) -> int:
    """Return where a detector is; the last place stands for all numbers beyond the table."""
    return int64(places[min(uint64(detector), uint64(len(places) - 1))])


@spliced
def _verdict(a: int, b: int, rule: Any) -> int:
    """Return `_GOOD` or why the detectors at two places may not pair."""
    if not a & b & _HERE:
        return _UNKNOWN
    apart = abs((a & 0xFFFF) - (b & 0xFFFF))
    if uint64(apart - rule[_SECTOR_FROM]) > uint64(rule[_SECTOR_SPAN]):
        return _SECTOR
    if abs((a >> 16) - (b >> 16)) > rule[_RINGS]:
        return _AXIAL
    return _GOOD


@spliced
def _is_overfull(opener: int, first: int, start: int, time: Any, rule: Any) -> bool:
    """Return True when a window holds more rows than are looked at, or one that is too far from its opener."""
    last = first + rule[_MOST]
    if last - opener > rule[_REACH]:
        last = max(first, opener + rule[_REACH])
    return last < len(time) and uint64(time[last] - time[opener]) - uint64(start) <= uint64(rule[_HALF_WINDOW])


@spliced
def _kept(policy: int, partners: int, goods: int) -> int:
    """Return 1 where GATE keeps a multiple as a whole."""
    if policy == _KEEP_ONE:
        return int64(goods == 1)
    if policy == _KEEP_ANY:
        return int64(goods > 0)
    return int64(policy == _KEEP_ALL and goods == partners)


@spliced
def _chosen(policy: int, partners: int, goods: int, winner: int, winner_is_good: Any, good_winner: int) -> int:
    """Return the row that the policy leaves of a multiple, `_ALL_GOODS` or `_NONE`."""
    if policy == _TAKE_ALL:
        return _ALL_GOODS
    take_winner = (policy == _TAKE_WINNER_IF_IS_GOOD and winner_is_good) or (
        policy == _TAKE_WINNER_IF_ALL and goods == partners
    )
    if take_winner:
        return winner
    if (policy == _TAKE_WINNER_OF_GOODS and goods > 0) or (policy == _KILL_IF_MANY and goods == 1):
        return good_winner
    return _NONE


@spliced
def _window(opener: int, first: int, kind: int, start: int, time: Any, detector: Any, energy: Any, places: Any,
            rule: Any, counts: Any, pairs: Any, at: int) -> int:  # fmt: skip
    """Judge one window whose first row is known; write the pairs that are left from `at` on and return the end."""
    partners, begin = 0, at
    winner, winner_is_good, good_winner = _NONE, False, _NONE
    highest, highest_good = -np.inf, -np.inf
    opened, mine, place = time[opener], detector[opener], _place(detector[opener], places)
    row = first
    while row < len(time) and uint64(time[row] - opened) - uint64(start) <= uint64(rule[_HALF_WINDOW]):
        verdict = _SAME if detector[row] == mine else _verdict(place, _place(detector[row], places), rule)
        counts[kind, verdict] += 1
        if verdict != _SAME:
            partners += 1
            if winner < 0 or energy[row] > highest:
                winner, winner_is_good, highest = row, verdict == _GOOD, max(energy[row], -np.inf)
        if verdict == _GOOD:
            pairs[at] = (opener << 32) | (row << 1) | kind
            at += 1
            if good_winner < 0 or energy[row] > highest_good:
                good_winner, highest_good = row, max(energy[row], -np.inf)
        row += 1
    if partners > 1:
        counts[kind, _MULTIPLES] += 1
        goods = at - begin
        counts[kind, _KEPT] += _kept(rule[_POLICY], partners, goods)
        chosen = _chosen(rule[_POLICY], partners, goods, winner, winner_is_good, good_winner)
        if chosen != _ALL_GOODS:
            pairs[begin] = (opener << 32) | (chosen << 1) | kind
            at = begin + int64(chosen >= 0)
            counts[kind, _BY_POLICY] += goods - (at - begin)
    return at


@kernel(
    boolean(
        _TIMES, _DETECTORS, _ENERGIES, _PLACES, int64[::1], int32[::1], int32[:, ::1], int64[::1],
        int64[:, ::1], int64[::1],
    )
)  # fmt: skip
def judge(time: Any, detector: Any, energy: Any, places: Any, rule: Any, prompts: Any, delayeds: Any, state: Any,
          counts: Any, pairs: Any) -> bool:  # fmt: skip
    """Write the pairs of windows found, by opener, prompts first; return False when `pairs` is full before the end.

    `state` holds how many of `prompts` and `delayeds` are done, and how many pairs are written.
    """
    done, done_late, at = state[0], state[1], state[2]
    while done < len(prompts) or done_late < len(delayeds):
        if at + rule[_MOST] > len(pairs):
            break
        is_prompt = done < len(prompts) and (done_late == len(delayeds) or prompts[done] <= delayeds[done_late, 0])
        opener, first, start, kind = int64(0), int64(0), int64(0), int64(PROMPT)
        if is_prompt:
            opener = int64(prompts[done])
            first = opener + 1
            done += 1
        else:
            opener, first = int64(delayeds[done_late, 0]), int64(delayeds[done_late, 1])
            start, kind = rule[_DELAY], int64(DELAYED)
            done_late += 1
        if _is_overfull(opener, first, start, time, rule):
            counts[kind, _OVERFULL] += 1
        else:
            at = _window(opener, first, kind, start, time, detector, energy, places, rule, counts, pairs, at)
    state[0], state[1], state[2] = done, done_late, at
    return done == len(prompts) and done_late == len(delayeds)


@kernel(
    types.void(
        types.Array(int64, 1, "C", readonly=True), int64, _TIMES, _DETECTORS, _ENERGIES, uint8[::1], int64[:, ::1],
        int64[::1], uint32[::1], uint32[::1], int32[::1], float32[::1], float32[::1], uint8[::1],
    )
)  # fmt: skip
def emit(pairs: Any, delay: int, time: Any, detector: Any, energy: Any, used: Any, counts: Any, time_ps: Any,
         detector_a: Any, detector_b: Any, tof_ps: Any, energy_a: Any, energy_b: Any, kinds: Any) -> None:  # fmt: skip
    """Write the columns of pairs; mark in `used` the rows that are in a prompt."""
    delayeds = 0
    for number in range(len(pairs)):
        pair = pairs[number]
        opener, partner, kind = uint64(pair >> 32), uint64((pair >> 1) & 0x7FFFFFFF), pair & 1
        later = time[partner] - time[opener] - delay * kind
        turned = detector[opener] > detector[partner]
        a, b = (partner, opener) if turned else (opener, partner)
        time_ps[number] = time[opener]
        detector_a[number], detector_b[number] = detector[a], detector[b]
        tof_ps[number] = -later if turned else later
        energy_a[number], energy_b[number] = energy[a], energy[b]
        kinds[number] = kind
        delayeds += kind
        used[opener] |= uint8(1 - kind)
        used[partner] |= uint8(1 - kind)
    counts[PROMPT, _ROWS] += len(pairs) - delayeds
    counts[DELAYED, _ROWS] += delayeds
