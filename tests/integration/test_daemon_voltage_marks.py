"""A trip while something is recorded: a mark in it, a line in the audit log, an alarm; the acquisition goes on."""

from __future__ import annotations

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
