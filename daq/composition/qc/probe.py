"""Constancy of the hand-held probe: net rate of a sealed source, its photopeak, the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.probecounts import Counted, ProbeSeen, probe_seen
from daq.errors import RefusedError
from daq.model.activity import activity_mbq
from daq.model.nuclide_table import nuclide
from daq.model.qc.figures import Curve, Figure, Findings
from daq.model.window_sets import line_inside, photopeaks
from daq.model.windows import EnergyWindow
from daq.pipeline.peaks import Peak, peak_in
from daq.pipeline.probe import Net, Rate, net

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_KBQ_PER_MBQ = 1000.0
_HALF_WIDTH = 0.15
_SMOOTHED_BINS = 25
_SEEN_SIGMA = 5.0


def background(material: Material) -> Findings:
    """Return the rate without a source, in the energy window and of all energies; every step is one without."""
    seen = probe_seen(material)
    parts = [each for each in (seen.background, seen.source) if each is not None]
    if not parts:
        return Findings(obstacles=("no step lasted",))
    counts, every = float(sum(each.counts for each in parts)), float(sum(each.every for each in parts))
    seconds = sum(each.seconds for each in parts)
    return Findings(
        figures=tuple(
            Figure.of(name, each / seconds, "cps", noise=float(np.sqrt(each)) / seconds, counts=each)
            for name, each in (("background", counts), ("background_all", every))
        )
    )


def constancy(material: Material) -> Findings:
    """Return net rate, the same at the source's reference time, and the photopeak.

    The background is that of the recordings' own step, else of the newest `probe-background` test; without either the
    test says nothing.
    """
    seen = probe_seen(material)
    if seen.source is None:
        return Findings(obstacles=("no step with a source",))
    try:
        below, where = _background(material, seen)
        above = net(seen.source.true(seen.dead_s), below)
    except RefusedError as why:
        return Findings(obstacles=(str(why),))
    peak_figures, peak_remarks = _peak(material, seen)
    obstacles: tuple[str, ...] = ()
    if above.sigmas < _SEEN_SIGMA:
        obstacles = (f"{above.per_s:.1f} ± {above.error_per_s:.1f} cps above background: no source was seen",)
    rates, said = _rates(material, above, seen.source)
    figures = (*rates, Figure.of("background", below.per_s, "cps", noise=below.error_per_s), *peak_figures)
    return Findings(
        figures=figures, obstacles=obstacles, remarks=(where, *said, *peak_remarks),
        curves=(Curve("Spectrum", seen.axis.centres_kev, seen.spectrum.astype(np.float64),
                      "keV" if seen.is_kev else "adc", "counts"),),
    )  # fmt: skip


def _background(material: Material, seen: ProbeSeen) -> tuple[Rate, str]:
    """Return the background and where it is from; raise `RefusedError` where nobody measured one."""
    if seen.background is not None:
        return seen.background.true(seen.dead_s), "background: a step of the recordings"
    for name, result in material.earlier.items():
        figure = next((each for each in result.figures if each.name == "background"), None)
        if result.analysis == "probe-background" and figure is not None and figure.values[0] is not None:
            noise = (figure.noise or (None,))[0] or 0.0
            return Rate(figure.values[0], noise), f"background: test {name}"
    raise RefusedError("no background: neither a step of that name nor a test probe-background before")


def _rates(material: Material, above: Net, counted: Counted) -> tuple[list[Figure], list[str]]:
    counts = float(counted.counts)
    made = [Figure.of("net_rate", above.per_s, "cps", noise=above.error_per_s, counts=counts)]
    name, now = material.source.get("nuclide"), material.source.get("activity_mbq")
    if not isinstance(name, str) or not isinstance(now, int | float) or not now > 0:
        return made, ["no source of the register: the rate is not decayed to a reference time"]
    mbq = now * nuclide(name).activity_factor(counted.late_s)
    per_kbq = 1.0 / (mbq * _KBQ_PER_MBQ)
    made.append(Figure.of("sensitivity", above.per_s * per_kbq, "cps/kBq", noise=above.error_per_s * per_kbq,
                          counts=counts))  # fmt: skip
    text = material.source.get("activity")
    if isinstance(text, str):
        grown = activity_mbq(text) / mbq
        made.append(Figure.of("net_rate_at_reference", above.per_s * grown, "cps", noise=above.error_per_s * grown,
                              counts=counts))  # fmt: skip
    return made, []


def _peak(material: Material, seen: ProbeSeen) -> tuple[list[Figure], list[str]]:
    """Return the photopeak: in keV beside the source's line where energies are calibrated, else in bins."""
    window = _search(material, seen)
    found = peak_in(seen.spectrum, seen.axis, window)
    counts = float(seen.spectrum.sum())
    if found is None:
        unit = "keV" if seen.is_kev else ""
        return [], [f"no photopeak between {window.lower_kev:.0f} and {window.upper_kev:.0f} {unit}".rstrip()]
    made = [Figure.of("resolution", 100 * found.fwhm_kev / found.kev, "%", noise=_width_noise(found), counts=counts)]
    if not seen.is_kev:
        made.append(Figure.of("peak_bin", found.kev, "adc", noise=found.error_kev, counts=counts))
        return made, ["energies are not calibrated: the photopeak is in bins, its resolution from bin 0 on"]
    made.append(Figure.of("peak", found.kev, "keV", noise=found.error_kev, counts=counts))
    name = material.source.get("nuclide")
    if isinstance(name, str):
        line = _line_kev(name, window)
        if line is not None:
            off, noise = 100 * (found.kev / line - 1), 100 * found.error_kev / line
            made.append(Figure.of("peak_error", off, "%", noise=noise, counts=counts))
    return made, []


def _line_kev(name: str, window: EnergyWindow) -> float | None:
    try:
        return line_inside(nuclide(name), window)
    except RefusedError:
        return None  # a window that holds no line of this source: the photopeak is beside none


def _width_noise(found: Peak) -> float:
    """Return one standard deviation of the resolution, %: a Gaussian's width has 2.355 / sqrt(2) of its middle's."""
    return float(100.0 * found.error_kev * 2.3548 / np.sqrt(2.0) / found.kev)


def _search(material: Material, seen: ProbeSeen) -> EnergyWindow:
    """Return where the photopeak is looked for: the recorded window, else the source's, else the highest place."""
    if seen.is_kev and seen.window is not None:
        return seen.window
    name = material.source.get("nuclide")
    if seen.is_kev and isinstance(name, str):
        return photopeaks(name)[0].window
    number = np.arange(len(seen.spectrum))
    smooth = np.convolve(seen.spectrum * number, np.ones(_SMOOTHED_BINS), "same")
    at = max(float(seen.axis.centres_kev[int(smooth.argmax())]), 1.0)
    return EnergyWindow(at * (1 - _HALF_WIDTH), at * (1 + _HALF_WIDTH), "peak")
