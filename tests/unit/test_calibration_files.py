import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MismatchError, MissingError, ProfileError, RefusedError
from device_profiles.calibrations import find_calibration, load_calibration, write_calibration
from device_profiles.calibrationtable import MAX_OFFSET_PS, Table, format_table, parse_table

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CSV = b"detector,time_offset_ps,kev_per_adc,pedestal_adc\n7,-312,0.5,12.5\n3,40,0.25,0\n"


def make(folder: Path, name: str = "ring", **changes: Any) -> Path:
    content = {
        "id": name, "instrument": "singles64", "made_utc": "2026-11-20T09:30:00Z", "method": "Na-22 in the middle",
        "detectors": [7, 3], "time_offset_ps": [-312, 40], "kev_per_adc": [0.5, 0.25], **changes,
    }  # fmt: skip
    path = folder / f"{name}.toml"
    write_calibration(path, **content)
    return path


def by_hand(folder: Path, csv: bytes = CSV, **changes: str) -> Path:
    keys = {
        "schema": "calibration-file/1", "id": "hand", "instrument": "singles64", "made_utc": "2026-11-20T09:30:00Z",
        "method": "with a spreadsheet", "table": "hand.csv", "table_sha256": hashlib.sha256(csv).hexdigest(),
        **changes,
    }  # fmt: skip
    (folder / "hand.csv").write_bytes(csv)
    path = folder / "hand.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in keys.items()))
    return path


def test_a_table_of_a_spreadsheet_is_read_in_the_order_of_detectors(tmp_path: Path) -> None:
    made = load_calibration(by_hand(tmp_path), instrument="singles64")

    assert made.detectors == (3, 7)
    assert made.time_offset_ps == (40, -312)
    assert made.kev_per_adc == (0.25, 0.5)
    assert made.pedestal_adc == (0.0, 12.5)
    assert made.sha256 == hashlib.sha256(CSV).hexdigest()
    assert made.made_utc == "2026-11-20T09:30:00+00:00"
    assert not made.identity


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_fault(tmp_path: Path) -> None:
    table = b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n") + b"\r\n"

    assert load_calibration(by_hand(tmp_path, table)).detectors == (3, 7)


def test_what_is_not_in_the_table_is_not_calibrated(tmp_path: Path) -> None:
    made = load_calibration(by_hand(tmp_path, b"detector,time_offset_ps\n1,5\n"))

    assert (made.time_offset_ps, made.kev_per_adc, made.pedestal_adc) == ((5,), (), ())


def test_a_calibration_made_by_a_program_reads_back(tmp_path: Path) -> None:
    made = load_calibration(make(tmp_path, method='with "quotes", \\ and\nlines'))

    assert made.method == 'with "quotes", \\ and\nlines'
    assert made.detectors == (3, 7)
    assert made.time_offset_ps == (40, -312)
    assert made.kev_per_adc == (0.25, 0.5)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1),
            st.integers(-MAX_OFFSET_PS, MAX_OFFSET_PS),
            st.floats(0, 1e6, exclude_min=True),
            st.floats(-65536, 65536),
        ),
        min_size=1,
        unique_by=lambda row: row[0],
    )
)
def test_every_table_reads_back_exactly(rows: list[tuple[int, int, float, float]]) -> None:
    columns = list(zip(*sorted(rows), strict=True))
    table = Table(*columns)  # type: ignore[arg-type]

    read, found = parse_table(format_table(table))

    assert (read, found) == (table, [])


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_table_or_findings(content: bytes) -> None:
    table, found = parse_table(b"detector,time_offset_ps\n" + content)

    assert bool(found) != bool(table.detectors)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"", "line 1 = empty: the first column must be detector"),
        (b"time_offset_ps,detector\n", "line 1 = 'time_offset_ps': the first column must be detector"),
        (b"detector\n1\n", "a column is missing: at least one of time_offset_ps, kev_per_adc, pedestal_adc"),
        (
            b"detector,time_offset_ns\n1,5\n",
            "'time_offset_ns': unknown column; did you mean time_offset_ps\\? It is in ps",
        ),
        (b"detector,time_offset_ps,time_offset_ps\n", "the column stands there twice"),
        (b"detector,pedestal_adc\n1,5\n", "the column kev_per_adc is missing"),
        (b"detector,kev_per_adc\n", "names no detector"),
        (b"detector,kev_per_adc\n1,nan\n", "line 2, kev_per_adc = 'nan': must be a finite number"),
        (b"detector,kev_per_adc\n1,\n", "line 2, kev_per_adc = '': is empty"),
        (b"detector,kev_per_adc\n1,0\n", "line 2, kev_per_adc = '0': must be above 0"),
        (b"detector,kev_per_adc\n1,-0.5\n", "must be above 0"),
        (b"detector,kev_per_adc\n1,1e999\n", "must be above 0 and at most 1e\\+06"),
        (b"detector,kev_per_adc\n1,0,5\n", "line 2 = row: 3 values, the header names 2 columns; numbers have a point"),
        (b"detector,kev_per_adc\n1,0_5\n", "is no number"),
        (b"detector,time_offset_ps\n1,1.5\n", "line 2, time_offset_ps = '1.5': must be a whole number"),
        (b"detector,time_offset_ps\n1,20000000\n", "must be from -10000000 to 10000000"),
        (b"detector,time_offset_ps\n-1,2\n", "line 2, detector = '-1': must be from 0"),
        (b"detector,time_offset_ps\n1,2\n2,2\n1,3\n", "line 4, detector = 1: stands in line 2 already"),
        (b"detector,time_offset_ps\n100,2\n", "line 2, detector = 100: the instrument has detectors 0 to 99"),
        (b'detector,time_offset_ps\n1,"2\n', "not CSV"),
        (b"detector,time_offset_ps\n1,\xff\n", "not UTF-8"),
    ],
)
def test_a_wrong_table_is_refused_with_line_column_and_value(tmp_path: Path, table: bytes, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        load_calibration(by_hand(tmp_path, table), detector_count=100)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", "calibration-file/2", "another schema or version"),
        ("made_utc", "2026-11-20", "it has no time zone"),
        ("made_utc", "yesterday", "not a time of ISO 8601"),
        ("valid_until_utc", "2026-11-20T09:30:00Z", "not after made_utc"),
        ("table", "../hand.csv", "must be the name of a file in the same folder"),
        ("table_sha256", "0" * 64, "it was changed after the head was written"),
        ("offset", "3", "unknown key"),
        ("method", "", "at least 1 character"),
    ],
)
def test_a_wrong_head_is_refused_with_key_and_value(tmp_path: Path, key: str, value: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        load_calibration(by_hand(tmp_path, **{key: value}))


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    table = b"detector,kev_per_adc\n" + b"".join(b"%d,nan\n" % number for number in range(500))

    with pytest.raises(ProfileError, match="20 problems"):
        load_calibration(by_hand(tmp_path, table))


def test_the_calibration_of_another_instrument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="is of instrument 'singles64'; wanted is one of 'safir64'"):
        load_calibration(make(tmp_path), instrument="safir64")


def test_a_table_that_is_gone_is_named(tmp_path: Path) -> None:
    path = make(tmp_path)
    (tmp_path / "ring.csv").unlink()

    with pytest.raises(MissingError, match=r"ring\.csv: no such table"):
        load_calibration(path)


def test_a_calibration_is_never_written_over_another(tmp_path: Path) -> None:
    before = make(tmp_path).read_bytes()

    with pytest.raises(RefusedError, match="never written over another"):
        make(tmp_path, method="other")

    assert (tmp_path / "ring.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time_offset_ps": [1.5, 2]}, "must be a whole number"),
        ({"kev_per_adc": [math.nan, 1.0]}, "must be a finite number"),
        ({"detectors": [3, 3]}, "stands in line 2 already"),
        ({"kev_per_adc": [1.0]}, "there are 2 detectors"),
        ({"time_offset_ps": None, "kev_per_adc": None}, "a column is missing"),
    ],
)
def test_wrong_values_leave_no_file_behind(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        make(tmp_path, **changes)

    assert not list(tmp_path.iterdir())


def test_the_newest_that_is_valid_at_the_date_is_chosen(tmp_path: Path) -> None:
    make(tmp_path, "old", made_utc="2026-10-01T00:00:00Z")
    make(tmp_path, "newer", made_utc="2026-11-01T00:00:00+01:00")
    make(tmp_path, "expired", made_utc="2026-11-20T00:00:00Z", valid_until_utc="2026-11-22T12:00:00Z")
    make(tmp_path, "later", made_utc="2026-11-22T12:00:01Z")
    make(tmp_path, "foreign", made_utc="2026-11-21T00:00:00Z", instrument="safir64")

    assert find_calibration(tmp_path, instrument="singles64", at=NOON).id == "newer"


def test_without_a_valid_one_nothing_is_calibrated_and_it_says_so(tmp_path: Path) -> None:
    make(tmp_path, "later", made_utc="2026-11-23T00:00:00Z")

    found = find_calibration(tmp_path, instrument="singles64", at=NOON)

    assert found.identity
    assert found.id == "identity"
    assert "holds no calibration of singles64 that is valid at 2026-11-22T12:00:00+00:00" in found.method
    assert find_calibration(None, instrument="singles64", at=NOON).method.startswith("none: the site has no folder")


def test_a_head_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "broken.toml").write_text("schema = ")

    with pytest.raises(ProfileError, match=r"broken\.toml: not TOML"):
        find_calibration(tmp_path, instrument="singles64", at=NOON)


@pytest.mark.parametrize(("identity", "said"), [("ring", "has the same"), ("twin", "made at the same moment")])
def test_two_that_could_be_meant_are_refused(tmp_path: Path, identity: str, said: str) -> None:
    make(tmp_path)
    make(tmp_path, "second", id=identity)

    with pytest.raises(ProfileError, match=said):
        find_calibration(tmp_path, instrument="singles64", at=NOON)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such folder of calibrations"):
        find_calibration(tmp_path / "none", instrument="singles64", at=NOON)
