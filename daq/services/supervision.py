"""Keep services running: restart one that fails, later and later; give up on one that keeps failing; end all in order.

A service is a coroutine function that runs until it is cancelled. One that ends in any other way has failed, whatever
it raised, a return included. A service that fails is no matter to the others.

Services end in the reverse of the order in which they were added, each within its deadline. A cancellation can be
swallowed (`asyncio.wait_for` on Python 3.11, a careless `except`), so it is repeated after a moment of grace, in which
a service may clean up undisturbed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daq.errors import ScandaqError, UnexpectedError, UsageError

_LOG = logging.getLogger(__name__)
_AGAIN_S = 0.05
"""Between cancellations after the grace."""
_LEAST_S = 0.2
"""What is left for each service where those before it took all the time there was."""

Run = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Policy:
    """When a failed service is started again, when it is given up, and how long it may take to end."""

    first_s: float = 0.5
    """Pause before the first restart; each following one is twice as long."""
    longest_s: float = 30.0
    jitter: float = 0.25
    """Share of a pause by which it varies to both sides, so that services that failed together come back apart."""
    good_after_s: float = 60.0
    """After so long without a failure the next pause is the first again."""
    most_failures: int = 8
    within_s: float = 600.0
    """Given up after `most_failures` within this time."""
    grace_s: float = 1.0
    end_s: float = 5.0


class Condition(StrEnum):
    """How a service is."""

    RUNNING = "running"
    PAUSING = "pausing"
    """It failed, and is started again."""
    FAILED = "failed"
    """It was given up."""
    ENDED = "ended"
    STUCK = "stuck"
    """It did not end when it should."""


@dataclass(slots=True)
class Service:
    """A service and how it is. `why` is its last failure, in words."""

    name: str
    run: Run
    essential: bool
    policy: Policy
    condition: Condition = Condition.RUNNING
    failures: int = 0
    why: str = ""
    task: asyncio.Task[None] | None = None
    keeper: asyncio.Task[None] | None = None
    recent_s: deque[float] = field(default_factory=deque)


OnFailed = Callable[[Service], None]
"""Called when a service is given up; `essential` tells whether the station can do without it."""


class Supervisor:
    """Runs services until it is cancelled or `stop` is called, and gives all of them `end_s` together to end.

    Services added while it runs start at once.
    """

    def __init__(self, on_failed: OnFailed, *, end_s: float = 15.0, random_source: random.Random | None = None) -> None:
        self._on_failed = on_failed
        self._end_s = end_s
        self._random = random_source or random.Random()  # noqa: S311 - for jitter, not for secrets
        self._services: dict[str, Service] = {}
        self._stop = asyncio.Event()
        self._running = False

    @property
    def services(self) -> tuple[Service, ...]:
        """Return the services in the order in which they were added."""
        return tuple(self._services.values())

    def add(self, name: str, run: Run, *, essential: bool, policy: Policy | None = None) -> Service:
        """Add a service; it starts with `run`, or now. Names are unique."""
        if name in self._services:
            raise UsageError(f"there is a service {name!r} already")
        service = Service(name, run, essential, policy or Policy())
        self._services[name] = service
        if self._running:
            self._start(service)
        return service

    def stop(self) -> None:
        """Let `run` end all services and return."""
        self._stop.set()

    async def run(self) -> None:
        """Run all services. When stopped or cancelled, end them in order.

        Raise `UnexpectedError` naming those that did not end: the process has to be left without waiting for them.
        """
        self._running = True
        for service in self.services:
            self._start(service)
        try:
            await self._stop.wait()
        finally:
            await self._end_all()

    async def _end_all(self) -> None:
        """End all services, however often this is cancelled itself; raise what came in between at the end."""
        self._running = False
        ending = asyncio.create_task(self._end_each(), name="end-services")
        cancelled: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError as again:
                cancelled = again
        stuck = ending.result()
        if stuck:
            raise UnexpectedError(f"did not end when told to: {', '.join(stuck)}")
        if cancelled is not None:
            raise cancelled

    async def _end_each(self) -> list[str]:
        """Return the names of the services that did not end."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._end_s
        stuck = []
        for service in reversed(self.services):
            within_s = max(min(service.policy.end_s, deadline_s - loop.time()), _LEAST_S)
            if not await _end(service, within_s):
                stuck.append(service.name)
        return stuck

    def _start(self, service: Service) -> None:
        service.keeper = asyncio.create_task(self._keep(service), name=f"keep-{service.name}")

    async def _keep(self, service: Service) -> None:
        while True:
            service.condition = Condition.RUNNING
            service.task = asyncio.create_task(_guarded(service.run), name=service.name)
            started_s = asyncio.get_running_loop().time()
            await asyncio.wait({service.task})
            service.why = _why(service.task)
            pause_s = self._pause_s(service, started_s)
            if pause_s is None:
                self._give_up(service)
                return
            unexpected = _unexpected(service.task)
            _LOG.warning(
                "%s failed and is started again in %.1f s: %s", service.name, pause_s, service.why, exc_info=unexpected
            )
            service.condition = Condition.PAUSING
            await asyncio.sleep(pause_s)

    def _pause_s(self, service: Service, started_s: float) -> float | None:
        """Return how long to wait before the next start; None to give up."""
        policy, now_s = service.policy, asyncio.get_running_loop().time()
        service.failures += 1
        if now_s - started_s >= policy.good_after_s:
            service.recent_s.clear()
        service.recent_s.append(now_s)
        while now_s - service.recent_s[0] > policy.within_s:
            service.recent_s.popleft()
        if len(service.recent_s) >= policy.most_failures:
            return None
        pause_s: float = min(policy.first_s * 2 ** (len(service.recent_s) - 1), policy.longest_s)
        return pause_s * (1 + policy.jitter * self._random.uniform(-1, 1))

    def _give_up(self, service: Service) -> None:
        service.condition = Condition.FAILED
        times = len(service.recent_s)
        _LOG.error("%s failed %d times and is given up: %s", service.name, times, service.why)
        try:
            self._on_failed(service)
        except Exception:  # noqa: BLE001 - whoever hears of it must not end the others
            _LOG.exception("the failure of %s could not be told", service.name)


async def _end(service: Service, within_s: float) -> bool:
    """End one service; return False when it does not."""
    if service.keeper is not None:
        service.keeper.cancel()
        await asyncio.wait({service.keeper})
    task = service.task
    if task is None or task.done():
        if service.condition is not Condition.FAILED:
            service.condition = Condition.ENDED
        return True
    if await cancel_until_done(task, within_s=within_s, grace_s=service.policy.grace_s):
        service.condition = Condition.ENDED
        if not task.cancelled() and task.exception() is not None:
            service.why = _why(task)
            _LOG.warning("%s ended with an error: %s", service.name, service.why, exc_info=_unexpected(task))
        return True
    service.condition = Condition.STUCK
    _LOG.error("%s did not end within %.1f s", service.name, within_s)
    return False


async def cancel_until_done(task: asyncio.Task[Any], *, within_s: float, grace_s: float = 1.0) -> bool:
    """Cancel a task, after `grace_s` again and again; return False when it has not ended within `within_s`."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    wait_s = grace_s
    while not task.done() and (left_s := deadline_s - loop.time()) > 0:
        task.cancel()
        await asyncio.wait({task}, timeout=min(wait_s, left_s))
        wait_s = _AGAIN_S
    return task.done()


async def _guarded(run: Run) -> None:
    """Run a service, which must not end the whole program."""
    try:
        await run()
    except SystemExit as why:
        raise UnexpectedError(f"it called exit({why.code})") from why


def _unexpected(task: asyncio.Task[None]) -> BaseException | None:
    """Return the error of a task where its place in the code is worth being logged: one not raised on purpose."""
    why = None if task.cancelled() else task.exception()
    return None if isinstance(why, ScandaqError) else why


def _why(task: asyncio.Task[None]) -> str:
    """Return in words why a task ended that should not have."""
    if task.cancelled():
        return "it was cancelled, though nobody asked for its end"
    why = task.exception()
    if why is None:
        return "it returned, though nobody asked for its end"
    return _in_words(why)


def _in_words(why: BaseException) -> str:
    """Return an error, or each one of a group, in one line."""
    if isinstance(why, BaseExceptionGroup):
        return "; ".join(_in_words(each) for each in why.exceptions)
    return f"{type(why).__name__}: {why}" if str(why) else type(why).__name__
