"""A whole station: the daemon as a process, its readouts, its broker, a simulator; and everything cleared away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from support_protocol_texts import SCANNER
from support_retained import retained
from support_simulators import ROOT, simulator

from daq.errors import DeadlineError, MissingError, ScandaqError, UnreachableError
from daq.readout import registry
from daq.readout.parent import ReadoutProcess
from daq.services.broker import end_broker, find_broker
from daq.services.catalogue.database import CATALOGUE_FILE, Database
from daq.services.catalogue.entry import Acquisition
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.transports.localclient import ask_once

LONG_S = 20.0
_POLL_S = 0.02

DEVICES = """
[devices]
bed = { ability = "bed" }
gantry = { ability = "axis" }
hv = { ability = "high_voltage" }
front = { ability = "detector_head" }
collimator = { ability = "collimator" }
"""


class Station:
    """The files of one station, and its daemon when it runs. Use `station`, which clears everything away."""

    def __init__(self, folder: Path, runtime: Path, url: str, **site: str) -> None:
        """`site`: top-level TOML of the site file by key, e.g. `mqtt='{ broker = "none" }'`."""
        self.folder, self.runtime, self.url = folder, runtime, url
        self.state_folder = folder / "state"
        self.storage = folder / "storage"
        self.site = folder / "site.toml"
        self.log_file = folder / "daemon.log"
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "protocols").mkdir(exist_ok=True)
        self.write_site(**site)

    def write_site(self, **site: str) -> None:
        """Write the site file."""
        devices = site.pop("devices", DEVICES)
        told = {
            "schema": '"site/0"', "station": '"testroom"', "storage": f'"{self.storage}"',
            "state": f'"{self.state_folder}"', "scanner": f'"{SCANNER}"', "protocols": '"protocols"',
            "simulated": "true", "finish": "false", "mqtt": "{ own_port = 0, keepalive_s = 2 }",
            "instruments": f'{{ head = {{ profile = "head-xye64", url = "{self.url}" }} }}', **site,
        }  # fmt: skip
        self.site.write_text("\n".join(f"{key} = {value}" for key, value in told.items()) + "\n" + devices)

    def add(self, *texts: str) -> None:
        """Put protocols into the station's folder."""
        for text in texts:
            identity = text.split('id = "', 1)[1].split('"', 1)[0]
            (self.folder / "protocols" / f"{identity}.toml").write_text(text)

    # The daemon

    @property
    def socket(self) -> Path:
        return self.state_folder / "control"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the daemon without waiting for it."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daq", "serve", "--site", str(self.site)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=self.environment,
            )  # fmt: skip
        return self.process

    def start(self) -> Self:
        """Start the daemon and wait until it answers."""
        self.launch()
        self.until(self.answers, "the daemon to answer")
        return self

    def answers(self) -> bool:
        """Return whether the daemon answers; fail when it has ended."""
        process = self.process
        assert process is not None
        assert process.poll() is None, f"the daemon ended with {process.returncode}: {self.log()}"
        with suppress(UnreachableError, DeadlineError):
            self.ask("status", within_s=5.0)
            return True
        return False

    def kill(self) -> None:
        """End the daemon by kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(LONG_S)

    def restart(self) -> Self:
        """Kill the daemon and start another one."""
        self.kill()
        return self.start()

    def end(self, *, within_s: float = LONG_S) -> int:
        """Tell the daemon to end by SIGTERM; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def refused(self) -> tuple[int, str]:
        """Start a daemon that must not start, beside the one that may run; return exit code and what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "daq", "serve", "--site", str(self.site)],
            capture_output=True, text=True, cwd=ROOT, env=self.environment, timeout=LONG_S, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def log(self) -> str:
        """Return the end of what the daemons said."""
        return self.log_file.read_text(errors="replace")[-6000:] if self.log_file.exists() else ""

    # Asking

    def ask(self, verb: str, *, within_s: float = LONG_S, **args: Any) -> dict[str, Any]:
        return ask_once(self.socket, verb, args, within_s=within_s)

    def simulate(self, device: str, action: str, value: float | str | None = None) -> None:
        """Do to a simulated device what a person would do."""
        self.ask("simulate", device=device, action=action, value=value)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the motion enable, as a person in the room does."""
        done = threading.Event()

        def hold() -> None:
            with suppress(ScandaqError):  # the daemon was ended meanwhile
                while not done.wait(0.15):
                    self.simulate("enable", "hold")

        self.simulate("enable", "hold")
        hand = threading.Thread(target=hold)
        hand.start()
        try:
            yield
        finally:
            done.set()
            hand.join()

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def prepare(self, name: str, **args: Any) -> str:
        """Prepare a protocol that nobody has signed; return the run."""
        return str(self.ask("prepare", protocol=name, **{"draft_reason": "a test", **args})["run"])

    def armed(self, name: str, **args: Any) -> str:
        """Prepare, wait until it is armed, return the run."""
        run = self.prepare(name, **args)
        self.becomes("armed")
        return run

    def acquiring(self, name: str, **args: Any) -> str:
        """Prepare, start, wait until something is recorded, return the run."""
        run = self.armed(name, **args)
        self.ask("start")
        self.recording()
        return run

    def recording(self) -> None:
        """Wait until something was made durable."""
        self.until(lambda: self.words() > 0, "words to be recorded")

    def becomes(self, *states: str, within_s: float = LONG_S) -> dict[str, Any]:
        """Wait for one of the states; return the status."""
        seen: list[dict[str, Any]] = []

        def there() -> bool:
            seen[:] = [self.status()]
            return seen[0]["state"] in states

        self.until(there, f"the state {' or '.join(states)}", lambda: str(seen), within_s=within_s)
        return seen[0]

    def until(
        self, happened: Callable[[], bool], what: str, seen: Callable[[], str] = str, *, within_s: float = LONG_S
    ) -> None:
        """Wait until it happens, or fail with what was seen and the daemon's log."""
        deadline = time.monotonic() + within_s
        while not happened():
            assert time.monotonic() < deadline, f"waited {within_s} s for {what}; {seen()}\n{self.log()}"
            time.sleep(_POLL_S)

    # The readout

    def readouts(self) -> list[registry.Found]:
        """Return the readouts of this station that live."""
        found = []
        for place in sorted((self.runtime / "scandaq").glob("*")):
            with suppress(ScandaqError):  # removed meanwhile
                found.append(registry.find(place))
        return [one for one in found if one.alive]

    def readout_pid(self) -> int:
        """Return the process id of the one readout."""
        pids: list[int] = []

        def signed() -> bool:
            pids[:] = [one.pid for one in self.readouts() if one.pid is not None]
            return len(pids) == 1

        self.until(signed, "the readout's process id", lambda: str(self.readouts()))
        return pids[0]

    def readout_ended(self) -> None:
        self.until(lambda: not self.readouts(), "the readout to end")

    def words(self) -> int:
        """Return how many words the readout has made durable; 0 while there is none that says so."""
        return int(self.last_status().get("words_recorded", 0))

    def in_step(self, number: int) -> None:
        """Wait until a step records and all that was received before is durable."""
        self.until(lambda: bool(self.status()["step"] == number), f"step {number}")
        received = int(self.last_status()["words_received"])
        self.until(lambda: self.words() > received, f"more than {received} durable words")

    def last_status(self) -> dict[str, Any]:
        """Return what the readout says itself; nothing while there is none that answers."""
        for found in self.readouts():
            with suppress(ScandaqError):
                readout = ReadoutProcess.adopt(found.runtime)
                try:
                    return readout.status()
                finally:
                    readout.close()
        return {}

    # The truth in three places

    def directory(self, run: str) -> Path:
        return next(self.storage.glob(f"*/{run}"))

    def manifest(self, run: str) -> Manifest:
        return load_manifest(self.directory(run))

    def ledger(self, run: str) -> dict[str, Any]:
        """Return the ledger in the manifest, which must be balanced."""
        ledger = self.manifest(run).ledger
        assert ledger is not None
        assert ledger.balanced, ledger
        return ledger.model_dump(mode="json")

    def catalogued(self, run: str, outcome: str, state: str = "sealed") -> Acquisition:
        """Wait until the catalogue knows the run as that; return its row."""
        database = Database(self.state_folder / CATALOGUE_FILE)
        rows: list[Acquisition] = []

        def there() -> bool:
            with suppress(MissingError):
                rows[:] = [database.get(run)]
            return bool(rows) and (rows[0].outcome, rows[0].state) == (outcome, state)

        try:
            self.until(there, f"{outcome}, {state} in the catalogue", lambda: str(rows))
        finally:
            database.close()
        return rows[0]

    def fates(self, run: str) -> list[tuple[str, bool]]:
        """Return the steps in the manifest, each with whether it is completed."""
        return [(each.name, each.completed) for each in self.manifest(run).steps or ()]

    def broker_port(self) -> int:
        broker = find_broker(self.state_folder)
        assert broker is not None, self.log()
        return broker.port

    def on_broker(self, state: str, *, port: int | None = None, **login: str) -> dict[str, Any]:
        """Wait until the broker retains `online` and this state; return everything that it retains."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            seen.clear()
            with suppress(OSError):
                seen.update(retained(port or self.broker_port(), **login))
            return seen.get("availability") == "online" and seen.get("state", {}).get("state") == state

        self.until(there, f"online and {state} on the broker", lambda: f"there: {seen}")
        return seen

    def truth(self, state: str, run: str | None = None) -> dict[str, Any]:
        """Demand that socket and broker say the same state and run; return what the broker retains."""
        status = self.becomes(state)
        said = self.on_broker(state)
        keys = ("state", "run", "step", "since_utc", "detail")
        assert {key: said["state"][key] for key in keys} == {key: status[key] for key in keys}
        assert run is None or status["run"] == run
        return said

    def audit_lines(self) -> list[dict[str, Any]]:
        """Return the whole lines of the audit log in the order of their numbers."""
        files = sorted((self.state_folder / "audit").glob("*.jsonl"))
        told = [line for path in files for line in path.read_text().splitlines(keepends=True)]
        lines = [json.loads(line) for line in told if line.endswith("\n")]
        return sorted(lines, key=lambda line: int(line["seq"]))

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Return the alarms that are shown, by device and name."""
        return {f"{alarm['device']}/{alarm['name']}": alarm for alarm in self.ask("alarms")["alarms"]}

    def daq(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `daq`."""
        return subprocess.run(
            [sys.executable, "-m", "daq", *words],
            capture_output=True, text=True, cwd=ROOT, env=self.environment, timeout=LONG_S, check=False,
        )  # fmt: skip

    # Clearing away

    def clear_away(self) -> None:
        """End everything that was started here."""
        with ExitStack() as stack:
            stack.callback(self._end_readouts)
            stack.callback(end_broker, self.state_folder)
            stack.callback(self.kill)

    def _end_readouts(self) -> None:
        for found in self.readouts():
            if found.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGKILL)
        self.readout_ended()


@contextmanager
def station(folder: Path, url: str, **site: str) -> Iterator[Station]:
    """Yield a station whose daemon does not run yet; at the end nothing of it is left."""
    runtime = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))  # short: sockets lie in it
    made = Station(folder, runtime, url, **site)
    try:
        yield made
    finally:
        try:
            made.clear_away()
        finally:
            shutil.rmtree(runtime, ignore_errors=True)


@contextmanager
def front_end(rate_cps: int = 20_000, seconds: int = 100, transport: str = "tcp") -> Iterator[str]:
    """Yield the address of a simulated head that sends for `seconds` to whoever asks."""
    with simulator("poisson", "--profile", "head-xye64", "--rate", rate_cps, "--seconds", seconds) as simulated:
        yield str(simulated.ready[transport])
