"""Recordings of gamma-camera heads: what is written live is what replay makes of the raw words, in order or not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_heads import SENSORS, at, corrections
from support_recording import RULE, Script, content, record, replayed_alike

from daq.errors import RefusedError
from daq.model.events import AMPLITUDES
from daq.model.headcalibration import HeadCorrections
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.storage.headevents import head_events
from daq.storage.reader import open_listmode
from daq.storage.streams import dtypes_of, processed_columns
from daq.wire.native import Header, encode
from device_profiles.load import load_profile

XYE = load_profile("head-xye64")
HEADS = tuple(corrections(number, seed=7 + number) for number in range(2))
PROCESSING = Processing(heads=HEADS, windows=(EnergyWindow(126.0, 154.0, "Tc-99m"),))
STEP_MM, STEP_KEV = 0.6, 0.5


def words(seed: int, count: int, head: int) -> tuple[Any, dict[str, Any]]:
    """Return words of a head, and what they mean."""
    draw = np.random.default_rng(seed)
    time, x = np.sort(draw.integers(0, 5000, count)), draw.integers(-400, 400, count)
    y, energy = draw.integers(-300, 300, count), draw.integers(200, 330, count)
    made = 1 << 62 | head << 60 | time << 30 | energy << 20 | (y & 0x3FF) << 10 | x & 0x3FF
    return made, {"x": x * STEP_MM, "y": y * STEP_MM, "kev": energy * STEP_KEV}


def script(**changes: Any) -> Script:
    """Return datagrams of two heads by turns, cut into calls of three."""
    datagrams = []
    per_head = [words(seed, 400, head)[0] for seed, head in ((1, 0), (2, 1))]
    for begin, end in pairwise(range(0, 401, 20)):
        for head, of in enumerate(per_head):
            datagrams.append(encode(Header(head, 0, end - begin, begin), of[begin:end].astype("<u8").tobytes()))
    arrivals = list(range(0, 1000 * len(datagrams), 1000))
    cuts = frozenset(range(0, len(datagrams), 3))
    return Script(datagrams, arrivals, profile=XYE, cuts=cuts, processing=PROCESSING, **changes)


@pytest.mark.parametrize("shed_at", [(), (7, 23)])
@pytest.mark.parametrize("order", [RULE, None])
def test_what_is_written_live_is_what_replay_makes_of_it(tmp_path: Path, order: Any, shed_at: tuple[int, ...]) -> None:
    manifest = record(tmp_path / "run", script(order=order), shed_at=shed_at)

    replayed_alike(tmp_path / "run")
    rows = [row for row in content(tmp_path / "run")["singles"] if row["head"] == 1]
    assert len(rows) == 400
    _, sent = words(2, 400, 1)
    wanted = sent["x"] + at(HEADS[1].shift_x, sent["x"], sent["y"], otherwise=0.0)
    kev = sent["kev"] / at(HEADS[1].energy, sent["x"], sent["y"], otherwise=1.0)
    assert sorted(row["x_mm"] for row in rows) == pytest.approx(sorted(wanted), abs=1e-3)
    assert sorted(row["energy_kev"] for row in rows) == pytest.approx(sorted(kev), rel=1e-5)
    assert sum(row["windows"] for row in rows) == pytest.approx(((kev >= 126) & (kev < 154)).sum(), abs=1)
    assert manifest.counters["heads"]["1"] == {"events": 400, "saturated": 0, "piled_up": 0, "unplaced": 0}


def test_heads_alone_are_corrected_without_windows(tmp_path: Path) -> None:
    only = script()
    record(tmp_path / "run", Script(**{**vars(only), "processing": Processing(heads=HEADS)}))

    replayed_alike(tmp_path / "run")
    assert "windows" not in content(tmp_path / "run")["singles"][0]


def test_what_is_recorded_is_what_is_replayed_and_what_is_measured(tmp_path: Path) -> None:
    heads = tuple(one.model_copy(update={"steps": (STEP_MM, STEP_MM, STEP_KEV)}) for one in HEADS)
    record(tmp_path / "run", Script(**{**vars(script()), "processing": Processing(heads=heads)}))

    replayed_alike(tmp_path / "run")
    rows = [row for row in content(tmp_path / "run")["singles"] if row["head"] == 1]
    with open_listmode(tmp_path / "run") as recording:
        measured = list(head_events(recording, heads[1].model_copy(update={"steps": (0.0, 0.0, 0.0)})))
    for name in ("x_mm", "y_mm", "energy_kev"):
        stored = np.sort(np.array([row[name] for row in rows], np.float32))
        assert np.array_equal(stored, np.sort(np.concatenate([getattr(part, name) for part in measured])))


def test_amplitudes_give_way_to_positions_and_energies() -> None:
    decoded: Any = {"marks": ["time_ps"], "singles": ["time_ps", "head", AMPLITUDES]}
    board = HeadCorrections(head=0, sensors=SENSORS)

    columns = processed_columns(decoded, Processing(heads=(board,)))
    types = dtypes_of(decoded, Processing(heads=(board,)))

    assert columns["singles"] == ["time_ps", "energy_kev", "x_mm", "y_mm", "head"]
    assert types["singles"]["x_mm"] == np.float32
    for nothing in (None, Processing(), Processing(heads=(HeadCorrections(head=0),))):
        with pytest.raises(RefusedError, match="without the sensors"):
            processed_columns(decoded, nothing)
