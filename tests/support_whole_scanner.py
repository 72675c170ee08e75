"""A whole station of the manual: its site file with free ports, all simulators, the daemon."""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from support_daemon import Station
from support_simulators import ROOT, Simulator, simulator

from daq.errors import ScandaqError

STATIONS = ROOT / "docs" / "how-to" / "stations"


class WholeStation(Station):
    """The daemon of a site file of the manual, and the side sockets of its simulators."""

    def __init__(self, name: str, folder: Path, runtime: Path) -> None:
        self._name = name
        self.simulators: Simulator | None = None
        super().__init__(folder, runtime, "")

    def write_site(self, **_: str) -> None:
        """Write the site file of the manual, with free ports, a state folder of its own and no broker."""
        text = (STATIONS / f"{self._name}.toml").read_text()
        ports = sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", text)))
        for port, free in zip(ports, free_ports(len(ports)), strict=True):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        places = f'storage = "{self.storage}"\nstate = "{self.state_folder}"\nprotocols = "protocols"'
        text = text.replace('storage = "recordings"', places)
        self.site.write_text(text.replace("mqtt = { own_port = 0 }", 'mqtt = { broker = "none" }'))

    def do(self, name: str, **deed: Any) -> None:
        """Do something to a simulated machine, by its name in the site file."""
        assert "error" not in self._side(name, deed)

    def press_anew(self) -> None:
        """Let go of the enable in the room and press it, again where the daemon was too busy to see that."""
        for left in (4, 3, 2, 1, 0):
            for deed in ("let-go", "drop-latch"):
                self.do("safety", do=deed)
            self.until(lambda: self.status()["motion"]["enable"] == "off", "the enable to be let go")
            time.sleep(0.4)  # four looks of the daemon: a thumb that is lifted for less is not lifted
            self.do("safety", do="press-enable")
            try:
                self.until(lambda: self.status()["motion"]["enable"] == "held", "the enable to be held", within_s=3.0)
            except AssertionError:
                if not left:
                    raise
            else:
                return

    def told(self, name: str) -> dict[str, Any]:
        """Return what is indeed the case with a machine."""
        found: dict[str, Any] = self._side(name, {"told": True})["told"]
        return found

    def volts(self, name: str) -> float:
        """Return what a supply reads."""
        [found] = self.ask("read", device=name, name="voltage")["read"]
        return float(found["value"])

    def up(self, name: str, volts: float) -> None:
        """Arm a supply and raise it."""
        self.ask("arm-voltage", device=name, volts=volts)
        self.ask("raise-voltage", device=name, volts=volts)

    def against(self, name: str) -> str:
        """Return what is against using a device."""
        return str(self.ask("check", device=name)["devices"][name])

    def begin(self, verb: str, **args: Any) -> tuple[threading.Thread, list[str]]:
        """Ask for something that lasts; what it ends with is in the list once the thread has ended."""
        ended: list[str] = []

        def ask() -> None:
            try:
                self.ask(verb, within_s=90.0, **args)
            except ScandaqError as why:
                ended.append(str(why))
            else:
                ended.append("done")

        thread = threading.Thread(target=ask)
        thread.start()
        return thread, ended

    def _side(self, name: str, asked: dict[str, Any]) -> Any:
        assert self.simulators is not None
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(5)
            wire.connect(self.simulators.ready["sides"][name])
            wire.sendall(json.dumps(asked).encode() + b"\n")
            return json.loads(wire.makefile().readline())


Kind = TypeVar("Kind", bound=WholeStation)


@contextmanager
def whole_station(name: str, folder: Path, kind: type[Kind] = WholeStation) -> Iterator[Kind]:  # type: ignore[assignment]
    """Yield a station of the manual that serves, all its simulators running."""
    runtime = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))  # short: sockets lie in it
    made = kind(name, folder, runtime)
    try:
        made.launch()  # it asks again until the simulators are there
        with simulator("station", made.site, "--rate", 100) as simulated:
            made.simulators = simulated
            try:
                made.until(made.answers, "the daemon to answer")
                yield made
            finally:
                made.clear_away()
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
