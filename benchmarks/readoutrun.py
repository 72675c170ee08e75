"""One end-to-end run: the blaster sends, a readout records as under `daq record`, their accounts are compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.beside import ThreadTimes, Ticker, burners, resident_bytes
from daq import composition
from daq.model.processing import Processing
from daq.readout.hostlimits import holds_s
from daq.readout.plan import CONTROL, Plan
from daq.storage.info import describe
from daq.storage.listing import load_manifest
from device_profiles.load import load_profile

PROFILE = "singles64"
WORD_BYTES = 8
ROW_BYTES = 14
_READY_S = 60.0
_LOOK_S = 0.1
_SEAL_S = 120.0
_STALL_S = 3.0
_SHORT = 0.97
"""A sender that reached less of its rate was the limit itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is tried. `rate` in words per second, None: flat out. `gso`: UDP_SEGMENT at the sender, UDP_GRO here."""

    name: str
    rate: float | None
    seconds: float
    gso: bool = False
    buffer_bytes: int = 64 << 20
    priority: int = 0
    rows: bool = False
    burners: int = 0
    sources: int = 32
    sender_priority: int = 0
    processing: Processing | None = None
    """What is done to singles; rows are stored then as it says, whatever `rows` says."""
    store_raw: bool = True

    @property
    def about(self) -> str:
        """Return the case in a few words."""
        rate = f"{self.rate / 1e6:g} M/s" if self.rate else "flat out"
        words = [rate, "GSO/GRO" if self.gso else "plain", f"{self.buffer_bytes >> 20} MiB"]
        words += [f"FIFO {self.priority}"] * bool(self.priority) + [self.stored]
        words += [f"{self.burners} burners"] * bool(self.burners)
        return ", ".join(words)

    @property
    def stored(self) -> str:
        """Return what is stored."""
        raw = ["raw"] * self.store_raw
        if self.processing is None:
            return "+".join([*raw, *["rows"] * self.rows])
        singles = {"all": ["singles"], "windowed": ["singles in windows"], "none": []}[self.processing.singles]
        return "+".join([*raw, *singles, *["pairs"] * (self.processing.pairing is not None)])


@dataclass(slots=True)
class Run:
    """What came of it. Words, unless the name says otherwise; CPU as shares of a core while words were sent."""

    case: Case
    sender: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    ticker: dict[str, float] = field(default_factory=dict)
    unaccounted: int = 0
    """Words of sources whose end came, sent and in no column of the ledger, or counted twice."""
    endless: int = 0
    """Sources whose end packets were all lost: what they sent after the last packet that came nobody can know."""
    ready_cpu_s: float = 0.0
    rss_bytes: list[int] = field(default_factory=list)
    seal_s: float = 0.0
    counters: dict[str, Any] = field(default_factory=dict)
    """What the manifest says that the processing counted."""
    durable: list[tuple[int, int]] = field(default_factory=list)
    """Host monotonic ns, and the pairs that were durable then."""
    directory: Path | None = None
    trouble: str = ""

    @property
    def offered(self) -> int:
        return int(self.sender.get("words", 0))

    @property
    def clean(self) -> bool:
        return not self.trouble and self.offered == self.ledger["sent"] == self.ledger["recorded"]

    @property
    def void(self) -> str:
        """Return why the run says nothing about the readout; empty when it does."""
        if self.trouble or not self.case.rate:
            return ""
        late_ms = float(self.sender["lateness_max_ms"])
        granted = int(self.status.get("socket_buffer_bytes") or self.case.buffer_bytes)
        held_ms = holds_s(granted, self.case.rate, WORD_BYTES) * 1000
        if late_ms > held_ms:
            return f"sender {late_ms:.0f} ms late, the buffer holds {held_ms:.0f} ms"
        if self.sender["words_per_s"] < _SHORT * self.case.rate:
            return f"sender reached {self.sender['words_per_s'] / 1e6:.1f} M/s"
        return ""

    def figure(self, word: str) -> float | None:
        """Return the first number of the status whose key has `word` in it."""
        for key, value in self.status.items():
            if word in key and isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
        return None


def unsupported(case: Case) -> str:
    """Return what of the case this build of the readout cannot be told; empty when it can be told everything."""
    return "GRO or priority" if (case.gso or case.priority) and "receive" not in Plan.model_fields else ""


def perform(
    case: Case, storage: Path, *, look: Callable[[Run], None] | None = None,
    beside: Callable[[Path, ExitStack], None] | None = None,
) -> Run:  # fmt: skip
    """Do one run below `storage`, which is left as it was; `look` at it while its directory is there.

    `beside` begins what goes on beside it, before the readout does: it is given where the control socket will be.
    """
    run = Run(case)
    with tempfile.TemporaryDirectory(dir=storage, prefix="bench-readout-") as folder, ExitStack() as stack:
        bytes_per_word = WORD_BYTES * 1.05 * case.store_raw + ROW_BYTES * (case.rows or case.processing is not None)
        need = int(case.seconds * (case.rate or 3e8) * bytes_per_word)
        free = shutil.disk_usage(folder).free
        if free < need:
            run.trouble = f"needs {need / 1e9:.0f} GB, {free / 1e9:.0f} GB are free"
            return run
        blaster, url = _blaster(case)
        stack.callback(_end, blaster)
        try:
            _record(run, Path(folder), blaster, url, stack, beside)
            if look is not None:
                look(run)
        except Exception as why:  # noqa: BLE001 - a benchmark tells what went wrong and goes on
            run.trouble = f"{type(why).__name__}: {why}"
    return run


def _record(
    run: Run, folder: Path, blaster: subprocess.Popen[str], url: str, stack: ExitStack,
    beside: Callable[[Path, ExitStack], None] | None,
) -> None:  # fmt: skip
    case = run.case
    profile = load_profile(PROFILE)
    plan, runtime = composition.plan_recording(
        profile, sources=[url], stop_texts=["end"], out=str(folder / "run"), storage=None,
        store_raw=True, stall_s=_STALL_S, simulated=True,
    )  # fmt: skip
    stack.enter_context(burners(case.burners))
    if beside is not None:
        beside(Path(runtime) / CONTROL, stack)
    readout = composition.start_readout(_as_wanted(plan, case), runtime)
    stack.callback(lambda: readout.stop() if readout.running() else None)
    times = ThreadTimes(readout.pid)
    deadline = time.monotonic() + _READY_S
    while readout.running() and readout.status()["state"] in ("starting", "arming", "armed"):
        if time.monotonic() > deadline:
            raise TimeoutError("the readout is not ready")
        time.sleep(0.02)
    run.ready_cpu_s = times.begin()
    ticker = Ticker()
    began = time.monotonic()
    while blaster.poll() is None and readout.running():
        time.sleep(_LOOK_S)
        times.look()
        run.rss_bytes.append(resident_bytes(readout.pid)[0])
        if case.processing is not None:
            recorded = readout.status().get("counts_recorded", {})
            run.durable.append((time.monotonic_ns(), int(recorded.get("coincidences", 0))))
    seconds = time.monotonic() - began
    run.ticker = ticker.stop()
    run.cpu = {name: spent / seconds for name, spent in times.by_name().items()}
    ended = time.monotonic()
    run.sender = json.loads(blaster.communicate(timeout=_READY_S)[0].splitlines()[-1])
    run.status = readout.result(deadline_s=_SEAL_S)
    run.seal_s = time.monotonic() - ended
    run.directory = Path(plan.directory)
    run.counters = load_manifest(run.directory).counters
    ledger = describe(run.directory)["ledger"]
    columns = ("sent", "gap", "received", "recorded", "malformed", "ring_full", "shed", "disk")
    run.ledger = {name: sum(source[name] or 0 for source in ledger["sources"]) for name in columns}
    ended_sources = [source for source in ledger["sources"] if source["basis"] == "counter"]
    run.endless = case.sources - len(ended_sources)
    offered = run.sender["words_per_source"]
    run.unaccounted = sum(abs(offered[s["source"]] - s["received"] - s["gap"]) for s in ended_sources)
    run.ledger["kernel_drops"] = ledger["socket"]["kernel_drops"]


def _as_wanted(plan: Plan, case: Case) -> Plan:
    """Return the plan with what the case asks for."""
    changes: dict[str, Any] = {"store_rows": case.rows, "hash_segments": False}
    if case.processing is not None:
        changes |= {"store_rows": True, "store_raw": case.store_raw, "processing": case.processing}
    if "receive" in Plan.model_fields:
        wanted = {"gro": case.gso, "priority": case.priority, "socket_buffer_bytes": case.buffer_bytes}
        receive: Any = plan.receive  # type: ignore[attr-defined]
        known = {key: value for key, value in wanted.items() if key in type(receive).model_fields}
        changes["receive"] = receive.model_copy(update=known)
    if "socket_buffer_bytes" in Plan.model_fields:
        changes["socket_buffer_bytes"] = case.buffer_bytes
    return plan.model_copy(update=changes)


def _blaster(case: Case) -> tuple[subprocess.Popen[str], str]:
    """Start the sender and return it with its address once it waits for a request."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.blaster",
        "--seconds",
        str(case.seconds),
        "--sources",
        str(case.sources),
    ]
    command += ["--rate", str(case.rate)] if case.rate else []
    command += ["--gso"] if case.gso else []
    command += ["--priority", str(case.sender_priority)] if case.sender_priority else []
    blaster = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ready = blaster.stdout.readline() if blaster.stdout else ""
    return blaster, str(json.loads(ready)["udp"])


def _end(blaster: subprocess.Popen[str]) -> None:
    if blaster.poll() is None:
        blaster.kill()
    blaster.communicate()


def lengthened(case: Case, seconds: float) -> Case:
    """Return the case with another length."""
    return replace(case, seconds=seconds)


def storage_folder() -> Path:
    """Return where to record: `$SCANDAQ_BENCH_STORAGE`, else here; it should be a disk, not memory."""
    return Path(os.environ.get("SCANDAQ_BENCH_STORAGE", "."))
