"""The ring of slabs: bounded, in order, no slab in two hands."""

from __future__ import annotations

import threading
import time

import pytest
from support_slabs import Row, packets_from

from daq.readout.ring import MIN_SLABS, RESERVE_SLABS, Empty, Ring, Slice
from daq.storage.slab import SLAB_BYTES, Slab

WAIT_S = 10.0


@pytest.fixture
def ring() -> Ring:
    return Ring(0)


@pytest.mark.parametrize(
    ("limit_bytes", "slabs"),
    [(0, MIN_SLABS), (1, MIN_SLABS), (MIN_SLABS * SLAB_BYTES, 4), (6 * SLAB_BYTES - 1, 5), (6 * SLAB_BYTES, 6)],
)
def test_a_ring_holds_whole_slabs_within_its_limit_but_never_too_few(limit_bytes: int, slabs: int) -> None:
    ring = Ring(limit_bytes)

    taken = [ring.take(0.0) for _ in range(slabs)]

    assert ring.limit_bytes == slabs * SLAB_BYTES
    assert None not in taken
    assert ring.take(0.0) is None
    assert (ring.used, ring.has_free, ring.high_water_bytes) == (1.0, False, ring.limit_bytes)


def test_a_slab_given_back_is_taken_again_empty(ring: Ring) -> None:
    slabs = [ring.take(0.0) for _ in range(MIN_SLABS)]
    (slab, *_) = [slab for slab in slabs if slab is not None]
    slab.append(packets_from([Row(1, 2, 3, 0, bytes(16), b"data")]), 0)
    ring.give(slab)

    again = ring.take(0.0)

    assert again is slab
    assert again.packets == 0


def test_what_was_used_at_most_is_remembered(ring: Ring) -> None:
    slabs = [slab for slab in (ring.take(0.0) for _ in range(3)) if slab is not None]
    for slab in slabs:
        ring.give(slab)

    assert ring.used == 0.0
    assert ring.high_water_bytes == 3 * SLAB_BYTES


def test_the_reserve_is_for_headers_alone_and_goes_back_to_the_reserve(ring: Ring) -> None:
    reserve = [ring.take_for_headers() for _ in range(RESERVE_SLABS)]
    (slab, *_) = [slab for slab in reserve if slab is not None]

    none_left = ring.take_for_headers()
    ring.give(slab)
    ordinary = [ring.take(0.0) for _ in range(MIN_SLABS + 1)]
    again = ring.take_for_headers()

    assert None not in reserve
    assert none_left is None
    assert slab not in ordinary
    assert ordinary.count(None) == 1
    assert again is slab
    assert not again.keeps_data
    assert ring.high_water_bytes == ring.limit_bytes


def test_who_waits_for_a_slab_gets_the_next_one_given_back(ring: Ring) -> None:
    slabs = [ring.take(0.0) for _ in range(MIN_SLABS)]
    found: list[Slab | None] = []
    waiting = threading.Thread(target=lambda: found.append(ring.take(WAIT_S)))
    waiting.start()

    assert slabs[2] is not None
    ring.give(slabs[2])
    waiting.join(WAIT_S)

    assert found == [slabs[2]]


def test_slices_come_in_order_and_after_the_last_none(ring: Ring) -> None:
    slab = Slab()
    parts = [Slice(slab, 0, 3, closed=False), Slice(slab, 3, 3, closed=True)]

    with pytest.raises(Empty):
        ring.get(0.0)
    for part in parts:
        ring.put(part)
    ring.end()

    assert [ring.get(0.0), ring.get(0.0), ring.get(0.0)] == [*parts, None]


def test_no_slab_is_in_two_hands_at_once(ring: Ring) -> None:
    owner: dict[int, int] = {}
    doubled: list[int] = []

    def work(me: int) -> None:
        for _ in range(300):
            slab = ring.take(WAIT_S)
            assert slab is not None
            if owner.setdefault(id(slab), me) != me:
                doubled.append(id(slab))
            time.sleep(0)
            del owner[id(slab)]
            ring.give(slab)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert doubled == []
    assert ring.used == 0.0
