"""Series of pictures made by hand, of every kind, and the manifest of their recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.framed import Beats, Framed, HeadSeen, ImageKind, Pixels, Slots, Strip
from daq.model.geometry import View
from daq.model.windows import EnergyWindow
from daq.storage.manifest import Manifest

MS_PS = 10**9
S_PS = 10**12
PHOTOPEAK = EnergyWindow(126.45, 154.55, "photopeak")
SCATTER = EnergyWindow(108.0, 126.0, "scatter")
TOML = """
radionuclide = "Tc-99m"
[[steps]]
name = "a gated"
gate.trigger = "ecg"
"""
STUDY_KEY = "s-" + "abcdefghijklmnopqrstuvwxyz"


def slots(
    count: int, *, each_s: float = 10.0, live_s: float | None = None, **columns: npt.ArrayLike
) -> Slots:  # fmt: skip
    """Return frames one after the other. `columns`: those of `Slots` that are not 0, or not known."""
    begin = np.arange(count, dtype=np.int64) * round(each_s * S_PS)
    live = np.full(count, round((each_s if live_s is None else live_s) * S_PS), np.int64)
    numbers = {name: np.zeros(count, np.int64) for name in ("phase", "time_slice", "view", "time_slot")}
    axes = {"gantry_deg": np.full(count, np.nan), "bed_mm": np.zeros(count)}
    given = {name: np.asarray(values) for name, values in columns.items()}
    return Slots(begin, begin + round(each_s * S_PS), live, **{**numbers, **axes, **given})  # type: ignore[arg-type]


def head(number: int, angle_deg: float, view: View | None = None, **given: Any) -> HeadSeen:
    """Return a head of 540 x 400 mm, 200 mm from the axis."""
    name = ("front", "back", "third")[number]
    told = {"width_mm": 540.0, "height_mm": 400.0, "radius_mm": (200.0,), **given}
    return HeadSeen(number, name, angle_deg, view, **told)


FRONT, BACK = head(0, 180.0, View.ANT), head(1, 0.0, View.POST)


def counts(shape: tuple[int, ...], seed: int = 1) -> npt.NDArray[np.uint32]:
    """Return counts with a ramp along every axis, so that no two pictures and no two directions are alike."""
    ramp = sum(np.indices(shape)[axis] * (7 + 3 * axis) for axis in range(len(shape)))
    return (ramp + np.random.default_rng(seed).poisson(20.0, shape)).astype(np.uint32)


def framed(kind: ImageKind, of: Slots, **given: Any) -> Framed:
    """Return a series of two heads and one window unless said otherwise."""
    about = {
        "name": f"a {kind.lower()}", "steps": (1,), "heads": (FRONT, BACK), "windows": (PHOTOPEAK,),
        "pixels": Pixels(-270.0, -200.0, 10.0, 54, 40), "region": "thorax", "ended_by": "time", **given,
    }  # fmt: skip
    pixels = about["pixels"]
    shape = (len(about["heads"]), max(len(about["windows"]), 1), len(of), pixels.rows, pixels.columns)
    if "counts" not in about:
        about["counts"] = counts(shape)
    about.setdefault("outside", np.zeros(shape[:2], np.int64))
    return Framed(kind=kind, slots=of, **about)


def static(**given: Any) -> Framed:
    return framed(ImageKind.STATIC, slots(1), **{"windows": (PHOTOPEAK, SCATTER), **given})


def whole_body(rows: int = 400, columns: int = 108, pixel_mm: float = 5.0, **given: Any) -> Framed:
    pixels = Pixels(-columns * pixel_mm / 2, -rows * pixel_mm, pixel_mm, columns, rows)
    exposure = np.full(rows, 30 * S_PS)
    exposure[:40] = np.linspace(0, 30, 40).astype(np.int64) * S_PS
    strip = Strip(tuple(exposure.tolist()), 30 * S_PS, 1.6667, 1.65, 1.68, 0.0, 1950.0)
    about = {"pixels": pixels, "strip": strip, "region": "whole_body", "continuous": True, "ended_by": "end", **given}
    return framed(ImageKind.WHOLE_BODY, slots(1, each_s=1170.0), **about)


def dynamic(**given: Any) -> Framed:
    of = slots(9, each_s=2.0, phase=[0] * 6 + [1] * 3, time_slice=[*range(6), *range(3)])
    begin = of.begin_ps.copy()
    begin[6:] = of.end_ps[5] + np.arange(3) * 10 * S_PS
    long = replace(of, begin_ps=begin, end_ps=np.append(of.end_ps[:6], begin[6:] + 10 * S_PS))
    return framed(ImageKind.DYNAMIC, long, **given)


def beats(bins: int, **given: Any) -> Beats:
    intervals = (800.0, 810.0, 790.0, 400.0, 805.0)
    told = {
        "triggers": 6, "accepted": 4, "rejected": 1, "outside": 0, "by_cause": {"short": 1}, "mean_ms": 801.0,
        "low_ms": 720.0, "high_ms": 880.0, "bins": bins, "bin_ms": 800.0 / bins, "framing": "time",
        "direction": "forward", "latency_ms": 2.0, "intervals_ms": intervals,
        "accepted_mask": (True, True, True, False, True), **given,
    }  # fmt: skip
    return Beats(**told)


def gated(bins: int = 16, **given: Any) -> Framed:
    of = slots(bins, each_s=600.0, live_s=30.0, time_slot=np.arange(bins))
    same = replace(of, begin_ps=np.zeros(bins, np.int64), end_ps=np.full(bins, 600 * S_PS))
    return framed(ImageKind.GATED, same, **{"beats": beats(bins), "heads": (FRONT,), "region": "heart", **given})


def tomo(views: int = 60, arc_deg: float = 180.0, rotation: str = "CC", **given: Any) -> Framed:
    sign = 1 if rotation == "CC" else -1
    of = slots(views, each_s=20.0, view=np.arange(views), gantry_deg=sign * arc_deg / views * np.arange(views))
    return framed(ImageKind.TOMO, of, **{"rotation": rotation, "arc_deg": arc_deg, **given})


def gated_tomo(views: int = 6, bins: int = 8, **given: Any) -> Framed:
    of = slots(
        views * bins, each_s=40.0, live_s=5.0, view=np.repeat(np.arange(views), bins),
        time_slot=np.tile(np.arange(bins), views), gantry_deg=np.repeat(np.arange(views) * 30.0, bins),
    )  # fmt: skip
    about = {"rotation": "CC", "arc_deg": 30.0 * views, "beats": beats(bins), "heads": (FRONT,), "region": "heart"}
    return framed(ImageKind.GATED_TOMO, of, **{**about, **given})


KINDS = {"static": static, "whole body": whole_body, "dynamic": dynamic, "gated": gated, "tomo": tomo,
         "gated tomo": gated_tomo}  # fmt: skip


def manifest(**given: Any) -> Manifest:
    """Return what a simulated recording of a study says of itself."""
    scanner: Mapping[str, Any] = {
        "id": "dual-head", "title": "Two gamma camera heads", "vendor": "scandaq",
        "collimators": {"LEHR": {"kind": "parallel"}, "pin": {"kind": "pinhole"}},
    }  # fmt: skip
    about: dict[str, Any] = {
        "acquisition_id": "20260803T090000Z-bone", "state": "sealed", "created_utc": "2026-08-03T09:00:00+00:00",
        "simulated": True, "profile": {"id": "head-xye64"}, "profile_sha256": "0" * 64, "scanner": dict(scanner),
        "source": "udp://127.0.0.1:1", "station": "room 1", "operator": "anna",
        "protocol": {"id": "bone-spots", "title": "Bone scintigraphy", "toml": TOML},
        "calibrations": {"collimator": "LEHR"}, "software": {"scandaq": "0.7.0"}, "segments": [],
        "time": {"start_utc_ns": 1_785_747_600_250_000_000}, "study": {"key": STUDY_KEY}, **given,
    }  # fmt: skip
    return Manifest(**about)
