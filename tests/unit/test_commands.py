"""Commands to the processing thread: done in their turn, answered, refused, or given up after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from daq.errors import DeadlineError, RefusedError, ScandaqError, UsageError
from daq.readout import commands as commands_module
from daq.readout.commands import Commands

WAIT_S = 10.0


class Asker:
    """Asks in a thread of its own and keeps the answer or the error."""

    def __init__(self, commands: Commands, run: Callable[[], Any]) -> None:
        self.answer: Any = None
        self.error: ScandaqError | None = None
        self._commands, self._run = commands, run
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self.answer = self._commands.do(self._run)
        except ScandaqError as why:
            self.error = why

    def join(self) -> Any:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self.answer


@contextmanager
def served(commands: Commands) -> Iterator[threading.Thread]:
    """Serve the commands in a thread."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.001):
            commands.serve()

    thread = threading.Thread(target=serve, name="processing")
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(WAIT_S)


@pytest.fixture
def commands() -> Commands:
    opened = Commands()
    opened.open()
    return opened


def waiting(commands: Commands, count: int) -> None:
    for _ in range(10_000):
        if len(commands._waiting) == count:
            return
        threading.Event().wait(0.001)
    raise AssertionError(f"{len(commands._waiting)} commands wait, not {count}")


def test_a_command_is_refused_before_there_is_a_recording() -> None:
    with pytest.raises(RefusedError, match="not recording yet"):
        Commands().do(lambda: 1)


def test_a_command_runs_in_the_serving_thread_and_its_answer_comes_back(commands: Commands) -> None:
    with served(commands):
        answer = commands.do(lambda: threading.current_thread().name)

    assert answer == "processing"


def test_commands_run_in_the_order_in_which_they_came(commands: Commands) -> None:
    done: list[int] = []
    askers = []
    for number in range(20):
        askers.append(Asker(commands, lambda number=number: done.append(number)))  # type: ignore[misc]
        waiting(commands, number + 1)

    commands.serve()
    for asker in askers:
        asker.join()

    assert done == list(range(20))


def test_what_a_command_refuses_is_raised_where_it_was_asked_for(commands: Commands) -> None:
    def refuse() -> None:
        raise UsageError("made up by a test")

    with served(commands), pytest.raises(UsageError, match="made up by a test"):
        commands.do(refuse)
    with served(commands):
        assert commands.do(lambda: "the next one") == "the next one"


def test_a_command_that_gets_no_turn_is_given_up(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    monkeypatch.setattr(commands_module, "_DEADLINE_S", 0.05)
    done: list[int] = []

    with pytest.raises(DeadlineError, match="the command was not done within"):
        commands.do(lambda: done.append(1))
    commands.serve()

    assert done == [1]


def test_too_many_commands_at_once_are_refused(commands: Commands) -> None:
    askers = [Asker(commands, lambda: "done") for _ in range(64)]
    waiting(commands, 64)

    with pytest.raises(RefusedError, match="64 commands wait already"):
        commands.do(lambda: "one more")
    commands.serve()

    assert [asker.join() for asker in askers] == ["done"] * 64


def test_closing_runs_what_waits_and_refuses_what_comes_later(commands: Commands) -> None:
    asker = Asker(commands, lambda: "still done")
    waiting(commands, 1)

    commands.close("the readout is sealing")

    assert asker.join() == "still done"
    with pytest.raises(RefusedError, match="the readout is sealing"):
        commands.do(lambda: 1)


def test_many_askers_each_get_their_own_answer(commands: Commands) -> None:
    def double(number: int) -> int:
        return 2 * number

    with served(commands):
        askers = [Asker(commands, lambda number=number: double(number)) for number in range(50)]  # type: ignore[misc]
        answers = [asker.join() for asker in askers]

    assert answers == [2 * number for number in range(50)]


def test_a_fault_in_a_command_is_not_answered_as_if_it_had_been_done(commands: Commands) -> None:
    asker = Asker(commands, lambda: 1 / 0)
    waiting(commands, 1)

    with pytest.raises(ZeroDivisionError):
        commands.serve()
    asker.join()

    assert asker.error is not None
    assert "ZeroDivisionError" in str(asker.error)
