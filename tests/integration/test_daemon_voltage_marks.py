"""A trip, or a bed that somebody moves, while something is recorded: a mark, a line in the audit log, an alarm."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.compute as pc
import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

from daq.errors import TransitionRefusedError
from daq.storage.reader import open_listmode


def texts(directory: Path) -> list[str]:
    with open_listmode(directory) as recording:
        return [
            text
            for batch in recording.batches("marks", ["text"])
            for text in batch.filter(pc.is_valid(batch["text"]))["text"].to_pylist()
        ]


def tripped(daemon: Station) -> bool:
    return "hv/trouble-trip" in daemon.alarms()


def test_a_trip_is_marked_where_it_happened_and_ends_nothing(tmp_path: Path) -> None:
    with front_end() as url, station(tmp_path, url, mqtt='{ broker = "none" }') as daemon:
        daemon.add(protocol("view", step("front", stop='stop.time = "60 s"')))
        daemon.start()
        run = daemon.acquiring("view")
        with pytest.raises(TransitionRefusedError, match="raise_voltage is not possible while acquiring"):
            daemon.ask("arm-voltage", device="hv", volts=100.0)
        daemon.simulate("hv", "trip")
        daemon.until(lambda: tripped(daemon), "the trip to be an alarm")
        assert daemon.status()["state"] == "acquiring"
        daemon.ask("stop")
        daemon.becomes("completed")

        assert "high voltage hv: trip" in texts(daemon.directory(run))
        lines = [line for line in daemon.audit_lines() if line["verb"] == "high-voltage"]
        assert [line["object"] for line in lines] == ["high voltage hv: trip"]


def slid(daemon: Station) -> bool:
    daemon.simulate("bed", "slip", 3.0)
    return "motion/moved-by-itself" in daemon.alarms()


def test_a_bed_that_slides_while_a_view_is_recorded_is_marked_and_rings(tmp_path: Path) -> None:
    with front_end() as url, station(tmp_path, url, mqtt='{ broker = "none" }') as daemon:
        daemon.add(protocol("view", step("front", stop='stop.time = "60 s"')))
        daemon.start()
        run = daemon.acquiring("view")
        daemon.until(lambda: slid(daemon), "the bed that slides to be an alarm")
        daemon.ask("stop")
        daemon.becomes("completed")

        assert any(
            re.fullmatch(r"bed went from .* mm though nothing told it to", t) for t in texts(daemon.directory(run))
        )
        assert any(line["verb"] == "motion" for line in daemon.audit_lines())
