"""Between two views: what a page is told of the acquisition, also by a daemon that did not prepare it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support_run import Daemon, Readout, driven, protocol, step

from daq.model.arguments import Arguments
from daq.model.station import DAEMON, Actor
from daq.model.verbs import Prepare
from daq.services.acquisition.between import Between, asked_again
from daq.state.acquisition import State, Trigger


class Station:
    """A station that takes down what it is asked for."""

    def __init__(self, run: Any, request: Prepare | None) -> None:
        self.run, self.request = run, request
        self.asked: list[tuple[str, dict[str, object]]] = []

    async def command(self, verb: str, args: dict[str, object], _: Actor) -> dict[str, object]:
        self.asked.append((verb, args))
        return {}


def between(station: Station, daemon: Daemon) -> Between:
    return Between(
        lambda: station, daemon.machine, lambda: {"patient": True}, lambda _: None, lambda: None  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_daemon_that_did_not_prepare_it_knows_what_an_acquisition_repeats(tmp_path: Path) -> None:
    request = Prepare(protocol="x", repeats="first", session=2)
    daemon, readout = Daemon(tmp_path), Readout()
    run = daemon.run(protocol(step("a")), readout)
    daemon.machine.keep(asked=asked_again(request))
    async with driven(daemon, run):
        await daemon.until(State.ARMED)
        for known in (request, None):
            told = await between(Station(run, known), daemon).handlers["acquisition"](Arguments(), DAEMON)
            assert told["acquisition"]["repeats"] == "first"
        await run.stop(Trigger.STOP, "enough")


async def test_further_views_repeat_nothing_that_the_views_before_them_repeated(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    run = SimpleNamespace(identity="second", protocol=SimpleNamespace(of_views=lambda _: None, steps=[], changed=()))
    daemon.journal.write(run="second", asked=asked_again(Prepare(protocol="x", repeats="first", session=2)))
    station = Station(run, None)
    views = SimpleNamespace(run="second", views=["a"], repeats=False, continues=False, reason="")
    await between(station, daemon).handlers["take-views"](views, DAEMON)
    ((verb, args),) = station.asked
    assert (verb, args["study"], args["session"]) == ("prepare", "second", 2)
    assert "repeats" not in args
