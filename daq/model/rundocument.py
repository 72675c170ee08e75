"""Documents of the Bluesky event model for one run, as plain dictionaries: start, descriptors, events, files, stop.

    start -> descriptor -> event ... -> stream_resource -> stream_datum ... -> stop

A *stream* is a series of events with the same keys. Where the keys change (a value that was a number comes as a text,
another set of counters), a further stream is begun: `progress`, `progress_2` ... Uids follow from the id of the
acquisition, so that a run which goes on after a restart goes on under the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from daq.model.datakey import DataKey, Value, plain, storable

Document = dict[str, Any]
Named = tuple[str, Document]
"""Name of a document (`start`, `event` ...) and the document."""

ExitStatus = Literal["success", "abort", "fail"]

MIMETYPE = "application/vnd.scandaq.listmode+arrow"
"""Of a segment of a list-mode stream: an Arrow IPC stream."""

_SPACE = UUID("6d0e8f0a-41d5-4c1e-9c3c-5a0b8c6f3e57")
_MOST_VERSIONS = 8
_MOST_STREAMS = 2000


@dataclass(slots=True)
class _Stream:
    name: str
    descriptor: str
    signature: tuple[Any, ...]
    events: int = 0


@dataclass(slots=True)
class RunComposer:
    """Composes the documents of one run in their order. `boot` tells the daemon's starts apart in the events' uids.

    `left_out` counts events that no stream was left for.
    """

    acquisition_id: str
    boot: str = ""
    left_out: int = 0
    finished: bool = False
    _streams: dict[str, _Stream] = field(default_factory=dict)
    _resources: dict[str, int] = field(default_factory=dict)

    @property
    def run_uid(self) -> str:
        """Return the uid of the run, the same whenever it is asked for."""
        return str(self._uuid)

    @property
    def _uuid(self) -> UUID:
        return uuid5(_SPACE, self.acquisition_id)

    def start(self, fields: Mapping[str, Any], time_s: float) -> Named:
        """Return the start document: `fields`, in which keys that the model forbids are rewritten (`.` and `/`)."""
        return "start", {**storable(fields), "uid": self.run_uid, "time": time_s}

    def event(
        self,
        stream: str,
        keys: Mapping[str, DataKey],
        values: Mapping[str, Value],
        time_s: float,
        read_s: Mapping[str, float] | None = None,
    ) -> list[Named]:
        """Return an event of a stream, after its descriptor where it is the first; nothing where there are too many.

        `time_s` and `read_s`, when each value was read, are Unix times in seconds. A value that is no finite number
        becomes null.
        """
        made: list[Named] = []
        found = self._stream(stream, keys, time_s, made)
        if found is None:
            self.left_out += 1
            return made
        found.events += 1
        read_s = read_s or {}
        data = {key: plain(values[key], keys[key].dtype) for key in keys}
        made.append(("event", {
            "uid": self._uid(self.boot, found.name, found.events),
            "descriptor": found.descriptor,
            "seq_num": found.events,
            "time": time_s,
            "data": data,
            "timestamps": {key: read_s.get(key, time_s) for key in keys},
            "filled": {},
        }))  # fmt: skip
        return made

    def file(self, stream: str, uri: str, parameters: Mapping[str, Any], time_s: float) -> list[Named]:
        """Return the documents of one segment file of a list-mode stream; nothing where they have been made before.

        Every file is one event of the stream; `parameters` say how many rows it holds.
        """
        key = DataKey("array", "readout", "listmode")
        made: list[Named] = []
        found = self._stream(stream, {stream: key}, time_s, made)
        resource = self._uid("resource", uri)
        if found is None or resource in self._resources:
            return made
        self._resources[resource] = found.events
        made.append(("stream_resource", {
            "uid": resource,
            "run_start": self.run_uid,
            "data_key": stream,
            "mimetype": MIMETYPE,
            "uri": uri,
            "parameters": storable(parameters),
        }))  # fmt: skip
        made.append(("stream_datum", {
            "uid": f"{resource}/0",
            "stream_resource": resource,
            "descriptor": found.descriptor,
            "indices": {"start": 0, "stop": 1},
            "seq_nums": {"start": found.events + 1, "stop": found.events + 2},
        }))  # fmt: skip
        found.events += 1
        return made

    def stop(self, exit_status: ExitStatus, reason: str, time_s: float) -> Named:
        """Return the last document."""
        self.finished = True
        return "stop", {
            "uid": self._uid("stop"),
            "run_start": self.run_uid,
            "time": time_s,
            "exit_status": exit_status,
            "reason": reason,
            "num_events": {stream.name: stream.events for stream in self._streams.values()},
        }

    def restore(self, name: str, document: Document) -> None:
        """Take in a document that was written before, so that what follows continues it; pass over a damaged one."""
        match name, document:
            case "descriptor", {"name": str(stream), "uid": str(uid), "data_keys": dict(keys)}:
                self._streams[stream] = _Stream(stream, uid, _signature_of(keys))
            case "event", {"descriptor": str(uid), "seq_num": int(number)}:
                self._heard_of(uid, number)
            case "stream_datum", {
                "stream_resource": str(resource),
                "descriptor": str(uid),
                "seq_nums": {"stop": int(end)},
            }:
                self._resources[resource] = end
                self._heard_of(uid, end - 1)
            case "stop", _:
                self.finished = True
            case _:
                pass

    def _heard_of(self, descriptor: str, number: int) -> None:
        for stream in self._streams.values():
            if stream.descriptor == descriptor:
                stream.events = max(stream.events, number)

    def _stream(self, base: str, keys: Mapping[str, DataKey], time_s: float, made: list[Named]) -> _Stream | None:
        """Return the stream of these keys; put its descriptor into `made` where it is new."""
        signature = tuple(sorted((key, *what.identity) for key, what in keys.items()))
        for version in range(1, _MOST_VERSIONS + 1):
            name = base if version == 1 else f"{base}_{version}"
            found = self._streams.get(name)
            if found is None:
                break
            if found.signature == signature:
                return found
        else:
            return None
        if len(self._streams) >= _MOST_STREAMS:
            return None
        found = self._streams[name] = _Stream(name, self._uid("descriptor", name), signature)
        made.append(("descriptor", self._descriptor(found, keys, time_s)))
        return found

    def _descriptor(self, stream: _Stream, keys: Mapping[str, DataKey], time_s: float) -> Document:
        objects: dict[str, list[str]] = {}
        for key, what in keys.items():
            objects.setdefault(what.object_name, []).append(key)
        return {
            "uid": stream.descriptor,
            "run_start": self.run_uid,
            "time": time_s,
            "name": stream.name,
            "data_keys": {key: what.as_document() for key, what in keys.items()},
            "object_keys": objects,
            "hints": {},
        }

    def _uid(self, *parts: object) -> str:
        return str(uuid5(self._uuid, "/".join(map(str, parts))))


def run_fields(
    *,
    acquisition_id: str,
    station: str,
    boot: str,
    protocol: Mapping[str, str],
    profiles: Mapping[str, str],
    software: Mapping[str, str],
    operator: str,
    simulated: bool,
    scanner: str | None = None,
    radionuclide: str | None = None,
    administration_reference: str | None = None,
    continues: str | None = None,
) -> Document:
    """Return the fields of a start document. There is no place for who the patient is.

    `protocol`: its `id`, `version`, `sha256`, `state`. `profiles`: SHA-256 by name of the profile. `operator`: user
    name. `administration_reference`: an opaque reference, never what it refers to.
    """
    fields: Document = {
        "acquisition_id": acquisition_id,
        "plan_name": protocol.get("id", ""),
        "station": station,
        "boot": boot,
        "protocol": dict(protocol),
        "profiles": dict(profiles),
        "software": dict(software),
        "operator": operator,
        "simulated": simulated,
        "scanner": scanner,
        "radionuclide": radionuclide,
        "administration_reference": administration_reference,
        "continues": continues,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _signature_of(data_keys: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the signature of a descriptor that was read back."""
    known = {key: what for key, what in data_keys.items() if isinstance(what, dict)}
    return tuple(sorted((key, what.get("dtype"), what.get("source"), what.get("units")) for key, what in known.items()))
