"""Run the daemon's main coroutine: signals, an orderly end, and an end at all.

`asyncio.run` waits for every task and every thread of its executor, for ever if need be. A daemon that is told to end
must end: what does not is named in the log and left behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daq.errors import ScandaqError
from daq.services.supervision import cancel_until_done

_LOG = logging.getLogger(__name__)
_LEFT_S = 2.0
_SWITCH_S = 0.001
"""After so long a thread that computes gives way to the loop, in which a stop is heard; usual are 5 ms."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)

Main = Callable[[asyncio.Event], Coroutine[Any, Any, int]]


def run(main: Main, *, left_s: float = _LEFT_S) -> int:
    """Run `main` and return what it returns; its argument is set when the daemon is told to end.

    A further signal changes nothing: the end is under way, with deadlines; none is heard afterwards. Tasks and threads
    that do not end within `left_s` after `main` are logged, and the process is left without them. Raise what `main`
    raises.
    """
    sys.setswitchinterval(_SWITCH_S)
    with asyncio.Runner() as runner, ThreadPoolExecutor(thread_name_prefix="loop") as executor:
        loop = runner.get_loop()
        loop.set_default_executor(executor)
        told = asyncio.Event()
        for number in SIGNALS:
            loop.add_signal_handler(number, _tell, told, number)
        try:
            code = runner.run(main(told))
        except BaseException as why:
            if runner.run(_is_stuck(executor, left_s)):
                _leave(_last_word(why))
            raise
        else:
            if runner.run(_is_stuck(executor, left_s)):
                _leave(code)
        finally:
            _hear_no_more(loop)
    return code


def _hear_no_more(loop: asyncio.AbstractEventLoop) -> None:
    """Ignore signals from here on: by default they would kill the process while the interpreter clears up."""
    for number in SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _last_word(why: BaseException) -> int:
    """Say what the daemon ends with, and return its exit code."""
    if isinstance(why, ScandaqError):
        sys.stderr.write(f"daq: {why}\n")
        return why.exit_code
    _LOG.error("the daemon ends", exc_info=why)
    return 1


def _tell(told: asyncio.Event, number: int) -> None:
    name = signal.Signals(number).name
    _LOG.info("%s: %s", name, "the end is under way already" if told.is_set() else "the daemon ends")
    told.set()


async def _is_stuck(executor: ThreadPoolExecutor, within_s: float) -> bool:
    """End the tasks that are left; return True where a task, or a thread that the interpreter waits for, is stuck."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.gather(*(cancel_until_done(task, within_s=within_s, grace_s=within_s / 2) for task in left))
    stuck = [task.get_name() for task in left if not task.done()]
    if stuck:
        _LOG.error("tasks that do not end: %s", ", ".join(stuck))
    executor.shutdown(wait=False)
    threads = await _threads_left(within_s)
    if threads:
        _LOG.error("threads that do not end: %s", ", ".join(threads))
    return bool(stuck or threads)


async def _threads_left(within_s: float) -> list[str]:
    """Return the names of the threads that do not end."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while left := [thread.name for thread in threading.enumerate() if _keeps(thread)]:
        if loop.time() > deadline_s:
            return left
        await asyncio.sleep(0.01)
    return []


def _keeps(thread: threading.Thread) -> bool:
    """Return True for a thread that the interpreter would wait for."""
    return thread is not threading.main_thread() and not thread.daemon


def _leave(code: int) -> None:
    """End the process without waiting for anything but what was already said."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
