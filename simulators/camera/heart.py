"""A heart that beats: R waves with variation, beats that come too early, what the ECG misses and what it makes up.

After an R wave the heart empties for a time, then fills for another, both as a cosine. Both times are those of its mean
rate: a beat that comes early finds it less full, and the pause after such a beat lets it fill wholly again. What is
thrown out is the same share of what is in it, whatever the beat.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SECOND_PS = 1_000_000_000_000
_SYSTOLE_S = 0.36
"""Of a heart that beats once a second; it goes with the root of the interval (H. C. Bazett 1920)."""
_EARLY = 0.6
"""When a premature beat comes, over the mean interval; the pause after it makes up for it."""
_SHORTEST_S = 0.25
_KEPT_PS = 2 * _SECOND_PS


@dataclass(frozen=True, slots=True)
class Ecg:
    """A heart and its ECG. `bpm` beats a minute, `variation`: standard deviation of the intervals over their mean.

    `ectopic`: share of beats that come early. `lost`: share of R waves of which nothing is heard. `noise`: triggers a
    minute that are none. `ef`: ejection fraction. `latency_ms`: from the R wave to its word. `stops_s`, `begins_s`:
    from when to when nothing is heard.
    """

    bpm: float = 70.0
    variation: float = 0.03
    ectopic: float = 0.0
    lost: float = 0.0
    noise: float = 0.0
    ef: float = 0.6
    latency_ms: float = 0.0
    stops_s: float = math.inf
    begins_s: float = math.inf

    def __post_init__(self) -> None:
        if not 20 <= self.bpm <= 220:  # noqa: PLR2004
            raise UsageError(f"--ecg bpm={self.bpm:g}: from 20 to 220")
        for name, most in (("variation", 0.5), ("ectopic", 0.5), ("lost", 1.0), ("ef", 0.95)):
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(f"--ecg {name}={getattr(self, name):g}: from 0 to {most:g}")
        if not (0 <= self.noise <= 6000 and 0 <= self.latency_ms <= 1000):  # noqa: PLR2004
            raise UsageError(f"--ecg noise={self.noise:g},latency_ms={self.latency_ms:g}: from 0 to 6000, to 1000")


@dataclass(frozen=True, slots=True)
class HeartBeat:
    """One beat. Volumes are over the largest. `heard`: the ECG triggered."""

    time_ps: int
    full: float
    empty: float
    early: bool
    heard: bool


class Heart:
    """Beats from before the scene's beginning on, the same for the same seed, however they are asked for."""

    def __init__(self, ecg: Ecg, seed: int, truth: Path | None = None) -> None:
        self.ecg = ecg
        self._rng = np.random.default_rng([seed, 3])
        self._noise = np.random.default_rng([seed, 4])
        mean_s = 60 / ecg.bpm
        self.systole_ps = round(min(_SYSTOLE_S * math.sqrt(mean_s), 0.6 * mean_s) * _SECOND_PS)
        self.diastole_ps = round(mean_s * _SECOND_PS) - self.systole_ps
        self._beats = [HeartBeat(-round(self._rng.uniform(0, mean_s) * _SECOND_PS), 1.0, 1 - ecg.ef, False, False)]  # noqa: FBT003
        self._pause = False
        self._next_noise_ps = self._after_noise(0)
        self._heard = 0
        self._truth = truth.open("w", encoding="utf-8") if truth else None

    def rows(self, begin_ps: int, end_ps: int) -> Floats:
        """Return the beats of a stretch of time, and the one under way at its beginning, as `depths` takes them."""
        beats = self.beats(begin_ps, end_ps)
        return np.array(
            [[one.time_ps - begin_ps, one.full, one.empty, self.systole_ps, self.diastole_ps] for one in beats],
            np.float64,
        ).reshape(-1, 5)

    def beats(self, begin_ps: int, end_ps: int) -> list[HeartBeat]:
        """Return the beats from the one under way at `begin_ps` to before `end_ps`; times before are forgotten."""
        while self._beats[-1].time_ps < end_ps:
            self._beats.append(self._following(self._beats[-1]))
        while len(self._beats) > 1 and self._beats[1].time_ps <= begin_ps - _KEPT_PS:
            self._tell(self._beats.pop(0))
        first = max((n for n, one in enumerate(self._beats) if one.time_ps <= begin_ps), default=0)
        return [one for one in self._beats[first:] if one.time_ps < end_ps]

    def triggers(self, begin_ps: int, end_ps: int) -> tuple[Ints, Ints]:
        """Return when words of triggers are sent in a stretch of time, and their numbers; stretch after stretch."""
        late_ps = round(self.ecg.latency_ms * 1e9)
        times = [one.time_ps + late_ps for one in self.beats(begin_ps - late_ps, end_ps)
                 if one.heard and begin_ps <= one.time_ps + late_ps < end_ps]  # fmt: skip
        while self._next_noise_ps < end_ps:
            if self._next_noise_ps >= begin_ps and not self._silent(self._next_noise_ps):
                times.append(self._next_noise_ps)
            self._next_noise_ps = self._after_noise(self._next_noise_ps)
        times.sort()
        numbers = self._heard + 1 + np.arange(len(times))
        self._heard += len(times)
        return np.array(times, np.int64), numbers

    def close(self) -> None:
        """Write the truth about the beats that are left."""
        while self._beats:
            self._tell(self._beats.pop(0))
        if self._truth:
            self._truth.close()

    def _following(self, last: HeartBeat) -> HeartBeat:
        ecg, mean_s = self.ecg, 60 / self.ecg.bpm
        interval_s = mean_s * (1 + ecg.variation * float(self._rng.standard_normal()))
        early = not self._pause and bool(self._rng.random() < ecg.ectopic)
        if early:
            interval_s *= _EARLY
        elif self._pause:
            interval_s *= 2 - _EARLY
        self._pause = early
        time_ps = last.time_ps + round(max(interval_s, _SHORTEST_S) * _SECOND_PS)
        full = self._volume(last, time_ps - last.time_ps)
        heard = bool(self._rng.random() >= ecg.lost) and not self._silent(time_ps)
        return HeartBeat(time_ps, full, full * (1 - ecg.ef), early, heard)

    def _volume(self, beat: HeartBeat, since_ps: int) -> float:
        """Return the volume so long after a beat, as `depths.volume_at` has it."""
        if since_ps < self.systole_ps:
            return beat.full - (beat.full - beat.empty) * (1 - math.cos(math.pi * since_ps / self.systole_ps)) / 2
        filled = min((since_ps - self.systole_ps) / self.diastole_ps, 1.0)
        return beat.empty + (1 - beat.empty) * (1 - math.cos(math.pi * filled)) / 2

    def _silent(self, time_ps: int) -> bool:
        return self.ecg.stops_s <= time_ps / _SECOND_PS < self.ecg.begins_s

    def _after_noise(self, time_ps: int) -> int:
        if self.ecg.noise <= 0:
            return 1 << 62
        return time_ps + round(float(self._noise.exponential(60 / self.ecg.noise)) * _SECOND_PS)

    def _tell(self, beat: HeartBeat) -> None:
        if self._truth:
            line = {"time_ps": beat.time_ps, "full": beat.full, "empty": beat.empty, "early": beat.early,
                    "heard": beat.heard}  # fmt: skip
            self._truth.write(json.dumps(line) + "\n")
