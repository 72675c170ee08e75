"""What a protocol asks of the whole acquisition: requirements, how singles are paired, what is recorded, hand-overs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from daq.model.coincidence import PairingRule, Policy
from daq.model.processing import StoredSingles
from daq.model.scanner import Ring
from daq.model.windows import FWHM_PER_SIGMA

HandOverKind = Literal["ct_attenuation", "overlay_check"]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must have been done: a QC test or a calibration, at most so long ago."""

    name: str
    maximum_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class QcTerms:
    """What a protocol of quality control needs. `source`: its form, `none` without one.

    `rate_cps`: lowest and highest rate of a head in the first window (of a ring: of its prompts). `background`: the
    test that must be in limits, and not older, before a source comes into the room.
    """

    source: str
    rate_cps: tuple[float, float] | None = None
    background: Need | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What must be true before it may start."""

    collimators: tuple[str, ...] = ()
    """One of these is mounted."""
    qc: tuple[Need, ...] = ()
    calibrations: tuple[Need, ...] = ()
    administration: Literal["none", "before_start", "may_follow", "follows"] = "none"
    """Whether an administration record is needed, and when. With `may_follow` the injection may come after the start,
    with `follows` it does: recording runs before it."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far an acquisition may be from what was asked before its verdict says so; None: not judged by it."""

    speed_percent: float | None = None
    position_mm: float | None = None
    angle_deg: float | None = None
    exposure_percent: float | None = None
    """Share of the full exposure that a row of a sweep needs."""
    rejected_beats_percent: float | None = None
    live_percent: float | None = None
    drift_mm: float | None = None
    """How far the patient may have moved between the first and the last projection."""


@dataclass(frozen=True, slots=True)
class Coincidence:
    """How singles are paired. A delay of None: no delayed window of the software's own."""

    half_window_ps: int
    delay_ps: int | None = None
    timing_sigma_ps: float | None = None
    """Standard deviation of the time difference of two detectors."""
    policy: Policy = Policy.TAKE_ALL_GOODS
    windows: tuple[str, ...] = ()
    """Singles in any of these energy windows pair; none: every single."""
    minimum_sector_difference: int | None = None
    """In place of the scanner's own."""
    max_ring_difference: int | None = None
    expected_singles_cps: float | None = None
    """Of all detectors and every energy."""

    def rule(self, ring: Ring) -> PairingRule:
        """Return the rule of the sorter for the detectors of a ring, whose own timing counts where none is said."""
        fwhm_ps = ring.coincidence_resolution_ps
        own_ps = None if fwhm_ps is None else fwhm_ps / FWHM_PER_SIGMA
        sigma_ps = own_ps if self.timing_sigma_ps is None else self.timing_sigma_ps
        return PairingRule(
            half_window_ps=self.half_window_ps,
            delay_ps=self.delay_ps,
            policy=self.policy,
            windows=self.windows,
            ring=ring,
            minimum_sector_difference=self.minimum_sector_difference,
            max_ring_difference=self.max_ring_difference,
            timing_sigma_ps=None if sigma_ps is None else max(1, round(sigma_ps)),
        )

    def __str__(self) -> str:
        """Return it for people."""
        half, delay = self.half_window_ps / 1000, self.delay_ps
        parts = [f"±{half:g} ns ({2 * half:g} ns full)"]
        parts += [] if delay is None else [f"delayed by {delay / 1000:g} ns"]
        parts += [str(self.policy), "of " + " or ".join(self.windows) if self.windows else "of every single"]
        sectors, rings = self.minimum_sector_difference, self.max_ring_difference
        parts += [] if sectors is None else [f"at least {sectors} sectors apart"]
        parts += [] if rings is None else [f"at most {rings} rings apart"]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Store:
    """What is recorded. `pairs`: the coincidences, of the software or of the front end."""

    raw: bool = True
    singles: StoredSingles = "all"
    pairs: bool = True

    @property
    def rows(self) -> bool:
        """Return True where anything but the raw words is recorded."""
        return self.pairs or self.singles != "none"

    def __str__(self) -> str:
        """Return it for people: `raw words, windowed singles, pairs`."""
        singles = {"all": ["all singles"], "windowed": ["singles inside a window"], "none": []}[self.singles]
        return ", ".join([*(["raw words"] if self.raw else []), *singles, *(["pairs"] if self.pairs else [])])


@dataclass(frozen=True, slots=True)
class HandOver:
    """Something that another machine did, or a person looked at, which is confirmed before the acquisition goes on.

    Nothing of ours is recorded for it. `key` is its place in the file.
    """

    name: str
    key: str
    what: HandOverKind
    instruction: str = ""

    def __str__(self) -> str:
        """Return what a person is to do."""
        return f"{self.name}{': ' + self.instruction if self.instruction else ''}"


def pending(hand_overs: Iterable[HandOver], confirmed: Iterable[str]) -> tuple[HandOver, ...]:
    """Return those that nobody has confirmed yet, by name."""
    done = set(confirmed)
    return tuple(each for each in hand_overs if each.name not in done)
