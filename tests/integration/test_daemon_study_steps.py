"""What studies ask of an acquisition, through a whole station: paired views, gates, the way a patient lies, a clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

from daq.errors import InterlockError, RefusedError, TransitionRefusedError

pytestmark = pytest.mark.timeout(120)
S = 10**12
PROTOCOLS = (
    protocol("pair", step("RLAT", stop="stop.manual = true"), step("LLAT", stop='stop.as_step = "RLAT"')),
    protocol("front", step("ANT", 'set.gantry = "-10 deg"', stop='stop.time = "300 ms"')),
    protocol(
        "heart", step("heart", 'gate = { trigger = "ecg", bins = 16, framing = "percent", tolerance = "20 %" }'),
        kind="gated",
    ),
)  # fmt: skip
DEVICES = '[devices]\ngantry = { ability = "axis" }\necg = { ability = "gate_trigger" }\n'


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("steps")
    with front_end() as url, station(folder, url, devices=DEVICES, mqtt='{ broker = "none" }', finish="false") as made:
        made.add(*PROTOCOLS)
        yield made.start()


def test_views_that_a_prone_patient_does_not_show_are_refused_and_nothing_changes_after_the_start(
    daemon: Station,
) -> None:
    with pytest.raises(RefusedError, match=r"lies HFP: step 'ANT': head front stands at 170 deg .* faces it with POST"):
        daemon.prepare("front", patient_orientation="HFP")
    assert daemon.status()["state"] == "ready"
    run = daemon.armed("front", patient_orientation="FFS")
    with pytest.raises(TransitionRefusedError, match="How the patient lies is said before the start and stays so"):
        daemon.prepare("front", patient_orientation="HFS")
    daemon.ask("start")
    daemon.becomes("completed")
    daemon.ask("acknowledge")

    assert (daemon.manifest(run).study or {})["patient_orientation"] == "FFS"


def test_the_second_of_paired_views_takes_as_long_as_a_person_gave_the_first(daemon: Station) -> None:
    run = daemon.acquiring("pair")
    daemon.until(lambda: daemon.last_status().get("duration_ps", 0) > 0.5 * S, "half a second of the first view")
    ended = daemon.daq("acquire", "end-step", "--site", str(daemon.site))
    daemon.becomes("completed")
    daemon.ask("acknowledge")
    first, second = daemon.manifest(run).steps or []

    assert ended.returncode == 0, ended.stderr
    assert daemon.fates(run) == [("RLAT", True), ("LLAT", True)]
    took_ps = (first.end_ps or 0) - first.begin_ps
    assert took_ps > 0.5 * S
    assert (second.end_ps or 0) - second.begin_ps == pytest.approx(took_ps, abs=1)
    assert (first.ended_by or "").startswith("ended by ")


def test_without_beats_a_gated_study_does_not_begin(daemon: Station) -> None:
    daemon.simulate("ecg", "lose-signal")
    daemon.armed("heart")
    daemon.until(lambda: _silent(daemon), "the heart to be missed")
    with pytest.raises(InterlockError, match="'heart' cannot begin: it is gated, and there is no R wave for"):
        daemon.ask("start")
    assert daemon.status()["state"] == "armed"
    daemon.simulate("ecg", "find-signal")
    daemon.ask("abort")
    daemon.becomes("aborted")
    daemon.ask("acknowledge")


def _silent(daemon: Station) -> bool:
    return any(alarm["name"] == "last_beat-limits" for alarm in daemon.status()["alarms"])


def test_an_acquisition_begins_by_the_clock(daemon: Station) -> None:
    run = daemon.armed("front")
    past = daemon.daq("acquire", "start", "--at", "2026-01-01T00:00:00Z", "--site", str(daemon.site))
    at = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    told = daemon.daq("acquire", "start", "--at", at, "--site", str(daemon.site))
    waiting = daemon.status()
    daemon.becomes("completed")
    daemon.ask("acknowledge")

    assert past.returncode == 3
    assert "cannot start at" in past.stderr
    assert told.returncode == 0, told.stderr
    assert waiting["state"] == "armed"
    assert waiting["detail"].startswith("starts by the clock at 20")
    assert daemon.fates(run) == [("ANT", True)]
