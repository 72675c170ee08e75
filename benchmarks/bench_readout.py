"""The readout end to end: UDP datagrams over loopback to durable raw data, zero loss, on whatever machine this is.

`python -m benchmarks.bench_readout floor` runs the floors, `table` every combination worth knowing, `ladder` looks for
the highest clean rate, `one` does what its options say. `SCANDAQ_BENCH_SECONDS` is the length of a run (default 2),
`SCANDAQ_BENCH_RUNS` how many make a verdict (default 1; `ladder` and `table` 3), `SCANDAQ_BENCH_STORAGE` the disk.
A run whose sender was later than the buffer holds, or did not reach its rate, is void: repeated, never judged.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.common import Row, load
from benchmarks.readoutrun import Case, Run, lengthened, perform, storage_folder, unsupported

SECONDS = float(os.environ.get("SCANDAQ_BENCH_SECONDS", "2"))
RUNS = int(os.environ.get("SCANDAQ_BENCH_RUNS", "0"))
MOST_VOID = 2
LEAST_SHARE = 0.005
READY_CPU_S = 3.0
TICKER_P99_MS = 25.0
SMALL, LARGE = 4 << 20, 64 << 20
LADDER = (5e6, 10e6, 20e6, 30e6, 40e6, 50e6, 60e6, 80e6, 100e6, 120e6, 150e6)
FLOORS = (
    Case("raw, plain, 4 MiB", 30e6, SECONDS, buffer_bytes=SMALL),
    Case("raw, GSO/GRO, 64 MiB", 60e6, SECONDS, gso=True),
    Case("raw, three burners, 4 MiB", 5e6, SECONDS, buffer_bytes=SMALL, burners=3),
    Case("raw, three burners, 64 MiB", 10e6, SECONDS, burners=3),
)
OVERLOAD = Case("overload, flat out", None, min(SECONDS, 5.0), gso=True, buffer_bytes=SMALL, rows=True)
TABLE = (
    Case("", 20e6, SECONDS, buffer_bytes=SMALL),
    Case("", 30e6, SECONDS, buffer_bytes=SMALL),
    Case("", 30e6, SECONDS, buffer_bytes=SMALL, priority=1),
    Case("", 40e6, SECONDS),
    Case("", 50e6, SECONDS),
    Case("", 50e6, SECONDS, priority=1),
    Case("", 60e6, SECONDS, gso=True, buffer_bytes=SMALL),
    Case("", 60e6, SECONDS, gso=True),
    Case("", 60e6, SECONDS, gso=True, priority=1),
    Case("", 90e6, SECONDS, gso=True, priority=1),
    Case("", 120e6, SECONDS, gso=True, priority=1),
    Case("", 10e6, SECONDS, buffer_bytes=SMALL, rows=True),
    Case("", 20e6, SECONDS, rows=True),
    Case("", 20e6, SECONDS, gso=True, rows=True, priority=1),
    Case("", 5e6, SECONDS, buffer_bytes=SMALL, burners=3),
    Case("", 10e6, SECONDS, burners=3),
    Case("", 20e6, SECONDS, burners=3, priority=1),
)
HEAD = "case | clean | lost in the others | CPU | ring MiB | sync | sender late ms | ticker p99 / max ms"


def run() -> list[Row]:
    """Return the rows of the table: floors, overload, readiness."""
    rows: list[Row] = []
    done: list[Run] = []
    for case in FLOORS:
        what = f"{case.name}: {(case.rate or 0) / 1e6:g} M words/s without loss, runs clean / runs"
        if unsupported(case):
            rows.append(Row(what, f"not run: this readout cannot be told {unsupported(case)}"))
            continue
        runs = judged(case, RUNS or 1)
        done += runs
        clean = sum(run.clean for run in runs)
        if runs:
            rows.append(Row(what, " | ".join(map(line, runs)), clean / len(runs), 1.0, 1.0))
        else:
            rows.append(Row(what, f"not judged: {MOST_VOID + 1} runs void, the sender was late or short of its rate"))
    over = perform(OVERLOAD if not unsupported(OVERLOAD) else replace(OVERLOAD, gso=False), storage_folder())
    accounted = not over.trouble and over.unaccounted == 0 and over.endless < over.case.sources
    rows.append(Row("overload: every word accounted for (1: yes)", line(over), float(accounted), 1.0, 1.0))
    good = [run for run in [*done, over] if not run.trouble]
    if good:
        ready = min(run.ready_cpu_s for run in good)
        rows.append(
            Row("readout ready, limit / CPU-s", f"{ready:.2f} CPU-s, limit 3, aim 1.5", READY_CPU_S / ready, 1.0, 2.0)
        )
    late = [run.ticker["p99_ms"] for run in good if run.ticker and not run.case.burners and run.case.rate]
    if late:
        figure = f"worst p99 {max(late):.1f} ms, limit 25, aim 8"
        rows.append(Row("ticker of a process beside it, limit / p99", figure, TICKER_P99_MS / max(late), 1.0, 3.1))
    return rows


def judged(case: Case, wanted: int, told: Callable[[Run], object] | None = None) -> list[Run]:
    """Return `wanted` runs that are not void, fewer where the sender spoils too many."""
    runs: list[Run] = []
    void = 0
    while len(runs) < wanted and void <= MOST_VOID:
        run = perform(case, storage_folder())
        if told:
            told(run)
        if run.void:
            void += 1
        else:
            runs.append(run)
    return runs


def ladder(base: Case) -> None:
    """Climb until a rate is not clean in all runs, and say the highest that was."""
    best, wanted = 0.0, RUNS or 3
    for rate in LADDER:
        runs = judged(replace(base, rate=rate), wanted, show)
        if len(runs) < wanted:
            print(f"  {rate / 1e6:g} M words/s: the sender is the limit")
            break
        clean = sum(run.clean for run in runs)
        print(f"  {rate / 1e6:g} M words/s: clean in {clean} of {len(runs)}")
        if clean < len(runs):
            break
        best = rate
    print(f"highest clean rate, {replace(base, rate=None).about.replace('flat out, ', '')}: {best / 1e6:g} M words/s")


def table(cases: Sequence[Case]) -> None:
    """Run every case and print one row for each, the worst of its runs where they differ."""
    rows = [row(case, judged(case, RUNS or 3, show)) for case in cases if not unsupported(case)]
    print(f"\n| {HEAD} |\n|{' --- |' * (HEAD.count('|') + 1)}")
    for cells in rows:
        print(f"| {' | '.join(cells)} |")
    for case in filter(unsupported, cases):
        print(f"not run: {case.about}: this readout cannot be told {unsupported(case)}")


def row(case: Case, runs: Sequence[Run]) -> list[str]:
    """Return the cells of a case: medians, and the worst where the worst matters."""
    good = [run for run in runs if not run.trouble]
    if not good:
        return [case.about, "void", *[""] * (HEAD.count("|") - 1)]
    lost = sorted(100 * (1 - run.ledger["recorded"] / run.offered) for run in good if not run.clean)
    names = dict.fromkeys(name for run in good for name in run.cpu)
    shares = {name: statistics.median(run.cpu.get(name, 0.0) for run in good) for name in names}
    return [
        case.about,
        f"{sum(run.clean for run in good)} of {len(runs)}",
        f"{lost[0]:.3f} to {lost[-1]:.3f} %" if lost else "",
        cpu(shares),
        f"{max(run.figure('high_water') or 0 for run in good) / (1 << 20):.0f}",
        ", ".join(sorted({text for run in good for text in syncs(run)})),
        f"{max(run.sender['lateness_max_ms'] or 0 for run in good):.0f}",
        f"{max(run.ticker['p99_ms'] for run in good):.1f} / {max(run.ticker['max_ms'] for run in good):.0f}",
    ]


def cpu(shares: dict[str, float]) -> str:
    """Return `receive 0.21 + main 0.55`, what is next to nothing left out."""
    return " + ".join(f"{name} {share:.2f}" for name, share in shares.items() if share >= LEAST_SHARE)


def syncs(run: Run) -> list[str]:
    """Return what the status says of syncs to the disk."""
    return [f"{key} {value:g}" for key, value in run.status.items() if "sync" in key and isinstance(value, int | float)]


def line(run: Run) -> str:
    """Return the figures of a run in one line."""
    if run.trouble:
        return run.trouble
    verdict = "VOID" if run.void else "clean" if run.clean else "LOSS"
    lost = {name: run.ledger[name] for name in ("gap", "ring_full", "shed", "disk", "malformed") if run.ledger[name]}
    words = [f"{verdict}: {run.sender['words_per_s'] / 1e6:.1f} M/s, {run.offered:,} sent"]
    words += [f"{name} {count:,} ({100 * count / run.offered:.3f} %)" for name, count in lost.items()]
    words += [f"UNACCOUNTED {run.unaccounted:,}"] if run.unaccounted else []
    words += [f"the end of {run.endless} sources never came"] if run.endless else []
    words += [f"kernel drops {run.ledger['kernel_drops']:,}"] if run.ledger["kernel_drops"] else []
    ring = run.figure("high_water")
    words += [f"ring {ring / (1 << 20):.0f} MiB"] if ring is not None else []
    words.append(cpu(run.cpu))
    words += syncs(run)
    words.append(f"seal {run.seal_s:.1f} s")
    if run.case.rate:
        words.append(f"sender late {run.sender['lateness_max_ms']:.1f} ms")
    if run.ticker:
        words.append(f"ticker {run.ticker['p50_ms']:.1f}/{run.ticker['p99_ms']:.1f}/{run.ticker['max_ms']:.1f} ms")
    if run.rss_bytes:
        words.append(f"RSS {run.rss_bytes[len(run.rss_bytes) // 4] >> 20} to {max(run.rss_bytes) >> 20} MiB")
    return ", ".join(words) + (f" [{run.void}]" if run.void else "")


def show(run: Run) -> None:
    """Print a run."""
    print(f"{run.case.about}: {line(run)}", flush=True)


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    print(f"{os.cpu_count()} cores, load before: {load()}", flush=True)
    if options.mode == "floor":
        for case in [*FLOORS, OVERLOAD]:
            judged(lengthened(case, options.seconds), RUNS or 1, show)
    elif options.mode == "table":
        table([lengthened(case, options.seconds) for case in TABLE])
    else:
        case = Case(
            options.mode, options.rate, options.seconds, gso=options.gso, buffer_bytes=options.buffer << 20,
            priority=options.priority, rows=options.rows, burners=options.burners, sources=options.sources,
            sender_priority=options.sender_priority,
        )  # fmt: skip
        if unsupported(case):
            print(f"this readout cannot be told {unsupported(case)}")
        if options.mode == "ladder":
            ladder(case)
        else:
            judged(case, RUNS or 1, show)
    print(f"load after: {load()}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_readout", description=__doc__)
    parser.add_argument("mode", choices=("floor", "table", "ladder", "one"))
    parser.add_argument("--rate", type=float, metavar="R", help="one: words per second (default: flat out)")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="length of a run (default %(default)s)"
    )
    parser.add_argument("--gso", action="store_true", help="UDP_SEGMENT at the sender, UDP_GRO at the readout")
    parser.add_argument("--buffer", type=int, default=64, metavar="MIB", help="socket buffer (default 64)")
    parser.add_argument("--priority", type=int, default=0, metavar="N", help="SCHED_FIFO of the receiving thread")
    parser.add_argument("--rows", action="store_true", help="store decoded rows beside raw")
    parser.add_argument("--burners", type=int, default=0, metavar="N", help="processes that burn CPU beside it")
    parser.add_argument("--sender-priority", type=int, default=0, metavar="N", help="SCHED_FIFO of the sender")
    parser.add_argument("--sources", type=int, default=32, metavar="N", help="front ends (default 32)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
