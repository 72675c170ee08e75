"""A small daemon of the product's own parts, to be run by systemd or by whoever plays it: `small_daemon.py STATE`.

It starts a "readout", a process in a session of its own, unless one lives, and does what it is asked to over its local
socket: hang, lose its poller, keep a task that never ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from daq.errors import MissingError, ScandaqError
from daq.model.station import Actor, Role, StationStatus, payload, utc_now
from daq.services.bus import Bus
from daq.services.localapi import LocalApi
from daq.services.mainloop import run
from daq.services.stationlock import only_daemon
from daq.services.supervision import Policy, Supervisor
from daq.services.watchdog import LoopTicker, Pulse, Watchdog
from daq.transports.sdnotify import Notify

RUN = "20261122T140507Z-3fa9c1"


class SmallDaemon:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.bus = Bus()
        self.notify = Notify.from_environment()
        self.poller = Pulse("HV poller", 0.5)
        self.polls = True
        self.hindrance: asyncio.Task[None] | None = None
        self.readout = self._readout()

    def _readout(self) -> int:
        """Return the process id of the readout that lives, or of a new one."""
        file = self.state / "readout.pid"
        if file.exists():
            pid = int(file.read_text())
            if Path(f"/proc/{pid}").exists():
                return pid
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        file.write_text(str(child.pid))
        return child.pid

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        match verb:
            case "status":
                now = StationStatus("acquiring", utc_now(), run=RUN, protocol="demo", detail=f"readout {self.readout}")
                return {**payload(now), "readout": self.readout, "pid": os.getpid(), "directory": None}
            case "hang":
                time.sleep(60.0)  # noqa: ASYNC251 - what must not be done
            case "lose-poller":
                self.polls = False
            case "never-end":
                self.hindrance = asyncio.create_task(never_end(), name="never-ending")
            case "block-thread":
                self.hindrance = asyncio.create_task(asyncio.to_thread(time.sleep, 30.0), name="blocking")
            case "stop-motion":
                return {"stopped": {"ok": True, "stands": True, "text": "there are no axes", "axes": []}}
            case _:
                raise MissingError(f"no verb {verb}; {args}; {actor.user}")
        return {}

    async def poll(self) -> None:
        while True:
            if self.polls:
                self.poller.beat()
            await asyncio.sleep(0.05)

    async def main(self, told_to_end: asyncio.Event) -> int:
        api = LocalApi(self.state / "control", None, self.command, self.bus, lambda *_: Role.SERVICE)
        supervisor = Supervisor(lambda service: told_to_end.set(), end_s=5.0)
        supervisor.add("loop", LoopTicker().run, essential=True)
        supervisor.add("poller", self.poll, essential=True)
        supervisor.add("local-api", api.run, essential=True, policy=Policy(most_failures=1))
        supervisor.add("watchdog", Watchdog(self.notify, {"poller": self.poller}).run, essential=True)
        running = asyncio.create_task(supervisor.run(), name="services")
        await api.serving()
        self.bus.announce(StationStatus("acquiring", utc_now(), run=RUN, protocol="demo"))
        self.notify.ready(f"readout {self.readout}")
        await told_to_end.wait()
        self.notify.stopping("ends in order")
        supervisor.stop()
        await running
        return 0


async def never_end() -> None:
    while True:
        try:
            await asyncio.sleep(3600.0)
        except asyncio.CancelledError:
            print("does not end", flush=True)


def main() -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    state = Path(sys.argv[1])
    try:
        with only_daemon(state):
            return run(SmallDaemon(state).main, left_s=0.5)
    except ScandaqError as why:
        sys.stderr.write(f"daq: {why}\n")
        return why.exit_code


if __name__ == "__main__":
    sys.exit(main())
