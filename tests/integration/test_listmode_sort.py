"""From a file of singles to a file of coincidences by `daq listmode import` and `daq listmode sort`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_cli import call
from support_sorting import assert_same_rows, many_singles, paired_at_once, record, rule, stored_pairs

from daq.composition import new_manifest
from daq.listmode.encoder import Encoder
from daq.model.calibration import Calibration
from daq.model.coincidence import PairingRule, Policy
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.storage.accounts import unnumbered
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

PROFILE = load_profile("singles64")
RING = load_scanner("reference-ring").ring
SETTINGS = ("--scanner", "reference-ring", "--half-window", "2.25 ns", "--delay", "100 ns")
SINGLES = 30_000
PEAK = (EnergyWindow(400, 650, "peak"),)
CALIBRATION = Calibration(
    id="even", instrument="singles64", made_utc="2026-11-20T00:00:00Z", method="test", detectors=tuple(range(16384)),
    time_offset_ps=tuple(number * 7919 % 1000 - 500 for number in range(16384)), kev_per_adc=(1.1,) * 16384,
)  # fmt: skip


def singles() -> dict[str, Any]:
    """Singles of 30 Mcps; some ticks hold two."""
    rng = np.random.default_rng(5)
    return {
        "ticks": np.cumsum(rng.integers(0, 2700, SINGLES)),
        "detector": rng.integers(0, 16384, SINGLES).astype(np.uint32),
        "energy_adc": rng.integers(0, 1000, SINGLES).astype(np.uint16),
    }


def words() -> bytes:
    made = singles()
    ticks = made.pop("ticks")
    return Encoder(PROFILE.layout, PROFILE.clock).encode(np.zeros(SINGLES, np.int64), ticks, made).tobytes()


def expected(**changes: Any) -> dict[str, Any]:
    made = singles()
    columns = {
        "time_ps": np.array([round_half_even(int(tick) * 3125, 128) for tick in made["ticks"]], np.int64),
        "detector": made["detector"], "energy_kev": made["energy_adc"].astype(np.float32),
    }  # fmt: skip
    assert RING is not None
    return paired_at_once(
        columns, PairingRule(**{"half_window_ps": 2250, "delay_ps": 100_000, "ring": RING, **changes})
    )[0]


def round_half_even(numerator: int, denominator: int) -> int:
    whole, rest = divmod(2 * numerator, 2 * denominator)
    return whole + (rest > denominator or (rest == denominator and whole % 2))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sort")
    (folder / "singles.bin").write_bytes(words())
    assert (
        call("listmode", "import", folder / "singles.bin", "--profile", "singles64", "--out", folder / "run").code == 0
    )
    return folder / "run"


def test_a_file_of_singles_becomes_coincidences(imported: Path, tmp_path: Path) -> None:
    done = call("listmode", "sort", imported, "--out", tmp_path / "pairs", *SETTINGS, "--threads", 2, "--json")

    rows = expected()
    assert done.code == 0
    assert_same_rows(stored_pairs(tmp_path / "pairs"), rows)
    assert done.json["prompts"] == int(np.count_nonzero(rows["kind"] == 0)) > 400
    assert done.json["delayeds"] == int(np.count_nonzero(rows["kind"] == 1)) > 400
    assert done.json["singles"] == done.json["counts"]["singles"] == SINGLES
    assert (done.json["half_window_ps"], done.json["delay_ps"], done.json["policy"]) == (2250, 100_000, "takeAllGoods")
    assert done.json["sorted_from"]["stream"] == "singles"
    assert call("listmode", "verify", tmp_path / "pairs").code == 0


def test_the_result_reads_like_a_table(imported: Path, tmp_path: Path) -> None:
    done = call("listmode", "sort", imported, "--out", tmp_path / "pairs", *SETTINGS)

    assert done.code == 0
    assert "30,000 singles from singles" in done.out
    assert "window ±2.25 ns, delay 100 ns, takeAllGoods" in done.out
    assert f"written to {tmp_path / 'pairs'}" in done.out


def recorded_raw(directory: Path, processing: Processing | None = None) -> Path:
    """Record the words with raw, and singles as the processing says; without one no singles."""
    manifest = new_manifest(PROFILE, identity="raw", source="test", stop="end")
    data = words()
    with Recording.start(
        directory, manifest, PROFILE.layout, PROFILE.clock, "word", "stream", store_rows=processing is not None,
        imported=True, order=PROFILE.order, processing=processing,
    ) as recording:  # fmt: skip
        for start in range(0, len(data), 1 << 14):
            recording.feed(unnumbered([(0, data[start : start + (1 << 14)])], source=0, arrival_ns=0))
        recording.seal("end")
    return directory


def test_raw_alone_is_decoded_and_sorted_to_the_same_rows(tmp_path: Path) -> None:
    directory = recorded_raw(tmp_path / "raw")

    done = call("listmode", "sort", directory, "--out", tmp_path / "pairs", *SETTINGS, "--json")

    assert done.code == 0
    assert done.json["sorted_from"]["stream"] == "raw"
    assert_same_rows(stored_pairs(tmp_path / "pairs"), expected())


def test_a_recording_sorted_as_it_was_recorded_gives_its_own_pairs(tmp_path: Path) -> None:
    """Live pairs, from singles and from raw: the same rows and counts."""
    assert RING is not None
    pairing = PairingRule(half_window_ps=3000, delay_ps=80_000, policy=Policy.TAKE_WINNER_OF_GOODS, ring=RING,
                          windows=("peak",))  # fmt: skip
    processing = Processing(calibration=CALIBRATION, windows=PEAK, pairing=pairing)
    whole = recorded_raw(tmp_path / "all", processing)
    raw = recorded_raw(tmp_path / "none", processing.model_copy(update={"singles": "none"}))

    from_singles = call("listmode", "sort", whole, "--out", tmp_path / "a", "--json")
    from_raw = call("listmode", "sort", raw, "--out", tmp_path / "b", "--json")

    with open_listmode(whole) as recording:
        live = recording.manifest.counters["pairing"]
    assert len(stored_pairs(whole)["kind"]) > 100
    assert_same_rows(stored_pairs(tmp_path / "a"), stored_pairs(whole))
    assert_same_rows(stored_pairs(tmp_path / "b"), stored_pairs(whole))
    assert from_singles.json["counts"] == from_raw.json["counts"] == live
    assert [done.json["sorted_from"]["stream"] for done in (from_singles, from_raw)] == ["singles", "raw"]


def test_raw_serves_where_the_stored_singles_do_not_hold_a_window(tmp_path: Path) -> None:
    processing = Processing(calibration=CALIBRATION, windows=PEAK, singles="windowed")
    whole = recorded_raw(tmp_path / "all", Processing(calibration=CALIBRATION, windows=PEAK))
    peak = recorded_raw(tmp_path / "peak", processing)
    wide = ("--window", "wide=100-900 keV", "--json")

    ours = call("listmode", "sort", peak, "--out", tmp_path / "a", *SETTINGS, *wide)
    theirs = call("listmode", "sort", whole, "--out", tmp_path / "b", *SETTINGS, *wide)

    assert (ours.json["sorted_from"]["stream"], theirs.json["sorted_from"]["stream"]) == ("raw", "singles")
    assert_same_rows(stored_pairs(tmp_path / "a"), stored_pairs(tmp_path / "b"))
    assert ours.json["counts"] == theirs.json["counts"]
    assert ours.json["counts"]["excluded"] > 1000


def test_settings_that_lose_pairs_are_for_those_who_insist(imported: Path, tmp_path: Path) -> None:
    done = call(
        "listmode", "sort", imported, "--out", tmp_path / "pairs", *SETTINGS, "--half-window", "1 ns", "--force"
    )

    assert done.code == 0
    assert "rule.half_window = 1000 ps: " in done.err
    assert_same_rows(stored_pairs(tmp_path / "pairs"), expected(half_window_ps=1000))


def test_what_is_not_said_stays_as_it_was_recorded(tmp_path: Path) -> None:
    recorded = Processing(pairing=rule(policy=Policy.KILL_ALL, max_ring_difference=2)).model_dump(mode="json")
    directory = record(tmp_path / "first", many_singles(3000), processing=recorded)

    narrow = call("listmode", "sort", directory, "--out", tmp_path / "narrow", "--half-window", "1 ns", "--json")
    plain = call("listmode", "sort", directory, "--out", tmp_path / "plain", "--delay", "none",
                 "--max-ring-difference", "none", "--policy", "takeAllGoods", "--json")  # fmt: skip

    assert narrow.code == plain.code == 0
    same = rule(policy=Policy.KILL_ALL, max_ring_difference=2, half_window_ps=1000)
    assert_same_rows(stored_pairs(tmp_path / "narrow"), paired_at_once(many_singles(3000), same)[0])
    assert (plain.json["delay_ps"], plain.json["delayeds"]) == (None, 0)
    assert_same_rows(stored_pairs(tmp_path / "plain"), paired_at_once(many_singles(3000), rule(delay_ps=None))[0])


@pytest.mark.parametrize("identity", [True, False])
def test_windows_among_codes_are_pointed_out(tmp_path: Path, identity: bool) -> None:
    calibration = Calibration(
        id="c", instrument="singles64", made_utc="2026-11-20T00:00:00Z", method="test", identity=identity
    )
    processing = Processing(pairing=rule(), calibration=calibration).model_dump(mode="json")
    directory = record(
        tmp_path / "first", many_singles(3000), processing=processing, profile=PROFILE.model_dump(mode="json")
    )

    done = call("listmode", "sort", directory, "--out", tmp_path / "out", "--window", "peak=400-600 keV", "--json")

    assert done.code == 0
    assert ("compared with ADC codes" in done.err) == identity
    assert done.json["windows"] == [{"lower_kev": 400.0, "upper_kev": 600.0, "name": "peak"}]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (SETTINGS[2:], 2, "--scanner is missing, and the recording names none"),
        (SETTINGS[:2], 2, "--half-window is missing, and the recording names none"),
        (("--scanner", "siemens-mmr", *SETTINGS[2:]), 3, "made of siemens-petlink32, the recording is of singles64"),
        (("--scanner", "dual-head", *SETTINGS[2:]), 3, "has no ring"),
        (("--scanner", "nowhere", *SETTINGS[2:]), 4, "no scanner profile 'nowhere'"),
        ((*SETTINGS, "--half-window", "2.25"), 2, "--half-window '2.25': has no unit"),
        ((*SETTINGS, "--half-window", "0 ns"), 2, "must be above zero"),
        ((*SETTINGS, "--half-window", "1 s"), 2, "--half-window: 1000000000000 ps; at most 1000000000 ps"),
        ((*SETTINGS, "--delay", "-5 ns"), 2, "must be above zero"),
        ((*SETTINGS, "--policy", "takeThemAll"), 2, "--policy 'takeThemAll': possible are takeAllGoods"),
        ((*SETTINGS, "--window", "430-650"), 2, "write NAME=LOW-HIGH keV"),
        ((*SETTINGS, "--window", "a=650-430 keV"), 3, "the lower bound must be"),
        ((*SETTINGS, "--window", "a=1-2 keV", "--window", "a=3-4 keV"), 3, "the name is used 2 times"),
        ((*SETTINGS, "--window", "none", "--window", "a=3-4 keV"), 2, "exclude each other"),
        ((*SETTINGS, "--max-ring-difference", "-1"), 2, "a number of rings, or none"),
        ((*SETTINGS, "--min-sector-difference", "33"), 3, "33"),
        ((*SETTINGS, "--half-window", "1 ns"), 3, "loses true pairs; it is half of what is called the window; --force"),
        ((*SETTINGS, "--delay", "4 ns"), 3, "true pairs would be counted as delayed ones"),
        ((*SETTINGS, "--min-sector-difference", "33", "--force"), 3, "33"),
        ((*SETTINGS, "--threads", "0"), 2, "0 threads: from 1 to 64"),
        ((*SETTINGS, "--delay", "1 h"), 2, "--delay: 3600000000000000 ps; at most 10000000000 ps"),
        ((*SETTINGS, "--min-sector-difference", "-1"), 2, "--min-sector-difference: -1; at least 0"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_written(
    imported: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = call("listmode", "sort", imported, "--out", tmp_path / "out", *arguments)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(imported: Path) -> None:
    done = call("listmode", "sort", imported, "--out", imported, *SETTINGS)

    assert done.code == 3
    assert "never written over another" in done.err
    with open_listmode(imported) as recording:
        assert recording.rows("singles") == SINGLES


def test_nothing_is_put_into_a_recording(imported: Path) -> None:
    before = sorted(imported.iterdir())
    done = call("listmode", "sort", imported, "--out", imported / "inner" / "out", *SETTINGS)

    assert done.code == 3
    assert f"lies in the recording {imported}: nothing is added to a recording" in done.err
    assert sorted(imported.iterdir()) == before


def test_a_recording_into_which_nothing_came_gives_no_pairs_and_counts_of_zero(tmp_path: Path) -> None:
    directory = record(tmp_path / "first", {name: values[:0] for name, values in many_singles(10).items()})

    told = call("listmode", "sort", directory, "--out", tmp_path / "told", *SETTINGS)
    done = call("listmode", "sort", directory, "--out", tmp_path / "pairs", *SETTINGS, "--json")

    assert (told.code, done.code) == (0, 0), told.err
    assert "0 singles from singles" in told.out
    assert set(done.json["counts"].values()) == {0}
    assert {"prompts", "delayeds", "unpaired"} <= set(done.json["counts"])
