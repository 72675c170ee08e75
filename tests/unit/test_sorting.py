import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_sorting import assert_same_rows, many_singles, paired_at_once, record, rule, stored_pairs

from daq.errors import RefusedError, UsageError, VerificationError
from daq.model.coincidence import Policy
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.storage.reader import open_listmode
from daq.storage.sorting import Sorted, Wanted, sort
from daq.storage.verify import verify

PEAK = EnergyWindow(400, 650, "peak")
WIDE = EnergyWindow(100, 700, "wide")


def sorted_again(directory: Path, out: Path, wanted: Wanted) -> Sorted:
    with open_listmode(directory) as recording:
        return sort(recording, out, wanted, identity="second", software={"scandaq": "9"})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("sorting") / "first", many_singles(6000), operator="somebody")


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("slice_rows", [100, 997, 6000, 10_000])
def test_rows_are_those_of_pairing_at_once_for_any_threads_and_slices(
    recorded: Path, tmp_path: Path, threads: int, slice_rows: int
) -> None:
    made = sorted_again(recorded, tmp_path / "out", Wanted(rule(), threads=threads, slice_rows=slice_rows))

    rows, counts = paired_at_once(many_singles(6000), rule())
    assert len(rows["kind"]) > 1000
    assert_same_rows(stored_pairs(tmp_path / "out"), rows)
    assert dict(made.counts) == counts
    assert made.singles == 6000
    assert verify(tmp_path / "out").verdict == "ok"


@pytest.mark.parametrize("policy", Policy)
def test_every_policy_gives_the_rows_of_pairing_at_once(recorded: Path, tmp_path: Path, policy: Policy) -> None:
    wanted = rule(policy=policy, max_ring_difference=1)

    made = sorted_again(recorded, tmp_path / "out", Wanted(wanted, threads=2, slice_rows=500))

    rows, counts = paired_at_once(many_singles(6000), wanted)
    assert_same_rows(stored_pairs(tmp_path / "out"), rows)
    assert dict(made.counts) == counts


def test_energy_windows_are_worked_out_anew(recorded: Path, tmp_path: Path) -> None:
    wanted = rule(windows=("peak",))

    made = sorted_again(recorded, tmp_path / "out", Wanted(wanted, windows=(PEAK,), slice_rows=500))

    singles = many_singles(6000)
    inside = (singles["energy_kev"] >= 400) & (singles["energy_kev"] < 650)
    rows, counts = paired_at_once({**singles, "windows": inside.astype(np.uint16)}, wanted, 1)
    assert_same_rows(stored_pairs(tmp_path / "out"), rows)
    assert dict(made.counts) == counts
    assert counts["excluded"] == int(np.count_nonzero(~inside & ~singles["late"]))


def test_the_recorded_windows_pair_where_no_others_are_wanted(tmp_path: Path) -> None:
    singles = {**many_singles(2000), "windows": np.arange(2000).astype(np.uint16) % 4}
    processing = Processing(windows=(PEAK, WIDE)).model_dump(mode="json")
    directory = record(tmp_path / "first", singles, processing=processing)
    wanted = rule(windows=("wide",))

    made = sorted_again(directory, tmp_path / "out", Wanted(wanted, slice_rows=300))

    rows, counts = paired_at_once(singles, wanted, 2)
    assert_same_rows(stored_pairs(tmp_path / "out"), rows)
    assert dict(made.counts) == counts


def test_codes_serve_as_energies_where_nothing_was_calibrated(tmp_path: Path) -> None:
    singles = many_singles(2000)
    codes = singles.pop("energy_kev").astype(np.uint16)
    directory = record(tmp_path / "first", {**singles, "energy_adc": codes})

    sorted_again(directory, tmp_path / "out", Wanted(rule()))

    rows, _ = paired_at_once({**singles, "energy_kev": codes.astype(np.float32)}, rule())
    assert_same_rows(stored_pairs(tmp_path / "out"), rows)


def test_the_manifest_says_what_was_sorted_how_and_with_what_result(recorded: Path, tmp_path: Path) -> None:
    made = sorted_again(recorded, tmp_path / "out", Wanted(rule(), threads=2))

    with open_listmode(tmp_path / "out") as recording, open_listmode(recorded) as before:
        manifest, old = recording.manifest, before.manifest
        assert recording.table("marks").equals(before.table("marks"))
    assert manifest == made.manifest
    assert (manifest.state, manifest.acquisition_id, manifest.hashed) == ("sealed", "second", False)
    assert (manifest.operator, manifest.ledger, manifest.words_by_kind, manifest.duration_ps) == (
        "somebody", old.ledger, old.words_by_kind, old.duration_ps,
    )  # fmt: skip
    assert manifest.processing is not None
    assert Processing.model_validate_json(json.dumps(manifest.processing)).pairing == rule()
    assert manifest.counters == {"singles": 6000, "pairing": dict(made.counts)}
    assert manifest.software["sorted_by_scandaq"] == "9"
    assert manifest.sorted_from == {
        "acquisition_id": "first", "stream": "singles",
        "segments": {s.file: s.crc_chain for s in old.segments if s.stream == "singles"},
    }  # fmt: skip


def test_progress_is_told_in_singles(recorded: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    with open_listmode(recorded) as recording:
        sort(recording, tmp_path / "out", Wanted(rule(), slice_rows=2500), identity="second", software={},
             progress=lambda done, total: seen.append((done, total)))  # fmt: skip

    assert seen == [(2500, 6000), (5000, 6000), (6000, 6000)]


def test_a_recording_without_a_single_gives_no_pairs(tmp_path: Path) -> None:
    directory = record(tmp_path / "first", many_singles(0), batches=1)

    made = sorted_again(directory, tmp_path / "out", Wanted(rule()))

    assert (made.singles, len(stored_pairs(tmp_path / "out")["kind"])) == (0, 0)
    assert verify(tmp_path / "out").verdict == "ok"


PAIR_ROWS = {"time_ps": np.zeros(3, np.int64), "bin": np.zeros(3, np.uint32), "kind": np.zeros(3, np.uint8)}
NO_DETECTORS = {"time_ps": np.zeros(3, np.int64), "energy_kev": np.zeros(3, np.float32)}
NO_ENERGIES = {"time_ps": np.zeros(3, np.int64), "detector": np.zeros(3, np.uint32)}
ONLY_PEAK = Processing(windows=(PEAK,), singles="windowed").model_dump(mode="json")


@pytest.mark.parametrize(
    ("singles", "changes", "said"),
    [
        ({}, {"streams": {"coincidences": PAIR_ROWS}}, "holds coincidences and neither singles nor raw"),
        ({}, {}, "holds neither singles nor raw, only marks"),
        (many_singles(9), {"time": {"order": None}}, "not put in order of time"),
        (many_singles(9), {"time": {}}, "not put in order of time"),
        (NO_DETECTORS, {}, "no detector numbers"),
        (NO_ENERGIES, {}, "no energies that windows could judge"),
        (many_singles(9), {"processing": ONLY_PEAK}, "the recording holds 400-650 keV"),
        (many_singles(9), {"time": {"order": {}, "rows_left_to_replay": True}}, "left some of its singles underived"),
    ],
)
def test_what_cannot_be_sorted_is_refused_and_nothing_is_written(
    tmp_path: Path, singles: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    directory = record(tmp_path / "first", singles, batches=1, **changes)

    with pytest.raises(RefusedError, match=said):
        sorted_again(directory, tmp_path / "out", Wanted(rule(), windows=(WIDE,)))

    assert not (tmp_path / "out").exists()


def test_a_directory_that_is_not_sealed_is_refused(recorded: Path, tmp_path: Path) -> None:
    with open_listmode(recorded) as recording:
        recording.manifest.state = "open"
        with pytest.raises(RefusedError, match="is not sealed; `daq listmode recover`"):
            sort(recording, tmp_path / "out", Wanted(rule()), identity="second", software={})


@pytest.mark.parametrize("threads", [0, 65])
def test_a_number_of_threads_that_makes_no_sense_is_refused(recorded: Path, tmp_path: Path, threads: int) -> None:
    with pytest.raises(UsageError, match=f"{threads} threads: from 1 to 64"):
        sorted_again(recorded, tmp_path / "out", Wanted(rule(), threads=threads))


@pytest.mark.parametrize("threads", [1, 3])
def test_damage_ends_the_sorting_and_the_result_is_not_sealed(tmp_path: Path, threads: int) -> None:
    directory = record(tmp_path / "first", many_singles(6000))
    segment = directory / "singles-00000.arrows"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)

    with pytest.raises(VerificationError, match="recover"):
        sorted_again(directory, tmp_path / "out", Wanted(rule(), threads=threads, slice_rows=200))

    assert verify(tmp_path / "out").verdict == "unsealed"


def test_an_interruption_leaves_a_directory_that_is_not_sealed(recorded: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with open_listmode(recorded) as recording, pytest.raises(KeyboardInterrupt):
        sort(recording, tmp_path / "out", Wanted(rule(), threads=2, slice_rows=100), identity="second", software={},
             progress=interrupt)  # fmt: skip

    assert verify(tmp_path / "out").verdict == "unsealed"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("sort", "listmode"))]


def test_sorting_what_was_sorted_is_refused_because_it_holds_no_singles(recorded: Path, tmp_path: Path) -> None:
    sorted_again(recorded, tmp_path / "out", Wanted(rule()))

    with pytest.raises(RefusedError, match="what was paired cannot be paired another way"):
        sorted_again(tmp_path / "out", tmp_path / "again", Wanted(rule()))
