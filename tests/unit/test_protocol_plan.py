"""What the readout is told of pairing, windows, calibration and recording, by protocol, instrument and site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support_cameras import made as head_calibration
from support_pages import blocks
from support_protocols import made, pet, planar

from daq.composition import judging, protocolplan
from daq.errors import RefusedError
from daq.model.coincidence import Policy
from daq.model.scanner import ScannerProfile
from daq.model.stop import parse_stop
from daq.pipeline.stages import Stages
from daq.storage.streams import processed_columns
from device_profiles.calibrations import write_calibration
from device_profiles.cameracalibrations import write_camera_calibration
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner
from device_profiles.site import load_site

MMR = load_scanner("siemens-mmr")
SINGLES = load_profile("singles64")
PETLINK = load_profile("siemens-petlink32")
HEAD = load_profile("head-xye64")
PAIRED = """
[windows.photopeak]
lower = "425 keV"
upper = "650 keV"

[windows.compton]
lower = "200 keV"
upper = "425 keV"

[coincidence]
half_window = "2.25 ns"
delay = "100 ns"
timing_resolution = "0.6 ns"
policy = "killAll"
windows = ["photopeak"]
max_ring_difference = 40

"""


def equipment(folder: Path | None = None, scanner: ScannerProfile | None = MMR) -> Any:
    return SimpleNamespace(site=SimpleNamespace(calibrations=folder), scanner=scanner)


def calibrated(folder: Path, instrument: str = "singles64") -> Path:
    write_calibration(
        folder / "one.toml", id="one", instrument=instrument, method="a test", detectors=[0, 1],
        made_utc=(datetime.now(UTC) - timedelta(hours=1)).isoformat(), kev_per_adc=[0.5, 0.5],
    )  # fmt: skip
    return folder


def test_the_readout_is_told_how_to_pair_and_in_which_windows() -> None:
    told = protocolplan._processing(equipment(), made(pet(top=PAIRED)), SINGLES)

    assert told.pairing is not None
    assert (told.pairing.half_window_ps, told.pairing.delay_ps, told.pairing.timing_sigma_ps) == (2250, 100_000, 255)
    assert (told.pairing.policy, told.pairing.max_ring_difference) == (Policy.KILL_ALL, 40)
    assert told.pairing.ring == MMR.ring
    assert [str(window) for window in told.windows] == ["photopeak 425-650 keV", "compton 200-425 keV"]
    assert told.pairing_mask == 0b01
    assert (told.singles, told.pairs) == ("all", True)


def test_without_a_choice_singles_of_every_window_pair_and_of_no_window_all() -> None:
    of_windows = made(pet(top=PAIRED.replace('windows = ["photopeak"]\n', "")))
    of_none = made(pet(top='[coincidence]\nhalf_window = "2.25 ns"\n\n'))

    assert protocolplan._processing(equipment(), of_windows, SINGLES).pairing_mask == 0b11
    assert protocolplan._processing(equipment(), of_none, SINGLES).pairing_mask == 0


def test_singles_that_nothing_is_done_to_stay_as_they_come_also_on_a_ring() -> None:
    told = protocolplan._processing(equipment(), made(pet()), SINGLES)
    decoded: dict[str, npt.NDArray[Any]] = {
        "time_ps": np.arange(3), "detector": np.arange(3, dtype=np.uint32), "energy_adc": np.full(3, 511, np.uint16),
    }  # fmt: skip
    stages = Stages.of(told, parse_stop(["time=1s"]), ordered=True)

    passed = stages.singles({"singles": decoded}, np.array([[3, 0]]), np.zeros(1, np.uint16), np.empty(0, np.int64))

    stored = processed_columns({"singles": list(decoded)}, told)["singles"]
    assert set(stored) == set(passed.every["singles"]) == set(decoded)


def test_an_instrument_that_pairs_itself_is_told_nothing() -> None:
    protocol = made(pet(top=PAIRED))

    assert protocolplan.pairs_itself(PETLINK)
    assert protocolplan._processing(equipment(), protocol, PETLINK).is_none
    assert protocolplan.calibration_for(equipment(), protocol, PETLINK) is None


def test_what_is_stored_is_what_the_protocol_says() -> None:
    protocol = made(pet(top='store = { raw = false, singles = "windowed", pairs = true }\n' + PAIRED))
    told = protocolplan._processing(equipment(), protocol, SINGLES)

    assert (protocol.store.raw, told.singles, told.pairs) == (False, "windowed", True)


@pytest.mark.parametrize("scanner", [None, load_scanner("dual-head")])
def test_without_a_ring_nothing_can_be_paired(scanner: ScannerProfile | None) -> None:
    with pytest.raises(RefusedError, match="names no scanner with a ring"):
        protocolplan._processing(equipment(scanner=scanner), made(pet(top=PAIRED)), SINGLES)


def test_the_newest_calibration_of_the_site_is_used(tmp_path: Path) -> None:
    told = protocolplan._processing(equipment(calibrated(tmp_path)), made(pet(top=PAIRED)), SINGLES)

    assert told.calibration is not None
    assert (told.calibration.id, told.calibration.identity) == ("one", False)


def test_without_a_calibration_windows_of_codes_need_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    none, there = equipment(tmp_path / "empty"), equipment(calibrated(tmp_path))
    for one in (none, there):
        one.instruments = {"ring": (None, SINGLES)}
    protocol = made(pet(top=PAIRED))

    assert "no calibration of it is valid now" in str(judging._lacks_energies(none, protocol))
    assert judging._lacks_energies(there, protocol) is None
    assert judging._lacks_energies(none, made(pet())) is None


def test_a_camera_without_windows_or_calibration_is_left_as_it_was() -> None:
    bare = made(planar().replace('[windows.peak]\npeak = "140.5 keV"\nwidth = "20 %"\n', ""))

    assert protocolplan._processing(equipment(scanner=None), bare, HEAD).is_none


def test_the_station_and_the_settings_of_the_page_on_pet_are_in_order(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/acquire-pet.md").read_text()
    site, settings, *_ = [block.text for block in blocks(page) if block.language == "toml"]
    (tmp_path / "site.toml").write_text(site)

    told = load_site(tmp_path / "site.toml")
    protocol = made(pet(top=settings + "\n"))

    assert (told.scanner, told.calibrations) == ("reference-ring", tmp_path / "calibrations")
    assert protocolplan._processing(equipment(), protocol, SINGLES).pairing_mask == 1
    assert protocol.store.singles == "windowed"


def test_heads_are_corrected_by_what_the_site_has_of_them(tmp_path: Path) -> None:
    protocol = made(planar())
    calibration = head_calibration("energy-map", instrument="head-xye64", head=1)
    write_camera_calibration(tmp_path / "map.toml", calibration)
    plug = SimpleNamespace(url="tcp://192.0.2.1:1", urls=("tcp://192.0.2.1:1",), serials=("4", "100"))
    site = SimpleNamespace(calibrations=None, head_calibrations=tmp_path)
    station: Any = SimpleNamespace(site=site, scanner=load_scanner("dual-head"), instruments={"head": (plug, HEAD)})

    camera = protocolplan.camera_for(station, protocol, None)
    told = protocolplan._processing(station, protocol, HEAD, camera.heads)

    assert [len(head.used) for head in told.heads] == [0, 1]
    assert calibration.energy_map is not None
    assert told.heads[1].energy == calibration.energy_map.ratio
    plug.serials = ("4", "5")
    assert protocolplan.camera_for(station, protocol, None).heads[1].used == ()


@pytest.mark.parametrize(
    ("rate", "least_gb", "most_gb"), [("", 2, 20), ('expected_singles_rate = "100 kcps"', 0.02, 0.5)]
)
def test_the_space_asked_for_paired_singles_is_of_their_own_rate(
    rate: str, least_gb: float, most_gb: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("daq.storage.space.require_space", lambda _, estimate: asked.append(estimate))
    protocol = made(pet(top=PAIRED.replace('policy = "killAll"', f'policy = "killAll"\n{rate}')))
    told = protocolplan._processing(equipment(), protocol, SINGLES)

    protocolplan._require_space(equipment(), protocol, SINGLES, tmp_path, told)

    assert least_gb < asked[0] / 1e9 < most_gb
