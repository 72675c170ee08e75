"""The detector time of steps: each is measured from where it begins, whatever came between them."""

from __future__ import annotations

from support_derivation import MS, derivation, epoch, packet, part, prompt, received, rows_of, single, time_word

from daq.model.order import OrderRule
from daq.model.stop import parse_stop
from daq.storage.derive import Derivation


class FrontEnd:
    """Sends one event at each time it is told, to a derivation."""

    def __init__(self, *stop: str) -> None:
        self.derived: Derivation = derivation("siemens-petlink32", *stop, order=OrderRule())
        self._sent = 0

    def at_ms(self, *times_ms: int) -> None:
        for time_ms in times_ms:
            datagram = packet(self._sent, [time_word(time_ms), prompt(1)])
            self._sent += 2
            rows_of(self.derived, received([datagram], [0]), [])

    @property
    def ended_at_ms(self) -> float | None:
        stopped = self.derived.stopped
        return None if stopped is None else stopped.time_ps / MS


def test_after_a_step_by_counts_the_next_ones_time_begins_anew() -> None:
    front_end = FrontEnd("time=5ms")
    front_end.at_ms(0, 10)
    front_end.derived.step(parse_stop(["prompts=2"]))
    front_end.at_ms(50, 100)

    front_end.derived.step(parse_stop(["time=20ms"]))
    front_end.at_ms(105, 119)

    assert front_end.ended_at_ms is None
    front_end.at_ms(121)
    assert front_end.ended_at_ms == 120


def test_a_step_after_a_wait_begins_when_it_begins() -> None:
    front_end = FrontEnd("time=5ms")
    front_end.at_ms(0, 10, 1000)

    front_end.derived.step(parse_stop(["time=20ms"]))
    front_end.at_ms(1019)

    assert front_end.ended_at_ms is None
    front_end.at_ms(1020)
    assert front_end.ended_at_ms == 1020


def test_a_step_that_ends_a_pause_begins_when_it_begins() -> None:
    front_end = FrontEnd("time=500ms")
    front_end.at_ms(0, 10)
    front_end.derived.pause()
    front_end.at_ms(100, 200)

    front_end.derived.step(parse_stop(["time=20ms"]))
    front_end.at_ms(219)

    assert front_end.ended_at_ms is None
    front_end.at_ms(220)
    assert front_end.ended_at_ms == 220


def test_a_step_after_motion_was_lost_begins_when_it_begins() -> None:
    front_end = FrontEnd("time=500ms")
    front_end.at_ms(0, 10)
    front_end.derived.motion_lost()
    front_end.at_ms(100, 200)

    front_end.derived.step(parse_stop(["time=20ms"]))
    front_end.at_ms(219)

    assert front_end.ended_at_ms is None


def test_the_time_of_a_pause_is_not_the_steps() -> None:
    front_end = FrontEnd("time=20ms")
    front_end.at_ms(0, 10)
    front_end.derived.pause()
    front_end.at_ms(50, 110)
    front_end.derived.resume()

    front_end.at_ms(119)

    assert front_end.ended_at_ms is None
    front_end.at_ms(120)
    assert front_end.ended_at_ms == 120


def test_a_clock_that_jumps_in_a_pause_does_not_make_the_step_endless() -> None:
    rule = OrderRule(max_disorder_ps=10**6, max_step_ps=10**9)
    derived = derivation("singles64", "time=1ms", order=rule)
    near = [single(k, 5) for k in range(3)]
    sent = received(
        [
            packet(0, [epoch(0), *near], size=8),
            packet(0, [epoch(0), *near], source=1, size=8),
            packet(4, [epoch(10**6), *near], source=1, size=8),
            packet(4, [epoch(2000), *near], size=8),
            packet(8, near, size=8),
        ],
        [0] * 5,
        8,
    )
    rows_of(derived, part(sent, 0, 2), [])
    derived.pause()
    rows_of(derived, part(sent, 2, 3), [])
    derived.resume()

    rows_of(derived, part(sent, 3, 5), [])

    assert derived.stopped is not None
