"""Analyses of the planar gamma camera."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_NU1 = "NEMA NU 1"
_PIXEL = "pixel near 6.4 mm"
_PEAK = "photopeak, between its points of half maximum"
_UNIFORMITY = (
    ("ufov_integral", "integral uniformity, useful field of view"),
    ("ufov_differential", "differential uniformity, useful field of view"),
    ("cfov_integral", "integral uniformity, central field of view"),
    ("cfov_differential", "differential uniformity, central field of view"),
)
_ENERGY = (
    FigureKind("peak_kev", "keV", "where the photopeak is", "", _PEAK),
    FigureKind("peak_off_percent", "%", "how far the photopeak is off its line", "", _PEAK),
    FigureKind("energy_resolution_percent", "%", "FWHM of the photopeak over where it is", _NU1, _PEAK),
)
_EXTREME = 0.08
"""Standard deviation of the integral uniformity of a perfect flood over its expected value: 7 to 9 %."""
_OF_MANY = 0.17
"""The same of the worst of some hundred values, and of the extremes of some ten: 0.09 to 0.17 of rows, columns and
stripes of 300 simulated sweeps each."""
_OF_SLOPE = 0.35
"""The same of the slope of a flood: 190 of 540 (`daq.qc.camera.floodshape.TILT_NOISE`)."""
_RATES = (
    FigureKind("count_rate_cps", "1/s", "counts in the window and the field of view, per second that counted"),
    FigureKind("dead_time_percent", "%", "of the time in which the head could take no event, where the front end says"),
)
_WORST = "the disc as large as a PMT"
_WINDOW = ("window", "name of the energy window that is judged; by default the first of the recording")
_NUCLIDE = ("nuclide", "of the source; by default that of the register's source, else the protocol's")

FLOOD = AnalysisKind(
    name="planar-uniformity",
    title="Uniformity of a flood, and its photopeak",
    figures=(
        *(FigureKind(name, "%", about, _NU1, _PIXEL, "floor", _EXTREME) for name, about in _UNIFORMITY),
        *(
            FigureKind(
                f"uncorrected_{name}", "%", f"{about}, of counts without uniformity weights", _NU1, _PIXEL, "floor",
                _EXTREME,
            )
            for name, about in _UNIFORMITY
        ),
        FigureKind("counts_per_pixel", "1", "mean counts per pixel near 6.4 mm, central field of view", _NU1),
        FigureKind(
            "worst_spot_percent", "%", f"{_WORST} that is most off its surroundings", "", "disc", "floor", _OF_MANY
        ),
        FigureKind(
            "uncorrected_worst_spot_percent", "%", f"{_WORST} that is most off, of counts without weights", "", "disc",
            "floor", _OF_MANY,
        ),
        FigureKind(
            "uncorrected_region_percent", "%", "squares as large as a PMT against the flood's slope, without weights",
            "", "square",
        ),
        FigureKind("tilt_percent", "%", "100 (max - min) / (max + min) of the parabola through the flood", "", "field",
                   "floor", _OF_SLOPE),
        *_ENERGY,
        *_RATES,
    ),
    parameters=(
        _WINDOW,
        _NUCLIDE,
        ("bare", "true: a point source without a collimator; by default where the recording names no collimator"),
        ("pmt_mm", "diameter of a photomultiplier, or of what else shares a gain, mm; 76"),
        ("least_spot_percent", "a smaller spot is not remarked, %; 3"),
        ("most_tilt_percent", "a bare source that makes the flood slope more is off its place, %; 2.5"),
    ),
)  # fmt: skip

PEAK = AnalysisKind(
    name="energy-peak",
    title="Photopeak and energy resolution of each head",
    figures=(*_ENERGY, *_RATES),
    parameters=(_WINDOW, _NUCLIDE),
)

BACKGROUND = AnalysisKind(
    name="background",
    title="Background of each head in each window, and contamination",
    figures=(
        FigureKind("background_cps", "1/s", "counts in the window and the useful field of view, per second"),
        FigureKind("hottest_sigma", "sigma", "how sure it is that the hottest place is no chance, tries counted"),
        FigureKind("hottest_cps", "1/s", "what the hottest place holds above what is around it"),
    ),
    parameters=(("spot_mm", "diameter of the disc in which a contamination is looked for, mm; 40"),),
)

SWEEP = AnalysisKind(
    name="whole-body-uniformity",
    title="Uniformity along a whole-body scan of a sheet source",
    figures=(
        FigureKind("scan_integral", "%", "integral uniformity of rows near 6.4 mm along the scan", "", "row",
                   "floor", _OF_MANY),
        FigureKind("scan_slope_percent", "%", "change of the counts from begin to end of the scan", "", "scan"),
        FigureKind("worst_stripe_percent", "%", "the row that is most off the straight line along the scan", "", "row",
                   "floor", _OF_MANY),
        FigureKind("across_integral", "%", "the same across the bed, over the useful width", "", "column", "floor",
                   _OF_MANY),
        FigureKind("speed_mean_mm_per_s", "mm/s", "mean speed of the bed while it counted"),
        FigureKind("speed_spread_percent", "%", "100 (fastest - slowest) / (fastest + slowest) of the bed's marks"),
        FigureKind("judged_length_mm", "mm", "length of the rows that were exposed in full and lit by the sheet"),
    ),
    parameters=(_WINDOW,),
)  # fmt: skip

KINDS: tuple[AnalysisKind, ...] = (FLOOD, PEAK, BACKGROUND, SWEEP)
