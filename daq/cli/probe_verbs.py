"""What the verbs of `daq probe` do."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daq.errors import DeadlineError, MissingError, RefusedError, UsageError

if TYPE_CHECKING:
    from daq.pipeline.probe import Rate
    from daq.pipeline.probeview import Shown
    from daq.readout.liveview import LiveView

_LOOK_S = 0.1
_FIRST_S = 5.0
_PATIENCE_S = 5.0
_RATE = re.compile(r"(?P<rate>[0-9.]+)(\s*(\+-|±)\s*(?P<error>[0-9.]+))?")


class _Column(NamedTuple):
    """Which counts are looked at, and how long their input is dead after each."""

    row: int
    column: int
    dead_s: float


def run_watch(options: argparse.Namespace) -> int:
    """Show the probe until it ends, or for `--seconds`."""
    from daq.pipeline.probeview import ProbeSettings, ProbeView

    background, low_high = _background(options.background), _range(options.cue)
    with _attached(options.readout) as view:
        place = _place(view, options)
        shown = ProbeView(ProbeSettings(place.dead_s, options.time_constant, background, low_high))
        bell = _Bell() if options.bell else None
        until_s = time.monotonic() + (options.seconds or float("inf"))
        for counts, every, seconds in _looks(view, place):
            look = shown.look(counts, every, seconds)
            if look is not None:
                _show(look, as_json=options.json)
            if bell and look is not None:
                bell.hear(look)
            if time.monotonic() > until_s:
                break
    if not options.json:
        sys.stdout.write("\n")
    return 0


def run_count(options: argparse.Namespace) -> int:
    """Count for a time, and print the rate, corrected, and net of background."""
    from daq.cli.output import print_json, print_line
    from daq.pipeline.probe import corrected, net, rate_of

    if not options.seconds > 0:
        raise UsageError(f"--seconds {options.seconds:g}: must be above zero")
    background = _background(options.background)
    with _attached(options.readout) as view:
        place = _place(view, options)
        counts, every, seconds = _counted(view, place, options.seconds)
    counted = rate_of(counts, seconds)
    true = corrected(counted, place.dead_s, every_per_s=every / seconds)
    above = net(true, background)
    if options.json:
        print_json({
            "counts": counts, "seconds": seconds, "rate_per_s": counted.per_s,
            "rate_error_per_s": counted.error_per_s, "true_per_s": true.per_s, "true_error_per_s": true.error_per_s,
            "net_per_s": above.per_s, "net_error_per_s": above.error_per_s,
        })  # fmt: skip
        return 0
    print_line(f"{counts:,} counts in {seconds:.1f} s: {counted.per_s:,.1f} ± {counted.error_per_s:.1f} per second")
    print_line(f"corrected for {1e6 * place.dead_s:g} µs of dead time: {true.per_s:,.1f} ± {true.error_per_s:.1f}")
    if options.background:
        print_line(f"net of background: {above.per_s:,.1f} ± {above.error_per_s:.1f}, {above.sigmas:.1f} sigma")
    return 0


def run_nodes(options: argparse.Namespace) -> int:
    """Apply the 10 % rule; return 6 where the bed is not below it."""
    from daq.cli.output import print_json, print_line
    from daq.pipeline.probe import Node, ten_percent

    nodes: list[Node] = []
    for text in options.node:
        name, _, rate = text.partition("=")
        if not name or _RATE.fullmatch(rate) is None:
            raise UsageError(f"--node {text}: write NAME=CPS, e.g. 1=5200")
        if name in [node.name for node in nodes]:
            raise UsageError(f"--node {text}: there is a node {name} already")
        nodes.append(Node(name, _number(f"--node {text}", rate) - options.background))
    if not 0.0 <= options.bed < float("inf"):
        raise UsageError(f"--bed {options.bed:g}: a rate is a number at or above zero")
    found = ten_percent(nodes, options.bed - options.background)
    if options.json:
        print_json({
            "hottest": found.hottest.name, "hottest_per_s": found.hottest.ex_vivo_per_s,
            "limit_per_s": found.limit_per_s, "sentinel": [node.name for node in found.sentinel],
            "go_on": found.go_on,
        })  # fmt: skip
    else:
        print_line(str(found))
    return 6 if found.go_on else 0


def run_calibrate(options: argparse.Namespace) -> int:
    """Write a calibration file from photopeaks of recordings."""
    from daq.cli.output import print_json, print_line
    from daq.composition.probecalibration import calibrate

    made = calibrate(options.peak, input_number=options.input, out=Path(options.out))
    if options.json:
        print_json({
            "id": made.calibration.id, "kev_per_adc": made.calibration.kev_per_adc[0],
            "pedestal_adc": made.calibration.pedestal_adc[0],
            "peaks": [
                {"kev": peak.kev, "bin": peak.found.kev, "bin_error": peak.found.error_kev, "fwhm_bins":
                 peak.found.fwhm_kev} for peak in made.peaks
            ],
        })  # fmt: skip
        return 0
    for peak in made.peaks:
        percent = 100 * peak.found.fwhm_kev / max(peak.found.kev - made.calibration.pedestal_adc[0], 1e-9)
        print_line(f"{peak.kev:g} keV: bin {peak.found.kev:.1f} ± {peak.found.error_kev:.1f}, FWHM {percent:.1f} %")
    print_line(
        f"{made.calibration.kev_per_adc[0]:.5f} keV a bin from bin {made.calibration.pedestal_adc[0]:.1f} on:"
        f" written to {options.out}"
    )
    return 0


class _Bell:
    """Rings at the pace of the cue; silent at level 0."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def hear(self, look: Shown) -> None:
        """Ring when it is time."""
        now_s = time.monotonic()
        if look.cue.level > 0 and now_s >= self._due_s:
            self._due_s = now_s + look.cue.click_s
            sys.stderr.write("\a")
            sys.stderr.flush()


def _show(look: Shown, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(look.as_json()) + "\n")
    else:
        sys.stdout.write(f"\r{look}" if sys.stdout.isatty() else f"{look}\n")
    sys.stdout.flush()


def _counted(view: LiveView, place: _Column, wanted_s: float) -> tuple[int, int, float]:
    """Return counts, and those of all pulses, of a time at least as long as wanted, by the probe's clock; and it."""
    begun: tuple[int, int, float] | None = None
    for counts, every, seconds in _looks(view, place):
        if begun is None:
            begun = counts, every, seconds
        elif seconds - begun[2] >= wanted_s:
            return counts - begun[0], every - begun[1], seconds - begun[2]
    raise RefusedError(f"the recording ended before {wanted_s:g} s were counted")


def _looks(view: LiveView, place: _Column) -> Iterator[tuple[int, int, float]]:
    """Yield counts, those of all pulses, and seconds since the start with each publication, until the readout ends.

    Raise `DeadlineError` when it publishes nothing for 5 s.
    """
    last, since_s = -1, time.monotonic()
    while True:
        figures = view.figures()
        if figures["sequence"] != last and figures["sequence"]:
            last, since_s = figures["sequence"], time.monotonic()
            counts = figures["probe_counts"][place.row]
            yield int(counts[place.column]), int(counts[-1]), float(figures["probe_seconds"][0])
        if figures["state"] == "closed":
            return
        if time.monotonic() - since_s > _PATIENCE_S:
            raise DeadlineError(f"the readout has published nothing for {_PATIENCE_S:g} s")
        time.sleep(_LOOK_S / 4)


@contextlib.contextmanager
def _attached(readout: str | None) -> Iterator[LiveView]:
    """Yield the live figures of a readout that records a probe."""
    from daq.readout import registry
    from daq.readout.liveview import LiveView
    from daq.readout.plan import CONTROL

    runtimes = [Path(readout)] if readout else [found.runtime for found in registry.running()]
    for runtime in runtimes:
        with contextlib.closing(LiveView.attach(runtime / CONTROL, deadline_s=_FIRST_S)) as view:
            if view.about["looks"].get("probe"):
                yield view
                return
    where = f"the readout in {readout} records no probe" if readout else "no readout that runs records a probe"
    raise MissingError(f"{where}: start one with `daq record --profile redpitaya-mcpha --source ...`")


def _place(view: LiveView, options: argparse.Namespace) -> _Column:
    about = view.about["looks"]["probe"]
    number = about["inputs"][0] if options.input is None else options.input
    window = about["windows"][0] if options.window is None else options.window
    if number not in about["inputs"]:
        raise MissingError(f"--input {number}: recorded are {', '.join(map(str, about['inputs']))}")
    if window not in about["windows"]:
        raise MissingError(f"--window {window}: there are {', '.join(about['windows'])}")
    return _Column(about["inputs"].index(number), about["windows"].index(window), float(about["dead_s"]))


def _background(text: str | None) -> Rate:
    from daq.pipeline.probe import NO_RATE, Rate

    if text is None:
        return NO_RATE
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--background {text}: write CPS or CPS+-ERROR, e.g. 12.5+-0.8")
    where = f"--background {text}"
    return Rate(_number(where, found["rate"]), _number(where, found["error"] or "0"))


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    return _number(f"--cue {text}", low), _number(f"--cue {text}", high)


def _number(where: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no number") from None
