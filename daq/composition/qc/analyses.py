"""The functions that do the analyses, by the names of `daq.model.qc.known`; each is imported when it is wanted."""

from __future__ import annotations

from importlib import import_module

from daq.composition.qc.material import Analyse
from daq.errors import MissingError

DONE_BY: dict[str, str] = {
    "pet-daily": "pet:measure_daily",
    "pet-normalisation": "petcandidates:measure_normalisation",
    "pet-timing-alignment": "petcandidates:measure_timing",
    "pet-energy-calibration": "petcandidates:measure_energy",
    "planar-uniformity": "camera:planar_uniformity",
    "energy-peak": "camera:energy_peak",
    "background": "camera:background",
    "whole-body-uniformity": "camera:whole_body_uniformity",
    "intrinsic-resolution": "geometry:intrinsic_resolution",
    "bar-resolution": "geometry:bar_resolution",
    "window-registration": "geometry:window_registration",
    "pixel-size": "geometry:pixel_size",
    "centre-of-rotation": "geometryrotation:centre_of_rotation",
    "tomographic-uniformity": "geometryslices:tomographic_uniformity",
    "tomographic-contrast": "geometryslices:tomographic_contrast",
    "tomographic-resolution": "geometryslices:tomographic_resolution",
    "system-sensitivity": "geometrysensitivity:measure_sensitivity",
    "count-rate": "geometryrate:measure_count_rate",
    "scan-speed": "geometryscan:scan_speed",
    "pet-sensitivity": "ring:measure_sensitivity",
    "pet-scatter-necr": "ringrates:measure_necr",
    "pet-resolution": "ringpoints:measure_resolution",
    "pet-tof-resolution": "ringpoints:measure_tof",
    "probe-background": "probe:background",
    "probe-constancy": "probe:constancy",
    "pet-cross-calibration": "enteredactivities:cross_calibration",
    "pet-ct-registration": "enteredactivities:register",
    "spect-ct-registration": "enteredactivities:register",
    "checklist": "entered:checklist",
    "entered-figures": "entered:figures",
    "clock-check": "entered:clocks",
    "bed-speed": "entered:bed_speed",
    "gantry-angle": "entered:gantry_angle",
    "gate-trigger": "entered:gate_trigger",
    "dose-calibrator-constancy": "enteredactivities:calibrator_deviation",
    "dose-calibrator-accuracy": "enteredactivities:calibrator_deviation",
    "dose-calibrator-linearity": "enteredactivities:calibrator_linearity",
    "dose-calibrator-geometry": "enteredactivities:calibrator_geometry",
    "leak-test": "enteredactivities:leak_test",
}
"""By analysis the module of `daq.composition.qc` and the function, `module:function`."""


def analysis(name: str) -> Analyse:
    """Return the function of an analysis. Raise `MissingError` for one that there is not."""
    place = DONE_BY.get(name)
    if place is None:
        raise MissingError(f"there is no analysis {name!r}; known are {', '.join(sorted(DONE_BY)) or 'none'}")
    module, _, function = place.partition(":")
    found: Analyse = getattr(import_module(f"daq.composition.qc.{module}"), function)
    return found
