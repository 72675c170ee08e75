"""What each request of the control socket does to a readout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError
from daq.model.axissample import AxisSample
from daq.model.stop import parse_stop
from daq.readout.exchange import Match
from daq.readout.several import SeveralDatagrams
from daq.readout.sources import DatagramSource
from daq.readout.stepping import Step
from daq.readout.streams import StreamSource

if TYPE_CHECKING:
    from daq.readout.process import Readout
    from daq.storage.recording import Recording


class Requests:
    """Answers requests, in the threads of the control socket; what changes the recording waits for its thread."""

    def __init__(self, readout: Readout) -> None:
        self._readout = readout
        self._do: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "status": lambda _: None,
            "attend": self._attend,
            "start": lambda _: readout.start(),
            "stop": lambda request: readout.stop_by(str(request.get("by") or "operator"), asked=True),
            "release": lambda _: readout.release(),
            "mark": self._mark,
            "positions": self._positions,
            "step": self._step,
            "end_step": self._end_step,
            "motion_lost": self._motion_lost,
            "pause": lambda _: self._in_turn(readout.stepping.pause),
            "resume": lambda _: self._in_turn(readout.stepping.resume),
            "exchange": self._exchange,
            "ask": self._ask,
            "snapshot": self._snapshot,
        }

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer: the status, unless the request has one of its own. Raises what it is refused with."""
        answer = self._do[request["do"]](request)
        return self._readout.status() if answer is None else answer

    def _in_turn(self, run: Callable[[Recording], None]) -> None:
        self._readout.commands.do(lambda: run(self._readout.recording))

    def _mark(self, request: dict[str, Any]) -> None:
        text = str(request.get("text", "")).encode("utf-8", "replace").decode()
        monotonic_ns = request.get("monotonic_ns")

        def note(recording: Recording) -> None:
            time_ps = None if monotonic_ns is None else self._readout.host_time.time_ps(int(monotonic_ns))
            recording.note(recording.derivation.mark(request["kind"], text=text, time_ps=time_ps))

        self._in_turn(note)

    def _positions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take samples without waiting for the processing thread; answer in short, for many a second come."""
        self._readout.positions.add([AxisSample(**sample) for sample in request["samples"]])
        return self._readout.in_short()

    def _step(self, request: dict[str, Any]) -> None:
        condition = parse_stop([str(limit) for limit in request["stop"]])
        step = Step(condition, str(request["name"]), moving=request["moving"], last=request["last"])
        self._in_turn(lambda recording: self._readout.stepping.begin(recording, step))

    def _end_step(self, request: dict[str, Any]) -> None:
        by, completed = str(request["by"]), bool(request["completed"])
        self._in_turn(lambda recording: self._readout.stepping.end(recording, by, completed=completed))

    def _motion_lost(self, request: dict[str, Any]) -> None:
        self._in_turn(lambda recording: self._readout.stepping.lose_motion(recording, str(request["text"])))

    def _attend(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer with what whoever watches needs to know each time, which costs next to nothing to tell."""
        self._readout.stepping.attendance.attend(float(request["within_s"]))
        return self._readout.in_short()

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        source = self._readout.source
        if isinstance(source, SeveralDatagrams):
            raise RefusedError("an exchange needs one front end: this acquisition has several")
        if not isinstance(source, DatagramSource):
            raise RefusedError("an exchange needs datagrams: in a stream a reply cannot be told from data")
        if source.framing == "none":
            raise RefusedError("an exchange needs framed datagrams: without framing a reply cannot be told from data")
        rule = request["match"]
        match = Match(int(rule["offset"]), bytes.fromhex(rule["mask"]), bytes.fromhex(rule["value"]))
        pending = self._readout.exchanges.expect(match)
        source.send(bytes.fromhex(request["bytes"]))
        return {"bytes": self._readout.exchanges.reply(pending, float(request.get("deadline_s", 1.0))).hex()}

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        source = self._readout.source
        if not isinstance(source, StreamSource):
            raise RefusedError("this front end has no connection for commands of its own, or is not there yet")
        asked = source.of_number(request["source"]).asked(bytes.fromhex(request["bytes"]), request["deadline_s"])
        return {"bytes": asked.hex()}

    def _snapshot(self, _: dict[str, Any]) -> dict[str, Any]:
        """Lend the memory of the live figures; the control socket closes the descriptor once it is sent."""
        return {"fd": self._readout.live.snapshot.duplicate()}
