"""A daemon that is told to end, one that must not start, and what either leaves behind."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step, sweep
from support_retained import retained

DEADLINE_S = 15.0
PROTOCOLS = (
    protocol("still", step("view")),
    protocol("bed", sweep("whole body"), kind="whole_body"),
    protocol("begins-turned", step("side", 'set.gantry = "80 deg"', view="RLAT")),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def at_rest(tmp_path: Path, url: str) -> Iterator[Station]:
    with station(tmp_path, url) as made:
        made.add(*PROTOCOLS)
        yield made


@pytest.fixture
def daemon(at_rest: Station) -> Station:
    return at_rest.start()


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_told_to_end_while_it_acquires_it_says_goodbye_and_the_readout_goes_on(daemon: Station, times: int) -> None:
    run = daemon.acquiring("still")
    daemon.on_broker("acquiring")
    assert daemon.process is not None

    for _ in range(times):
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    code = daemon.process.wait(DEADLINE_S)

    assert code == 0
    assert "Traceback" not in daemon.log()
    assert retained(daemon.broker_port())["availability"] == "offline"
    before = daemon.words()
    daemon.until(lambda: daemon.words() > before > 0, "the readout to go on")
    daemon.start().truth("acquiring", run)
    daemon.ask("stop")
    daemon.truth("completed", run)
    assert daemon.ledger(run)
    verbs = [(line["verb"], line["new"]) for line in daemon.audit_lines() if line["user"] == "daemon"]
    assert ("end", "acquiring") in verbs
    assert ("found", "acquiring") in verbs


def test_told_to_end_while_a_sweep_runs_it_stops_the_axes_and_the_view_is_interrupted(daemon: Station) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("bed")
    daemon.until(lambda: daemon.status()["motion"]["moving"], "the bed to move")

    assert daemon.end(within_s=DEADLINE_S) == 0

    daemon.start().truth("interrupted", run)
    assert daemon.fates(run) == [("whole body", False)]
    assert daemon.status()["motion"]["reference"] == "lost"


@pytest.mark.parametrize("waits_for", ["the enable", "the readout"])
def test_told_to_end_while_it_prepares_it_leaves_nothing_that_the_next_one_does_not_end(
    daemon: Station, waits_for: str
) -> None:
    run = daemon.prepare("begins-turned" if waits_for == "the enable" else "still")
    if waits_for == "the readout":
        daemon.until(lambda: bool(daemon.readouts()), "the readout to be launched")

    assert daemon.end(within_s=DEADLINE_S) == 0

    daemon.start().truth("aborted", run)
    daemon.readout_ended()
    assert "Traceback" not in daemon.log()
    daemon.armed("still")


def test_a_second_daemon_is_refused_and_the_first_one_goes_on(daemon: Station) -> None:
    run = daemon.acquiring("still")
    assert daemon.process is not None

    code, said = daemon.refused()

    assert code == 3
    assert f"this station has a daemon already (process {daemon.process.pid}, since " in said
    assert said.count("\n") == 1
    before = daemon.words()
    daemon.until(lambda: daemon.words() > before, "the first one's readout to go on")
    daemon.truth("acquiring", run)


@pytest.mark.parametrize(
    ("site", "wanted"),
    [
        (
            {
                "storrage": '"x"', "station": "7", "mqtt": '{ broker = "mqtt//192.0.2.1", own_port = 70000 }',
                "devices": "[devices]\nbed = { ability = 'bad' }\n",
                "instruments": '{ head = { profile = "head-xye64", url = "tcp://127.0.0.1:99999" } }',
            },
            (
                r"storrage = .*: .*unknown|storrage.*did you mean", r"station = 7", r"own_port = 70000",
                r"mqtt\.broker = .*mqtt//192\.0\.2\.1", r"devices\.bed\.ability = .*bad", r"head\.url.*99999",
            ),
        ),
        (
            {
                "instruments": '{ head = { profile = "head-xye46", url = "udp://192.0.2.1:1" } }',
                "devices": "[devices]\ntable = { ability = 'bed' }\n",
            },
            (r"head\.profile.*xye46", r"devices\.table\.axis = .*table.*gantry"),
        ),
        ({"scanner": '"dual-haed"'}, (r"scanner = .*dual-haed",)),
        ({"simulated": "yes"}, (r"not TOML",)),
    ],
    ids=["keys and values", "what is not there", "scanner", "TOML"],
)  # fmt: skip
def test_every_mistake_in_the_site_file_is_said_at_once_with_file_key_value_and_reason(
    at_rest: Station, site: dict[str, str], wanted: tuple[str, ...]
) -> None:
    at_rest.write_site(**site)

    code, said = at_rest.refused()

    assert code == 3
    assert str(at_rest.site) in said
    assert [pattern for pattern in wanted if not re.search(pattern, said)] == [], said
    assert "Traceback" not in said


def test_a_site_file_that_is_not_there_is_not_found(at_rest: Station) -> None:
    at_rest.site.unlink()

    assert at_rest.refused() == (4, f"daq: {at_rest.site}: no such file\n")


@pytest.mark.parametrize("place", ["state", "storage"])
def test_a_folder_that_cannot_be_made_is_refused_in_words(at_rest: Station, place: str) -> None:
    blocked = at_rest.folder / "file"
    blocked.write_text("no folder")
    at_rest.write_site(**{place: f'"{blocked / "below"}"'})

    code, said = at_rest.refused()

    assert code == 3
    assert f"{blocked / 'below'}" in said
    assert "Traceback" not in said
