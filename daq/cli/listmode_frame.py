"""`daq listmode frame`: the pictures of a recording, made again of its events: other frames, windows, beats, pixels."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from daq.model.framed import Framed
    from daq.model.gating import Gate
    from daq.model.protocol import Phase
    from daq.model.windows import EnergyWindow

_MOST_PIXELS = 1024
_INTERVAL = re.compile(r"(?P<low>[0-9]+)\s*-\s*(?P<high>[0-9]+)\s*ms")
_PS_PER_MS = 10**9
_PS_PER_S = 1e12
_OF_GATE = ("bins", "framing", "direction", "tolerance", "interval", "learn", "skip")


def add_verb(verbs: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the verb; return its parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "frame", help="make frames, views, beats and strips of the events, as recorded or otherwise, as NumPy files"
    )
    add = parser.add_argument
    add("--out", type=Path, metavar="OUT", help="folder of the files to write; it must not exist or be empty")
    add("--step", type=int, metavar="N", help="of step N alone")
    add("--window", action="append", default=[], metavar="NAME=LOW-HIGH keV", help="other windows; may be repeated")
    add("--frames", metavar="NxTIME,...", help='other frames, run after run, e.g. "60x2s,20x30s"')
    add("--gate", choices=("ecg", "respiration"), help="sort by the time since this trigger")
    add("--bins", type=int, metavar="N", help="slots of a beat, 2 to 256 (default 16)")
    add("--framing", choices=("time", "percent"), help="slots of fixed time, or parts of each interval (default)")
    add(
        "--direction",
        choices=("forward", "backward"),
        help="slots from the trigger (default), or back from the next",
    )
    add("--tolerance", type=float, metavar="PERCENT", help="intervals further from the median are left out")
    add("--interval", metavar="LOW-HIGH ms", help='shortest and longest interval that is taken, e.g. "600-1200 ms"')
    add("--learn", type=int, metavar="N", help="intervals that the median is made of, 1 to 100 (default 10)")
    add("--skip", type=int, metavar="N", help="beats left out after one that was, 0 to 10 (default 0)")
    add("--pixels", type=int, metavar="N", help=f"most pixels along a side, 1 to {_MOST_PIXELS}")
    add("--weighted", action="store_true", help="weights of the uniformity maps beside the counts")
    parser.set_defaults(run=run_frame)
    return parser


def run_frame(options: argparse.Namespace) -> int:
    """Frame, write and print what was made."""
    from daq.cli.output import print_json
    from daq.storage.framed import framed_in
    from daq.storage.framedfile import file_names, save_framed
    from daq.storage.reader import open_listmode

    windows, phases, gate = _windows(options.window), _phases(options.frames), _gate(options)
    if options.pixels is not None and not 1 <= options.pixels <= _MOST_PIXELS:
        raise UsageError(f"--pixels {options.pixels}: possible are 1 to {_MOST_PIXELS}")
    if options.out is not None and options.out.exists():
        _require_empty(options.out)
    with open_listmode(options.directory) as recording:
        made = framed_in(
            recording, step=options.step, windows=windows, frames=phases, gate=gate, most_pixels=options.pixels,
            weighted=options.weighted,
        )  # fmt: skip
    if gate is not None:
        _require_triggers(made, gate.trigger, options.directory)
    written: list[str] = []
    if options.out is not None:
        _make(options.out)
        for series, name in zip(made, file_names(made), strict=True):
            save_framed(series, options.out / f"{name}.npz")
            written.append(str(options.out / f"{name}.npz"))
    shown = [_shown(series) for series in made]
    if options.json:
        print_json({"directory": str(options.directory), "files": written, "series": shown})
    else:
        _print(shown, written)
    return 0


def _windows(texts: list[str]) -> tuple[EnergyWindow, ...] | None:
    from daq.composition.sorting import window_of

    return tuple(window_of(text) for text in texts) or None


def _phases(text: str | None) -> tuple[Phase, ...]:
    from daq.composition.reframing import phases_of

    return phases_of(text)


def _gate(options: argparse.Namespace) -> Gate | None:
    """Return the gate that the options describe; None where none is asked for."""
    from daq.model.gating import Gate

    said = [name for name in _OF_GATE if getattr(options, name) is not None]
    if options.gate is None:
        if said:
            raise UsageError(f"--{said[0]} says something of beats: name their trigger by --gate")
        return None
    if options.frames is not None:
        raise UsageError("--gate and --frames exclude each other: pictures are of beats or of times")
    _within("--bins", options.bins, 2, 256)
    _within("--learn", options.learn, 1, 100)
    _within("--skip", options.skip, 0, 10)
    _within("--tolerance", options.tolerance, 0, 100)
    return Gate(
        options.gate, options.bins or 16, options.framing or "percent", options.direction or "forward",
        options.tolerance, _interval(options.interval), options.learn or 10, options.skip or 0,
    )  # fmt: skip


def _require_triggers(made: list[Framed], trigger: str, directory: Path) -> None:
    """Refuse beats of a recording that has none: the pictures would be empty."""
    if not any(series.beats is not None and series.beats.triggers for series in made):
        raise RefusedError(f"{directory}: no trigger {trigger} was recorded in what is framed, so there are no beats")


def _within(option: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"{option} {value:g}: possible are {low:g} to {high:g}")


def _interval(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _INTERVAL.fullmatch(text)
    if found is None or not 0 < int(found["low"]) < int(found["high"]):
        raise UsageError(f'--interval {text}: write LOW-HIGH ms, e.g. "600-1200 ms"')
    return int(found["low"]) * _PS_PER_MS, int(found["high"]) * _PS_PER_MS


def _require_empty(out: Path) -> None:
    if not out.is_dir() or any(out.iterdir()):
        raise RefusedError(f"{out} holds something already: nothing is written over")


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise RefusedError(f"{out}: no folder can be made there: {why.strerror or why}") from None


def _shown(series: Framed) -> dict[str, Any]:
    beats, strip = series.beats, series.strip
    return {
        **series.about,
        "live_s": round(float(series.slots.live_ps.sum()) / _PS_PER_S, 6),
        "outside": int(series.outside.sum()),
        "completed": series.completed,
        "ended_by": series.ended_by,
        "beats": None if beats is None else {
            "triggers": beats.triggers, "accepted": beats.accepted, "rejected": beats.rejected,
            "outside": beats.outside, "by_cause": dict(beats.by_cause), "mean_ms": beats.mean_ms,
            "low_ms": beats.low_ms, "high_ms": beats.high_ms, "bin_ms": beats.bin_ms,
        },
        "strip": None if strip is None else {
            "rows": len(strip.exposure_ps), "fully_exposed_rows": int(strip.exposed().sum()),
            "full_s": strip.full_ps / _PS_PER_S, "mean_speed_mm_per_s": strip.mean_speed_mm_per_s,
            "slowest_mm_per_s": strip.slowest_mm_per_s, "fastest_mm_per_s": strip.fastest_mm_per_s,
            "bed_begin_mm": strip.bed_begin_mm, "bed_end_mm": strip.bed_end_mm,
        },
        "notes": list(series.notes),
    }  # fmt: skip


def _print(shown: list[dict[str, Any]], written: list[str]) -> None:
    from daq.cli.output import grouped, print_line, print_table

    rows = []
    for one in shown:
        pixels = one["pixels"]
        rows.append((
            _named(one) + (" (all beats)" if one["ungated"] else ""), one["kind"], grouped(one["slots"]),
            f"{pixels['columns']} x {pixels['rows']}", f"{pixels['pixel_mm']:.3g}", grouped(one["counts"]),
            grouped(one["outside"]), f"{one['live_s']:.3f}",
        ))  # fmt: skip
    print_table("", ("series", "kind", "pictures", "pixels", "mm", "counts", "outside", "live s"), rows)
    for one in shown:
        for line in _sentences(one):
            print_line(f"{_named(one)}: {line}")
    for file in written:
        print_line(f"written: {file}")


def _named(one: dict[str, Any]) -> str:
    return str(one["name"] or f"step {one['steps'][0]}")


def _sentences(one: dict[str, Any]) -> list[str]:
    lines = [] if one["completed"] else ["it is not complete"]
    beats, strip = one["beats"], one["strip"]
    if beats is not None:
        causes = ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in beats["by_cause"].items())
        lines.append(
            f"{beats['triggers']} triggers, {beats['accepted']} beats taken, {beats['rejected']} rejected"
            + (f" ({causes})" if causes else "")
            + (f", mean {beats['mean_ms']:.0f} ms" if beats["mean_ms"] else "")
        )
    if strip is not None:
        lines.append(
            f"{strip['mean_speed_mm_per_s']:.3f} mm/s ({strip['slowest_mm_per_s']:.3f} to "
            f"{strip['fastest_mm_per_s']:.3f}) from {strip['bed_begin_mm']:g} to {strip['bed_end_mm']:g} mm, "
            f"{strip['fully_exposed_rows']} of {strip['rows']} rows exposed for 90 % of {strip['full_s']:.1f} s or more"
        )
    return [*lines, *one["notes"]]
