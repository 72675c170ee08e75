"""Runs of the event model for tests: what a station says, and what every valid run of documents must keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from event_model import DocumentNames, schema_validators

from daq.model.rundocument import run_fields
from daq.model.station import Announcement, Progress, Quality, Reading, RunDocument, StationStatus
from daq.services.bus import Bus
from daq.services.rundocuments import RunDocuments
from daq.storage.manifest import MANIFEST, Manifest, Segment

RUN = "20261122T140507Z-3fa9c1"
Named = tuple[str, dict[str, Any]]


def fields(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "acquisition_id": RUN,
        "station": "cam1",
        "boot": "boot-1",
        "protocol": {"id": "static", "version": "1", "sha256": "ab" * 32, "state": "draft"},
        "profiles": {"instruments/front.end": "cd" * 32},
        "software": {"scandaq": "0.1", "python": "3.11"},
        "operator": "tech",
        "simulated": True,
        "scanner": "demo",
        "radionuclide": "Tc-99m",
        "administration_reference": "adm-7",
    }
    return run_fields(**(given | changes))


def reading(value: float | str | bool | None = 812.4, *, name: str = "voltage", quality: Quality = "good") -> Reading:
    return Reading("hv1", name, value, "V", quality, "2026-11-22T14:05:07.123Z", {"low": 780.0, "high": 820.0})


def progress(elapsed_s: float, *, run: str = RUN, **changes: Any) -> Progress:
    return Progress(run, elapsed_s, 1, 2, counts={"events": int(elapsed_s * 100)}, rate_cps=100.0, **changes)


def status(state: str, **changes: Any) -> StationStatus:
    return StationStatus(state, "2026-11-22T14:05:07.123Z", run=RUN, protocol="static", **changes)


def manifest(**rows: int) -> Manifest:
    """Return a manifest with one segment per stream."""
    segments = [
        Segment(file=f"{stream}-00000.arrows", stream=stream, index=0, schema_message="", rows=count)
        for stream, count in rows.items()
    ]
    return Manifest(
        acquisition_id=RUN, state="sealed", created_utc="2026-11-22T14:05:07.123Z", profile={},
        profile_sha256="cd" * 32, source="udp://127.0.0.1:4660", segments=segments,
    )  # fmt: skip


class Recorder:
    """A bus on which every document is kept."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.documents: list[Named] = []
        self.troubles: list[str | None] = []

    def _keep(self, said: Announcement) -> None:
        if isinstance(said, RunDocument):
            self.documents.append((said.name, said.document))

    @contextmanager
    def run(self, directory: Path, **changes: Any) -> Iterator[RunDocuments]:
        """Yield the documents of a run that hears the bus; it is neither opened nor closed."""
        given = changes.pop("start_fields", None) or fields()
        made = RunDocuments(directory, self.bus, RUN, given, trouble=self.troubles.append, **changes)
        with self.bus.listening(self._keep), self.bus.listening(made.heard, replay=True):
            yield made
        assert self.bus.failures == 0

    def say(self, *said: Announcement) -> None:
        for announcement in said:
            self.bus.announce(announcement)


def begun(directory: Path) -> Path:
    """Make the directory as a readout leaves it when it has begun to record."""
    directory.mkdir(exist_ok=True)
    (directory / MANIFEST).write_text("{}")
    return directory


def check_run(documents: list[Named]) -> None:
    """Demand that documents are one valid run: schemas, references, numbers and keys."""
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    names = [name for name, _ in documents]
    assert names[0] == "start"
    assert names.count("start") == 1
    assert "stop" not in names[:-1]
    checks: dict[str, Callable[[dict[str, Any]], None]] = {}
    run = documents[0][1]["uid"]
    keys: dict[str, set[str]] = {}
    streams: dict[str, str] = {}
    resources: set[str] = set()
    count: Counter[str] = Counter()

    def descriptor(document: dict[str, Any]) -> None:
        assert document["run_start"] == run
        assert document["name"] not in streams.values()
        keys[document["uid"]] = set(document["data_keys"])
        streams[document["uid"]] = document["name"]

    def event(document: dict[str, Any]) -> None:
        stream = streams[document["descriptor"]]
        count[stream] += 1
        assert document["seq_num"] == count[stream]
        assert set(document["data"]) == set(document["timestamps"]) == keys[document["descriptor"]]

    def stream_resource(document: dict[str, Any]) -> None:
        assert document["run_start"] == run
        resources.add(document["uid"])

    def stream_datum(document: dict[str, Any]) -> None:
        stream = streams[document["descriptor"]]
        assert document["stream_resource"] in resources
        assert document["seq_nums"]["start"] == count[stream] + 1
        count[stream] = document["seq_nums"]["stop"] - 1

    def stop(document: dict[str, Any]) -> None:
        assert document["run_start"] == run
        assert document["num_events"] == {name: count[name] for name in streams.values()}

    checks |= {"descriptor": descriptor, "event": event, "stop": stop}
    checks |= {"stream_resource": stream_resource, "stream_datum": stream_datum}
    for name, document in documents[1:]:
        checks[name](document)
    uids = [document["uid"] for _, document in documents]
    assert len(set(uids)) == len(uids)
