"""The ledger held against the simulators' truth, to the unit, for faults at random and in all combinations.

`SCANDAQ_FAULT_COMBINATIONS` says how many combinations, `SCANDAQ_FAULT_SOCKETS` how many more of them go over a real
socket to a readout. The number of a combination chooses everything in it, so one that fails can be looked at alone.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_combinations import Drawn
from support_faults import found, ledger_of
from support_readout import WAIT_S, free_port, plan_of, running, until
from support_recording import replayed_alike

from daq.readout.parent import ReadoutProcess
from daq.readout.plan import CONTROL, Plan
from daq.readout.registry import runtime_directory
from daq.storage.listing import load_manifest
from device_profiles.load import load_profile
from simulators.faults import transmissions
from simulators.options import instrument

COMBINATIONS = int(os.environ.get("SCANDAQ_FAULT_COMBINATIONS", "100"))
IN_ONE_TEST = 50
OVER_SOCKETS = int(os.environ.get("SCANDAQ_FAULT_SOCKETS", "8"))
OVER_PROCESSES = {"native": 1022, "stream": 1034}
"""A combination over each wire that is recorded by a process of its own."""


def told(drawn: Drawn, ledger: dict[str, Any], truth: dict[str, Any]) -> str:
    """Return what the ledger and the truth say where they differ, else nothing."""
    got = found(ledger)
    return "" if got == truth["expected"] else f"{drawn}\n  ledger {got}\n  truth  {truth['expected']}\n"


def arriving(drawn: Drawn) -> tuple[list[bytes], dict[str, Any]]:
    return transmissions(drawn.supply, drawn.faults, seed=drawn.number, speed=drawn.speed, framing=drawn.framing)


def differing(number: int) -> str:
    """Return where the ledger and the truth of a combination differ, without sockets."""
    drawn = Drawn(number)
    arrived, truth = arriving(drawn)
    at_once = random.Random(number).choice([7, 50, 5000])
    ledger = ledger_of(instrument(drawn.profile), drawn.framing, arrived, at_once=at_once)
    return told(drawn, ledger.model_dump(mode="json"), truth)


@pytest.mark.parametrize("first", range(0, COMBINATIONS, IN_ONE_TEST))
def test_the_ledger_is_the_truth_for_faults_in_random_combinations(first: int) -> None:
    numbers = range(first, min(first + IN_ONE_TEST, COMBINATIONS))

    assert "".join(map(differing, numbers)) == ""


@pytest.mark.soak
@pytest.mark.parametrize("first", range(COMBINATIONS, 1000, IN_ONE_TEST))
def test_the_ledger_is_the_truth_for_a_thousand_combinations(first: int) -> None:
    assert "".join(map(differing, range(first, first + IN_ONE_TEST))) == ""


class Wire:
    """A front end's end of the wire, over which a combination goes to a readout: a port it listens at, or a server."""

    def __init__(self, drawn: Drawn, server: socket.socket | None) -> None:
        self._server = server
        self._port = free_port() if server is None else server.getsockname()[1]
        self._framing = "native" if drawn.framing == "native" else "none"
        self._profile = load_profile(drawn.profile)
        self._preamble = drawn.supply.preamble

    def plan(self, folder: Path) -> Plan:
        url = f"tcp://127.0.0.1:{self._port}" if self._server else f"udp://@127.0.0.1:{self._port}"
        return plan_of(
            folder, url, profile=self._profile, order=self._profile.order, datagram_framing=self._framing,
            single_step=self._server is not None, stall_s=WAIT_S, connect_s=WAIT_S,
        )  # fmt: skip

    def send(self, arrived: list[bytes]) -> None:
        if self._server is not None:
            with self._server.accept()[0] as connection:
                connection.sendall(self._preamble + b"".join(arrived))
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front_end:
            for number, datagram in enumerate(arrived):
                front_end.sendto(datagram, ("127.0.0.1", self._port))
                time.sleep(0.002 if number % 50 == 0 else 0.0)


@contextmanager
def wire_of(drawn: Drawn) -> Iterator[Wire]:
    if drawn.framing == "stream":
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(WAIT_S)
            yield Wire(drawn, server)
    else:
        yield Wire(drawn, None)


def told_of(drawn: Drawn, folder: Path, truth: dict[str, Any]) -> str:
    ledger = load_manifest(folder / "run").ledger
    assert ledger is not None
    assert ledger.socket.kernel_drops == 0
    replayed_alike(folder / "run")
    return told(drawn, ledger.model_dump(mode="json"), truth)


@pytest.mark.parametrize("number", range(1000, 1000 + OVER_SOCKETS))
def test_the_ledger_is_the_truth_for_faults_over_a_socket(number: int, tmp_path: Path) -> None:
    drawn = Drawn(number)
    arrived, truth = arriving(drawn)
    with wire_of(drawn) as wire, running(wire.plan(tmp_path)) as run:
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        wire.send(arrived)
        if drawn.framing != "stream":
            until(lambda: run.readout.recording.derivation.packets_seen == len(arrived), "all datagrams")
            run.readout.request_stop()
        code = run.finish()

    assert code == 0
    assert told_of(drawn, tmp_path, truth) == ""


@pytest.mark.parametrize("framing", OVER_PROCESSES)
def test_the_ledger_of_a_readout_of_its_own_is_the_truth(
    framing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "session").mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    drawn, runtime = Drawn(OVER_PROCESSES[framing]), runtime_directory()
    arrived, truth = arriving(drawn)
    with wire_of(drawn) as wire:
        plan = wire.plan(tmp_path).model_copy(update={"control": str(runtime / CONTROL)})
        readout = ReadoutProcess.launch(plan, runtime)
        until(lambda: readout.status()["state"] == "recording", "recording")
        wire.send(arrived)
        if framing != "stream":
            until(lambda: readout.status().get("datagrams") == len(arrived), "all datagrams")
            readout.stop()
        readout.result()

    assert drawn.framing == framing
    assert told_of(drawn, tmp_path, truth) == ""
