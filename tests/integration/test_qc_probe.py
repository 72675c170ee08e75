"""Constancy of the probe from recordings: rates, background and photopeak that were injected come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support_listmode import make_directory, segment

from daq.composition.qc.analyses import analysis
from daq.composition.qc.material import Material
from daq.model.calibration import Calibration
from daq.model.processing import Processing
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Figure, Findings, Level
from daq.model.qc.limits import QcTest
from daq.model.windows import EnergyWindow
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

PROBE = load_profile("redpitaya-mcpha")
S = 10**12
GAIN, PEDESTAL = 0.25, 8.0
WINDOW = EnergyWindow(109.89, 134.31, "cobalt")
DEAD_S = 3.2e-6
SOURCE = {"nuclide": "Co-57", "activity": "400 kBq", "activity_mbq": 0.2}


def recording(folder: Path, steps: dict[str, tuple[float, float]], *, seconds: float = 20.0, kev: bool = True) -> Path:
    """Steps by name: counted per second of the peak at 122 keV and of an even background below 400 keV."""
    rng = np.random.default_rng(41)
    times, bins, told = [], [], []
    for number, (name, (peak, even)) in enumerate(steps.items()):
        begin = round(number * seconds * S)
        counts = rng.poisson(peak * seconds), rng.poisson(even * seconds)
        energies = np.concatenate([rng.normal(122.06, 6.0, counts[0]), rng.uniform(0.0, 400.0, counts[1])])
        bins.append(np.clip(np.rint(energies / GAIN + PEDESTAL), 0, 4095))
        times.append(np.sort(rng.integers(begin, begin + round(seconds * S), sum(counts))))
        told.append({"number": number + 1, "name": name, "begin_ps": begin, "end_ps": begin + round(seconds * S),
                     "ended_by": "time", "completed": True})  # fmt: skip
    adc = np.concatenate(bins)
    columns: dict[str, Any] = {"time_ps": np.concatenate(times).astype("<i8"), "detector": np.zeros(len(adc), "<u4")}
    energy = (adc - PEDESTAL) * GAIN
    columns |= {"energy_kev": energy.astype("<f4")} if kev else {"energy_adc": adc.astype("<u2")}
    columns |= {"windows": ((energy >= WINDOW.lower_kev) & (energy < WINDOW.upper_kev)).astype("<u2")} if kev else {}
    batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
    calibration = Calibration(
        id="c", instrument=PROBE.id, made_utc="2024-01-01T00:00:00Z", method="test", detectors=(0,),
        kev_per_adc=(GAIN,), pedestal_adc=(PEDESTAL,),
    )  # fmt: skip
    processing = Processing(calibration=calibration, windows=(WINDOW,)) if kev else Processing()
    return make_directory(
        folder, [segment("singles", [batch])], steps=told, time={"start_utc_ns": 1_700_000_000_000_000_000},
        profile=json.loads(PROBE.model_dump_json(by_alias=True)), processing=processing.model_dump(mode="json"),
    )  # fmt: skip


def found(name: str, *folders: Path, source: Any = SOURCE, **more: Any) -> Findings:
    test = QcTest(title=name, analysis=name)
    return analysis(name)(Material(name, test, load_scanner("gamma-probe"), folders, source=source, **more))


def value(findings: Findings, name: str) -> tuple[float, float]:
    figure = findings.figure(name)
    assert figure is not None, (findings.obstacles, findings.remarks)
    assert figure.values[0] is not None
    assert figure.noise[0] is not None
    return figure.values[0], figure.noise[0]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("probe") / "run", {"background": (0.0, 200.0), "source": (5000.0, 200.0)})


def test_the_net_rate_is_that_of_the_source_and_decays_to_its_reference(both: Path) -> None:
    findings = found("probe-constancy", both)
    alive = 1.0 - 5200.0 * DEAD_S
    share = 0.9545 + 0.003  # of a Gaussian within the window, which is cut at whole bins
    truth = 5000.0 * share / alive
    got, noise = value(findings, "net_rate")
    assert got == pytest.approx(truth, rel=0.01)
    assert noise == pytest.approx(np.sqrt(truth / 20.0), rel=0.05)
    assert value(findings, "net_rate_at_reference")[0] == pytest.approx(2 * got, rel=1e-5), "0.4 MBq then, 0.2 now"
    assert value(findings, "sensitivity")[0] == pytest.approx(got / 200.0, rel=1e-5)
    assert value(findings, "background")[0] == pytest.approx(200.0 * 24.5 / 400.0, rel=0.2)
    assert findings.obstacles == ()


def test_the_photopeak_is_found_beside_its_line(both: Path) -> None:
    findings = found("probe-constancy", both)
    peak, noise = value(findings, "peak")
    assert peak == pytest.approx(122.06, abs=5 * noise)
    assert value(findings, "peak_error")[0] == pytest.approx(100 * (peak / 122.06065 - 1), abs=1e-3)
    assert value(findings, "resolution")[0] == pytest.approx(100 * 6.0 * 2.3548 / 122.06, rel=0.03)
    assert findings.figure("peak_bin") is None


def test_without_a_calibration_the_photopeak_is_in_bins_and_said_to_be(tmp_path: Path) -> None:
    findings = found(
        "probe-constancy", recording(tmp_path / "run", {"background": (0, 200), "x": (5000, 200)}, kev=False)
    )
    assert value(findings, "peak_bin")[0] == pytest.approx(122.06 / GAIN + PEDESTAL, abs=0.5)
    assert findings.figure("peak") is None
    assert any("not calibrated" in text for text in findings.remarks)


def test_the_background_is_that_of_an_earlier_test_where_the_recording_has_none(tmp_path: Path) -> None:
    alone = recording(tmp_path / "alone", {"constancy": (5000.0, 200.0)})
    assert "no background" in found("probe-constancy", alone).obstacles[0]
    empty = recording(tmp_path / "empty", {"background": (0.0, 200.0)})
    before = found("probe-background", empty, source={})
    assert value(before, "background_all")[0] == pytest.approx(200.0, abs=15.0)
    earlier = QcResult("room", "Room", "probe-background", 1, Level.NOT_JUDGED, before.figures, (), {})
    findings = found("probe-constancy", alone, earlier={"room": earlier})
    assert value(findings, "background")[0] == value(before, "background")[0]
    assert "background: test room" in findings.remarks


def test_a_source_that_is_not_there_is_an_obstacle_and_no_rate_of_zero_that_passes(tmp_path: Path) -> None:
    nothing = recording(tmp_path / "run", {"background": (0.0, 200.0), "source": (0.0, 200.0)})
    findings = found("probe-constancy", nothing)
    assert "no source was seen" in findings.obstacles[0]
    assert isinstance(findings.figure("net_rate"), Figure)
