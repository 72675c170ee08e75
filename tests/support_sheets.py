"""Series of pictures made by hand: points and discs at known places of a patient, seen by heads at known angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.framed import Beats, Framed, HeadSeen, ImageKind, Pixels, Slots, Strip
from daq.model.geometry import PatientOrientation, Rotation, View, patient_angle_deg, patient_rotation, picture_axes
from daq.model.windows import EnergyWindow
from daq.storage.manifest import Manifest

S = 10**12
WINDOW = EnergyWindow(126.45, 154.55, "tc99m")
Spot = tuple[float, float, float, float, float]
"""x (left), y (back), z (head) of the patient in mm, radius in mm, counts a second."""
BODY: tuple[Spot, ...] = (
    (60.0, -40.0, 50.0, 25.0, 3000.0),
    (-70.0, 30.0, -60.0, 15.0, 2000.0),
    (0.0, 60.0, 0.0, 12.0, 1500.0),
)


def slots(count: int, each_s: float = 1.0, **told: Any) -> Slots:
    begin = np.arange(count, dtype=np.int64) * int(each_s * S)
    zeros = np.zeros(count, np.int64)
    made = Slots(
        begin, begin + int(each_s * S), np.full(count, int(each_s * S)), zeros, zeros, zeros, zeros,
        np.full(count, np.nan), np.full(count, np.nan),
    )  # fmt: skip
    return replace(made, **told)


def head(
    number: int = 1, view: View | None = View.ANT, angle_deg: float | None = 180.0, name: str = "front"
) -> HeadSeen:
    return HeadSeen(number, name, angle_deg, view, 540.0, 400.0, (200.0,))


def framed(counts: npt.NDArray[Any], kind: ImageKind = ImageKind.STATIC, **told: Any) -> Framed:
    """Return a series of counts [heads, windows, slots, rows, columns], pixels of 4 mm unless told otherwise."""
    heads, windows, frames, rows, columns = counts.shape
    pixel_mm = told.pop("pixel_mm", 4.0)
    y0_mm = told.pop("y0_mm", -rows * pixel_mm / 2)
    views = ((View.ANT, 180.0, "front"), (View.POST, 0.0, "back"))
    made: dict[str, Any] = {
        "name": "view", "kind": kind, "steps": (1,),
        "heads": tuple(head(n + 1, *views[n][:2], views[n][2]) for n in range(heads)),
        "windows": (WINDOW,) * windows, "pixels": Pixels(-columns * pixel_mm / 2, y0_mm, pixel_mm, columns, rows),
        "counts": counts.astype(np.uint32), "slots": slots(frames), "outside": np.zeros((heads, windows), np.int64),
    }  # fmt: skip
    return Framed(**(made | told))


def manifest(**told: Any) -> Manifest:
    made: dict[str, Any] = {
        "acquisition_id": "2026-11-23-0001", "state": "sealed", "created_utc": "2026-11-23T09:00:00Z",
        "simulated": True, "profile": {"id": "head-xye64", "title": "two heads"}, "profile_sha256": "0" * 64,
        "source": "udp://127.0.0.1",
        "protocol": {"id": "bone", "title": "Bone scan"},
    }  # fmt: skip
    return Manifest.model_validate(made | told)


def seen_from(
    spots: Sequence[Spot],
    angle_deg: float,
    pixels: Pixels,
    live_s: float,
    *,
    moved_mm: tuple[float, float] = (0.0, 0.0),
) -> npt.NDArray[np.float64]:
    """Return expected counts [rows, columns] of discs, parallel rays, nothing in the way; `moved_mm`: across and up."""
    right, _ = picture_axes(angle_deg)
    across = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm - moved_mm[0]
    up = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm - moved_mm[1]
    made = np.zeros((pixels.rows, pixels.columns))
    for x, y, z, radius, rate in spots:
        centre = x * right[0] + y * right[1]
        shape = np.exp(-((across[None, :] - centre) ** 2 + (up[:, None] - z) ** 2) / (2 * (radius / 2) ** 2))
        made += shape * rate * live_s / shape.sum()
    return made


def rotation(
    spots: Sequence[Spot] = BODY, *, orientation: PatientOrientation = PatientOrientation.HFS,
    sense: Rotation = Rotation.CC, views: int = 30, arc_deg: float = 180.0, heads_deg: Sequence[float] = (180.0, 0.0),
    live_s: float = 10.0, pixels: Pixels | None = None, moved_from: int | None = None,
    noise: np.random.Generator | None = None, **told: Any,
) -> Framed:  # fmt: skip
    """Return projections of heads whose gantry turns in `sense` about the gantry, of a patient who lies somehow."""
    made = pixels or Pixels(-128.0, -128.0, 4.0, 64, 64)
    turn = (1.0 if sense is Rotation.CC else -1.0) * arc_deg / views * np.arange(views)
    seen = [
        [
            seen_from(
                spots, patient_angle_deg(start + turn[view], orientation), made, live_s,
                moved_mm=(0.0, 12.0) if moved_from is not None and view >= moved_from else (0.0, 0.0),
            )
            for view in range(views)
        ]
        for start in heads_deg
    ]  # fmt: skip
    counts = np.array(seen)[:, None]
    counts = np.rint(counts) if noise is None else noise.poisson(counts)
    heads = tuple(
        head(n + 1, None, patient_angle_deg(start, orientation), "front" if n == 0 else "back")
        for n, start in enumerate(heads_deg)
    )
    return framed(
        counts, ImageKind.TOMO, heads=heads, pixels=made, orientation=orientation, arc_deg=arc_deg,
        rotation=str(patient_rotation(sense, orientation)),
        slots=slots(views, live_s, view=np.arange(views), gantry_deg=turn), **told,
    )  # fmt: skip


def beating(
    *, bins: int = 16, beats: int = 300, ejection: float = 0.6, noise: np.random.Generator | None = None
) -> Framed:
    """Return a gated series: a disc whose counts fall by `ejection` and come back, before a body that stays."""
    pixels = Pixels(-128.0, -128.0, 4.0, 64, 64)
    phase = (np.arange(bins) + 0.5) / bins
    volume = 1.0 - ejection * 0.5 * (1.0 - np.cos(2 * math.pi * phase))
    live_s = beats * 0.8 / bins
    heart = seen_from([(40.0, -40.0, 20.0, 30.0, 4000.0)], 135.0, pixels, live_s)
    still = seen_from([(-40.0, 0.0, -60.0, 50.0, 3000.0), (0.0, 0.0, 0.0, 200.0, 4000.0)], 135.0, pixels, live_s)
    expected = heart[None] * volume[:, None, None] + still[None]
    counts = np.rint(expected) if noise is None else noise.poisson(expected)
    intervals = np.full(beats + 20, 800.0) + 20.0 * np.sin(np.arange(beats + 20))
    accepted = np.ones(beats + 20, np.bool_)
    accepted[::16][:20], intervals[::16][:20] = False, 450.0
    account = Beats(
        beats + 21, int(accepted.sum()), int((~accepted).sum()), 2, {"short": int((~accepted).sum())}, 800.0, 640.0,
        960.0, bins, 50.0, "time", "forward", 1.0, tuple(intervals.tolist()), tuple(accepted.tolist()),
    )  # fmt: skip
    return framed(
        counts[None, None], ImageKind.GATED, name="MUGA", beats=account, pixels=pixels,
        heads=(head(1, View.LAO, 135.0),), slots=slots(bins, live_s, time_slot=np.arange(bins)),
    )  # fmt: skip


def sweep(noise: np.random.Generator) -> Framed:
    """Return a whole body of discs, seen from the front and the back, with rows of little exposure at both ends."""
    pixels = Pixels(-153.6 * 2, -1000.0, 2.4, 256, 800)
    spine = [(0.0, 60.0, z, 14.0, 40.0) for z in range(-150, 500, 25)]
    skull = [(60 * math.cos(a), 0.0, 650 + 70 * math.sin(a), 14.0, 40.0) for a in np.linspace(0, 2 * math.pi, 20)]
    legs = [(side * 90.0, 0.0, z, 20.0, 25.0) for side in (-1, 1) for z in range(-900, -200, 30)]
    lesion = [(-120.0, 50.0, 250.0, 10.0, 120.0), (90.0, -50.0, -150.0, 9.0, 90.0)]
    spots = spine + skull + legs + lesion
    seen = [seen_from(spots, angle, pixels, 60.0) for angle in (180.0, 0.0)]
    exposure = np.minimum(1.0, np.minimum(np.arange(1, 801) / 60, np.arange(800, 0, -1) / 60))
    counts = noise.poisson(np.array(seen)[:, None, None] * exposure[:, None])
    strip = Strip(tuple((exposure * 180 * S).astype(int).tolist()), 180 * S, 2.0, 1.96, 2.05, 0.0, 1900.0)
    return framed(counts, ImageKind.WHOLE_BODY, name="sweep", pixels=pixels, strip=strip, slots=slots(1, 1200.0))
