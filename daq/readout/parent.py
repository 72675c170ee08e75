"""The parent's side of a readout: start the process, or find it again; ask it, stop it, hear its end.

A readout does not depend on its parent living, and has any number of followers. The last one clears up after it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from daq.errors import DeadlineError, MissingError, RefusedError, UnexpectedError, UnreachableError
from daq.model.axissample import AxisSample
from daq.model.refusal import error_of
from daq.readout import registry
from daq.readout.control import ask
from daq.readout.locks import is_held
from daq.readout.plan import CONTROL, LAST_STATUS, LOG, PLAN, Plan

if TYPE_CHECKING:
    from daq.readout.snapshotreader import SnapshotReader

_START_S = 180.0
"""Long: the first start on a machine compiles the kernels, which takes a minute of a slow one."""
_SIGNED_S = 10.0
_ANSWER_S = 0.5
_POLL_S = 0.02
_LOG_TAIL_LINES = 5


class ReadoutProcess:
    """A readout in its own session. It outlives this object; `stop()` ends it, `result()` hears its end.

    Every command raises `UnreachableError` or `DeadlineError` when it is not answered, and whatever error the readout
    answers with.
    """

    def __init__(self, runtime: Path, follower: BinaryIO, child: subprocess.Popen[bytes] | None = None) -> None:
        """Use `launch` or `adopt`."""
        self._runtime = runtime
        self._follower = follower
        self._child = child
        self._lock = registry.watch(runtime) if child is None else None
        self._found = registry.find(runtime)
        self._since_s = time.monotonic()
        self._last: dict[str, Any] = {"state": "starting"}

    @classmethod
    def launch(cls, plan: Plan, runtime: Path) -> Self:
        """Start the readout of the plan in a fresh runtime directory, which is removed if that cannot be done."""
        registry.require_ours(runtime)
        with registry.take(runtime) as lock:
            follower = registry.follow(runtime)
            try:
                return cls(runtime, follower, _spawn(plan, runtime, lock))
            except OSError as why:
                follower.close()
                registry.tidy(runtime)
                raise UnexpectedError(f"the readout cannot be started: {why.strerror}") from None

    @classmethod
    def adopt(cls, runtime: Path) -> Self:
        """Follow a readout that somebody else started, running or not; raise `MissingError` when it left nothing."""
        return cls(runtime, registry.follow(runtime))

    @property
    def pid(self) -> int | None:
        """Return the process id; None for an adopted one that had no time to write it down."""
        if self._child is not None:
            return self._child.pid
        return self._known().pid

    @property
    def control(self) -> Path:
        """Return the control socket."""
        return self._runtime / CONTROL

    def running(self) -> bool:
        """Return True until the process has ended."""
        if self._child is not None:
            return self._child.poll() is None
        if self._lock is None or self._lock.closed:
            return registry.held(self._runtime)
        return is_held(self._lock)

    def status(self) -> dict[str, Any]:
        """Return the readout's status, the last one known where it does not answer just now.

        Raise `DeadlineError` when it has not answered for the first time within a minute.
        """
        try:
            self._last = ask(self.control, {"do": "status"}, deadline_s=_ANSWER_S)
        except (UnreachableError, DeadlineError, RefusedError):
            if not self.running():
                self._last = self._last_words()
            elif self._last["state"] == "starting" and time.monotonic() - self._since_s > _START_S:
                raise DeadlineError(f"no readout after {_START_S:g} s; its log is in {self._runtime}") from None
        return self._last

    def start(self) -> dict[str, Any]:
        """Begin to record what the front end sends; return the status."""
        return ask(self.control, {"do": "start"})

    def attend(self, within_s: float) -> dict[str, Any]:
        """Say that the readout is watched over, and will be told so again within 0.1 to 60 s.

        To be called several times in that time. Once this was said, its absence means that who watched is gone: see
        `docs/reference/readout-control.md`. Return `state`, `error`, `ended_by`, `step`, `step_ended_by`, `attended`.
        """
        return ask(self.control, {"do": "attend", "within_s": within_s}, deadline_s=_ANSWER_S)

    def step(self, *stop: str, name: str = "", moving: bool = False, last: bool = False) -> dict[str, Any]:
        """Begin the next step, up to the first limit reached of `stop`, e.g. `"time=20s"`; return the status.

        `moving`: axes move during it; refused when nobody attends. `last`: what ends it ends the recording.
        """
        return ask(self.control, {"do": "step", "stop": list(stop), "name": name, "moving": moving, "last": last})

    def end_step(self, *, by: str = "operator", completed: bool = False) -> dict[str, Any]:
        """End the step and record on; return the status. `completed`: it is whole, though no limit was reached."""
        return ask(self.control, {"do": "end_step", "by": by, "completed": completed})

    def motion_lost(self, text: str = "") -> dict[str, Any]:
        """Say that an axis does not do what it should: the step ends interrupted, the recording within a second."""
        return ask(self.control, {"do": "motion_lost", "text": text})

    def pause(self) -> dict[str, Any]:
        """Mark the beginning of a pause; return the status."""
        return ask(self.control, {"do": "pause"})

    def resume(self) -> dict[str, Any]:
        """Mark the end of a pause; return the status."""
        return ask(self.control, {"do": "resume"})

    def mark(self, text: str, *, kind: str = "operator", monotonic_ns: int | None = None) -> dict[str, Any]:
        """Put a text into the recording, now or at a moment of this host's monotonic clock; return the status.

        `kind` is that of the mark: `operator`, `hand_over` or `injection`.
        """
        moment = {} if monotonic_ns is None else {"monotonic_ns": monotonic_ns}
        other = {} if kind == "operator" else {"kind": kind}
        return ask(self.control, {"do": "mark", "text": text, **other, **moment})

    def positions(self, samples: Sequence[AxisSample]) -> dict[str, Any]:
        """Put positions of axes into the recording, at most 256 at once; return the status in short.

        They are taken at once and written between two slices: no wait for the data path, on either side.
        """
        return ask(self.control, {"do": "positions", "samples": [one.about for one in samples]}, deadline_s=_ANSWER_S)

    def exchange(self, data: bytes, *, offset: int, mask: bytes, value: bytes, deadline_s: float) -> bytes:
        """Send bytes to the front end; return its reply, a datagram with `value` under `mask` from `offset` on.

        Raise `DeadlineError` when none comes within `deadline_s`.
        """
        match = {"offset": offset, "mask": mask.hex(), "value": value.hex()}
        request = {"do": "exchange", "bytes": data.hex(), "match": match, "deadline_s": deadline_s}
        return bytes.fromhex(ask(self.control, request, deadline_s=deadline_s + 5.0)["bytes"])

    def snapshot(self) -> SnapshotReader:
        """Return a view on the live figures, to be closed."""
        from daq.readout.descriptors import receive_snapshot

        return receive_snapshot(self.control)

    def stop(self, *, by: str | None = None) -> None:
        """Ask for an orderly stop, for the reason `by`. Comes through whatever the readout is doing."""
        if by is not None:
            with contextlib.suppress(UnreachableError, DeadlineError, RefusedError):
                ask(self.control, {"do": "stop", "by": by}, deadline_s=_ANSWER_S)
                return
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)
        else:
            self._terminate_adopted()

    def release(self) -> dict[str, Any]:
        """End it while it is armed, without a recording; return the status. Raise `RefusedError` once it records."""
        return ask(self.control, {"do": "release"})

    def result(self, *, deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait for the end and return the last status; raise the error that the readout reported.

        The last follower to hear it removes the runtime directory, unless something unexpected happened: then the log
        stays, and the error says where.
        """
        if not self._follower.closed:
            self._await_end(deadline_s)
            self._last = self._last_words()
            self._follower.close()
            if self._lock is not None:
                self._lock.close()
            if self._last["exit_code"] != UnexpectedError.exit_code:
                registry.tidy(self._runtime)
        if self._last["error"]:
            raise error_of(self._last)
        return self._last

    def close(self) -> None:
        """Follow it no longer, without waiting for its end: after a good one it clears up by itself.

        It looks once whether anybody follows, when its lock is free. Its process may live on a while after that, so the
        lock alone tells whether it still will.
        """
        self._follower.close()
        held = registry.held(self._runtime)
        if self._lock is not None:
            self._lock.close()
        if not held and self._last_words()["exit_code"] == 0:
            registry.tidy(self._runtime)

    def _known(self) -> registry.Found:
        """Return what the lock says, looking again where it did not say which process holds it."""
        if self._found.pid is None:
            with contextlib.suppress(MissingError, RefusedError):  # removed meanwhile
                self._found = registry.find(self._runtime)
        return self._found

    def _terminate_adopted(self) -> None:
        deadline = time.monotonic() + _SIGNED_S
        while self.running():
            if self.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGTERM)
                return
            if time.monotonic() > deadline:
                raise DeadlineError(f"the readout in {self._runtime} has not said which process it is: not stopped")
            time.sleep(_POLL_S)

    def _await_end(self, deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        while self.running():
            if time.monotonic() > deadline:
                raise DeadlineError(f"the readout (process {self.pid}) did not end within {deadline_s:g} s")
            time.sleep(_POLL_S)

    def _last_words(self) -> dict[str, Any]:
        """Return the status that the readout wrote last of all; of one that could not, what is known of its end."""
        try:
            last = dict(json.loads((self._runtime / LAST_STATUS).read_bytes()))
        except (OSError, ValueError):
            return {"state": "gone", "error": self._obituary(), "exit_code": UnexpectedError.exit_code}
        if last["exit_code"] == UnexpectedError.exit_code:
            last["error"] = f"{last['error']}; its log is {self._runtime / LOG}"
        return last

    def _obituary(self) -> str:
        if self._child is not None:
            end = f"ended with code {self._child.returncode}"
        else:
            end = "was never started" if self.pid is None else f"(process {self.pid}) is gone"
        try:
            log = (self._runtime / LOG).read_text(encoding="utf-8", errors="replace")
            lines = " | ".join(log.splitlines()[-_LOG_TAIL_LINES:]) or "its log is empty"
        except OSError as why:
            lines = f"its log cannot be read: {why.strerror}"
        directory = self._known().directory
        begun = directory is not None and (Path(directory) / "manifest.json").exists()
        rescue = f"; recover what it wrote: daq listmode recover {directory} --out NEW" if begun else ""
        return f"the readout {end}: {lines}; what it left is in {self._runtime}{rescue}"


def _spawn(plan: Plan, runtime: Path, lock: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the process. It inherits the lock of its directory, and unblocks SIGTERM when it can stop in order."""
    who = {"acquisition_id": plan.manifest.acquisition_id, "directory": plan.directory}
    registry.sign(lock, pid=None, **who)
    (runtime / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with (runtime / LOG).open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "daq.readout", str(runtime / PLAN), str(lock.fileno())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=Path.cwd(),
                pass_fds=[lock.fileno()],
            )  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    with contextlib.suppress(OSError):  # it runs: it will sign itself
        registry.sign(lock, pid=child.pid, **who)
    return child
