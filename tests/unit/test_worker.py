"""Threads beside the loop: an answer that comes together with its deadline is one."""

from __future__ import annotations

import asyncio
import time

import pytest

from daq.errors import DeadlineError, UnreachableError
from daq.services.worker import Worker


def hold_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_an_answer_that_comes_together_with_its_deadline_counts() -> None:
    worker = Worker("test")
    call = asyncio.create_task(worker.call_within(0.05, lambda: 7))
    await asyncio.sleep(0)
    hold_the_loop(0.1)

    assert await call == 7
    assert worker.late == 0
    worker.close()


async def test_a_failure_that_comes_together_with_its_deadline_is_said_as_what_it_is() -> None:
    def fail() -> None:
        raise UnreachableError("gone")

    worker = Worker("test")
    call = asyncio.create_task(worker.call_within(0.05, fail))
    await asyncio.sleep(0)
    hold_the_loop(0.1)

    with pytest.raises(UnreachableError, match="gone"):
        await call
    worker.close()


async def test_what_takes_longer_is_late_and_a_timeout_of_the_work_is_its_own() -> None:
    def late() -> None:
        raise TimeoutError("of the work")

    worker = Worker("test", threads=2)
    with pytest.raises(DeadlineError, match=r"test: no result within 0\.02 s"):
        await worker.call_within(0.02, hold_the_loop, 0.1)
    with pytest.raises(TimeoutError, match="of the work"):
        await worker.call_within(5.0, late)
    assert worker.late == 1
    worker.close()
