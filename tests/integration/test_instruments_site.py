"""A site file that names controllers: their channels are axes and supplies under the rules of all others."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_instruments import FRONT_SUPPLY, do
from support_simulators import simulator

from daq.composition.equipment import controllers, scanner
from daq.devices.abilities import Axis, Device, HighVoltage, InterlockSource
from daq.devices.build import build_devices
from daq.devices.instruments.wiring import Wiring
from daq.errors import ProfileError, ReadbackError
from daq.model.station import Actor, Role
from device_profiles.scanners import load_scanner
from device_profiles.site import load_site

SCANNER = (Path(load_scanner.__code__.co_filename).parent / "scanner" / "dual-head.toml").read_text()
SITE = """
schema = "site/0"
station = "bench"
storage = "recordings"
scanner = "./scanner.toml"

[controllers.supply]
profile = "caen-n1470"
url = "tcp://127.0.0.1:{supply}"

[controllers.stage]
profile = "zaber-ascii"
url = "tcp://127.0.0.1:{stage}"

[devices.front_hv]
ability = "high_voltage"
kind = "profile"
controller = {{ name = "supply", channel = "1" }}

[devices.gantry]
ability = "axis"
kind = "profile"
controller = {{ name = "stage", channel = "1", per_unit = 1000.0 }}
"""


def station(folder: Path, *, supply: int = 1, stage: int = 1, text: str = SITE) -> Path:
    (folder / "scanner.toml").write_text(SCANNER + FRONT_SUPPLY)
    (folder / "site.toml").write_text(text.format(supply=supply, stage=stage))
    return folder / "site.toml"


async def test_channels_of_controllers_are_an_axis_and_a_supply(tmp_path: Path) -> None:
    with simulator("caen-n1470") as hv, simulator("zaber-ascii") as motor:
        path = station(tmp_path, supply=hv.address("tcp")[1], stage=motor.address("tcp")[1])
        site = load_site(path)
        wiring = Wiring(controllers(site, tmp_path))
        try:
            devices: dict[str, Device] = dict(build_devices(site.devices, scanner(site, tmp_path), wiring.instruments))
            assert isinstance(devices["front_hv"], HighVoltage)
            assert devices["front_hv"].limits.max_v == 900.0
            assert abs(await devices["front_hv"].read_v()) < 1.0
            assert isinstance(devices["gantry"], Axis)
            assert (await devices["gantry"].sample()).moving is False
            assert not isinstance(devices["gantry"], InterlockSource)
        finally:
            await wiring.close()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "stage"', 'name = "stag"', "devices.gantry.controller.name = 'stag'"),
        ('channel = "1", per', 'channel = "9", per', "the profile zaber-ascii has 1, 2, 3, 4"),
        (", per_unit = 1000.0", "", "per_unit belongs to an axis or bed, which needs it"),
        ("tcp://127.0.0.1:{stage}", "udp://127.0.0.1:{stage}", "the profile zaber-ascii knows serial, tcp"),
        ('profile = "caen-n1470"', 'profile = "caen-n1471"', "no control profile 'caen-n1471'"),
        (
            ', channel = "1" }',
            " }",
            "devices.front_hv.controller.channel = absent: it is of a channel: say which of 0, 1, 2, 3",
        ),
        ('name = "stage", ch', 'name = "supply", ch', "the profile caen-n1470 is of no motion controller"),
        ('"axis"', '"interlocks"', "per_unit belongs to an axis or bed"),
        (
            'controller = {{ name = "supply", channel = "1" }}',
            'controller = "supply"',
            "controller = 'supply': must be a table",
        ),
        ('ability = "high_voltage"', 'ability = "motion_enable"', "the profile caen-n1470 has no motion enable"),
        (
            'ability = "high_voltage"',
            'ability = "interlocks"',
            "the profile caen-n1470 knows no interlocks of a channel",
        ),
        (
            "[devices.gantry]",
            '[devices.bed]\nability = "bed"\nkind = "profile"\n'
            'controller = {{ name = "stage", channel = "1", per_unit = 400.0 }}\n\n[devices.gantry]',
            "devices.gantry.controller.channel = '1': devices.bed is on this channel of this instrument already",
        ),
        ("[devices.front_hv]", "[devices.hv]", "is no supply of the scanner profile; it has front_hv"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(before: str, after: str, said: str, tmp_path: Path) -> None:
    assert before in SITE
    with pytest.raises(ProfileError) as why:
        load_site(station(tmp_path, text=SITE.replace(before, after)))
    assert said in str(why.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("max_v = 900.0", "max_v = 9000.0", "max_v of the scanner profile is 9000 V; caen-n1470 can do 0 to 8000 V"),
        (
            "per_s = 50.0",
            "per_s = 600.0",
            "max_slope_v_per_s of the scanner profile is 600 V/s; caen-n1470 can do 1 to 500",
        ),
        ("trip_ua = 300.0", "trip_ua = 3001.0", "caen-n1470 can do 0 to 0.003 A"),
    ],
)
def test_a_scanner_that_asks_a_supply_for_more_than_it_can_do_is_refused(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    path = station(tmp_path)
    scanner_file = tmp_path / "scanner.toml"
    scanner_file.write_text(scanner_file.read_text().replace(before, after))
    with pytest.raises(ProfileError) as why:
        load_site(path)
    assert said in str(why.value)


async def test_how_an_output_goes_down_is_said_and_read_back_before_it_is_raised(tmp_path: Path) -> None:
    with simulator("caen-n1470") as hv:
        path = station(tmp_path, supply=hv.address("tcp")[1])
        scanner_file = tmp_path / "scanner.toml"
        scanner_file.write_text(scanner_file.read_text() + 'power_down = "kill"\n')
        site = load_site(path)
        wiring = Wiring(controllers(site, tmp_path))
        try:
            supply = wiring.instruments["supply"]
            devices = build_devices(site.devices, scanner(site, tmp_path), wiring.instruments)
            assert isinstance(devices["front_hv"], HighVoltage)
            assert await supply.read("power_down", "1") == "ramp"
            await devices["front_hv"].arm(Actor("eve", "local", Role.SERVICE))
            assert [await supply.read("power_down", channel) for channel in ("0", "1")] == ["ramp", "kill"]
            do(hv, {"do": "ignore"})
            await supply.act("power_down_kill", "1")
            with pytest.raises(ReadbackError, match="power_down reads 'kill', not 'ramp'"):
                await supply.act("power_down_ramp", "1")
        finally:
            await wiring.close()
