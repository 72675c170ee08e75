"""`daq acquire` and `daq stop-motion`, against a small station in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support_cli import Done, call
from support_registry import only_place
from support_station import RUN, STOPPED, ThreadedStation, alarm, progress, station_at

from daq.cli import following
from daq.cli.acquire_windows import edges_of


@pytest.fixture
def there(tmp_path: Path) -> Iterator[ThreadedStation]:
    with station_at(tmp_path / "control") as threaded:
        yield threaded


def daq(there: ThreadedStation, *arguments: object) -> Done:
    return call(*arguments, "--socket", there.path)


def later(seconds: float, do: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def verbs_asked(there: ThreadedStation) -> list[str]:
    return [verb for verb, _, _ in there.station.asked]


@pytest.mark.parametrize(
    ("verb", "state"), [("start", "acquiring"), ("pause", "paused"), ("resume", "acquiring"), ("acknowledge", "ready")]
)
def test_a_verb_is_asked_for_and_the_state_after_it_printed(there: ThreadedStation, verb: str, state: str) -> None:
    done = daq(there, "acquire", verb, "--reason", "because")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(state)
    assert there.station.asked[0][:2] == (verb, {"reason": "because"})


def test_a_refusal_has_its_exit_code_and_its_words(there: ThreadedStation) -> None:
    done = daq(there, "acquire", "renew-arming")

    assert (done.code, done.out) == (3, "")
    assert done.err == "daq: cannot renew-arming while ready; possible: prepare\n"


def test_windows_are_written_as_people_write_them_and_refused_otherwise(there: ThreadedStation) -> None:
    wrong = daq(there, "acquire", "window", "photopeak=129")

    assert edges_of(["photopeak=129-157 keV", "Co 57=110.5-134"]) == [
        {"window": "photopeak", "lower_kev": 129.0, "upper_kev": 157.0},
        {"window": "Co 57", "lower_kev": 110.5, "upper_kev": 134.0},
    ]
    assert (wrong.code, there.station.asked) == (2, [])
    assert "write NAME=LOW-HIGH keV" in wrong.err


def test_the_status_is_printed_for_people_and_programs(there: ThreadedStation) -> None:
    text, program = daq(there, "acquire", "status"), daq(there, "acquire", "status", "--json")

    assert text.out.splitlines()[0] == "ready [simulated]"
    assert "possible: prepare" in text.out
    assert {"state": "ready", "run": None, "alarms": []}.items() <= program.json.items()


def test_prepare_waits_until_it_is_armed(there: ThreadedStation) -> None:
    there.station.pause_s = 0.2

    done = daq(there, "acquire", "prepare", "demo", "--draft-reason", "trying it out")

    assert done.code == 0
    assert done.out == f"armed {RUN}, demo [simulated]\nrecorded in recordings/{RUN}\n"
    assert done.err.splitlines() == [f"preparing {RUN}, demo [simulated]", f"armed {RUN}, demo [simulated]"]
    assert there.station.asked[0][1] == {"protocol": "demo", "overrides": {}, "draft_reason": "trying it out"}


def test_what_cannot_be_prepared_has_failed(there: ThreadedStation) -> None:
    there.station.possible["prepare"] = ("preparing", "aborted")

    done = daq(there, "acquire", "prepare", "demo", "--json")

    assert done.code == 6
    assert (done.json["state"], done.json["directory"]) == ("aborted", f"recordings/{RUN}")


def test_without_waiting_the_answer_comes_at_once(there: ThreadedStation) -> None:
    there.station.pause_s = 60.0

    done = daq(there, "acquire", "prepare", "demo", "--no-wait", "--json")

    assert (done.code, done.json["state"]) == (0, "preparing")


def test_waiting_has_a_deadline_where_one_is_given(there: ThreadedStation) -> None:
    there.station.pause_s = 60.0
    ticking = later(0.3, lambda: there.announce(progress()))

    done = daq(there, "acquire", "prepare", "demo", "--within", "0.2")
    ticking.join()

    assert (done.code, done.out) == (7, "")
    assert "not there after 0.2 s; the acquisition goes on" in done.err


@pytest.mark.parametrize(
    ("verb", "end", "code"),
    [("stop", "completed", 0), ("stop", "aborted", 0), ("stop", "interrupted", 6), ("stop", "fault", 6),
     ("abort", "aborted", 0), ("abort", "fault", 6)],
)  # fmt: skip
def test_stopping_waits_for_the_seal_and_says_how_it_ended(
    there: ThreadedStation, verb: str, end: str, code: int
) -> None:
    there.station.run = RUN
    there.station.possible[verb] = ("completing", end)

    done = daq(there, "acquire", verb)

    assert done.code == code
    assert done.out.startswith(end)


@pytest.mark.parametrize(("end", "code"), [("completed", 0), ("interrupted", 6), ("aborted", 6), ("fault", 6)])
def test_run_prepares_starts_and_follows_to_the_end(there: ThreadedStation, end: str, code: int) -> None:
    there.station.possible["start"] = ("acquiring", end)
    there.station.pause_s = 0.1

    done = daq(there, "acquire", "run", "demo", "--json")

    assert (done.code, done.json["state"], done.json["run"]) == (code, end, RUN)
    assert verbs_asked(there)[:2] == ["prepare", "start"]
    assert done.err == ""


def test_run_says_what_happens_in_lines_where_there_is_no_terminal(there: ThreadedStation) -> None:
    there.station.possible["start"] = ("acquiring",)
    speaking = later(0.4, lambda: there.announce(progress(), progress(fraction=0.5), alarm(), alarm(active=False)))
    ending = later(0.8, lambda: there.become("completed"))

    done = daq(there, "acquire", "run", "demo")
    speaking.join()
    ending.join()

    assert done.code == 0
    assert done.err.splitlines()[-4:] == [
        "25 %, 1,000 events, about 3,000 to go, 333 cps, 9 s left",
        "high alarm: too warm; open the window",
        "high alarm (over): too warm; open the window",
        f"completed {RUN}, demo [simulated]",
    ]


def test_the_first_interruption_of_a_run_stops_it_and_the_end_is_waited_for(
    there: ThreadedStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.station.possible["start"] = ("acquiring",)
    interrupt_when(monkeypatch, "acquiring", times=1)

    done = daq(there, "acquire", "run", "demo", "--json")

    assert (done.code, done.json["state"]) == (0, "completed")
    assert verbs_asked(there) == ["prepare", "start", "stop", "status"]
    assert "Ctrl-C again leaves it to the daemon" in done.err


def test_the_second_interruption_leaves_it_to_the_daemon(
    there: ThreadedStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.station.possible |= {"start": ("acquiring",), "stop": ("completing",)}
    interrupt_when(monkeypatch, "acquiring", "completing", times=2)

    done = daq(there, "acquire", "run", "demo")

    assert done.code == 130
    assert "left alone" in done.err


def interrupt_when(monkeypatch: pytest.MonkeyPatch, *states: str, times: int) -> None:
    """Press Ctrl-C when one of the states is heard of."""
    real = following.Follower._check_run
    pressed: list[str] = []

    def check(self: following.Follower, status: dict[str, object]) -> None:
        real(self, status)
        if status["state"] in states and len(pressed) < times:
            pressed.append(str(status["state"]))
            raise KeyboardInterrupt

    monkeypatch.setattr(following.Follower, "_check_run", check)


@pytest.mark.parametrize(("state", "code"), [("ready", 0), ("completed", 0), ("interrupted", 6), ("fault", 6)])
def test_a_watch_with_nothing_under_way_says_how_it_is(there: ThreadedStation, state: str, code: int) -> None:
    there.become(state)

    done = daq(there, "acquire", "watch")

    assert done.code == code
    assert done.out.startswith(state)


def test_a_watch_gives_its_events_as_json_to_programs(there: ThreadedStation) -> None:
    there.station.run = RUN
    there.become("acquiring")
    speaking = later(0.3, lambda: there.announce(progress()))
    ending = later(0.5, lambda: there.become("completed"))

    done = daq(there, "acquire", "watch", "--json")
    speaking.join()
    ending.join()

    events = [json.loads(line) for line in done.out.splitlines()]
    assert [(event["event"], event["data"].get("state")) for event in events] == [
        ("status", "acquiring"), ("progress", None), ("status", "completed"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_watch_survives_a_restart_of_the_daemon_and_says_so(there: ThreadedStation) -> None:
    there.station.run = RUN
    there.become("acquiring")
    successors: list[ThreadedStation] = []

    def restart() -> None:
        there.close()
        time.sleep(0.3)
        successor = ThreadedStation(there.path)
        successors.append(successor)
        successor.station.run = RUN
        successor.become("acquiring", "found again")
        time.sleep(1.0)
        successor.become("completed")

    restarting = later(0.3, restart)
    done = daq(there, "acquire", "watch")
    restarting.join()
    successors[0].close()

    assert done.code == 0
    lines = done.err.splitlines()
    assert "the daemon is gone (it ends); a recording goes on by itself; trying again" in lines
    assert "the daemon is back" in lines
    assert f"acquiring {RUN}, demo, step 1 of 2 (first): found again [simulated]" in lines
    assert done.out.startswith("completed")


def test_a_daemon_that_does_not_come_back_is_given_up(there: ThreadedStation) -> None:
    there.station.run = RUN
    there.become("acquiring")
    ending = later(0.3, there.close)

    done = daq(there, "acquire", "watch", "--patience", "0.5")
    ending.join()

    assert done.code == 5
    assert "no daemon has answered" in done.err


def test_a_run_that_was_acknowledged_meanwhile_has_an_end_that_is_not_known(there: ThreadedStation) -> None:
    there.station.run = RUN
    there.become("acquiring")

    def dismiss() -> None:
        there.station.run = None
        there.become("ready")

    dismissing = later(0.3, dismiss)
    done = daq(there, "acquire", "watch")
    dismissing.join()

    assert done.code == 6
    assert f"{RUN} is over, and how it ended was not heard" in done.err


def test_stop_motion_prints_how_each_axis_stopped(there: ThreadedStation) -> None:
    text, program = daq(there, "stop-motion"), daq(there, "stop-motion", "--json")

    assert (text.code, program.code) == (0, 0)
    assert text.out.splitlines()[0] == "1 axis stands"
    assert "0.012 s" in text.out
    assert "12.500 mm" in text.out
    assert program.json == {"stopped": STOPPED}


def test_an_axis_that_is_not_confirmed_to_stand_is_a_failure(
    there: ThreadedStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    axis = {"axis": "bed", "unit": "mm", "stands": False, "wire_s": None, "halted_s": None, "position": None}
    for key, value in {"ok": False, "stands": False, "text": "bed does not answer", "axes": [axis]}.items():
        monkeypatch.setitem(STOPPED, key, value)

    done = daq(there, "stop-motion")

    assert done.code == 6
    assert "NOT CONFIRMED" in done.out
    assert done.err == "daq: bed does not answer\n"


@pytest.mark.parametrize("arguments", [("stop-motion",), ("acquire", "status"), ("acquire", "watch")])
def test_where_no_daemon_answers_it_is_said_which(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(*arguments, "--socket", tmp_path / "control")

    assert (done.code, done.out) == (5, "")
    assert f"no daemon answers at {tmp_path / 'control'} (No such file or directory)" in done.err
    assert ("NOTHING WAS STOPPED" in done.err) == (arguments[0] == "stop-motion")


@pytest.mark.parametrize("arguments", [("stop-motion",), ("acquire", "status")])
def test_who_may_not_open_the_socket_is_told_who_may(
    tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", refuse)
    done = call(*arguments, "--socket", tmp_path / "control")

    assert (done.code, done.out) == (3, "")
    assert f"this user may not open {tmp_path / 'control'}" in done.err
    assert ("NOTHING WAS STOPPED" in done.err) == (arguments[0] == "stop-motion")


def test_after_the_daemon_has_ended_it_is_said_what_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        'schema = "site/0"\nstation = "a"\nstorage = "r"\nscanner = "dual-head"\n'
        '[devices.rotation]\nability = "axis"\naxis = "gantry"\n[devices.hv]\nability = "high_voltage"\n'
    )
    monkeypatch.setenv("SERVICE_RESULT", "watchdog")
    only_place(tmp_path, monkeypatch)

    done = call("stop-motion", "--after-exit", "--site", site)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "the daemon has ended (result: watchdog)", "simulated axes ended with it: rotation",
        "high voltage is left as it is",
    ]  # fmt: skip
