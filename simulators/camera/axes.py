"""Where the axes are: what was said of them, by datagrams while it happens or by a file of the same lines before."""

from __future__ import annotations

import json
import math
import socket
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.errors import RefusedError, UsageError

KEPT = 256
"""What was said of one axis, at most, while it happens: minutes of movement."""
LONGEST_BYTES = 4096
_WAIT_S = 0.1
_NS = 1e9


@dataclass(frozen=True, slots=True)
class Said:
    """From `at_ns` on an axis goes from `position` to `target` at `speed`, in its unit and in that per second."""

    at_ns: int
    position: float
    target: float
    speed: float

    def place(self, at_ns: float) -> float:
        """Return where it is at a time, at `position` before."""
        way = self.target - self.position
        gone = self.speed * max(at_ns - self.at_ns, 0.0) / _NS
        return self.position + math.copysign(min(gone, abs(way)), way)

    @property
    def arrives_ns(self) -> int | None:
        """Return when it arrives; None for what stands."""
        if self.speed <= 0 or self.target == self.position:
            return None
        return self.at_ns + math.ceil(abs(self.target - self.position) / self.speed * _NS)


class Axes:
    """Axes by name. `told` and `wrong`: messages that were understood, and that were not."""

    def __init__(self, *, most: int | None = KEPT) -> None:
        self._said: dict[str, list[Said]] = {}
        self._most = most
        self._lock = threading.Lock()
        self.told = self.wrong = 0

    def hear(self, axis: str, said: Said) -> None:
        """Take what is said, whatever the order in which it arrives; of the same time the last."""
        with self._lock:
            known = self._said.setdefault(axis, [])
            known.insert(bisect_right(known, said.at_ns, key=lambda one: one.at_ns), said)
            if self._most is not None:
                del known[: -self._most]
            self.told += 1

    def forget(self, axis: str) -> None:
        """Take back all that was said of an axis."""
        with self._lock:
            self._said.pop(axis, None)

    def place(self, axis: str, at_ns: float, otherwise: float, *, just_before: bool = False) -> float:
        """Return where an axis is at a time; `otherwise` where nothing was said of it by then.

        `just_before`: by what was said earlier, so that what stands does not go to where it is said to be at that time.
        """
        find = bisect_left if just_before else bisect_right
        with self._lock:
            known = self._said.get(axis, [])
            index = find(known, at_ns, key=lambda one: one.at_ns)
            return known[index - 1].place(at_ns) if index else otherwise

    def turns_ns(self) -> list[int]:
        """Return all times at which an axis begins, arrives or is said to be elsewhere, ascending."""
        with self._lock:
            said = [one for known in self._said.values() for one in known]
        return sorted({at for one in said for at in (one.at_ns, one.arrives_ns) if at is not None})


def understood(text: str | bytes, time_key: str) -> tuple[str, Said]:
    """Return axis and what is said of it by one JSON object. Raises `UsageError`."""
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise UsageError("motion: a line must be a JSON object")
    axis = line.get("axis")
    if not isinstance(axis, str) or not axis:
        raise UsageError("motion: axis must be a name")
    position = _number(line, "position")
    at = _number(line, time_key)
    speed = _number(line, "speed", 0.0)
    if speed < 0:
        raise UsageError(f"motion of {axis}: speed {speed:g} must be zero or more; target says where to")
    at_ns = int(line[time_key]) if time_key == "monotonic_ns" else round(at * _NS)
    return axis, Said(at_ns, position, _number(line, "target", position), speed)


def _scene(text: bytes) -> str | None:
    """Return the scene that a message asks for; None for one that speaks of an axis, or of nothing."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    scene = line.get("scene") if isinstance(line, dict) else None
    return scene if isinstance(scene, str) else None


def _number(line: dict[str, Any], key: str, otherwise: float | None = None) -> float:
    value = line.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"motion: {key} {value!r} is no number")
    return float(value)


def read_motion(path: Path) -> Axes:
    """Return the axes of a file with one JSON object a line, its times `time_s` from the scene's beginning.

    Raises `UsageError` with the number of the line that is wrong.
    """
    axes = Axes(most=None)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        raise UsageError(f"--motion-file {path}: {why}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                axes.hear(*understood(line, "time_s"))
            except UsageError as why:
                raise UsageError(f"--motion-file {path}, line {number}: {why}") from None
    return axes


class Listener:
    """The endpoint `motion`: a UDP socket whose datagrams say how axes go, heard by a thread of its own."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.axes = Axes()
        self.on_scene: Callable[[str], bool] | None = None
        """Is told which scene is wanted; returns False where there is none of that name."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as why:
            self._socket.close()
            raise RefusedError(f"cannot serve motion on {host}:{port}: {why.strerror}") from None
        self._socket.settimeout(_WAIT_S)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hear, name="motion", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return where it listens."""
        host, port = self._socket.getsockname()[:2]
        return f"udp://{host}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _hear(self) -> None:
        while not self._over.is_set():
            try:
                datagram = self._socket.recv(LONGEST_BYTES)
            except TimeoutError:
                continue
            try:
                self._take(datagram)
            except UsageError:
                self.axes.wrong += 1

    def _take(self, datagram: bytes) -> None:
        scene = _scene(datagram) if self.on_scene is not None else None
        if scene is None or self.on_scene is None:
            self.axes.hear(*understood(datagram, "monotonic_ns"))
        elif not self.on_scene(scene):
            raise UsageError(f"there is no scene {scene!r}")
