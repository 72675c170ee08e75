"""Plans for readouts inside the test's own process, and readouts that run in a thread."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.composition import new_manifest
from daq.model.stop import parse_stop
from daq.readout.plan import CONTROL, LAST_STATUS, Plan, parse_source
from daq.readout.process import Readout
from device_profiles.load import load_profile
from device_profiles.schema import InstrumentProfile

PETLINK = load_profile("siemens-petlink32")
WAIT_S = 20.0


def plan_of(folder: Path, url: str, *, stop: str = "end", profile: InstrumentProfile = PETLINK, **changes: Any) -> Plan:
    """Return a plan that records into `folder / "run"`; its control socket is in `folder`."""
    return Plan(
        directory=str(folder / "run"),
        manifest=new_manifest(profile, identity="run", source=url, stop=stop, simulated=True),
        layout=profile.layout,
        clock=profile.clock,
        unit=profile.counting_unit,
        source=parse_source(url),
        datagram_framing=changes.pop("datagram_framing", profile.transport.datagram_framing or "none"),
        stop=parse_stop([stop]),
        control=str(folder / CONTROL),
        **{"connect_s": 5.0, "stall_s": 5.0, "hash_segments": False, **changes},
    )


@dataclass
class Running:
    """A readout in a thread; what it returned is in `code` once it has ended."""

    readout: Readout
    folder: Path
    thread: threading.Thread
    code: list[int] = field(default_factory=list)

    def finish(self) -> int:
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive(), self.readout.status()
        return self.code[0]

    @property
    def last_status(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / LAST_STATUS).read_text()))


@contextmanager
def running(plan: Plan) -> Iterator[Running]:
    """Run the plan in a thread; at the end ask it to stop and wait for it."""
    readout = Readout(plan)
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(readout.run()), name="readout")
    started = Running(readout, Path(plan.control).parent, thread, code)
    thread.start()
    try:
        yield started
    finally:
        readout.request_stop()
        thread.join(WAIT_S)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds, or fail naming `what`."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
