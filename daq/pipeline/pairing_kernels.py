"""The loops of pairing: judge the windows that hold partners, and write the rows of the pairs that are left.

Rows are singles in the order of time. A window is opened by one row, the *opener*; the rows in it are its partners. A
pair is one int64: opener (from bit 32), kind (bit 31), partner; so pairs in order are rows in order. `rule` int64 is
what `daq.pipeline.pairing_rule` names; `places` uint32 says where a detector is, by its number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, int32, int64, types, uint8, uint32, uint64

from daq.model.events import DELAYED, PROMPT
from daq.model.kernel import kernel, spliced
from daq.pipeline import pairing_rule as r
from daq.pipeline.pairing_search import BLOCK, delayed_openers, prompt_openers

_HERE = r.HERE
_HALF_WINDOW, _DELAY, _POLICY, _SECTOR_FROM, _SECTOR_SPAN, _RINGS, _MOST, _REACH = (
    r.HALF_WINDOW, r.DELAY, r.POLICY, r.SECTOR_FROM, r.SECTOR_SPAN, r.RINGS, r.MOST_PARTNERS, r.MOST_HELD,
)  # fmt: skip
_ROWS, _MULTIPLES, _KEPT, _OVERFULL = r.ROWS, r.MULTIPLES, r.KEPT, r.OVERFULL
_GOOD, _SAME, _UNKNOWN, _SECTOR, _AXIAL, _BY_POLICY = r.GOOD, r.SAME, r.UNKNOWN, r.SECTOR, r.AXIAL, r.BY_POLICY

_TAKE_ALL, _TAKE_WINNER_OF_GOODS, _TAKE_WINNER_IF_IS_GOOD, _TAKE_WINNER_IF_ALL, _KILL_IF_MANY = range(5)
_KEEP_ONE, _KEEP_ANY, _KEEP_ALL = 6, 7, 8
_ALL_GOODS, _NONE = -2, -1
_NO_PAIR = (1 << 63) - 1

_TIMES = types.Array(int64, 1, "C", readonly=True)
_DETECTORS = types.Array(uint32, 1, "C", readonly=True)
_ENERGIES = types.Array(float32, 1, "C", readonly=True)


@spliced
def _verdict(one: Any, other: Any, places: Any, rule: Any) -> Any:
    """Return `_GOOD` or why two detectors may not pair; the last place stands for all numbers beyond the table."""
    beyond = uint64(len(places) - 1)
    a, b = int64(places[min(uint64(one), beyond)]), int64(places[min(uint64(other), beyond)])
    apart = uint64(abs((a & 0xFFFF) - (b & 0xFFFF)) - rule[_SECTOR_FROM])
    verdict = _AXIAL if abs((a >> 16) - (b >> 16)) > rule[_RINGS] else _GOOD
    verdict = _SECTOR if apart > uint64(rule[_SECTOR_SPAN]) else verdict
    verdict = verdict if a & b & _HERE else _UNKNOWN
    return _SAME if one == other else verdict


@spliced
def _is_inside(row: Any, opener: Any, start: Any, time: Any, rule: Any) -> Any:
    """Return True for a row, no earlier than the first in the window, that is in it."""
    row = uint64(row)
    if row >= uint64(len(time)):
        return False
    return uint64(time[row] - time[uint64(opener)]) - uint64(start) <= uint64(rule[_HALF_WINDOW])


@spliced
def _is_overfull(opener: Any, first: Any, start: Any, time: Any, rule: Any) -> Any:
    """Return True when a window holds more rows than are looked at, or one that is too far from its opener."""
    last = first + rule[_MOST]
    if last - opener > rule[_REACH]:
        last = max(first, opener + rule[_REACH])
    return _is_inside(last, opener, start, time, rule)


@spliced
def _kept(policy: Any, partners: Any, goods: Any) -> Any:
    """Return 1 where GATE keeps a multiple as a whole."""
    if policy == _KEEP_ONE:
        return int64(goods == 1)
    if policy == _KEEP_ANY:
        return int64(goods > 0)
    return int64(policy == _KEEP_ALL and goods == partners)


@spliced
def _chosen(policy: Any, partners: Any, goods: Any, winner: Any, winner_is_good: Any, good_winner: Any) -> Any:
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
def _multiple(opener: Any, first: Any, kind: Any, start: Any, time: Any, detector: Any, energy: Any, places: Any,
              rule: Any, counts: Any, pairs: Any, at: Any) -> Any:  # fmt: skip
    """Judge a window of several rows; write the pairs that are left from `at` on and return the end."""
    partners, begin = 0, at
    winner, winner_is_good, good_winner = _NONE, False, _NONE
    highest, highest_good = -np.inf, -np.inf
    mine, pair = detector[uint64(opener)], (opener << 32) | (kind << 31)
    row = first
    while _is_inside(row, opener, start, time, rule):
        verdict = _verdict(mine, detector[uint64(row)], places, rule)
        counts[kind, verdict] += 1
        strength = energy[uint64(row)]
        strength = strength if strength == strength else -np.inf  # noqa: PLR0124 - no number is below all numbers
        if verdict != _SAME:
            partners += 1
            if winner < 0 or strength > highest:
                winner, winner_is_good, highest = row, verdict == _GOOD, strength
        if verdict == _GOOD:
            pairs[uint64(at)] = pair | row
            at += 1
            if good_winner < 0 or strength > highest_good:
                good_winner, highest_good = row, strength
        row += 1
    if partners > 1:
        counts[kind, _MULTIPLES] += 1
        goods = at - begin
        counts[kind, _KEPT] += _kept(rule[_POLICY], partners, goods)
        chosen = _chosen(rule[_POLICY], partners, goods, winner, winner_is_good, good_winner)
        if chosen != _ALL_GOODS:
            pairs[uint64(begin)] = pair | chosen
            at = begin + int64(chosen >= 0)
            counts[kind, _BY_POLICY] += goods - (at - begin)
    return at


@spliced
def _judged(opener: Any, first: Any, kind: Any, start: Any, time: Any, detector: Any, energy: Any, places: Any,
            rule: Any, counts: Any, pairs: Any, at: Any) -> Any:  # fmt: skip
    """Judge a window whose first row is known; write the pairs that are left from `at` on and return the end."""
    if _is_inside(first + 1, opener, start, time, rule) or first - opener >= rule[_REACH]:
        if _is_overfull(opener, first, start, time, rule):
            counts[kind, _OVERFULL] += 1
            return at
        return _multiple(opener, first, kind, start, time, detector, energy, places, rule, counts, pairs, at)
    verdict = _verdict(detector[uint64(opener)], detector[uint64(first)], places, rule)
    counts[kind, verdict] += 1
    pairs[uint64(at)] = (opener << 32) | (kind << 31) | first
    return at + int64(verdict == _GOOD)


@kernel(
    boolean(
        _TIMES, _DETECTORS, _ENERGIES, types.Array(uint32, 1, "C", readonly=True), int64, int64[::1], int64[::1],
        int64[:, ::1], uint64[::1], int32[:, ::1], int64[::1], int64[::1],
    )
)  # fmt: skip
def find(time: Any, detector: Any, energy: Any, places: Any, until: int, rule: Any, state: Any, counts: Any, bits: Any,
         scratch: Any, prompts: Any, delayeds: Any) -> Any:  # fmt: skip
    """Write the pairs of the windows opened by rows below `until`; return False for lack of room before the end.

    `state` holds the opener to go on with, where its delayed partners begin, and the pairs in `prompts`, `delayeds`.
    """
    window, delay = uint64(rule[_HALF_WINDOW]), uint64(rule[_DELAY])
    begin, pointer, at, at_delayed = state[0], state[1], state[2], state[3]
    openers, partners = scratch[0], scratch[1]
    room = BLOCK * rule[_MOST]
    while begin < until and at + room <= len(prompts) and (not delay or at_delayed + room <= len(delayeds)):
        end = min(begin + BLOCK, until)
        for number in range(uint64(prompt_openers(time, begin, end, window, openers))):
            opener = int64(openers[number])
            at = _judged(
                opener, opener + 1, PROMPT, 0, time, detector, energy, places, rule, counts, prompts, at
            )  # fmt: skip
        if delay:
            found, pointer = delayed_openers(time, begin, end, pointer, window, delay, bits, openers, partners)
            for number in range(uint64(found)):
                at_delayed = _judged(
                    int64(openers[number]), int64(partners[number]), DELAYED, rule[_DELAY], time, detector, energy,
                    places, rule, counts, delayeds, at_delayed,
                )  # fmt: skip
        begin = end
    state[0], state[1], state[2], state[3] = begin, pointer, at, at_delayed
    return begin >= until


@kernel(
    types.void(
        types.Array(int64, 1, "C", readonly=True), types.Array(int64, 1, "C", readonly=True), int64, _TIMES, _DETECTORS,
        _ENERGIES, uint8[::1], int64[::1], uint32[::1], uint32[::1], int32[::1], float32[::1], float32[::1], uint8[::1],
    )
)  # fmt: skip
def emit(prompts: Any, delayeds: Any, delay: int, time: Any, detector: Any, energy: Any, used: Any, time_ps: Any,
         detector_a: Any, detector_b: Any, tof_ps: Any, energy_a: Any, energy_b: Any, kinds: Any) -> None:  # fmt: skip
    """Write the columns of prompts and delayeds, in order; mark in `used` the rows that are in a prompt."""
    done, done_late = uint64(0), uint64(0)
    for number in range(uint64(len(prompts) + len(delayeds))):
        prompt = prompts[done] if done < uint64(len(prompts)) else _NO_PAIR
        delayed = delayeds[done_late] if done_late < uint64(len(delayeds)) else _NO_PAIR
        pair = min(prompt, delayed)
        done += uint64(pair == prompt)
        done_late += uint64(pair != prompt)
        opener, partner, kind = uint64(pair >> 32), uint64(pair & 0x7FFFFFFF), (pair >> 31) & 1
        later = time[partner] - time[opener] - delay * kind
        turned = detector[opener] > detector[partner]
        a, b = partner if turned else opener, opener if turned else partner
        time_ps[number] = time[opener]
        detector_a[number], detector_b[number] = detector[a], detector[b]
        tof_ps[number] = -later if turned else later
        energy_a[number], energy_b[number] = energy[a], energy[b]
        kinds[number] = kind
        used[opener] |= uint8(1 - kind)
        used[partner] |= uint8(1 - kind)
