"""A bad wire under a whole daemon: no reading goes out under another's name, or as fresh when it is old."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support_daemon import station
from support_instruments import do
from support_simulators import Simulator, simulator

from daq.errors import ScandaqError
from daq.transports.localclient import LocalClient
from device_profiles.scanners import load_scanner

SECONDS = 60.0
VOLTS = {"hv0": 100.0, "hv1": 200.0, "hv2": 300.0, "hv3": 400.0}
LOAD_OHM = 1e8
SUPPLY = """
[supplies.{name}]
head = "front"
max_v = 900.0
max_slope_v_per_s = 400.0
max_step_v = 400.0
tolerance_v = 2.0
trip_ua = 300.0
trip_s = 0.5
"""
DEVICE = """
[devices.{name}]
ability = "high_voltage"
kind = "profile"
controller = {{ name = "supply", channel = "{channel}" }}
"""
HEAD = """
[controllers.supply]
profile = "caen-n1470"
url = "serial://{tty}"

[devices.front]
ability = "detector_head"
"""
KINDS = ("late", "duplicate", "missing", "truncate", "noise", "hang-up")
"""All that a wire can do but change a byte: where there is no checksum, that is a wrong number under the right name."""
STALE_S = 6.0
TOLD_S = 1.0
"""How long the way from the daemon to this test may take on a busy machine."""


def spoil(supply: Simulator, over: threading.Event, made: Counter[str]) -> None:
    """Let the wire do something every tenth of a second or so, often several things at once."""
    chance = random.Random(8)
    while not over.wait(chance.uniform(0.02, 0.25)):
        kind = chance.choice(KINDS)
        told = {"kind": kind, "count": chance.randint(1, 3), "after": chance.randint(0, 4)}
        do(supply, {"wire": {**told, "seconds": chance.choice([0.05, 0.3, 0.7, 1.1])}})
        made[kind] += 1
        if chance.random() < 0.1:
            do(supply, {"clear": True})
            over.wait(chance.uniform(0.0, 4.0))


def judged(said: dict[str, Any]) -> str:
    """Return the quality of a reading, whose value must be its own and, where it is fresh, of now."""
    if said["device"] not in VOLTS or said["name"] not in ("voltage", "current"):
        return "other"
    if said["quality"] == "comm_fail":
        assert said["value"] is None, said
        return "comm_fail"
    volts = VOLTS[said["device"]]
    true, slack = (volts, 2.0) if said["name"] == "voltage" else (volts / LOAD_OHM, 0.1e-6)
    assert said["value"] is None or abs(said["value"] - true) <= slack, said
    age_s = (datetime.now(UTC) - datetime.fromisoformat(said["read_utc"])).total_seconds()
    assert said["quality"] == "stale" or age_s < STALE_S + TOLD_S, (age_s, said)
    return str(said["quality"])


@pytest.mark.soak
def test_a_wire_that_does_what_it_likes_never_gives_a_reading_anothers_name_or_time(tmp_path: Path) -> None:
    shipped = Path(load_scanner.__code__.co_filename).parent / "scanner" / "dual-head.toml"
    (tmp_path / "scanner.toml").write_text(shipped.read_text() + "".join(SUPPLY.format(name=name) for name in VOLTS))
    heard, made, over = Counter[str](), Counter[str](), threading.Event()
    with ExitStack() as stack:
        supply = stack.enter_context(simulator("caen-n1470", "--baud", 115200, "--load-ohm", LOAD_OHM))
        devices = HEAD.format(tty=supply.ready["tty"])
        devices += "".join(DEVICE.format(name=name, channel=name[-1]) for name in VOLTS)
        with station(tmp_path, "tcp://127.0.0.1:9", devices=devices, scanner='"./scanner.toml"') as here:
            here.start()
            for name, volts in VOLTS.items():
                here.ask("arm-voltage", device=name, volts=volts)
                here.ask("raise-voltage", device=name, volts=volts, within_s=30.0)
            time.sleep(5.0)
            spoiler = threading.Thread(target=spoil, args=(supply, over, made))
            spoiler.start()
            begun_s, until_s = time.monotonic() + 2.0, time.monotonic() + SECONDS
            try:
                with LocalClient(here.socket) as client:
                    for event in client.watch("reading"):
                        if event["event"] == "reading" and time.monotonic() > begun_s:  # before: what held already
                            heard[judged(event["data"])] += 1
                        if time.monotonic() > until_s:
                            break
            finally:
                over.set()
                spoiler.join()
            do(supply, {"clear": True})

            def all_good() -> bool:
                with suppress(ScandaqError):
                    return bool(here.ask("check")["devices"]["hv3"]["not_current"] == 0)
                return False

            here.until(all_good, "everything to be read again", here.log, within_s=60.0)
            tally = here.ask("check")["controllers"]["supply"]["tally"]
            print(dict(heard), dict(made), tally)
    assert sum(made.values()) > SECONDS
    assert tally["lost"] > 5
    assert tally["strays"] > 2
    assert heard["good"] > 20  # on a wire of which every second exchange is spoiled
    assert heard["comm_fail"] + heard["stale"] > 0
