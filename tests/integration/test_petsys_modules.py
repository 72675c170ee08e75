"""Modules of a PETsys front end on bad days, recorded with pairs: each harms itself alone, and the account says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from support_cli import call
from support_record import replay_is_equal
from support_simulators import simulator

from daq.model.events import PROMPT
from daq.storage.reader import open_listmode

FROM_S, UNTIL_S, STOP_S = 0.3, 0.6, 0.9
SILENT, NOISY, ASTRAY, WELL = 3, 5, 9, 0
"""None faces another of these across the ring: pairs are those of a point in the middle."""
PER_MODULE = 64


def recorded(out: Path, *faults: str, stall_s: float = 5.0) -> Any:
    options = [option for fault in faults for option in ("--fault", fault)]
    with simulator("petsys-gbe", "--activity", "point:F-18,mbq=0.3", "--seed", 5, *options) as server:
        return call(
            "record", "--profile", "petsys-tofpet2-gbe", "--scanner", "petsys-small-ring", "--half-window", "3ns",
            "--delay", "500ns", "--source", server.ready["udp"], "--stop", f"time={STOP_S}s", "--stall", stall_s,
            "--out", out, "--json", "--simulated",
        )  # fmt: skip


def column(directory: Path, stream: Any, *names: str) -> list[npt.NDArray[Any]]:
    with open_listmode(directory) as recording:
        batches = list(recording.batches(stream, list(names)))
    return [np.concatenate([batch.column(name).to_numpy(zero_copy_only=False) for batch in batches]) for name in names]


def before_and_during(time_ps: npt.NDArray[Any]) -> tuple[int, int]:
    """Return how many lie within as long a time before the faults as they last, and within them."""
    before, during = np.histogram(time_ps / 1e12, bins=[2 * FROM_S - UNTIL_S, FROM_S, UNTIL_S])[0].tolist()
    return before, during


def test_modules_that_are_silent_noisy_or_astray_harm_no_other_and_lose_no_frame(tmp_path: Path) -> None:
    out, lasts = tmp_path / "run", f"at_s={FROM_S},for_s={UNTIL_S - FROM_S}"
    told = recorded(
        out, f"silent:module={SILENT},{lasts}", f"noisy:module={NOISY},cps=200000,{lasts}",
        f"jump:module={ASTRAY},ticks=2000,at_s={FROM_S}",
    )  # fmt: skip
    assert told.code == 0, told.err
    (source,) = told.json["ledger"]["sources"]
    assert (source["gap"], source["malformed"], source["beside"]["late"], told.json["ledger"]["balanced"]) == (
        0, 0, 0, True,
    )  # fmt: skip

    time_ps, detector = column(out, "singles", "time_ps", "detector")
    pair_ps, a, b, kind = column(out, "coincidences", "time_ps", "detector_a", "detector_b", "kind")

    def singles(module: int) -> tuple[int, int]:
        return before_and_during(time_ps[detector // PER_MODULE == module])

    def pairs(module: int) -> tuple[int, int]:
        with_it = (a // PER_MODULE == module) | (b // PER_MODULE == module)
        return before_and_during(pair_ps[with_it & (kind == PROMPT)])

    assert singles(SILENT)[1] <= 2
    assert pairs(SILENT)[1] <= 2
    assert singles(NOISY)[1] > 30 * singles(NOISY)[0]
    assert 0.8 < pairs(NOISY)[1] / pairs(NOISY)[0] < 1.5
    assert 0.8 < singles(ASTRAY)[1] / singles(ASTRAY)[0] < 1.2
    assert pairs(ASTRAY)[0] > 500
    assert pairs(ASTRAY)[1] <= 2
    assert 0.8 < pairs(WELL)[1] / pairs(WELL)[0] < 1.5
    replay_is_equal(out)


def test_a_front_end_that_boots_in_mid_run_ends_the_recording_sealed_with_all_pairs_before_it(tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = recorded(out, f"reboot:at_s={FROM_S},for_s=0.3", stall_s=1.0)
    assert told.code == 7
    assert "the source fell silent; what came is sealed" in told.err
    pair_ps, kind = column(out, "coincidences", "time_ps", "kind")
    assert np.count_nonzero(kind == PROMPT) > 1000
    assert FROM_S - 0.02 < pair_ps.max() / 1e12 < FROM_S + 0.02
    replay_is_equal(out)


def test_a_clock_that_begins_again_costs_a_frame_and_the_live_time(tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = recorded(out, f"restart:at_s={FROM_S}")
    assert told.code == 0, told.err
    (source,) = told.json["ledger"]["sources"]
    assert (source["gap"], source["malformed"]) == (0, 1)
    with open_listmode(out) as recording:
        (step,) = recording.manifest.steps or []
        marks = [mark["kind"] for batch in recording.batches("marks") for mark in batch.to_pylist()]
    assert (marks.count("source_start"), marks.count("jump"), step.live_ps) == (2, 1, None)
    replay_is_equal(out)
