"""The loops of pairing: judge the windows that hold partners, and write the rows of the pairs that are left.

Rows are singles in the order of time. A window is opened by one row, the *opener*; the rows in it are its partners. A
pair is one int64: opener (from bit 32), kind (bit 31), partner; so pairs in order are rows in order. `rule` int64 is
what `daq.pipeline.pairing_rule` names; `places` uint32 says where a detector is, by its number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, int64, types, uint8, uint32, uint64

from daq.model.events import DELAYED, PROMPT
from daq.model.kernel import kernel, spliced
from daq.pipeline import pairing_rule as r
from daq.pipeline.pairing_search import BLOCK, delayed_openers, falls, prompt_openers

_HERE_BIT = r.HERE.bit_length() - 1
_HALF_WINDOW, _DELAY, _POLICY, _SECTOR_FROM, _SECTOR_SPAN, _RINGS, _MOST, _REACH = (
    r.HALF_WINDOW, r.DELAY, r.POLICY, r.SECTOR_FROM, r.SECTOR_SPAN, r.RINGS, r.MOST_PARTNERS, r.MOST_HELD,
)  # fmt: skip
_ROWS, _MULTIPLES, _KEPT, _OVERFULL = r.ROWS, r.MULTIPLES, r.KEPT, r.OVERFULL
_GOOD, _SAME, _UNKNOWN, _SECTOR, _AXIAL, _BY_POLICY = r.GOOD, r.SAME, r.UNKNOWN, r.SECTOR, r.AXIAL, r.BY_POLICY

_TAKE_ALL, _TAKE_WINNER_OF_GOODS, _TAKE_WINNER_IF_IS_GOOD, _TAKE_WINNER_IF_ALL, _KILL_IF_MANY = range(5)
_KEEP_ONE, _KEEP_ANY, _KEEP_ALL = 6, 7, 8
_ALL_GOODS, _NONE = -2, -1
_LEFT_OUT, _PARTNER = 16, 0x7FFFFFFF
_COUNTS_NOT = _SAME | _UNKNOWN
_NO_PAIR = (1 << 63) - 1

DONE, NO_ROOM, FALLS = 0, 1, 2
"""What `find` returns."""

LEAST_LISTED = 3
"""Partners that are written of every window."""

_TIMES = types.Array(int64, 1, "C", readonly=True)
_DETECTORS = types.Array(uint32, 1, "C", readonly=True)
_ENERGIES = types.Array(float32, 1, "C", readonly=True)


@spliced
def _verdict(one: Any, other: Any, places: Any, rule: Any) -> Any:
    """Return `GOOD`, or bits that say why two detectors may not pair; no branch, for nobody can guess the answer.

    The last place stands for all numbers beyond the table.
    """
    beyond = uint64(len(places) - 1)
    a, b = int64(places[min(uint64(one), beyond)]), int64(places[min(uint64(other), beyond)])
    sectors = uint64(abs((a & 0xFFFF) - (b & 0xFFFF)) - rule[_SECTOR_FROM])
    is_known = (uint64(a & b) >> uint64(_HERE_BIT)) & uint64(1)
    verdict = (
        (uint64(one == other) * uint64(_SAME))
        | ((is_known ^ uint64(1)) * uint64(_UNKNOWN))
        | (uint64(sectors > uint64(rule[_SECTOR_SPAN])) * uint64(_SECTOR))
    )
    if rule[_RINGS] >= 0:
        verdict |= uint64(abs((a >> 16) - (b >> 16)) > rule[_RINGS]) * uint64(_AXIAL)
    return verdict


@spliced
def _is_inside(row: Any, opener: Any, start: Any, time: Any, rule: Any) -> Any:
    """Return True for a row, no earlier than the first in the window, that is in it."""
    row = uint64(row)
    if row >= uint64(len(time)):
        return False
    return uint64(time[row] - time[uint64(opener)]) - uint64(start) <= uint64(rule[_HALF_WINDOW])


@spliced
def _is_crowded(opener: Any, time: Any, rule: Any) -> Any:
    """Return True when a delayed window is farther from its opener than rows are held: it is given up."""
    row = uint64(opener + rule[_REACH])
    if row >= uint64(len(time)):
        return False
    return uint64(time[row] - time[uint64(opener)]) <= uint64(rule[_HALF_WINDOW] + rule[_DELAY])


@spliced
def _count_crowded(begin: Any, end: Any, time: Any, rule: Any, counts: Any) -> None:
    """Count the delayed windows of the openers from `begin` to `end` that are given up."""
    for opener in range(begin, min(end, len(time) - rule[_REACH])):
        counts[DELAYED, _OVERFULL] += int64(_is_crowded(opener, time, rule))


@spliced
def _list_many(opener: Any, first: Any, kind: Any, start: Any, time: Any, rule: Any, counts: Any, pairs: Any,
               at: Any) -> Any:  # fmt: skip
    """Write all pairs of a window that may hold more than three; return how many."""
    if kind and _is_crowded(opener, time, rule):
        return uint64(0)
    if _is_inside(first + rule[_MOST], opener, start, time, rule):
        counts[uint64(kind), uint64(_OVERFULL)] += 1
        return uint64(0)
    row = first
    while _is_inside(row, opener, start, time, rule):
        pairs[at + uint64(row - first)] = (opener << 32) | (kind << 31) | row
        row += 1
    return uint64(row - first)


@spliced
def _list(openers: Any, partners: Any, found: Any, kind: Any, start: Any, time: Any, rule: Any, counts: Any,
          pairs: Any, several: Any) -> Any:  # fmt: skip
    """Write all pairs of windows, and where those of each window with several begin and end; return how many of both.

    Three are written of any window, and as many of them kept as there are: no branch but for windows of more.
    """
    at, windows, window = uint64(0), uint64(0), uint64(rule[_HALF_WINDOW])
    safe, crowd = len(time) - 3, len(time) > rule[_REACH]
    for number in range(uint64(found)):
        opener = int64(openers[number])
        first = int64(partners[number]) if kind else opener + 1
        row, opened = uint64(first), time[uint64(opener)] + start
        several[0, windows] = at
        if first >= safe or (kind and crowd) or uint64(time[row + uint64(3)] - opened) <= window:
            at += _list_many(opener, first, kind, start, time, rule, counts, pairs, at)
        else:
            pair = (opener << 32) | (kind << 31) | first
            pairs[at], pairs[at + uint64(1)], pairs[at + uint64(2)] = pair, pair + 1, pair + 2
            at += uint64(1)
            at += uint64(uint64(time[row + uint64(1)] - opened) <= window)
            at += uint64(uint64(time[row + uint64(2)] - opened) <= window)
        several[1, windows] = at
        windows += uint64(at - uint64(several[0, windows]) > uint64(1))
    return at, windows


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
def _strength(at: Any, energy: Any, pairs: Any) -> Any:
    """Return the energy of a partner; no number is below all numbers."""
    strength = energy[uint64(pairs[at]) & uint64(_PARTNER)]
    return strength if strength == strength else -np.inf  # noqa: PLR0124 - false for no number alone


@spliced
def _resolve(begin: Any, end: Any, kind: Any, energy: Any, rule: Any, counts: Any, pairs: Any, verdicts: Any) -> None:
    """Apply the policy to the pairs of one window."""
    partners, goods, winner, good_winner = int64(0), int64(0), int64(_NONE), int64(_NONE)
    highest, highest_good = -np.inf, -np.inf
    for at in range(uint64(begin), uint64(end)):
        is_good = verdicts[at] == _GOOD
        strength = _strength(at, energy, pairs)
        if verdicts[at] & _COUNTS_NOT == _SAME:
            continue
        partners += 1
        goods += int64(is_good)
        if winner < 0 or strength > highest:
            winner, highest = int64(at), strength
        if is_good and (good_winner < 0 or strength > highest_good):
            good_winner, highest_good = int64(at), strength
    if partners > 1:
        _leave(begin, end, kind, partners, goods, winner, good_winner, rule, counts, verdicts)


@spliced
def _leave(begin: Any, end: Any, kind: Any, partners: Any, goods: Any, winner: Any, good_winner: Any, rule: Any,
           counts: Any, verdicts: Any) -> None:  # fmt: skip
    """Leave of a multiple what the policy says."""
    counts[kind, _MULTIPLES] += 1
    counts[kind, _KEPT] += _kept(rule[_POLICY], partners, goods)
    chosen = _chosen(rule[_POLICY], partners, goods, winner, verdicts[winner] == _GOOD, good_winner)
    if chosen != _ALL_GOODS:
        counts[kind, _BY_POLICY] += goods - int64(chosen >= 0)
        for at in range(uint64(begin), uint64(end)):
            verdicts[at] |= uint8(_LEFT_OUT) * uint8(int64(at) != chosen)


@spliced
def _sift(listed: Any, found: Any, detector: Any, places: Any, rule: Any, verdicts: Any, rejects: Any, pairs: Any,
          at: Any) -> Any:  # fmt: skip
    """Write the pairs whose sectors are far enough apart from `at` on; return the end, and how many are in `rejects`.

    With a sector difference of 1 or more, and without a ring difference, these are the good ones: a detector is not
    apart from itself, and one that there is not is too far from all others.
    """
    beyond, end, rejected = uint64(len(places) - 1), uint64(at), uint64(0)
    least, span = rule[_SECTOR_FROM], uint64(rule[_SECTOR_SPAN])
    for number in range(found):
        pair = uint64(listed[number])
        one, other = uint64(detector[pair >> uint64(32)]), uint64(detector[pair & uint64(_PARTNER)])
        a, b = int64(places[min(one, beyond)]) & 0xFFFF, int64(places[min(other, beyond)]) & 0xFFFF
        is_bad = uint64(uint64(abs(a - b) - least) > span)
        verdicts[number] = is_bad
        rejects[rejected] = number
        rejected += is_bad
        pairs[end] = pair
        end += is_bad ^ uint64(1)
    return end, rejected


@spliced
def _judge_all(listed: Any, found: Any, detector: Any, places: Any, rule: Any, verdicts: Any, rejects: Any, pairs: Any,
               at: Any) -> Any:  # fmt: skip
    """Write the good pairs from `at` on; return the end, and how many are in `rejects`."""
    end, rejected = uint64(at), uint64(0)
    for number in range(found):
        pair = uint64(listed[number])
        verdict = _verdict(detector[pair >> uint64(32)], detector[pair & uint64(_PARTNER)], places, rule)
        verdicts[number] = verdict
        rejects[rejected] = number
        rejected += uint64(verdict != uint64(_GOOD))
        pairs[end] = pair
        end += uint64(verdict == uint64(_GOOD))
    return end, rejected


@spliced
def _count(listed: Any, rejects: Any, rejected: Any, kind: Any, detector: Any, places: Any, rule: Any, counts: Any,
           verdicts: Any) -> Any:  # fmt: skip
    """Count why pairs are rejected; return all bits of these verdicts."""
    seen = uint64(0)
    for number in range(rejected):
        at = uint64(rejects[number])
        pair = uint64(listed[at])
        verdict = _verdict(detector[pair >> uint64(32)], detector[pair & uint64(_PARTNER)], places, rule)
        verdicts[at] = verdict
        counts[uint64(kind), verdict] += 1
        seen |= verdict
    return seen


@spliced
def _judge(openers: Any, partners: Any, found: Any, kind: Any, start: Any, time: Any, detector: Any, energy: Any,
           places: Any, rule: Any, counts: Any, several: Any, listed: Any, rejects: Any, verdicts: Any, pairs: Any,
           at: Any) -> Any:  # fmt: skip
    """Write the pairs that are left of windows, from `at` on, and return the end."""
    all_pairs, windows = _list(openers, partners, found, kind, start, time, rule, counts, listed, several)
    if rule[_SECTOR_FROM] > 0 and rule[_RINGS] < 0:
        end, rejected = _sift(listed, all_pairs, detector, places, rule, verdicts, rejects, pairs, at)
    else:
        end, rejected = _judge_all(listed, all_pairs, detector, places, rule, verdicts, rejects, pairs, at)
    seen = _count(listed, rejects, rejected, kind, detector, places, rule, counts, verdicts)
    if rule[_POLICY] == _TAKE_ALL and not seen & uint64(_SAME):
        counts[kind, _MULTIPLES] += int64(windows)
        return int64(end)
    for number in range(windows):
        _resolve(several[0, number], several[1, number], kind, energy, rule, counts, listed, verdicts)
    end = uint64(at)
    for number in range(all_pairs):
        pairs[end] = listed[number]
        end += uint64(verdicts[number] == _GOOD)
    return int64(end)


@kernel(
    int64(
        _TIMES, _DETECTORS, _ENERGIES, types.Array(uint32, 1, "C", readonly=True), int64, int64[::1], int64[::1],
        int64[:, ::1], uint64[::1], int32[:, ::1], int64[::1], int32[::1], uint8[::1], int64[::1], int64[::1],
    )
)  # fmt: skip
def find(time: Any, detector: Any, energy: Any, places: Any, until: int, rule: Any, state: Any, counts: Any, bits: Any,
         scratch: Any, listed: Any, rejects: Any, verdicts: Any, prompts: Any, delayeds: Any) -> Any:  # fmt: skip
    """Write the pairs of the windows opened by rows below `until`; return `DONE`, or why they are not all there.

    Where times fall, all that was found is in vain; for lack of room it is called again.
    `state` holds the opener to go on with, where its delayed partners begin, and the pairs in `prompts`, `delayeds`.
    `scratch` [4, BLOCK + 1], `listed`, `rejects` and `verdicts` [BLOCK * most partners + 2] are room to work in.
    """
    window, delay = uint64(rule[_HALF_WINDOW]), uint64(rule[_DELAY])
    begin, pointer, at, at_delayed = state[0], state[1], state[2], state[3]
    openers, partners, several = scratch[0], scratch[1], scratch[2:]
    room = len(listed)
    while begin < until and at + room <= len(prompts) and (not delay or at_delayed + room <= len(delayeds)):
        end = min(begin + BLOCK, until)
        if falls(time, begin, min(end + 1, len(time))):
            return FALLS
        found = prompt_openers(time, begin, end, window, openers)
        at = _judge(
            openers, partners, found, PROMPT, 0, time, detector, energy, places, rule, counts, several, listed, rejects,
            verdicts, prompts, at,
        )  # fmt: skip
        if delay:
            _count_crowded(begin, end, time, rule, counts)
            found, pointer = delayed_openers(time, begin, end, pointer, window, delay, bits, openers, partners)
            at_delayed = _judge(
                openers, partners, found, DELAYED, rule[_DELAY], time, detector, energy, places, rule, counts, several,
                listed, rejects, verdicts, delayeds, at_delayed,
            )  # fmt: skip
        begin = end
    state[0], state[1], state[2], state[3] = begin, pointer, at, at_delayed
    return DONE if begin >= until else NO_ROOM


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
        opener, partner, kind = uint64(pair >> 32), uint64(pair & _PARTNER), (pair >> 31) & 1
        turned = int64(detector[opener] > detector[partner])
        swap = (opener ^ partner) & uint64(-turned)
        a, b = opener ^ swap, partner ^ swap
        time_ps[number] = time[opener]
        detector_a[number], detector_b[number] = detector[a], detector[b]
        tof_ps[number] = ((time[partner] - time[opener] - delay * kind) ^ -turned) + turned
        energy_a[number], energy_b[number] = energy[a], energy[b]
        kinds[number] = kind
        used[opener] |= uint8(1 - kind)
        used[partner] |= uint8(1 - kind)
