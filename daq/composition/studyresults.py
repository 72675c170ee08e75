"""What physicians ask of a study: uptake, share of a kidney, ejection fraction, from its recordings and regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.finishing import series_of
from daq.composition.verdicts import protocol_in
from daq.errors import MissingError, RefusedError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.model.geometry import View
from daq.model.nuclide_table import nuclide
from daq.model.study import reference_of
from daq.qc.uptake import (
    Ejection,
    Measured,
    Region,
    Value,
    ejection_fraction,
    geometric_mean,
    injected,
    residual_volume_ml,
    split,
    uptake,
)
from daq.storage.reader import open_listmode
from daq.storage.studyfacts import facts_in

if TYPE_CHECKING:
    import numpy.typing as npt

    from daq.qc.studyfacts import StudyFacts

_PS_PER_S = 1e12
Box = tuple[float, float, float, float]
"""x from, y from, x to, y to, mm of the picture as it is seen, head up."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording: its series, what else it tells, and when time zero was, s since 1970."""

    name: str
    series: list[Framed]
    facts: StudyFacts
    zero_s: float
    half_life_s: float
    study: str | None
    voided_ml: float | None

    def of_role(self, role: str) -> Framed | None:
        """Return the last series of a role, None where there is none."""
        return next((one for one in reversed(self.series) if one.role == role), None)


@dataclass(frozen=True, slots=True)
class Look:
    """Where it is counted: window (default the first) and head (default the one that sees `view`, else the first)."""

    window: str | None = None
    head: int | None = None

    view: View | None = None

    def place(self, series: Framed) -> tuple[int, int]:
        """Return the indices of head and window. Raise `MissingError` for one that the series does not have."""
        windows, heads = [each.name for each in series.windows], [each.number for each in series.heads]
        if self.window is not None and self.window not in windows:
            raise MissingError(f"{series.name}: no window {self.window}; there are {', '.join(windows)}")
        if self.head is not None and self.head not in heads:
            raise MissingError(f"{series.name}: no head {self.head}; there are {', '.join(map(str, heads))}")
        facing = next((at for at, head in enumerate(series.heads) if self.view and head.view is self.view), 0)
        head = facing if self.head is None else heads.index(self.head)
        return head, windows.index(self.window) if self.window else 0

    def words(self, series: Framed) -> str:
        """Return the head for people, with what it sees."""
        return head_words(series, self.place(series)[0])


def recorded(directories: Sequence[Path]) -> list[Recorded]:
    """Return recordings of one study in order of time; raise `RefusedError` for those of several, or without times."""
    opened = sorted((_opened(directory) for directory in directories), key=lambda one: one.zero_s)
    if len({one.study for one in opened}) > 1:
        raise RefusedError(f"{' and '.join(one.name for one in opened)} are of different studies")
    return opened


def _opened(directory: Path) -> Recorded:
    series, manifest, why_none = series_of(directory)
    if not series:
        raise RefusedError(f"{directory}: no pictures: {why_none}")
    protocol, reference = protocol_in(manifest, str(directory)), reference_of(manifest.study)
    with open_listmode(directory, allow_damaged=True) as recording:
        facts = facts_in(recording)
    if facts.zero_utc is None:
        raise RefusedError(f"{directory}: it has no clock mark, so that nobody knows when it was")
    if protocol.radionuclide is None:
        raise RefusedError(f"{directory}: its protocol names no radionuclide: decay is not known")
    return Recorded(
        manifest.acquisition_id, series, facts, facts.zero_utc.timestamp(),
        nuclide(protocol.radionuclide).half_life_s, None if reference is None else reference.key, facts.voided_ml,
    )  # fmt: skip


def thyroid_uptakes(recordings: Sequence[Recorded], look: Look, region: Box | None = None) -> list[dict[str, Any]]:
    """Return the uptake by each neck that was measured with a thigh, in order of time.

    Raise `MissingError` where the capsule (role `syringe`), a neck or its thigh is not there.
    """
    syringe = _last(recordings, "syringe", look, region)
    left = _last(recordings, "residual", look, region)
    if syringe is None:
        raise MissingError("no step has the role syringe: without the capsule before it was given there is no uptake")
    found = []
    for one in recordings:
        neck, thigh = (_measured(one, one.of_role(role), look, region) for role in ("neck", "thigh"))
        if neck is None or thigh is None:
            continue
        at_s, half_life_s = syringe.begin_s, one.half_life_s
        told = _dead_time_told(recordings, ("syringe", "residual"), look)
        told &= _dead_time_told([one], ("neck", "thigh"), look)
        value = uptake(neck=neck, thigh=thigh, syringe=syringe, residual=left, half_life_s=half_life_s, at_s=at_s)
        given = one.facts.injected_at
        after_s = neck.begin_s - (at_s if given is None else given.timestamp())
        found.append({
            "acquisition": one.name, "after_s": after_s, "since": "syringe" if given is None else "administration",
            "uptake": value.value, "error": value.error, "dead_time_told": told,
        })  # fmt: skip
    if not found:
        raise MissingError("no recording has both a neck and a thigh (roles of its steps)")
    return found


def _last(recordings: Sequence[Recorded], role: str, look: Look, region: Box | None) -> Measured | None:
    measured = (_measured(one, one.of_role(role), look, region) for one in reversed(recordings))
    return next((each for each in measured if each is not None), None)


def _dead_time_told(recordings: Sequence[Recorded], roles: Sequence[str], look: Look) -> bool:
    """Return True where the head of every series of these roles told how long it could take events."""
    there = [one.of_role(role) for one in recordings for role in roles]
    return all(series.heads[look.place(series)[0]].live_told for series in there if series is not None)


def _measured(one: Recorded, series: Framed | None, look: Look, region: Box | None) -> Measured | None:
    """Return the counts of a series in the whole field or a region, with their live time."""
    if series is None:
        return None
    head, window = look.place(series)
    counts = float(series.counts[head, window][..., _mask(series, region)].sum())
    counts += 0 if region is not None else float(series.outside[head, window])
    live_s = float(series.slots.live_ps.sum()) / _PS_PER_S * series.heads[head].live_share
    begin_s, end_s = (one.zero_s + float(ps) / _PS_PER_S for ps in (series.slots.begin_ps[0], series.slots.end_ps[-1]))
    return Measured(counts, live_s, begin_s, end_s)


@dataclass(frozen=True, slots=True)
class Kidneys:
    """Regions of a renogram, as seen on the posterior picture, and between which seconds they are compared."""

    left: Box
    right: Box
    left_background: Box
    right_background: Box
    bladder: Box | None = None
    between_s: tuple[float, float] = (60.0, 120.0)
    both_heads: bool = False


def renogram(one: Recorded, kidneys: Kidneys, look: Look) -> dict[str, Any]:
    """Return the share of the left kidney, what was injected in counts, what is left in the bladder after voiding.

    With `both_heads` counts are the geometric mean of both sides; regions of the front are mirrored. Raise
    `MissingError` without a dynamic series or a posterior head, `LimitError` for kidneys below background.
    """
    series = next((each for each in one.series if each.kind is ImageKind.DYNAMIC), None)
    if series is None:
        raise MissingError(f"{one.name}: no dynamic series")
    back = _head(series, View.POST)
    slots = _between(series, kidneys.between_s)
    _, window = look.place(series)
    left, right = (
        _kidney(series, back, window, slots, box, beside, both=kidneys.both_heads)
        for box, beside in ((kidneys.left, kidneys.left_background), (kidneys.right, kidneys.right_background))
    )
    share = split(left, right)
    told: dict[str, Any] = {
        "acquisition": one.name, "left_share": share.value, "left_share_error": share.error,
        "left_net_counts": left.value, "right_net_counts": right.value, "between_s": list(kidneys.between_s),
        "geometric_mean": kidneys.both_heads, "head": head_words(series, back),
    }  # fmt: skip
    before, after = (_measured(one, one.of_role(role), look, None) for role in ("syringe", "residual"))
    if before is not None and after is not None:
        given = injected(before=before, after=after, half_life_s=one.half_life_s, at_s=before.begin_s)
        told |= {"injected_per_s": given.value, "injected_error_per_s": given.error}
        told["injected_head"] = _words(one, "syringe", look)
        told["dead_time_told"] = _dead_time_told([one], ("syringe", "residual"), look)
    return told | _voided(one, kidneys.bladder, replace(look, view=View.POST))


def _voided(one: Recorded, bladder: Box | None, look: Look) -> dict[str, Any]:
    full, empty = (_measured(one, one.of_role(role), look, bladder) for role in ("pre_void", "post_void"))
    if bladder is None or full is None or empty is None or one.voided_ml is None:
        return {}
    left = residual_volume_ml(before=full, after=empty, voided_ml=one.voided_ml, half_life_s=one.half_life_s)
    head = _words(one, "pre_void", look)
    return {"residual_volume_ml": left.value, "residual_volume_error_ml": left.error, "residual_volume_head": head}


def _words(one: Recorded, role: str, look: Look) -> str:
    series = one.of_role(role)
    return "" if series is None else look.words(series)


def head_words(series: Framed, place: int) -> str:
    """Return a head for people: number, name, view."""
    head = series.heads[place]
    name, view = f" ({head.name})" if head.name else "", f", {head.view}" if head.view is not None else ""
    return f"head {head.number}{name}{view}"


def _kidney(
    series: Framed, back: int, window: int, slots: npt.NDArray[np.bool_], box: Box, beside: Box, *, both: bool
) -> Value:
    behind = _region(series, back, window, slots, box, beside).net
    if not both:
        return behind
    front = _head(series, View.ANT)
    mirrored = [(-x1, y0, -x0, y1) for x0, y0, x1, y1 in (box, beside)]
    return geometric_mean(_region(series, front, window, slots, mirrored[0], mirrored[1]).net, behind)


def _region(series: Framed, head: int, window: int, slots: npt.NDArray[np.bool_], box: Box, beside: Box) -> Region:
    picture = series.counts[head, window, slots].sum(axis=0, dtype=np.float64)
    inside, around = _mask(series, box), _mask(series, beside) & ~_mask(series, box)
    if not around.any():
        raise UsageError(f"the background {beside} lies wholly inside the region {box}")
    return Region(float(picture[inside].sum()), int(inside.sum()), float(picture[around].sum()), int(around.sum()))


def ejection(one: Recorded, ventricle: Box, background: Box, look: Look) -> tuple[Ejection, str, str]:
    """Return the ejection fraction of the gated series, its name and the head. Raise `MissingError` without one.

    By itself it is taken from the head that sees LAO, where the ventricles lie side by side.
    """
    series = next((each for each in one.series if each.kind is ImageKind.GATED), None)
    if series is None:
        raise MissingError(f"{one.name}: no gated series")
    look = replace(look, view=View.LAO)
    head, window = look.place(series)
    pictures = series.counts[head, window].astype(np.float64)
    inside, around = _mask(series, ventricle), _mask(series, background) & ~_mask(series, ventricle)
    if not around.any():
        raise UsageError(f"the background {background} lies wholly inside the region {ventricle}")
    live_s = series.slots.live_ps / _PS_PER_S
    beside_per_s = float(pictures[:, around].sum() / live_s.sum()) * inside.sum() / around.sum()
    found = ejection_fraction(pictures[:, inside].sum(axis=1), live_s, beside_per_s)
    return found, series.name, look.words(series)


def _head(series: Framed, view: View) -> int:
    found = [index for index, head in enumerate(series.heads) if head.view is view]
    if not found:
        raise MissingError(f"{series.name}: no head sees the patient {view}")
    return found[0]


def _between(series: Framed, between_s: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return which slots lie within seconds after frame zero. Raise `MissingError` where none does."""
    zero_ps = series.slots.begin_ps[0] if series.frame_zero_ps is None else series.frame_zero_ps
    begin_s, end_s = ((ps - zero_ps) / _PS_PER_S for ps in (series.slots.begin_ps, series.slots.end_ps))
    chosen = (begin_s >= between_s[0] - 1e-6) & (end_s <= between_s[1] + 1e-6)
    if not chosen.any():
        raise MissingError(f"{series.name}: no whole frame between {between_s[0]:g} and {between_s[1]:g} s")
    return np.asarray(chosen)


def _mask(series: Framed, box: Box | None) -> npt.NDArray[np.bool_]:
    """Return which pixels' middles lie in a box, [rows, columns]; all without one. Raise `UsageError` for none."""
    pixels = series.pixels
    x = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm
    y = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm
    x0, y0, x1, y1 = box if box is not None else (-np.inf, -np.inf, np.inf, np.inf)
    inside = ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))[None, :]
    if not inside.any():
        said = ",".join(f"{each:g}" for each in (x0, y0, x1, y1))
        raise UsageError(
            f"{series.name}: the region {said} holds no pixel's middle; the picture goes from "
            f"{pixels.x0_mm:.0f} to {pixels.x0_mm + pixels.columns * pixels.pixel_mm:.0f} mm across and from "
            f"{pixels.y0_mm:.0f} to {pixels.y0_mm + pixels.rows * pixels.pixel_mm:.0f} mm up"
        )
    return np.asarray(inside)
