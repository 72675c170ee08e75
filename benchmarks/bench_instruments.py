"""The daemon with a whole scanner's instruments polled at their cadence while 10 M words/s are recorded.

16 channels of high voltage on four lines of 9600 baud (simulators that let bytes out no faster), four axes, three
boards of registers, a safety controller. Lag is how late an answer to `status` comes that was asked every 20 ms, which
is the loop's and the machine's; the daemon's own count of late turns stands beside it. Jitter is how late readings are.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.bench_daemon import _PROTOCOL, _blaster, _cpu_s, _until
from benchmarks.common import Row
from benchmarks.readoutrun import storage_folder
from daq.composition.equipment import controllers, scanner
from daq.devices.build import build_devices
from daq.devices.instruments.wiring import Wiring
from daq.services.broker import end_broker
from daq.services.bus import Bus
from daq.services.readings import Readings
from daq.transports.localclient import LocalClient
from device_profiles.scanners import load_scanner
from device_profiles.site import load_site

_SUPPLIES, _CHANNELS, _BOARDS = 4, 4, 3
_SECONDS, _SETTLED_S, _JITTER_S = 20.0, 6.0, 15.0
_ASK_S = 0.02
_AXES = ("bed", "rod", "source", "shield")
_SITE = """schema = "site/0"
station = "bench"
storage = {storage}
state = {state}
protocols = {protocols}
simulated = true
scanner = "./scanner.toml"
[instruments.ring]
profile = "singles64"
url = {ring}
[mqtt]
own_port = 0
[metrics]
port = {metrics}
"""
_STORE = """[store]
raw = true
singles = "all"
pairs = false
[windows.photopeak]
lower = "425 keV"
upper = "650 keV"
[sources]
windows = "scandaq: a benchmark"
store = "scandaq: a benchmark"
"""
_AXIS = """
[axes.linear.{0}]
min_mm = 0.0
max_mm = 500.0
max_speed_mm_per_s = 20.0
max_overtravel_mm = 2.0
"""
_SUPPLY = """
[supplies.hv{0}]
max_v = 900.0
max_slope_v_per_s = 50.0
max_step_v = 300.0
tolerance_v = 2.0
trip_ua = 300.0
trip_s = 0.5
"""


def run() -> list[Row]:
    """Return the rows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=storage_folder(), prefix="bench-inst-")))
        places = stack.enter_context(_scanner())
        alone = _daemon(stack, folder.absolute() / "alone", {})
        polled = _daemon(stack, folder.absolute() / "polled", places)
        jitter = asyncio.run(_jitter(folder / "polled" / "site.toml"))
    return [*_rows("no instruments", alone), *_rows("16 HV, 4 axes, 3 boards, 1 PLC", polled), *jitter]


def _rows(what: str, found: dict[str, float]) -> list[Row]:
    lag = f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms, worst {found['worst']:.1f} ms; aim 50 ms"
    turns = f"{found['late']:.0f} of {found['turns']:.0f} turns late by more than 50 ms"
    share = f"{found['share']:.1%} of a core; aim 25 %"
    return [
        Row(f"{what}: answers while recording", figure=f"{lag}; {turns}"),
        Row(f"{what}: the daemon", figure=f"{share} ({found['words'] / 1e6:.1f} M words/s)"),
    ]


@contextmanager
def _scanner() -> Iterator[dict[str, str]]:
    """Yield where each controller of the site is, by `NAME PROFILE`."""
    wanted = {
        **{f"hv{n}": ("caen-n1470", "tty", "--serial", f"10{n}") for n in range(_SUPPLIES)},
        "stage": ("zaber-ascii", "tty", "--axes", "4"),
        **{f"board{n}": ("ipbus", "udp") for n in range(_BOARDS)},
        "safety": ("modbus-plc", "tcp"),
    }
    with ExitStack() as stack:
        places = {}
        for name, (kind, wire, *options) in wanted.items():
            command = [sys.executable, "-m", "simulators", kind, *options]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            place = ready[wire]
            profile = {"ipbus": "ipbus-board"}.get(kind, kind)
            places[f"{name} {profile}"] = f"serial://{place}" if wire == "tty" else place
        yield places


def _site(folder: Path, places: dict[str, str], ring: str, metrics: int) -> Path:
    state = Path(tempfile.mkdtemp(prefix="scandaq-bench-"))
    for each in ("recordings", "protocols"):
        (folder / each).mkdir(parents=True)
    (folder / "protocols" / "bench.toml").write_text(_PROTOCOL.replace("[sources]\n", _STORE))
    known = {"storage": folder / "recordings", "state": state, "protocols": folder / "protocols"}
    text = _SITE.format(ring=json.dumps(ring), metrics=metrics, **{k: json.dumps(str(v)) for k, v in known.items()})
    shipped = Path(load_scanner.__code__.co_filename).parent / "scanner" / "reference-ring.toml"
    parts = [*map(_AXIS.format, _AXES[1:]), *map(_SUPPLY.format, range(_SUPPLIES * _CHANNELS))]
    (folder / "scanner.toml").write_text(shipped.read_text() + "".join(parts))
    for each, url in places.items():
        name, profile = each.split()
        text += f'[controllers.{name}]\nprofile = "{profile}"\nurl = "{url}"\n'
    if places:
        text += "".join(_devices())
    (folder / "site.toml").write_text(text)
    return folder / "site.toml"


def _devices() -> Iterator[str]:
    for number in range(_SUPPLIES * _CHANNELS):
        where = f'{{ name = "hv{number // _CHANNELS}", channel = "{number % _CHANNELS}" }}'
        yield f'[devices.hv{number}]\nability = "high_voltage"\nkind = "profile"\ncontroller = {where}\n'
    for number, axis in enumerate(_AXES, 1):
        where = f'{{ name = "stage", channel = "{number}", per_unit = 1000.0 }}'
        ability = "bed" if axis == "bed" else "axis"
        yield f'[devices.{axis}]\nability = "{ability}"\nkind = "profile"\ncontroller = {where}\n'
    for number in range(_BOARDS):
        where = f'{{ name = "board{number}" }}'
        yield f'[devices.board{number}]\nability = "instrument"\nkind = "profile"\ncontroller = {where}\n'
    for name, channel in (("room", ""), ("front_head", "1"), ("back_head", "2")):
        where = f'{{ name = "safety"{f", channel = {json.dumps(channel)}" if channel else ""} }}'
        yield f'[devices.{name}]\nability = "interlocks"\nkind = "profile"\ncontroller = {where}\n'


def _daemon(stack: ExitStack, folder: Path, places: dict[str, str]) -> dict[str, float]:
    """Record with a daemon; return what was measured."""
    del stack
    metrics = 19_190 if places else 19_191
    with _blaster() as ring:
        site = _site(folder, places, ring, metrics)
        state = Path(re.findall(r'^state = "(.+)"$', site.read_text(), re.M)[0])
        command = [sys.executable, "-m", "daq", "serve", "--site", str(site), "--log-level", "warning"]
        daemon = subprocess.Popen(command)
        try:
            _until((state / "control").exists, "the daemon")
            with LocalClient(state / "control") as client:
                return _recorded(client, daemon.pid, metrics)
        finally:
            daemon.terminate()
            daemon.wait(30)
            end_broker(state)


def _recorded(client: LocalClient, pid: int, metrics: int) -> dict[str, float]:
    prepare = {"protocol": "bench", "draft_reason": "benchmark", "overrides": {"energy-calibration": "benchmark"}}
    client.ask("prepare", prepare, within_s=60)
    _until(lambda: client.ask("status", within_s=60)["state"] == "armed", "the readout")
    client.ask("start", within_s=60)
    time.sleep(_SETTLED_S)
    before, late, began_s, lags_ms = _cpu_s(pid), _turns(metrics), time.monotonic(), []
    while time.monotonic() - began_s < _SECONDS:
        asked_s = time.monotonic()
        status = client.ask("status", within_s=60)
        lags_ms.append((time.monotonic() - asked_s) * 1e3)
        time.sleep(_ASK_S)
    share = (_cpu_s(pid) - before) / (time.monotonic() - began_s)
    turns = [now - then for now, then in zip(_turns(metrics), late, strict=True)]
    client.ask("stop", within_s=60)
    _until(lambda: client.ask("status", within_s=60)["state"] == "completed", "the end")
    manifest = json.loads((Path(status["directory"]) / "manifest.json").read_text())
    words = sum(source["received"] for source in manifest["ledger"]["sources"])
    cuts = statistics.quantiles(lags_ms, n=100, method="inclusive")
    return {
        "p50": cuts[49], "p99": cuts[98], "worst": max(lags_ms), "share": share, "turns": turns[0], "late": turns[1],
        "words": words / (manifest["duration_ps"] / 1e12),
    }  # fmt: skip


def _turns(port: int) -> tuple[float, float]:
    """Return how many turns of its loop the daemon has looked at, and how many were later than 50 ms."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    count = {bound: float(n) for bound, n in re.findall(r'scandaq_loop_lag_seconds_bucket{le="(.+)"} (\S+)', text)}
    return count["+Inf"], count["+Inf"] - count["0.05"]


async def _jitter(site_file: Path) -> list[Row]:
    """Poll the same instruments in this process; return how late each kind of reading came after it was due."""
    site = load_site(site_file)
    wiring = Wiring(controllers(site, site_file.parent))
    devices = build_devices(site.devices, scanner(site, site_file.parent), wiring.instruments)
    spies = {name: _Spy(device) for name, device in devices.items()}
    readings = Readings(spies, Bus())  # type: ignore[arg-type]
    running = [asyncio.create_task(wiring.run()), asyncio.create_task(readings.run())]
    await asyncio.sleep(_SETTLED_S)
    for spy in spies.values():
        spy.answered.clear()
    missed, used_s = readings.missed + readings.failed, time.process_time()
    gc.collect()
    gc.freeze()  # as the daemon does
    with _longest_turn() as longest_ms:
        await asyncio.sleep(_JITTER_S)
    missed, used_s = readings.missed + readings.failed - missed, time.process_time() - used_s
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await wiring.close()
    kinds = {"high voltage": "hv", "axes": _AXES, "boards": "board", "safety controller": ("room", "front_", "back_h")}
    rows = []
    for kind, names in kinds.items():
        late_ms = [ms for name, spy in spies.items() if name.startswith(names) for ms in spy.late_ms()]
        if late_ms:
            figure = f"p50 {statistics.median(late_ms):.0f} ms, worst {max(late_ms):.0f} ms of {len(late_ms)}"
            rows.append(Row(f"jitter of readings, {kind}", figure=figure))
    work = f"{used_s / _JITTER_S:.1%} of a core; the loop is held for {longest_ms[0]:.1f} ms at most, of processor time"
    return [*rows, Row("readings that did not come", figure=str(missed)), Row("all of them polled alone", figure=work)]


@contextmanager
def _longest_turn() -> Iterator[list[float]]:
    """Yield how long one callback held the loop at most, in ms of processor time: other programs do not count."""
    longest_ms, run = [0.0], asyncio.events.Handle._run  # noqa: SLF001

    def timed(handle: Any) -> None:
        began_s = time.thread_time()
        run(handle)
        longest_ms[0] = max(longest_ms[0], (time.thread_time() - began_s) * 1e3)

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield longest_ms
    finally:
        asyncio.events.Handle._run = run  # type: ignore[method-assign]  # noqa: SLF001


class _Spy:
    """A device that notes when its readings came."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.answered: dict[str, list[float]] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "read_timed":
            return self._read_timed if hasattr(self._device, "read_timed") else getattr(self._device, name)
        return getattr(self._device, name)

    async def read(self, quantity: str) -> Any:
        found = await self._device.read(quantity)
        self.answered.setdefault(quantity, []).append(time.monotonic())
        return found

    async def _read_timed(self, quantity: str) -> Any:
        found = await self._device.read_timed(quantity)
        self.answered.setdefault(quantity, []).append(time.monotonic())
        return found

    def late_ms(self) -> list[float]:
        """Return by how much each interval between two answers was longer than the cadence, in ms."""
        cadence = {quantity.name: quantity.poll_s for quantity in self._device.quantities}
        return [
            max(0.0, later - earlier - cadence[name]) * 1e3
            for name, times in self.answered.items()
            for earlier, later in pairwise(times)
        ]
