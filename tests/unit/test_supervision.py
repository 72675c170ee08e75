"""Services fail, come back, are given up and end, each without a consequence for the others."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from daq.errors import RefusedError, UnexpectedError, UsageError
from daq.services.supervision import Condition, Policy, Run, Service, Supervisor, cancel_until_done

QUICK = Policy(first_s=0.01, longest_s=0.04, good_after_s=60.0, most_failures=4, grace_s=0.05, end_s=0.5)


async def for_ever() -> None:
    await asyncio.Event().wait()


def failing_with(why: BaseException | None) -> tuple[Run, list[float]]:
    """Return a service that fails at once, or returns, and the times at which it was started."""
    started: list[float] = []

    async def run() -> None:
        started.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        if why is not None:
            raise why

    return run, started


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    task = asyncio.create_task(supervisor.run(), name="supervisor")
    await asyncio.sleep(0)
    try:
        yield
    finally:
        supervisor.stop()
        with suppress(UnexpectedError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (RefusedError("no room"), "RefusedError: no room"),
        (RuntimeError(), "RuntimeError"),
        (None, "it returned, though nobody asked for its end"),
        (asyncio.CancelledError(), "it was cancelled, though nobody asked for its end"),
        (BaseExceptionGroup("two", [ValueError("a"), asyncio.CancelledError("b")]), "ValueError: a; CancelledError: b"),
        (SystemExit(3), "UnexpectedError: it called exit(3)"),
        (GeneratorExit(), "GeneratorExit"),
    ],
)
async def test_a_service_that_ends_has_failed_and_is_given_up_in_the_end(why: BaseException | None, words: str) -> None:
    failed: list[Service] = []
    supervisor = Supervisor(failed.append)
    run, started = failing_with(why)
    service = supervisor.add("poller", run, essential=False, policy=QUICK)
    other = supervisor.add("other", for_ever, essential=True)

    async with running(supervisor):
        await until(lambda: bool(failed))
        conditions = (service.condition, other.condition, other.failures)

    assert (len(started), service.failures, service.why) == (4, 4, words)
    assert conditions == (Condition.FAILED, Condition.RUNNING, 0)
    assert [(one.name, one.essential) for one in failed] == [("poller", False)]
    assert (service.condition, other.condition) == (Condition.FAILED, Condition.ENDED)


async def test_pauses_grow_to_a_bound_and_vary() -> None:
    run, started = failing_with(RuntimeError("x"))
    policy = Policy(first_s=0.02, longest_s=0.08, jitter=0.25, most_failures=7)
    supervisor = Supervisor(lambda _: None, random_source=random.Random(1))
    service = supervisor.add("poller", run, essential=False, policy=policy)

    async with running(supervisor):
        await until(lambda: service.condition is Condition.FAILED)
    pauses = [after - before for before, after in itertools.pairwise(started)]

    for pause, planned in zip(pauses, [0.02, 0.04, 0.08, 0.08, 0.08, 0.08], strict=True):
        assert pause >= planned * 0.75
    assert len({round(pause, 4) for pause in pauses[2:]}) == 4


async def test_after_a_good_while_the_count_begins_anew() -> None:
    starts = 0

    async def run() -> None:
        nonlocal starts
        starts += 1
        await asyncio.sleep(0.03)
        raise RuntimeError("x")

    policy = Policy(first_s=0.001, good_after_s=0.02, most_failures=2)
    supervisor = Supervisor(lambda _: None)
    service = supervisor.add("poller", run, essential=False, policy=policy)

    async with running(supervisor):
        await until(lambda: starts == 5)
        condition = service.condition

    assert condition is not Condition.FAILED


async def test_old_failures_are_forgotten() -> None:
    run, started = failing_with(RuntimeError("x"))
    policy = Policy(first_s=0.05, longest_s=0.05, jitter=0.0, most_failures=3, within_s=0.02)
    supervisor = Supervisor(lambda _: None)
    service = supervisor.add("poller", run, essential=False, policy=policy)

    async with running(supervisor):
        await until(lambda: len(started) == 5)
        condition = service.condition

    assert condition is not Condition.FAILED


async def test_services_end_in_the_reverse_of_their_order() -> None:
    ended: list[str] = []

    def noting(name: str) -> Run:
        async def run() -> None:
            try:
                await for_ever()
            finally:
                await asyncio.sleep(0.01)
                ended.append(name)

        return run

    supervisor = Supervisor(lambda _: None)
    for name in ("bus", "devices", "api"):
        supervisor.add(name, noting(name), essential=True)
    async with running(supervisor):
        await asyncio.sleep(0.01)

    assert ended == ["api", "devices", "bus"]


async def swallowing(times: int) -> None:
    """Do what `wait_for` of Python 3.11 does at a bad moment: lose a cancellation."""
    while True:
        try:
            await for_ever()
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_service_that_swallows_the_first_cancellations_ends_all_the_same() -> None:
    supervisor = Supervisor(lambda _: None)
    service = supervisor.add("stubborn", lambda: swallowing(3), essential=True, policy=QUICK)

    async with running(supervisor):
        await asyncio.sleep(0.01)

    assert service.condition is Condition.ENDED


async def test_a_service_that_never_ends_is_named_and_the_others_end() -> None:
    supervisor = Supervisor(lambda _: None)
    other = supervisor.add("other", for_ever, essential=True)
    stuck = supervisor.add("stuck", lambda: swallowing(10**9), essential=True, policy=QUICK)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.01)

    supervisor.stop()
    with pytest.raises(UnexpectedError, match="did not end when told to: stuck"):
        await task

    assert (stuck.condition, other.condition) == (Condition.STUCK, Condition.ENDED)
    assert stuck.task is not None
    await _end_for_good(stuck.task)


async def _end_for_good(task: asyncio.Task[None]) -> None:
    """Throw into the coroutine what it does not catch."""
    waiting = task._fut_waiter  # type: ignore[attr-defined]
    waiting.set_exception(RuntimeError("enough"))
    with suppress(RuntimeError):
        await task


async def test_a_service_has_a_moment_to_clean_up_undisturbed() -> None:
    cleaned = False

    async def run() -> None:
        nonlocal cleaned
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0.1)
            cleaned = True

    supervisor = Supervisor(lambda _: None)
    supervisor.add("tidy", run, essential=True, policy=Policy(grace_s=5.0, end_s=10.0))
    async with running(supervisor):
        await asyncio.sleep(0.01)

    assert cleaned


async def test_cancelling_the_supervisor_ends_the_services_and_again_changes_nothing() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0.1)
            ended.append("slow")

    supervisor = Supervisor(lambda _: None)
    supervisor.add("slow", slow, essential=True)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.01)

    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == ["slow"]


async def test_the_end_of_all_has_one_deadline() -> None:
    supervisor = Supervisor(lambda _: None, end_s=0.3)
    for number in range(3):
        supervisor.add(f"stuck-{number}", lambda: swallowing(10**9), essential=True)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.01)

    supervisor.stop()
    async with asyncio.timeout(5.0):
        with pytest.raises(UnexpectedError, match="stuck-2, stuck-1, stuck-0"):
            await task

    for service in supervisor.services:
        assert service.task is not None
        await _end_for_good(service.task)


async def test_a_service_that_pauses_ends_at_once() -> None:
    run, started = failing_with(RuntimeError("x"))
    supervisor = Supervisor(lambda _: None)
    service = supervisor.add("poller", run, essential=False, policy=Policy(first_s=60.0))

    async with running(supervisor):
        await until(lambda: service.condition is Condition.PAUSING)

    assert (len(started), service.condition) == (1, Condition.ENDED)


async def test_a_service_added_meanwhile_starts_and_names_are_unique() -> None:
    supervisor = Supervisor(lambda _: None)
    started = asyncio.Event()

    async def run() -> None:
        started.set()
        await for_ever()

    async with running(supervisor):
        supervisor.add("late", run, essential=False)
        async with asyncio.timeout(5.0):
            await started.wait()
        with pytest.raises(UsageError, match="'late' already"):
            supervisor.add("late", run, essential=False)


async def test_whoever_hears_of_a_failure_may_fail_himself(caplog: pytest.LogCaptureFixture) -> None:
    def deaf(service: Service) -> None:
        raise RuntimeError(service.name)

    run, _ = failing_with(RefusedError("x"))
    supervisor = Supervisor(deaf)
    service = supervisor.add("poller", run, essential=True, policy=QUICK)

    async with running(supervisor):
        await until(lambda: service.condition is Condition.FAILED)

    assert "the failure of poller could not be told" in caplog.text


async def test_a_fault_is_logged_with_its_place_and_a_refusal_without(caplog: pytest.LogCaptureFixture) -> None:
    for name, why in (("fault", ZeroDivisionError("x")), ("refusal", RefusedError("x"))):
        run, _ = failing_with(why)
        supervisor = Supervisor(lambda _: None)
        service = supervisor.add(name, run, essential=True, policy=QUICK)
        async with running(supervisor):
            await until(lambda service=service: service.failures > 0)  # type: ignore[misc]

    assert "Traceback" in caplog.text
    assert caplog.text.count("Traceback") == sum("fault failed" in record.message for record in caplog.records)


async def test_a_service_that_ends_with_an_error_is_said_to(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        try:
            await for_ever()
        finally:
            raise RefusedError("could not say good-bye")

    supervisor = Supervisor(lambda _: None)
    service = supervisor.add("rude", run, essential=True)
    async with running(supervisor):
        await asyncio.sleep(0.01)

    assert (service.condition, service.why) == (Condition.ENDED, "RefusedError: could not say good-bye")
    assert "rude ended with an error" in caplog.text


async def lost_by_wait_for() -> None:
    """Wait for what comes all the time: `wait_for` of Python 3.11 may lose a cancellation (CPython 86296)."""
    while True:
        loop = asyncio.get_running_loop()
        there: asyncio.Future[None] = loop.create_future()
        loop.call_later(random.uniform(0.001, 0.02), there.set_result, None)  # never in step with who cancels
        await asyncio.wait_for(there, 1.0)


@pytest.mark.parametrize("service", [lost_by_wait_for, for_ever, lambda: swallowing(2)])
async def test_cancelling_again_and_again_ends_what_can_end(service: Callable[[], Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(service()) for _ in range(30)]
    await asyncio.sleep(0.01)

    ended = await asyncio.gather(*(cancel_until_done(task, within_s=10.0, grace_s=0.05) for task in tasks))  # type: ignore[arg-type]

    assert all(ended)
    assert all(task.cancelled() for task in tasks)


async def test_what_does_not_end_is_given_up_after_the_deadline() -> None:
    task = asyncio.create_task(swallowing(10**9))
    await asyncio.sleep(0)

    assert not await cancel_until_done(task, within_s=0.2, grace_s=0.05)

    await _end_for_good(task)
