"""Who watches over a readout is told by a lease; what is done when it runs out depends on what the readout is at."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.readout.attendance import Attendance, Deed, Lease, Phase, deed_of

GO_ON, LOSE_MOTION, END = Deed.GO_ON, Deed.LOSE_MOTION, Deed.END


@pytest.mark.parametrize(
    ("phase", "waited_s", "deed"),
    [
        (Phase.ARMED, 0.0, GO_ON),
        (Phase.ARMED, 29.9, GO_ON),
        (Phase.ARMED, 30.0, END),
        (Phase.IDLE, 29.9, GO_ON),
        (Phase.IDLE, 30.0, END),
        (Phase.STATIONARY, 30.0, GO_ON),
        (Phase.STATIONARY, 3599.0, GO_ON),
        (Phase.STATIONARY, 3600.0, END),
        (Phase.MOVING, 0.0, LOSE_MOTION),
        (Phase.MOVING, 1e9, LOSE_MOTION),
        (Phase.ENDING, 1e9, GO_ON),
    ],
)
def test_what_is_done_when_nobody_has_watched_for_a_while(phase: Phase, waited_s: float, deed: Deed) -> None:
    assert deed_of(phase, waited_s=waited_s, grace_s=30.0, step_s=3600.0) is deed


def told(lease: Lease) -> bool | None:
    return lease.attended


def ticked(lease: Lease, begin_s: float, end_s: float) -> None:
    """Tick every 50 ms, up to the end."""
    steps = round((end_s - begin_s) / 0.05)
    for step in range(1, steps + 1):
        lease.tick(begin_s + step * 0.05)


def test_a_lease_runs_out_when_it_is_not_renewed_and_a_word_brings_it_back() -> None:
    lease = Lease()
    ticked(lease, 0.0, 10.0)
    assert (told(lease), lease.ran_out_s) == (None, None)

    lease.renew(10.0, 2.0)
    ticked(lease, 10.0, 11.95)
    assert told(lease) is True
    ticked(lease, 11.95, 12.05)
    assert told(lease) is False
    assert lease.ran_out_s == pytest.approx(12.0, abs=0.051)
    ran_out_s = lease.ran_out_s
    ticked(lease, 12.05, 14.0)
    assert lease.ran_out_s == ran_out_s

    lease.renew(14.0, 2.0)
    assert (told(lease), lease.ran_out_s) == (True, None)


def test_the_last_word_counts_even_if_it_is_for_a_shorter_time() -> None:
    lease = Lease()
    lease.renew(0.0, 60.0)
    lease.renew(1.0, 0.5)

    ticked(lease, 1.0, 1.6)

    assert told(lease) is False


def test_time_in_which_nobody_could_be_heard_is_not_counted_once_after_each_word() -> None:
    lease = Lease()
    ticked(lease, 0.0, 1.0)
    lease.renew(1.0, 2.0)
    ticked(lease, 1.0, 2.0)

    lease.tick(9.0)  # 7 s later: one of the two seconds is left
    assert told(lease) is True
    ticked(lease, 9.0, 9.9)
    assert told(lease) is True
    lease.tick(12.0)
    assert told(lease) is False

    lease.renew(12.0, 2.0)
    lease.tick(20.0)
    assert told(lease) is True


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.floats(0.1, 3.0))
def test_however_the_ticks_fall_a_lease_runs_out_and_never_before_its_time(gaps: list[float], within_s: float) -> None:
    lease, now_s = Lease(), 0.0
    lease.tick(0.0)
    lease.renew(0.0, within_s)

    for gap in gaps:
        now_s += gap
        lease.tick(now_s)
        if now_s < within_s:
            assert told(lease) is True
        if now_s >= within_s + max(gaps):  # one gap at most is forgiven
            assert told(lease) is False


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def let(self, attendance: Attendance, seconds: float) -> None:
        ticked(attendance.lease, self.now_s, self.now_s + seconds)
        self.now_s += seconds


def test_the_grace_counts_from_the_last_change_or_from_when_nobody_watched_whichever_is_later() -> None:
    clock = Clock()
    attendance = Attendance(grace_s=30.0, step_s=3600.0, clock=clock)
    assert attendance.deed(Phase.ARMED) is GO_ON
    clock.let(attendance, 1000.0)
    assert attendance.deed(Phase.ARMED) is GO_ON  # nobody was ever there
    attendance.lease.renew(clock.now_s, 2.0)
    clock.let(attendance, 31.9)
    assert attendance.deed(Phase.ARMED) is GO_ON
    clock.let(attendance, 0.2)
    assert attendance.deed(Phase.ARMED) is END

    assert attendance.deed(Phase.STATIONARY) is GO_ON
    clock.let(attendance, 1000.0)
    assert attendance.deed(Phase.STATIONARY) is GO_ON
    assert attendance.deed(Phase.IDLE) is GO_ON  # the step has ended: there are 30 s from now on
    clock.let(attendance, 29.9)
    assert attendance.deed(Phase.IDLE) is GO_ON
    clock.let(attendance, 0.2)
    assert attendance.deed(Phase.IDLE) is END
    attendance.lease.renew(clock.now_s, 2.0)
    assert attendance.deed(Phase.IDLE) is GO_ON


def test_a_step_that_a_clock_ends_may_take_so_much_longer() -> None:
    clock = Clock()
    attendance = Attendance(grace_s=30.0, step_s=3600.0, clock=clock)
    attendance.lease.renew(clock.now_s, 0.1)
    assert attendance.deed(Phase.STATIONARY, promised_s=600.0) is GO_ON

    clock.let(attendance, 4199.0)
    assert attendance.deed(Phase.STATIONARY) is END
    assert attendance.deed(Phase.STATIONARY, promised_s=600.0) is GO_ON
    clock.let(attendance, 1.2)
    assert attendance.deed(Phase.STATIONARY, promised_s=600.0) is END
    assert attendance.deed(Phase.STATIONARY, promised_s=math.inf) is GO_ON


def test_a_moving_step_is_lost_at_once_and_only_while_nobody_watches() -> None:
    clock = Clock()
    attendance = Attendance(grace_s=30.0, step_s=3600.0, clock=clock)
    assert attendance.deed(Phase.MOVING) is GO_ON
    attendance.lease.renew(clock.now_s, 2.0)
    clock.let(attendance, 1.9)
    assert attendance.deed(Phase.MOVING) is GO_ON

    clock.let(attendance, 0.2)

    assert attendance.deed(Phase.MOVING) is LOSE_MOTION


def test_the_clock_is_watched_by_a_thread_that_ends() -> None:
    attendance = Attendance(grace_s=30.0, step_s=3600.0)
    assert [thread.name for thread in threading.enumerate() if thread.name == "attendance"] == []

    attendance.attend(60.0)
    attendance.attend(60.0)
    assert [thread.name for thread in threading.enumerate() if thread.name == "attendance"] == ["attendance"]
    assert attendance.attended is True
    attendance.close()

    assert [thread.name for thread in threading.enumerate() if thread.name == "attendance"] == []
    attendance.attend(60.0)
    assert [thread.name for thread in threading.enumerate() if thread.name == "attendance"] == []
