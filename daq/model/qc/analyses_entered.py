"""Analyses of what a person measures or looks at, and enters; and of a gate's trigger against a generator.

Numbers are entered with their units, several in one text with semicolons between them (`daq.model.qc.entered`). Times
are RFC 3339 with their zone.
"""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

DIMENSIONS: dict[str, str] = {
    "length": "mm", "angle": "deg", "time": "s", "speed": "mm/s", "activity": "MBq", "rate": "cps", "energy": "keV",
    "voltage": "V", "temperature": "degC", "share": "%", "number": "1",
}  # fmt: skip
"""What `entered-figures` takes: the name of the figure and its unit."""
_CERTIFIED = (
    ("nuclides", "names; each of the source; else that of the source register"),
    ("readings", "MBq"),
    ("background", "MBq"),
    ("calibrated", "MBq, by the certificates"),
    ("calibrated_at", "times"),
    ("read_at", "time"),
)
_DEVIATION = FigureKind("deviation", "%", "deviation of the reading from the decayed activity")

CHECKLIST = AnalysisKind(
    name="checklist",
    title="A check by hand: items answered by yes or no",
    figures=(FigureKind("items_failed", "1", "items answered by no"),),
    made_of="entered",
    entries=(("item_1", ""),),
    items=True,
)
ENTERED_FIGURES = AnalysisKind(
    name="entered-figures",
    title="Figures that a person measured otherwise",
    figures=tuple(FigureKind(name, unit, f"{name} as entered") for name, unit in DIMENSIONS.items()),
    made_of="entered",
    parameters=tuple(
        (name, f"names of what is entered in {unit}, with semicolons between") for name, unit in DIMENSIONS.items()
    ),
)
CONSTANCY = AnalysisKind(
    name="dose-calibrator-constancy",
    title="Dose calibrator: constancy with a long-lived source",
    figures=(_DEVIATION,),
    made_of="entered",
    entries=_CERTIFIED,
)
ACCURACY = AnalysisKind(
    name="dose-calibrator-accuracy",
    title="Dose calibrator: accuracy with certified sources",
    figures=(_DEVIATION,),
    made_of="entered",
    entries=_CERTIFIED,
)
LINEARITY = AnalysisKind(
    name="dose-calibrator-linearity",
    title="Dose calibrator: linearity by decay or by shields",
    figures=(
        FigureKind("linearity", "%", "largest deviation of a reading from the best fit"),
        FigureKind("lowest", "MBq", "lowest reading"),
        FigureKind("highest", "MBq", "highest reading"),
    ),
    made_of="entered",
    parameters=(("nuclide", "that decays; else Tc-99m"),),
    entries=(("readings", "MBq"), ("times", "times, by decay"), ("factors", "1, by shields"), ("background", "MBq")),
)
GEOMETRY = AnalysisKind(
    name="dose-calibrator-geometry",
    title="Dose calibrator: one activity in several volumes",
    figures=(
        FigureKind("geometry", "%", "largest deviation from the reading in the reference volume"),
        FigureKind("deviation", "%", "deviation from the reading in the reference volume"),
    ),
    made_of="entered",
    parameters=(("reference_ml", "volume that others are compared with, mL"),),
    required=("reference_ml",),
    entries=(("readings", "MBq"), ("volumes", "mL"), ("background", "MBq")),
)
LEAK_TEST = AnalysisKind(
    name="leak-test",
    title="Wipe of a sealed source",
    figures=(
        FigureKind("removable", "Bq", "activity on the wipe", "10 CFR 35.67(e)"),
        FigureKind("detectable", "Bq", "least activity that would be seen", "10 CFR 35.67(c)"),
    ),
    made_of="entered",
    entries=(
        ("activity", "Bq, where the counter says it"), ("gross", "counts"), ("background", "counts"),
        ("seconds", "s, of either count"), ("efficiency", "%, counts per decay"),
    ),
)  # fmt: skip
CLOCKS = AnalysisKind(
    name="clock-check",
    title="Clocks against the station's",
    figures=(FigureKind("offset", "s", "offset of the clock: shown less true"),),
    made_of="entered",
    parameters=(("clocks", "their names, with semicolons between"),),
    required=("clocks",),
)
BED_SPEED = AnalysisKind(
    name="bed-speed",
    title="Speed of the bed, by a rule and a stopwatch",
    figures=(FigureKind("speed_error", "%", "largest deviation of a speed from the one that was set"),
             FigureKind("speed", "mm/s", "speed as measured")),
    made_of="entered",
    entries=(("set", "mm/s"), ("distances", "mm"), ("times", "s")),
)  # fmt: skip
GANTRY_ANGLE = AnalysisKind(
    name="gantry-angle",
    title="Angles of the gantry, by a level or a protractor",
    figures=(FigureKind("angle_error", "deg", "largest deviation of a measured angle from the one that was set"),),
    made_of="entered",
    entries=(("set", "deg"), ("measured", "deg")),
)
GATE = AnalysisKind(
    name="gate-trigger",
    title="Triggers of a gate against a generator",
    figures=(
        FigureKind("interval", "ms", "mean time from trigger to trigger"),
        FigureKind("interval_error", "%", "mean interval off the generator's"),
        FigureKind("jitter", "ms", "jitter of intervals, one standard deviation"),
        FigureKind("missed", "%", "triggers that did not come"),
        FigureKind("extra", "%", "triggers too many"),
    ),
    parameters=(
        ("interval_ms", "of the generator, ms"),
        ("kind", "of the marks; else cardiac_trigger"),
    ),
    required=("interval_ms",),
)

KINDS: tuple[AnalysisKind, ...] = (
    CHECKLIST, ENTERED_FIGURES, CONSTANCY, ACCURACY, LINEARITY, GEOMETRY, LEAK_TEST, CLOCKS, BED_SPEED, GANTRY_ANGLE,
    GATE,
)  # fmt: skip
