"""Analyses of the geometry of a gamma camera: resolution, bars, registration, rotation, slices, sensitivity, rates."""

from __future__ import annotations

from typing import Literal

from daq.model.qc.analyses import AnalysisKind, FigureKind

_NU1 = "NEMA NU 1, "
_WINDOW = ("window", "name of the energy window that is looked at; by default the first of the recording")
_NUCLIDE = ("nuclide", "of the source; by default that of the register's source, else the protocol's")
_REACH = ("reach_mm", "how far around its middle a source is looked at, mm; 25")
_PEAK, _VIEW, _SLICE, _ALL = "peak of the faintest line", "faintest view of a source", "slice", "mean of all slices"
_RESOLUTION, _LINEARITY = _NU1 + "Intrinsic Spatial Resolution", _NU1 + "Intrinsic Spatial Linearity"
_FIELDS = (("ufov", "useful field of view"), ("cfov", "central field of view"))
_OF_MANY, _OF_RINGS, _OF_PLACES = 0.2, 0.3, 0.52
"""Spread of what chance makes (`FigureKind.spread`): of the worst of dozens of normal values (0.16 of 60, 0.18 of 32),
of some ten (0.29 of 10), of the distance of a place from itself (Rayleigh: 0.52; less of the worst of several)."""
_SLITS: tuple[tuple[str, str, str, Literal["floor", "deviation"]], ...] = (
    ("fwhm", "width at half maximum of lines", _RESOLUTION, "deviation"),
    ("fwtm", "width at a tenth of lines", _RESOLUTION, "deviation"),
    ("differential_linearity", "standard deviation of the distances of neighbouring peaks", _LINEARITY, "floor"),
    ("absolute_linearity", "largest distance of a peak from the best grid", _LINEARITY, "floor"),
)

RESOLUTION = AnalysisKind(
    name="intrinsic-resolution",
    title="Intrinsic resolution and linearity: slit masks in both directions",
    figures=tuple(
        FigureKind(f"{field}_{name}", "mm", f"{about}, {where}", section, _PEAK, noise, _OF_MANY)
        for field, where in _FIELDS for name, about, section, noise in _SLITS
    ),
    parameters=(
        ("pitch_mm", "distance of neighbouring slits, mm"),
        ("first_mm", "how far the nearest slit is from the middle, mm; 0"), _WINDOW,
    ),
    required=("pitch_mm",),
)  # fmt: skip
BARS = AnalysisKind(
    name="bar-resolution",
    title="Bar phantom of four quadrants: which bars are told apart, and the resolution by moments",
    figures=(
        FigureKind("fwhm", "mm", "by the quadrants that tell it", "", "quadrants"),
        FigureKind("quadrant_fwhm", "mm", "of each quadrant, by its statistical moments", "", "quadrant"),
        FigureKind("modulation", "%", "of the first harmonic of bars over the mean, pixels taken out", "", "quadrant"),
        FigureKind("finest_resolved", "mm", "width of the finest bars that are told apart", "", "quadrants"),
        FigureKind("unresolved", "1", "quadrants whose bars are not told apart", "", "quadrants"),
    ),
    parameters=(
        ("bars_mm", "widths of bars in the four quadrants, in any order, mm"),
        ("pixel_mm", "of the picture that is made, mm; half of the finest bars"),
        ("margin_mm", "left out beside the borders of quadrants, mm; 15"),
        ("transmission", "the share of photons that bars let pass; 0"), _WINDOW,
    ),
    required=("bars_mm",),
)  # fmt: skip
REGISTRATION = AnalysisKind(
    name="window-registration",
    title="Registration of energy windows by point sources",
    figures=(
        FigureKind("displacement", "mm", "largest distance of a source from where the first window shows it",
                   _NU1 + "Multiple Window Spatial Registration", "faintest source", "floor", _OF_PLACES),
        FigureKind("shift_x", "mm", "mean displacement along x", "", "faintest source"),
        FigureKind("shift_y", "mm", "mean displacement along y", "", "faintest source"),
    ),
    parameters=(("sources", "how many sources there are; by default not checked"), _REACH, _NUCLIDE),
)  # fmt: skip
PIXELS = AnalysisKind(
    name="pixel-size",
    title="Scale of positions by two point sources at a known distance",
    figures=(
        FigureKind("scale_x", "%", "measured over true distance along x, less 100 %", "", "fainter source"),
        FigureKind("scale_y", "%", "measured over true distance along y, less 100 %", "", "fainter source"),
    ),
    parameters=(("distance_mm", "from source to source, mm"), _REACH, _WINDOW),
    required=("distance_mm",),
)
_ALIGNMENT = _NU1 + "System Alignment"
ROTATION = AnalysisKind(
    name="centre-of-rotation",
    title="Centre of rotation: where the axis is on each head, by point sources all the way round",
    figures=(
        FigureKind("offset", "mm", "x of the axis on the detector, mean of the sources", _ALIGNMENT, _VIEW),
        FigureKind("residual", "mm", "largest distance of a view from its sine", _ALIGNMENT, _VIEW, "floor", _OF_MANY),
        FigureKind(
            "axial_shift", "mm", "largest distance of a view from its mean y", _ALIGNMENT, _VIEW, "floor", _OF_MANY
        ),
        FigureKind("offset_range", "mm", "how far offsets of several sources differ along the axis", "", _VIEW),
        FigureKind("offset_difference", "mm", "of the offsets of two heads", _ALIGNMENT, _VIEW),
        FigureKind("transverse_difference", "mm", "largest distance of a source by two heads", "", _VIEW, "floor",
                   _OF_PLACES),
        FigureKind("axial_difference", "mm", "of the mean y of a source, seen by two heads", _ALIGNMENT, _VIEW),
        FigureKind("angle_step", "degrees", "largest distance of a view's angle from even steps, by the encoder"),
        FigureKind("angle_scale", "%", "angles by the pictures over angles by the encoder, less 100 %", "", _VIEW),
    ),
    parameters=(_REACH, _WINDOW),
)  # fmt: skip
_TOMO = (
    ("attenuation_per_cm", "for Chang's first order, 1/cm; 0: attenuation is not corrected"),
    ("filter", "`hann` or `ramp`; hann"), ("first_slice", "the first slice looked at, from 1 at the feet; else found"),
    ("last_slice", "the last slice looked at, itself included; else found"), _WINDOW,
)  # fmt: skip
UNIFORMITY = AnalysisKind(
    name="tomographic-uniformity",
    title="Tomographic uniformity: slices of an even cylinder",
    figures=(
        FigureKind("integral_uniformity", "%", "of the mean slice, within 0.8 of the radius", "", _ALL, "floor",
                   _OF_MANY),
        FigureKind("slice_integral_uniformity", "%", "of each slice", "", _SLICE, "floor", _OF_MANY),
        FigureKind("ring", "%", "largest deviation of a ring about the axis", "", _ALL, "floor", _OF_RINGS),
        FigureKind("central_deficit", "%", "of the middle against 0.3 to 0.7 of the radius", "", _ALL),
    ),
    parameters=_TOMO,
    required=("attenuation_per_cm",),
)  # fmt: skip
CONTRAST = AnalysisKind(
    name="tomographic-contrast",
    title="Tomographic contrast of cold spheres",
    figures=(FigureKind("contrast", "1", "(background - sphere) / background", "", _ALL),),
    parameters=(
        ("sphere_diameters_mm", "in their order around the circle, mm"),
        ("circle_mm", "radius of the circle on which the middles of the spheres lie, mm"), *_TOMO,
    ),
    required=("attenuation_per_cm", "sphere_diameters_mm", "circle_mm"),
)  # fmt: skip
_RECONSTRUCTED = _NU1 + "SPECT Reconstructed Spatial Resolution without Scatter"
RECONSTRUCTED = AnalysisKind(
    name="tomographic-resolution",
    title="Resolution of slices: a point or line source in air",
    figures=tuple(
        FigureKind(f"{way}_fwhm", "mm", f"{way} width at half maximum, by the ramp alone", _RECONSTRUCTED, "source")
        for way in ("radial", "tangential", "axial")
    ),
    parameters=(("line", "true: a line source along the axis; else points"), _REACH, _WINDOW),
)
SENSITIVITY = AnalysisKind(
    name="system-sensitivity",
    title="System sensitivity: counts per second and MBq",
    figures=(
        FigureKind("sensitivity", "cps/MBq", "of each head, background taken off",
                   _NU1 + "System Planar Sensitivity and Collimator Penetration", "all"),
        FigureKind("head_difference", "%", "of the most and the least sensitive head, of their mean",
                   _NU1 + "Detector-Detector Sensitivity Variation", "all", "floor"),
    ),
    parameters=(
        ("background", "which recording is the one without the source: `first`, `last` or `none`; first"),
        _NUCLIDE, _WINDOW,
    ),
    entries=(("assayed_mbq", "MBq"), ("assayed_at", "time, RFC 3339"), ("residual_mbq", "MBq"),
             ("residual_at", "time, RFC 3339")),
)  # fmt: skip
_COUNT_RATE = _NU1 + "Intrinsic Count Rate Performance in Air"
COUNT_RATE = AnalysisKind(
    name="count-rate",
    title="Count rate: loss, maximum and dead time",
    figures=(
        FigureKind("rate_at_20_percent_loss", "cps", "observed, where measured points lie on both sides", _COUNT_RATE),
        FigureKind("maximum_rate", "cps", "observed, where a higher activity gave less", _COUNT_RATE),
        FigureKind("dead_time", "us", "of the model that fits better, or by the two-source method"),
        FigureKind("model_rate_at_20_percent_loss", "cps", "derived from the dead time; not measured"),
    ),
    parameters=(
        ("method", "`decay`: a source that decays, or recordings of it; `two-source`: 1, both, 2; decay"),
        ("points", "how many points one long recording is cut into; 30"),
        ("activities", "of each recording relative to the first, where not decay made them"),
        ("model", "of the two-source method: `paralyzable` or `non-paralyzable`; paralyzable"),
        ("background_cps", "rate without the source, cps; 0"), _NUCLIDE, _WINDOW,
    ),
)  # fmt: skip
SCAN = AnalysisKind(
    name="scan-speed",
    title="Speed of the bed in a whole-body scan, by its encoder and by two sources",
    figures=(
        FigureKind("mean_speed", "mm/s", "by the marks of the encoder"),
        FigureKind("speed_off", "%", "of the mean from what the protocol asks for"),
        FigureKind("speed_range", "%", "fastest less slowest over mean, by the encoder"),
        FigureKind("length_off", "%", "distance of two sources over the true one, less 100 %", "", "source"),
    ),
    parameters=(("distance_mm", "of two point sources along the bed, mm; else the picture is not looked at"), _REACH,
                _WINDOW),
)  # fmt: skip
KINDS: tuple[AnalysisKind, ...] = (
    RESOLUTION, BARS, REGISTRATION, PIXELS, ROTATION, UNIFORMITY, CONTRAST, RECONSTRUCTED, SENSITIVITY, COUNT_RATE,
    SCAN,
)  # fmt: skip
