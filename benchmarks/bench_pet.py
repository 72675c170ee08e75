"""PET live: singles over loopback to durable coincidences, zero loss, on whatever machine this is.

`python -m benchmarks.bench_pet floor` runs the floors, `ladder` looks for the highest clean rate, `one` does what its
options say, `stages` tells what each stage costs in CPU time, alone. Singles pass an energy window of 435 to 650 keV
before they are put in order of time; prompts and delayeds are made of them. Half of the singles of the pattern lie in
the photopeak, a fifth belong to true pairs; the rate is that of the detector's own clock too.

`SCANDAQ_BENCH_SECONDS`, `SCANDAQ_BENCH_RUNS`, `SCANDAQ_BENCH_STORAGE` are as in `bench_readout`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.bench_readout import LADDER, LARGE, MOST_VOID, RUNS, SECONDS, SMALL, line
from benchmarks.common import Row, load
from benchmarks.pattern import PROFILE, make_pattern
from benchmarks.readoutrun import Case, Run, lengthened, perform, storage_folder
from daq.composition.processing import pairing_of, processing_of
from daq.model.processing import Processing, StoredSingles
from daq.model.stop import StopCondition
from daq.model.windows import EnergyWindow
from daq.pipeline.pairing import Pairer
from daq.storage.accounts import Accounts
from daq.storage.derive import Derivation
from daq.storage.kernels import load_decoder
from daq.storage.rawpackets import raw_packets
from daq.storage.reader import open_listmode
from daq.wire.native_batch import packets_of
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

HALF_WINDOW_PS, DELAY_PS = 2_250, 100_000
LATENCY_S = 1.0


def processing(singles: StoredSingles = "none", *, pairs: bool = True) -> Processing:
    """Return what is measured: one energy window, prompts and delayeds on a ring of 16,384 crystals."""
    rule = pairing_of(
        load_scanner("reference-ring"), half_window_ps=HALF_WINDOW_PS, delay_ps=DELAY_PS, windows=["peak"]
    )
    window = EnergyWindow(435.0, 650.0, "peak")
    return processing_of(load_profile(PROFILE), windows=[window], pairing=rule if pairs else None, singles=singles)


def case(name: str, rate: float | None, **changes: Any) -> Case:
    """Return a case that stores pairs alone unless told otherwise."""
    asked: dict[str, Any] = {"processing": processing(), "store_raw": False, **changes}
    return Case(name, rate, SECONDS, **asked)


def floors() -> list[Case]:
    """Return the rates that must be held."""
    return [
        case("pairs, 4 MiB", 10e6, buffer_bytes=SMALL),
        case("pairs, 64 MiB", 30e6, buffer_bytes=LARGE),
        case("raw and pairs, 64 MiB", 20e6, buffer_bytes=LARGE, store_raw=True),
        case("pairs, three burners, 4 MiB", 5e6, buffer_bytes=SMALL, burners=3),
        case("pairs, three burners, 64 MiB", 10e6, buffer_bytes=LARGE, burners=3),
    ]


def overload() -> Case:
    """Return the case that nobody can keep up with: flat out, raw and all singles and pairs."""
    flat_out = case("flat out", None, processing=processing("all"), store_raw=True, gso=True, buffer_bytes=SMALL)
    return lengthened(flat_out, min(SECONDS, 2.0))


def run() -> list[Row]:
    """Return the rows of the table: floors and overload."""
    rows: list[Row] = []
    for wanted in floors():
        runs = judged(wanted, RUNS or 1)
        what = f"PET {wanted.name}: {(wanted.rate or 0) / 1e6:g} M singles/s without loss, runs clean / runs"
        if runs:
            clean = sum(run.clean for run in runs) / len(runs)
            rows.append(Row(what, " | ".join(map(told, runs)), clean, 1.0, 1.0))
        else:
            rows.append(Row(what, f"not judged: {MOST_VOID + 1} runs void, the sender was late or short of its rate"))
    over = perform(overload(), storage_folder())
    accounted = float(not over.trouble and over.unaccounted == 0 and over.endless < over.case.sources)
    rows.append(Row("PET overload: every word accounted for (1: yes)", told(over), accounted, 1.0, 1.0))
    return rows


def judged(wanted: Case, count: int, shown: Callable[[Run], object] | None = None) -> list[Run]:
    """Return `count` runs that are not void, fewer where the sender spoils too many."""
    runs: list[Run] = []
    void = 0
    while len(runs) < count and void <= MOST_VOID:
        done = perform(wanted, storage_folder(), look=look)
        if shown:
            shown(done)
        if done.void:
            void += 1
        else:
            runs.append(done)
    return runs


def look(run: Run) -> None:
    """Work out how old pairs are when they are durable; hold live counts against an offline sort where raw is kept."""
    if run.directory is None:
        return
    run.status["latency_s"] = latency_s(run)
    if run.case.store_raw and run.clean:
        run.status["pairs_offline"] = offline(run)


def latency_s(run: Run) -> float | None:
    """Return the greatest age of the newest durable pair while data flowed: since its packet arrived."""
    assert run.directory is not None
    with open_listmode(run.directory) as recording:
        marks = recording.table("marks", ["kind", "time_ps", "value2"]).to_pydict()
        clock = np.array([
            (time_ps, arrival_ns)
            for kind, time_ps, arrival_ns in zip(marks["kind"], marks["time_ps"], marks["value2"], strict=True)
            if kind == "clock"
        ])  # fmt: skip
        times = recording.table("coincidences", ["time_ps"]).column("time_ps").to_numpy()
    if not len(clock):
        return None
    until_ns = clock[0, 1] + run.sender["seconds"] * 1e9  # what comes last waits for its turn until all is silent
    samples = np.array([(at_ns, rows) for at_ns, rows in run.durable if rows and at_ns < until_ns])
    if not len(samples):
        return None
    newest_ps = times[samples[:, 1] - 1]
    before = np.maximum(np.searchsorted(clock[:, 0], newest_ps, "right") - 1, 0)  # a sender that is late stretches time
    arrived_ns = clock[before, 1] + (newest_ps - clock[before, 0]) * 1e-3
    return float(np.max(samples[:, 0] - arrived_ns)) * 1e-9


def offline(run: Run) -> dict[str, int]:
    """Return prompts and delayeds of all recorded words, decoded, sorted by time at once and paired in one push."""
    assert run.directory is not None
    assert run.case.processing is not None
    assert run.case.processing.pairing is not None
    profile = load_profile(PROFILE)
    decoder = load_decoder(profile.layout, profile.clock)
    parts = []
    with open_listmode(run.directory) as recording:
        derivation = Derivation(decoder, Accounts("native", 8, "word"))
        for packets in raw_packets(recording):
            parts += derivation.rows(derivation.account(packets)).get("singles", [])
    window = run.case.processing.windows[0]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    inside = (columns["energy_adc"] >= window.lower_kev) & (columns["energy_adc"] < window.upper_kev)
    singles = {name: values[inside] for name, values in columns.items()}
    order = np.argsort(singles["time_ps"], kind="stable")
    pairer = Pairer(run.case.processing.pairing)
    pairer.push({
        "time_ps": singles["time_ps"][order], "detector": singles["detector"][order],
        "energy_kev": singles["energy_adc"][order].astype(np.float32),
    })  # fmt: skip
    pairer.flush()
    return {name: pairer.counts[name] for name in ("prompts", "delayeds")}


def told(run: Run) -> str:
    """Return a run in one line, with what is special to PET."""
    text = line(run)
    paired = run.counters.get("pairing")
    if run.trouble or not paired or not run.counters["singles"]:
        return text
    singles = run.counters["singles"]
    passed = sum(run.counters["windows"].values()) / singles
    words = [
        f"{100 * passed:.1f} % of {singles:,} singles pass",
        f"per single {paired['prompts'] / singles:.4f} prompts, {paired['delayeds'] / singles:.4f} delayeds",
    ]
    latency = run.status.get("latency_s")
    words += [f"durable after at most {latency:.2f} s"] if latency is not None else []
    offline_counts = run.status.get("pairs_offline")
    if offline_counts is not None:
        equal = all(paired[name] == count for name, count in offline_counts.items())
        words.append(f"offline sort: {'equal' if equal else 'DIFFERENT'} ({offline_counts})")
    return ", ".join([text, *words])


def stages(rate: float, seconds: float) -> None:
    """Print what the stages cost, in ns of CPU per single, of packets in memory, one after the other."""
    pattern = make_pattern(words=1 << 20, words_per_datagram=182, sources=32, detector_rate_words_per_s=rate)
    profile = load_profile(PROFILE)
    decoder = load_decoder(profile.layout, profile.clock)
    paths = {
        "account, decode": (None, None),
        "and calibrate, window, choose": (processing("windowed", pairs=False), None),
        "and order of those in the window": (processing("windowed", pairs=False), profile.order),
        "and prompts + delayeds": (processing("none"), profile.order),
    }
    before = 0.0
    for what, (asked, order) in paths.items():
        accounts = Accounts("native", 8, "word")
        derivation = Derivation(decoder, accounts, stop=StopCondition(), processing=asked, order=order)
        spent, singles = _drive(derivation, pattern.rows.copy(), pattern, seconds)
        print(f"{what}: {spent:.1f} ns/single ({spent - before:+.1f}), {singles:,} singles", flush=True)
        before = spent


def _drive(derivation: Derivation, rows: Any, pattern: Any, seconds: float) -> tuple[float, int]:
    """Derive the pattern again and again, moved on in time; return ns of CPU per single and how many there were."""
    per_call, size = 256, rows.shape[1] * 8
    offset = np.arange(per_call, dtype=np.int64) * size
    length, arrival = np.full(per_call, size, np.int64), np.zeros(per_call, np.int64)
    spent, end = 0.0, time.monotonic() + seconds
    at = np.repeat(np.arange(len(rows)), np.diff(pattern.epoch_begin))
    while time.monotonic() < end:
        for first in range(0, len(rows) - per_call, per_call):
            data = rows[first : first + per_call].reshape(-1).view(np.uint8)
            packets = packets_of(data, offset, length, arrival, 8)
            began = time.process_time()
            derivation.rows(derivation.account(packets))
            spent += time.process_time() - began
        rows[at, pattern.epoch_at] += np.uint64(pattern.epochs)
        rows[:, 1] += np.uint64(pattern.words_per_source)
    singles = derivation.counts["singles"]
    return spent / max(singles, 1) * 1e9, singles


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    print(f"load before: {load()}", flush=True)
    if options.mode == "stages":
        stages(options.rate or 30e6, options.seconds)
    elif options.mode == "floor":
        for wanted in [*floors(), overload()]:
            judged(lengthened(wanted, options.seconds), RUNS or 1, show)
    else:
        wanted = case(
            "", options.rate, gso=options.gso, buffer_bytes=options.buffer << 20, burners=options.burners,
            store_raw=options.raw, processing=processing(options.singles), priority=options.priority,
        )  # fmt: skip
        for rate in LADDER if options.mode == "ladder" else (options.rate,):
            runs = judged(lengthened(replace(wanted, rate=rate), options.seconds), RUNS or 1, show)
            if options.mode == "ladder" and not all(run.clean for run in runs):
                break
    print(f"load after: {load()}")
    return 0


def show(run: Run) -> None:
    """Print a run."""
    print(f"{run.case.about}: {told(run)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_pet", description=__doc__)
    parser.add_argument("mode", choices=("floor", "ladder", "one", "stages"))
    parser.add_argument("--rate", type=float, metavar="R", help="words per second (default: flat out)")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help="length (default %(default)s)")
    parser.add_argument("--gso", action="store_true", help="UDP_SEGMENT at the sender, UDP_GRO at the readout")
    parser.add_argument("--buffer", type=int, default=64, metavar="MIB", help="socket buffer (default 64)")
    parser.add_argument("--burners", type=int, default=0, metavar="N", help="processes that burn CPU beside it")
    parser.add_argument("--priority", type=int, default=0, metavar="N", help="SCHED_FIFO of the receiving thread")
    parser.add_argument("--raw", action="store_true", help="record raw words, too")
    parser.add_argument("--singles", choices=("all", "windowed", "none"), default="none", help="singles to store")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
