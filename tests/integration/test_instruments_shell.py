"""Controllers on real wires under a whole daemon, as a person at a shell meets them, and what is kept of that."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from support_cli import Done, call
from support_daemon import ROOT, Station, front_end, station
from support_documents import check_run
from support_instruments import do
from support_protocol_texts import protocol, step
from support_simulators import Simulator, simulator

from daq.storage.runrecord import read_run
from device_profiles.control import load_control
from device_profiles.scanners import load_scanner

SUPPLY = """
[supplies.front_hv]
head = "front"
max_v = 900.0
max_slope_v_per_s = 400.0
max_step_v = 300.0
tolerance_v = 2.0
trip_ua = 300.0
trip_s = 0.5
"""
DEVICES = """
[controllers.supply]
profile = "caen-n1470"
url = "{supply}"

[controllers.stage]
profile = "zaber-ascii"
url = "{stage}"

[controllers.board]
profile = "sitcp-rbcp"
url = "{board}"

[devices.front_hv]
ability = "high_voltage"
kind = "profile"
controller = {{ name = "supply", channel = "1" }}

[devices.gantry]
ability = "axis"
kind = "profile"
controller = {{ name = "stage", channel = "1", per_unit = 1000.0 }}

[devices.front]
ability = "detector_head"

[devices.crate]
ability = "instrument"
kind = "profile"
controller = {{ name = "supply" }}

[devices.module]
ability = "instrument"
kind = "profile"
controller = {{ name = "board" }}
"""


class Bench:
    """A station with a supply and a stage that a test does things to."""

    def __init__(self, station: Station, supply: Simulator, board: Simulator) -> None:
        self.station, self.supply, self.board = station, supply, board

    def daq(self, *words: object) -> Done:
        return call(*words, "--socket", self.station.socket)

    def asked(self, *words: object) -> dict[str, Any]:
        done = self.daq(*words, "--json")
        assert done.out, done.err
        return done.json

    def voltage(self) -> float:
        return float(self.asked("device", "read", "front_hv", "voltage")["read"][0]["value"])

    def audited(self, verb: str) -> dict[str, Any]:
        """Return the newest line of the audit log of a verb."""
        return [line for line in self.station.audit_lines() if line["verb"] == verb][-1]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    shipped = Path(load_scanner.__code__.co_filename).parent / "scanner" / "dual-head.toml"
    (folder / "scanner.toml").write_text(shipped.read_text() + SUPPLY)
    with ExitStack() as stack:
        supply = stack.enter_context(simulator("caen-n1470", "--baud", 115200))
        stage = stack.enter_context(simulator("zaber-ascii"))
        board = stack.enter_context(simulator("sitcp-rbcp"))
        devices = DEVICES.format(
            supply=f"serial://{supply.ready['tty']}", stage=stage.ready["tcp"], board=board.ready["udp"]
        )
        made = stack.enter_context(
            station(
                folder, stack.enter_context(front_end()), devices=devices, scanner='"./scanner.toml"',
                mqtt="{ own_port = 0, keepalive_s = 2, home_assistant = true }", metrics="{ port = 0 }",
            )
        )  # fmt: skip
        made.add(protocol("short", step("a", stop='stop.time = "0.2 s"')))
        made.start()
        found = Bench(made, supply, board)
        made.until(lambda: found.daq("device", "check").code == 0, "all to be current", made.log)
        yield found


def test_a_check_says_who_is_there_and_what_is_against_using_it(bench: Bench) -> None:
    found = bench.asked("device", "check")

    who = {name: each["identity"]["model"] for name, each in found["controllers"].items()}
    assert who == {"supply": "N1470", "stage": "30222", "board": "53434451"}
    assert found["controllers"]["supply"]["devices"] == ["front_hv", "crate"]
    assert all(each["wire"] == "sound" and each["tally"]["lost"] == 0 for each in found["controllers"].values())
    assert found["devices"]["front_hv"]["against_raising"] == []
    assert "no interlock of kind emergency_stop is known" in found["devices"]["gantry"]["against_moving"]
    assert found["ok"] is True
    listed = bench.asked("device", "list")["devices"]["front_hv"]
    assert (listed["controller"], listed["channel"]) == ("supply", "1")
    assert listed["quantities"]["voltage"]["limits"] == {"minimum": 0.0, "maximum": 900.0}


def test_a_supply_is_raised_and_lowered_and_the_audit_log_has_the_volts(bench: Bench) -> None:
    raised = bench.daq("device", "raise", "front_hv", 150, "--yes", "--reason", "a test")

    assert (raised.code, raised.out) == (0, "front_hv: 150 V, read back\n")
    assert "goes to 150 V in steps of 300 V at 400 V/s, each read back" in raised.err
    assert abs(bench.voltage() - 150.0) < 2.0
    line = bench.audited("raise-voltage")
    assert (line["result"], line["object"], line["reason"]) == ("done", "front_hv 150.0", "a test")
    assert abs(line["old"]) < 2.0
    assert abs(line["new"] - 150.0) < 2.0
    assert bench.daq("device", "lower-voltage", "front_hv", "--to", 80).code == 0
    assert abs(bench.voltage() - 80.0) < 2.0
    assert bench.daq("device", "lower-voltage", "front_hv").out.startswith("front_hv: off")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["raise", "front_hv", 950, "--yes"], 3, "front_hv cannot be set to 950 V: 0 to 900 V is the limit"),
        (["raise", "front_hv", -5, "--yes"], 2, "'-5' is no number above 0"),
        (["raise", "front", 5, "--yes"], 4, "there is no high voltage 'front'; there are: front_hv"),
        (["raise", "front_hv", 300], 2, "nobody is there to be asked: --yes"),
        (["set", "front_hv", "voltage_set", 500], 3, "voltage_set of supply is energising"),
        (["set", "front_hv", "max_voltage", 5000], 3, "max_voltage of supply is kept by the rules of raising"),
        (["set", "gantry", "target", 5], 3, "target of stage is moving"),
        (["set", "crate", "control", 5], 3, "control can only be read"),
        (["set", "board", "scratch", 1.5], 3, "scratch of board holds whole numbers, not 1.5"),
        (["set", "board", "identity", 5], 3, "identity can only be read"),
        (["set", "board", "scratch", "full"], 3, "scratch of board takes a number, not 'full'"),
        (["do", "front_hv", "on"], 3, "on of supply is energising"),
        (["do", "gantry", "home"], 3, "home of stage is moving"),
        (["do", "board", "puls"], 4, "did you mean pulse"),
        (["read", "front_hv", "volts"], 4, "did you mean voltage"),
        (["read", "nothing"], 4, "there is no device or controller 'nothing'"),
        (["read", "supply", "voltage", "--channel", 9], 4, "'9' is none of 0, 1, 2, 3"),
        (["check", "frnt"], 4, "did you mean front"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(bench: Bench, words: list[object], code: int, says: str) -> None:
    done = bench.daq("device", *words)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_register_is_set_in_hexadecimal_and_read_back_and_the_audit_log_has_both(bench: Bench) -> None:
    before = bench.asked("device", "read", "board", "scratch")["read"][0]["value"]
    done = bench.daq("device", "set", "board", "scratch", "0x5a", "--reason", "a test")

    assert (done.code, done.out) == (0, f"board scratch: {before} -> 90 (read back)\n")
    assert bench.asked("device", "read", "board", "scratch")["read"][0]["value"] == 90
    line = bench.audited("set")
    assert (line["object"], line["old"], line["new"], line["result"]) == ("board scratch 90.0", before, 90, "done")
    assert bench.daq("device", "do", "board", "pulse").code == 0
    assert bench.audited("act")["object"] == "board pulse"


def test_a_board_that_warms_up_warns_and_then_rings_with_the_guidance_of_its_profile(bench: Bench) -> None:
    guidance = load_control("sitcp-rbcp").values["temperature"].limits.guidance
    cool_c = float(do(bench.board, {"told": True})["told"]["celsius"])
    for celsius, name, priority in ((50.0, "temperature-warning", "low"), (70.0, "temperature-limits", "medium")):
        do(bench.board, {"do": "heat", "celsius": celsius - cool_c})  # so much warmer
        bench.station.until(lambda name=name: f"module/{name}" in bench.station.alarms(), f"the alarm {name}")
        alarm = bench.station.alarms()[f"module/{name}"]
        assert (alarm["priority"], alarm["guidance"], alarm["active"]) == (priority, guidance, True)
    said = {each["name"]: each for each in bench.asked("device", "check", "module")["devices"]["module"]["readings"]}
    assert (said["temperature"]["quality"], said["temperature"]["level"]) == ("out_of_limits", "alarm")
    do(bench.board, {"do": "heat", "celsius": 0.0})
    bench.station.until(
        lambda: not bench.station.alarms()["module/temperature-limits"]["active"], "the alarm to be over"
    )
    assert bench.daq("alarm", "acknowledge", "module", "temperature-limits").code == 0


def test_a_trip_is_cleared_by_what_the_profile_names(bench: Bench) -> None:
    done = bench.daq("device", "clear", "front_hv")

    assert done.out == "front_hv: clear_alarms said; nothing is raised or moved by that\n"
    assert bench.audited("clear")["new"] == "clear_alarms"


def test_a_cover_that_opens_on_the_way_takes_the_voltage_back_and_the_shell_says_why(bench: Bench) -> None:
    words = ["device", "raise", "front_hv", "800", "--yes", "--json", "--socket", str(bench.station.socket)]
    with subprocess.Popen(
        [sys.executable, "-m", "daq", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as raising:
        bench.station.until(lambda: bench.voltage() > 50.0, "the voltage to rise")
        bench.station.simulate("front", "open-cover")
        _, said = raising.communicate(timeout=30)
    assert raising.returncode == 3
    assert re.search("front.service_cover is open|front_hv was lowered meanwhile", said), said  # whoever sees it first
    bench.station.until(lambda: bench.voltage() < 5.0, "the voltage to be gone", lambda: str(bench.voltage()))
    against = bench.asked("device", "check", "front_hv")["devices"]["front_hv"]["against_raising"]
    assert "front.service_cover is open" in against
    assert bench.audited("raise-voltage")["result"] == "refused"
    bench.station.simulate("front", "close-cover")


def test_who_interrupts_a_raise_has_the_supply_go_back(bench: Bench) -> None:
    bench.station.until(
        lambda: not bench.asked("device", "check", "front_hv")["devices"]["front_hv"]["against_raising"], "the cover"
    )
    words = ["device", "raise", "front_hv", "800", "--yes", "--socket", str(bench.station.socket)]
    with subprocess.Popen(
        [sys.executable, "-m", "daq", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as raising:
        bench.station.until(lambda: bench.voltage() > 50.0, "the voltage to rise")
        raising.send_signal(signal.SIGINT)
        _, said = raising.communicate(timeout=30)
    assert raising.returncode == 130
    assert "interrupted: front_hv is told to go back to 0 V" in said
    bench.station.until(lambda: bench.voltage() < 5.0, "the voltage to be gone")


def test_readings_are_on_the_broker_with_unit_quality_and_level(bench: Bench) -> None:
    wanted = "readings/front_hv/voltage"
    seen: dict[str, Any] = {}

    def there() -> bool:
        seen.update(bench.station.on_broker("ready"))
        return wanted in seen

    bench.station.until(there, "the reading on the broker")
    assert {key: seen[wanted][key] for key in ("unit", "quality", "level", "device")} == {
        "unit": "V", "quality": "good", "level": "", "device": "front_hv",
    }  # fmt: skip
    assert seen["readings/supply/wire"]["value"] == "sound"


def test_a_run_keeps_what_instruments_said_as_valid_documents(bench: Bench) -> None:
    run = bench.station.acquiring("short")
    bench.station.becomes("completed")

    documents = read_run(bench.station.directory(run)).documents
    check_run(documents)
    described = {d["name"]: d for name, d in documents if name == "descriptor"}
    key = described["front_hv_voltage"]["data_keys"]["front_hv_voltage"]
    assert (key["units"], key["object_name"]) == ("V", "front_hv")
    assert key["limits"] == {"alarm": {"low": 0.0, "high": 900.0}}
    assert {"supply_wire", "stage_wire", "gantry_position", "crate_interlock", "supply_wire_lost"} <= set(described)
    first = {d["descriptor"]: d for name, d in reversed(documents) if name == "event"}
    assert first[described["supply_wire"]["uid"]]["data"]["supply_wire"] == "sound"
    bench.station.ask("acknowledge")


def test_a_controller_that_falls_silent_is_one_alarm_and_its_values_are_never_shown_as_current(bench: Bench) -> None:
    do(bench.supply, {"do": "silent"})

    bench.station.until(lambda: "supply/wire-down" in bench.station.alarms(), "the alarm", bench.station.log)
    alarms = bench.station.alarms()
    assert [name for name in alarms if name.endswith("-silent")] == []
    assert "nothing is known of front_hv, crate" in alarms["supply/wire-down"]["text"]
    checked = bench.daq("device", "check", "supply")
    assert checked.code == 6
    assert "0 of 3 current" in checked.out
    assert "supply does not answer" in checked.out
    watched = bench.daq("device", "watch", "front_hv", "--for", 0.1)
    assert [line.partition(": ")[2] for line in watched.out.splitlines() if "ALARM" not in line] == [
        "cannot be read", "cannot be read", "cannot be read",
    ]  # fmt: skip


def test_the_figures_count_what_was_lost(bench: Bench) -> None:
    log = bench.station.log_file.read_text()
    address = log.split("metrics at ", 1)[1].split()[0]
    with urlopen(address, timeout=10) as page:  # noqa: S310 - on loopback, from our own log
        lines = dict(line.rsplit(" ", 1) for line in page.read().decode().splitlines() if not line.startswith("#"))
    assert lines['scandaq_controller_wire_sound{controller="supply"}'] == "0.0"
    assert lines['scandaq_controller_wire_sound{controller="stage"}'] == "1.0"
    assert float(lines['scandaq_controller_lost_total{controller="supply"}']) >= 2
    assert float(lines["scandaq_readings_failed_total"]) >= 3
    assert 'scandaq_reading_value{device="front_hv",name="voltage",unit="V"}' not in lines
    assert lines['scandaq_reading_good{device="front_hv",name="voltage"}'] == "0.0"
