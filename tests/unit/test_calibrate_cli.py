"""`daq calibrate` on recordings of a small head with known faults: what it finds, writes, checks and refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from daq.cli.main import main
from daq.composition import headbench
from daq.errors import RefusedError
from daq.model.windows import FWHM_PER_SIGMA

SCANNER = """
schema = "scanner-profile/0"
id = "small-head"
title = "One small head"
vendor = "test"
source = "made up"
verified = "simulated"
[[heads]]
id = "front"
number = 0
instrument = "head-xye64"
angle_deg = 180.0
width_mm = 128.0
height_mm = 96.0
[heads.crystal]
material = "NaI(Tl)"
thickness_mm = 9.5
width_mm = 160.0
height_mm = 128.0
"""


@dataclass(frozen=True)
class Site:
    """A folder with recordings of the head."""

    folder: Path

    def imported(self, name: str, x: np.ndarray, y: np.ndarray, kev: np.ndarray) -> Path:
        """Import true positions and energies as a head with faults would send them."""
        rng = np.random.default_rng(len(name) + int(x[0] * 1000) % 97)
        seen_x = x + 1.5 * np.sin(2 * np.pi * x / 40.0) + rng.normal(0.0, 1.5, len(x))
        seen_y = y + 1.0 * np.sin(2 * np.pi * y / 40.0) + rng.normal(0.0, 1.5, len(x))
        seen_kev = kev * (1.02 + 0.03 * np.cos(2 * np.pi * x / 40.0))
        fields = [np.rint(seen_x / 0.6), np.rint(seen_y / 0.6), np.rint(seen_kev / 0.5)]
        at, up, energy = (each.astype(np.int64) & 0x3FF for each in fields)
        words = (1 << 62) | (np.arange(len(x), dtype=np.int64) << 30) | (energy << 20) | (up << 10) | at
        file = self.folder / f"{name}.words"
        file.write_bytes(words.astype("<i8").tobytes())
        out = self.folder / name
        assert main(["listmode", "import", "--profile", "head-xye64", str(file), "--out", str(out), "--json"]) == 0
        return out

    def flood(self, name: str, *, events: int, seed: int) -> Path:
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(-80, 80, events), rng.uniform(-64, 64, events)
        return self.imported(name, x, y, rng.normal(140.511, 13.8 / FWHM_PER_SIGMA, events))

    def slits(self, across: str, *, events: int, seed: int) -> Path:
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(-80, 80, events), rng.uniform(-64, 64, events)
        if across == "x":
            x = 10.0 * rng.integers(-7, 8, events)
        else:
            y = 10.0 * rng.integers(-6, 7, events)
        kev = rng.normal(140.511, 13.8 / FWHM_PER_SIGMA, events)
        return self.imported(f"slits-{across}", x, y, kev)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    (folder / "small-head.toml").write_text(SCANNER)
    made = Site(folder)
    made.flood("flood", events=600_000, seed=1)
    made.flood("other", events=600_000, seed=2)
    made.slits("x", events=200_000, seed=3)
    made.slits("y", events=200_000, seed=4)
    return made


def run(
    site: Site, capsys: pytest.CaptureFixture[str], *arguments: str, folder: str = "calibrations"
) -> tuple[int, dict]:
    capsys.readouterr()
    subject = ["--scanner", str(site.folder / "small-head.toml"), "--folder", str(site.folder / folder), "--json"]
    code = main(["calibrate", *arguments, *subject])
    out = capsys.readouterr()
    return code, json.loads(out.out) if out.out else {"error": out.err}


@pytest.fixture(scope="module")
def calibrated(site: Site) -> Site:
    flood, x, y = (str(site.folder / name) for name in ("flood", "slits-x", "slits-y"))
    subject = ["--scanner", str(site.folder / "small-head.toml"), "--folder", str(site.folder / "calibrations"),
               "--serial", "H1", "--json"]  # fmt: skip
    assert main(["calibrate", "energy-map", "--flood", flood, "--pitch", "5", *subject]) == 0
    assert main(["calibrate", "linearity", "--slits-x", x, "--slits-y", y, "--pitch", "10", *subject]) == 0
    assert main(["calibrate", "uniformity", "--flood", flood, *subject]) == 0
    return site


def of_kind(site: Site, kind: str) -> str:
    return str(next(iter(sorted((site.folder / "calibrations").glob(f"{kind}-*Z.toml")))))


def test_energies_positions_and_counts_are_better_after_than_before(
    calibrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [str(calibrated.folder / name) for name in ("other", "slits-x", "slits-y")]

    code, found = run(
        calibrated, capsys, "nema", "--flood", others[0], "--slits-x", others[1], "--slits-y", others[2],
        "--pitch", "10", "--serial", "H1", "--picture", str(calibrated.folder / "report.png"),
    )  # fmt: skip

    before, after = ({one["name"]: one for one in found[way]["numbers"]} for way in ("before", "after"))
    assert code == 0
    assert len(found["after"]["calibrations"]) == 3
    assert abs(before["photopeak"]["value"] - 143.3) < 1.0
    assert abs(after["photopeak"]["value"] - 140.5) < 0.4
    assert after["energy resolution, FWHM"]["value"] == pytest.approx(9.82, abs=0.2)
    assert after["absolute linearity, CFOV"]["value"] < 0.4
    assert before["absolute linearity, CFOV"]["value"] > 0.7
    noise = after["integral uniformity, CFOV"]["noise"]
    assert after["integral uniformity, CFOV"]["value"] < 2.2 * noise
    assert before["integral uniformity, CFOV"]["value"] > 4 * noise
    assert (calibrated.folder / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_a_check_by_another_recording_passes_or_fails_by_the_limit(
    calibrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    other, file = str(calibrated.folder / "other"), of_kind(calibrated, "energy-map")

    good, said = run(calibrated, capsys, "verify", file, "--flood", other, "--limit", "1")

    assert (good, said["check"]["passed"]) == (0, True)
    assert "the limit 1 %" in said["check"]["reason"]


def test_a_check_by_the_recording_it_was_made_of_is_refused(
    calibrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    flood, file = str(calibrated.folder / "flood"), of_kind(calibrated, "uniformity")

    code, said = run(calibrated, capsys, "verify", file, "--flood", flood, "--limit", "5")

    assert (code, "needs another recording" in said["error"]) == (3, True)


def test_too_few_counts_for_a_limit_are_not_evaluable(calibrated: Site, capsys: pytest.CaptureFixture[str]) -> None:
    other, file = str(calibrated.folder / "other"), of_kind(calibrated, "uniformity")

    code, said = run(calibrated, capsys, "verify", file, "--flood", other, "--limit", "2")

    assert code == 3
    assert "not evaluable" in said["error"]


def test_a_peak_is_moved_on_a_source_and_only_verified_on_a_patient(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    flood = str(site.folder / "flood")
    (site.folder / "none").mkdir()

    patient, said = run(site, capsys, "peak", flood, "--limit", "1", "--patient", folder="none")
    beyond, why = run(site, capsys, "peak", flood, "--limit", "1", "--serial", "H1", folder="peaks")
    moved, made = run(site, capsys, "peak", flood, "--limit", "3", "--serial", "H1", folder="peaks")
    again, after = run(site, capsys, "peak", flood, "--limit", "0.3", "--patient", folder="peaks")

    assert (patient, said["passed"], round(said["off_percent"])) == (6, False, 2)
    assert beyond == 3
    assert "look at high voltage" in why["error"]
    assert (moved, made["calibration"]["kind"]) == (0, "energy-map")
    assert (again, after["passed"]) == (0, True)


def test_a_calibration_without_a_serial_number_is_refused(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(site, capsys, "uniformity", "--flood", str(site.folder / "flood"), folder="none")

    assert (code, "--serial is missing" in said["error"]) == (2, True)


def test_the_list_tells_what_is_in_use_older_and_half_written(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for limit in ("3", "4"):
        code = run(Site(site.folder), capsys, "peak", str(site.folder / "other"), "--limit", limit, "--serial", "H2",
                   folder="listed")[0]  # fmt: skip
        assert code == 0
    folder = site.folder / "listed"
    whole = sorted(folder.glob("*.toml"))[0].read_text()
    (folder / "half.toml").write_text(whole[: len(whole) // 2])
    capsys.readouterr()

    assert main(["calibrate", "list", str(folder), "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)["calibrations"]
    assert sorted(row["state"] for row in rows) == ["newest", "older", "unreadable"]
    assert main(["calibrate", "show", str(folder / "half.toml")]) == 3


def test_the_centre_of_rotation_is_found_by_eight_views(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(7)
    views = []
    for number in range(8):
        angle = 45.0 * number
        x = 1.4 + 20.0 * np.cos(np.radians(angle)) + rng.normal(0.0, 2.0, 3000)
        out = site.imported(f"view-{number}", x, rng.normal(5.0, 2.0, 3000), rng.normal(137.0, 4.0, 3000))
        views += ["--view", f"{angle}={out}"]

    code, made = run(site, capsys, "centre-of-rotation", *views, "--serial", "H1", folder="rotation")

    found = made["calibration"]["centre_of_rotation"]
    assert code == 0
    assert found["offset_mm"] == pytest.approx(
        1.4, abs=1.0
    )  # the head itself is off by up to 1.5 mm: it is uncorrected
    assert made["calibration"]["figures"]["radius"]["value"] == pytest.approx(20.0, abs=1.5)


def test_windows_of_gallium_are_registered_by_a_point_source(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(8)
    points = []
    for number, middle in enumerate((-40.0, 0.0, 40.0)):
        kev = rng.choice([93.3, 184.6, 300.2], 12_000) / 1.02
        x = middle * (1.0 + 0.02 * (kev > 250.0)) + rng.normal(0.0, 1.0, len(kev))
        out = site.imported(f"gallium-{number}", x, rng.normal(0.0, 1.0, len(kev)), kev)
        points += ["--point", str(out)]

    code, made = run(site, capsys, "window-registration", *points, "--serial", "H1", folder="gallium")

    assert code == 0
    assert set(made["calibration"]["window_registration"]["shift_mm"]) == {"184.6", "300.2"}
    assert 0.5 < made["calibration"]["figures"]["worst"]["value"] < 2.0


def test_linearity_is_measured_by_a_grid_of_holes_too(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(9)
    x, y = 10.0 * rng.integers(-7, 8, 200_000), 10.0 * rng.integers(-6, 7, 200_000)
    out = site.imported("holes", x, y, rng.normal(137.0, 4.0, len(x)))

    code, made = run(site, capsys, "linearity", "--holes", str(out), "--pitch", "10", "--serial", "H1", folder="holes")
    both, said = run(
        site, capsys, "linearity", "--slits-x", str(out), "--pitch", "10", "--serial", "H1", folder="holes"
    )

    assert code == 0
    assert made["calibration"]["figures"]["holes"]["value"] >= 13 * 9 - 1  # between two at the edge there is none
    assert (both, "together" in said["error"]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("energy-map", "--flood", "flood", "--pitch", "0"), "--pitch: '0': a finite number above zero is needed"),
        (("energy-map", "--flood", "flood", "--pitch", "nan"), "--pitch: 'nan': a finite number"),
        (("peak", "flood", "--limit", "nan"), "--limit: 'nan': a finite number above zero is needed"),
        (("peak", "flood", "--limit", "-1"), "--limit: '-1': a finite number above zero is needed"),
        (("peak", "flood", "--limit", "1", "--serial", "../x"), "--serial: '../x': up to 40 letters, digits"),
    ],
)
def test_a_number_or_name_that_cannot_be_is_refused_before_anything_is_read(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(site, capsys, *arguments)

    assert (ended.value.code, why in capsys.readouterr().err) == (2, True)


def test_a_collimator_that_the_scanner_does_not_have_is_refused(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    flood = str(site.folder / "flood")

    code, said = run(site, capsys, "peak", flood, "--limit", "5", "--serial", "H1", "--collimator", "LEAR")

    assert (code, said["error"]) == (3, "daq: collimator LEAR: scanner small-head has none\n")


def test_the_collimator_is_the_one_that_was_recorded_and_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = headbench.manifest_of(site.folder / "flood")
    recorded.calibrations = {"collimator": "LEHR"}
    monkeypatch.setattr(headbench, "manifest_of", lambda _: recorded)

    bench = headbench.bench_of(site.folder / "flood", scanner="dual-head", number=0, folder=None)

    assert bench.collimator == "LEHR"
    with pytest.raises(RefusedError, match="flood was recorded with collimator LEHR, not MEGP"):
        headbench.bench_of(site.folder / "flood", scanner="dual-head", number=0, folder=None, collimator="MEGP")


def test_the_list_says_why_a_file_cannot_be_read(
    calibrated: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(of_kind(calibrated, "energy-map")).read_bytes()
    (tmp_path / "half.toml").write_bytes(whole[:400])

    assert main(["calibrate", "list", str(tmp_path)]) == 0

    assert "half.toml: not TOML" in (said := capsys.readouterr().out)
    assert "it was half written or damaged; put it aside" in said
