"""A site file that names a bias supply without channels behind a terminal server: a high voltage as any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_simulators import simulator
from support_supplies import TECH, interlocks

from daq.composition.equipment import controllers, scanner
from daq.devices.build import build_devices
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.wiring import Wiring
from daq.errors import LimitError
from device_profiles.scanners import load_scanner
from device_profiles.site import load_site

SCANNER = (Path(load_scanner.__code__.co_filename).parent / "scanner" / "dual-head.toml").read_text()
SUPPLY = """
[supplies.bias]
head = "front"
max_v = 57.0
max_slope_v_per_s = 20.0
max_step_v = 5.0
tolerance_v = 0.05
trip_ua = 1000.0
trip_s = 0.5
"""
SITE = """
schema = "site/0"
station = "bench"
storage = "recordings"
scanner = "./scanner.toml"

[controllers.bias]
profile = "hamamatsu-c11204"
url = "{url}"

[devices.bias]
ability = "high_voltage"
kind = "profile"
controller = {{ name = "bias" }}
"""


async def test_a_sipm_is_biased_by_a_site_file_and_its_dark_current_read(tmp_path: Path) -> None:
    with simulator("c11204", "--breakdown-v", "52") as process:
        (tmp_path / "scanner.toml").write_text(SCANNER + SUPPLY)
        (tmp_path / "site.toml").write_text(SITE.format(url=process.ready["rfc2217"]))
        site = load_site(tmp_path / "site.toml")
        wiring = Wiring(controllers(site, tmp_path))
        try:
            supply = build_devices(site.devices, scanner(site, tmp_path), wiring.instruments)["bias"]
            assert isinstance(supply, GuardedHighVoltage)
            supply.guard_by(interlocks)
            await supply.arm(TECH, protocol_max_v=55.0)
            with pytest.raises(LimitError, match="its least is 40 V, or off"):
                await supply.ramp_to(30.0, within_s=10, actor=TECH)
            await supply.ramp_to(55.0, within_s=20, actor=TECH)
            assert await supply.read("voltage") == pytest.approx(55.0, abs=0.05)
            assert await supply.read("current") == pytest.approx(9.5e-6, abs=5e-6)  # a count is 5 uA
            await supply.off(within_s=20)
            assert await supply.read("voltage") == 0.0
        finally:
            await wiring.close()
