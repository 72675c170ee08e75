"""`daq qc trend` of a file, and the series that the simulator writes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from daq.cli.main import main
from daq.composition.qc.reporttrend import read_csv, trend_of
from daq.composition.qc.reporttrenddraw import trends_png
from daq.errors import FormatError, MissingError
from daq.qc.trend.series import Rule
from simulators.qc_series import DRIFTED_KEV, PEAK_KEV, Ring, share_in_window, simulate, write_csv

BEGIN = datetime(2031, 1, 6, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("qc") / "drift.csv"
    results = simulate("drift", 1.0, 1, Ring(blocks=16))
    with path.open("w", newline="") as file:
        write_csv(results, BEGIN, file)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["qc", "trend", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_published_gain_takes_the_published_sensitivity_through_the_window() -> None:
    lost = 1.0 - (share_in_window(np.array(DRIFTED_KEV / PEAK_KEV)) / share_in_window(np.array(1.0))) ** 2

    assert float(lost) == pytest.approx(0.16, abs=0.005)
    assert float(share_in_window(np.array(1.0))) == pytest.approx(0.99824, abs=1e-4)


def test_a_drift_is_said_with_its_beginning_its_slope_and_the_fixed_limit(
    drifted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "--csv", drifted, "--figure", "block_peak")

    assert code == 0
    assert out.startswith("SIMULATED. 17 control charts")
    assert "all together: alarm 2031-0" in out
    assert "a drift since 2031-0" in out
    assert "a fixed limit was not reached" in out


def test_json_has_every_chart_and_strict_says_it_by_the_exit_code(
    drifted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "--csv", drifted, "--json", "--strict")

    told: dict[str, Any] = json.loads(out)
    peak = next(each for each in told["trends"] if each["figure"] == "block_peak")
    together = next(each for each in peak["charts"] if each["subject"] == "all together")
    assert code == 6
    assert [len(each["charts"]) for each in told["trends"]] == [17] * 5
    assert together["change"]["per_year"] == pytest.approx(-8.6, abs=4.0)  # with a half wave of the room in it
    assert together["state"] == "changed"


def test_a_picture_of_the_charts_is_drawn_and_never_drawn_over(
    drifted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--csv", drifted, "--figure", "block_peak", "--picture", tmp_path / "a.png", "--subject", "block 3")

    assert run(capsys, *words)[0] == 0
    assert run(capsys, *words)[0] == 3
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 900


def test_calls_without_sense_are_refused_in_words(drifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code, words in (
        (2, []),
        (2, ["--csv", drifted, "--baseline", "3"]),
        (4, ["--csv", drifted, "--figure", "nothing"]),
        (4, ["--csv", drifted, "--subject", "block 99"]),
        (4, ["--csv", drifted.parent / "nowhere.csv"]),
    ):
        found, out, err = run(capsys, *words)
        assert (found, out) == (code, ""), words
        assert err.startswith("daq: ")


def test_the_file_says_values_noise_gaps_and_events(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "performed_utc,figure,unit,part,head 0,head 1\n"
        "2031-01-07T06:30:00Z,uniformity,%,value,3.1,\n"
        "2031-01-06T06:30:00Z,uniformity,%,value,3.0,2.9\n"
        "2031-01-06T06:30:00Z,uniformity,%,noise,0.1,0.1\n"
        "2031-01-07T00:00:00Z,,,event,service\n"
    )

    (series,), events, simulated = read_csv(path)
    assert not simulated

    assert (series.figure, series.unit, series.subjects) == ("uniformity", "%", ("head 0", "head 1"))
    assert series.days[1] - series.days[0] == 1.0
    assert series.values[0].tolist() == [3.0, 2.9]
    assert math.isnan(series.values[1, 1])
    assert series.noise is not None
    assert events[0][1] == "service"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("performed_utc,figure,unit,part\n", "first line"),
        ("performed_utc,figure,unit,part,a\nyesterday,f,u,value,1\n", "line 2"),
        ("performed_utc,figure,unit,part,a\n2031-01-06,f,u,value,1,2\n", "2 values"),
        ("performed_utc,figure,unit,part,a\n2031-01-06,f,u,value,x\n", "line 2"),
        ("performed_utc,figure,unit,part,a\n2031-01-06,f,u,else,1\n", "part"),
    ],
)
def test_files_that_are_none_are_refused_with_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)

    with pytest.raises(FormatError, match=words):
        read_csv(path)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_csv(tmp_path / "a.csv")


def test_a_picture_of_the_last_year_is_not_that_of_all(drifted: Path) -> None:
    series = read_csv(drifted).series[0]
    trend = trend_of(series, None, [(float(series.days[40]), "service")], Rule())

    whole, late = (
        trends_png([(trend, "block 3")], simulated=True, since_day=day) for day in (-math.inf, float(series.days[200]))
    )

    assert whole != late
