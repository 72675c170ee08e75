"""A loop whose clock jumps to the next timer, so that minutes take milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that does not wait: it moves the clock on instead."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits for something that never comes")
            self.now_s += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that lives in virtual time: tests are fast and repeatable.

    What belongs in a thread is done in place: beside a thread any amount of this clock could go by.
    """

    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now_s

    def run_in_executor(self, _: object, work: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Do the work, and return a future that is over."""
        done = self.create_future()
        try:
            done.set_result(work(*args))
        except Exception as why:  # noqa: BLE001 - whoever awaits it gets it
            done.set_exception(why)
        return done

    def end(self) -> None:
        """Cancel what is left, as often as it takes, and close."""
        for _ in range(5):
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            if left:
                self.run_until_complete(asyncio.wait(left, timeout=10.0))
        self.run_until_complete(self.shutdown_asyncgens())
        assert not asyncio.all_tasks(self)
        self.close()


def virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function in virtual time and return its result."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.end()
