"""Hearts that beat: their ECG, their volumes by closed forms, and what a camera sees of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from support_bodies import seen, set_up

from daq.errors import UsageError
from simulators.camera.bodies import parse_ecg
from simulators.camera.body import Body, organ
from simulators.camera.depths import volume_at as compiled_volume_at
from simulators.camera.heart import Ecg, Heart
from simulators.camera.solids import Beat, Solid, ball, shell

volume_at = compiled_volume_at.py_func  # not compiled by itself


def beats_of(ecg: Ecg, seconds: float, seed: int = 1) -> list[float]:
    heart = Heart(ecg, seed)
    return [beat.time_ps / 1e12 for beat in heart.beats(0, round(seconds * 1e12))]


def beating(solid: Solid, beat: Beat) -> Solid:
    return Solid(solid.form, solid.centre_mm, solid.matrix, solid.inner, solid.cut, beat)


def test_intervals_have_their_mean_and_their_spread() -> None:
    intervals = np.diff(beats_of(Ecg(bpm=80, variation=0.05), 3000.0))

    assert len(intervals) == pytest.approx(4000, rel=0.01)
    assert intervals.mean() == pytest.approx(0.75, rel=0.005)
    assert intervals.std() == pytest.approx(0.0375, rel=0.06)


def test_early_beats_are_followed_by_a_pause_that_makes_up_for_them() -> None:
    heart = Heart(Ecg(bpm=60, variation=0.0, ectopic=0.2), 1)
    beats = heart.beats(0, 1000 * 10**12)

    assert sum(beat.early for beat in beats) == pytest.approx(1000 * 0.2 / 1.2, rel=0.15)
    for before, early, after in zip(beats, beats[1:], beats[2:], strict=False):
        if early.early:
            assert (early.time_ps - before.time_ps) / 1e12 == pytest.approx(0.6)
            assert (after.time_ps - before.time_ps) / 1e12 == pytest.approx(2.0)
            assert early.full < before.full + 1e-9
            assert early.full < 0.95
            assert early.empty == pytest.approx(early.full * 0.4)


def test_the_ecg_misses_and_makes_up_what_it_is_told() -> None:
    heart = Heart(Ecg(bpm=70, lost=0.1, noise=6, latency_ms=20, stops_s=600, begins_s=660), 4)
    times, numbers = [], []
    for second in range(0, 1200, 3):
        at, number = heart.triggers(second * 10**12, (second + 3) * 10**12)
        times += at.tolist()
        numbers += number.tolist()

    assert numbers == list(range(1, len(times) + 1))
    assert times == sorted(times)
    assert len(times) == pytest.approx(1140 / 60 * (70 * 0.9 + 6), rel=0.05)
    assert not [at for at in times if 600.1e12 < at < 660e12]


def test_the_words_are_the_beats_later_by_the_latency_however_time_is_cut() -> None:
    plain, late = Heart(Ecg(bpm=75), 2), Heart(Ecg(bpm=75, latency_ms=35.5), 2)
    found = [at for k in range(500) for at in late.triggers(k * 10**10 * 2, (k + 1) * 10**10 * 2)[0].tolist()]
    expected = [beat.time_ps + 35_500_000_000 for beat in plain.beats(0, 10**13)]

    assert found == [at for at in expected if 0 <= at < 10**13]


def test_the_truth_holds_every_beat(tmp_path: Path) -> None:
    heart = Heart(Ecg(bpm=60, lost=0.5), 1, tmp_path / "beats.jsonl")
    triggers = [at for k in range(60) for at in heart.triggers(k * 10**12, (k + 1) * 10**12)[0].tolist()]
    heart.close()
    lines = [json.loads(line) for line in (tmp_path / "beats.jsonl").read_text().splitlines()]

    assert [line["time_ps"] for line in lines if line["heard"] and 0 <= line["time_ps"] < 60 * 10**12] == triggers
    assert np.diff([line["time_ps"] for line in lines]).min() > 0.5e12


def test_the_compiled_volume_is_that_of_the_beats() -> None:
    heart = Heart(Ecg(bpm=60, variation=0.0, ef=0.55), 1)
    rows = heart.rows(0, 10**13)
    first, systole = rows[1, 0], rows[1, 3]

    assert volume_at(first, rows) == pytest.approx(1.0)
    assert volume_at(first + systole, rows) == pytest.approx(0.45)
    assert volume_at(first + systole / 2, rows) == pytest.approx((1 + 0.45) / 2)
    assert volume_at(first + systole + rows[1, 4] / 2, rows) == pytest.approx((1 + 0.45) / 2)
    assert volume_at(-1e13, rows) == 1.0


def test_a_cavity_has_as_many_counts_as_its_volume_and_gives_back_the_ejection_fraction() -> None:
    ecg = Ecg(bpm=80, variation=0.02, ef=0.6)
    heart = Heart(ecg, 3)
    body = Body("cavity", (organ("cavity", [beating(ball((0, 0, 0), 25.0), Beat.CAVITY)]),))
    photons = seen(set_up(body, 400.0, heart=heart), seconds=12.0)

    twin = Heart(ecg, 3)
    rows = twin.rows(0, 12 * 10**12)
    since = photons.time_ps - rows[np.searchsorted(rows[:, 0], photons.time_ps, "right") - 1, 0]
    slots = np.histogram(since, bins=16, range=(0, 0.75e12))[0].astype(float)
    fine = [volume_at(rows[3, 0] + (k + 0.5) / 160 * 0.75e12, rows) for k in range(160)]
    curve = np.mean(np.reshape(fine, (16, 10)), axis=1)
    scale = slots[2:13].sum() / curve[2:13].sum()  # the last slots are not in every beat

    assert np.all(np.abs(slots[:13] - curve[:13] * scale) < 5 * np.sqrt(slots[:13]) + 0.02 * slots[:13])
    assert 1 - slots[:13].min() / slots[:13].max() == pytest.approx(1 - curve.min() / curve.max(), abs=0.02)
    size = [photons.x_mm[(since > a) & (since < b)].std() for a, b in ((0, 4e10), (2.9e11, 3.3e11))]
    assert size[1] < size[0] * 0.85


def test_the_wall_keeps_its_activity_and_becomes_thicker() -> None:
    ecg = Ecg(bpm=60, variation=0.0, ef=0.7)
    wall = beating(shell((0, 0, 0), 40.0, 0.8), Beat.WALL)
    photons = seen(set_up(Body("wall", (organ("wall", [wall]),)), 400.0, heart=Heart(ecg, 1)), seconds=10.0)
    rows = Heart(ecg, 1).rows(0, 10**13)
    since = photons.time_ps - rows[np.searchsorted(rows[:, 0], photons.time_ps, "right") - 1, 0]

    even = np.histogram(since, bins=10, range=(0, 1e12))[0]
    assert np.all(np.abs(even - even.mean()) < 4.5 * math.sqrt(even.mean()))
    reach = [float(np.hypot(photons.x_mm, photons.y_mm)[(since > a) & (since < b)].mean())
             for a, b in ((0, 3e10), (3.4e11, 3.8e11))]  # fmt: skip
    assert reach[1] < reach[0] - 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("bpm=5", "from 20 to 220"), ("lost=2", "lost=2: from 0 to 1"), ("ef=0.99", "ef"), ("noise=-1", "noise"),
     ("pulse=3", "'pulse' is unknown")],
)  # fmt: skip
def test_hearts_without_sense_are_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_ecg(text)
