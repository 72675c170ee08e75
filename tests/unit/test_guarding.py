"""A station's guards, built of its files: interlocks by head, what a scanner needs watched, when energy is added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daq.composition.equipment import controllers
from daq.composition.guarding import Guarding
from daq.devices.build import build_devices
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.wiring import Wiring
from daq.devices.simulated.head import SimulatedHead
from daq.devices.simulated.supply import SimulatedHighVoltage
from daq.errors import ProfileError, TransitionRefusedError
from daq.model.scanner import ScannerProfile
from daq.model.station import Actor, Role
from daq.model.verbs import Raise
from daq.services.bus import Bus
from daq.state.acquisition import State
from device_profiles.scanners import load_scanner
from device_profiles.site import Site, load_site

STATIONS = Path(__file__).parents[2] / "docs" / "how-to" / "stations"

SUPPLY = {"max_v": 900.0, "max_slope_v_per_s": 50.0, "max_step_v": 300.0, "tolerance_v": 2.0, "trip_ua": 300.0,
          "trip_s": 0.5}  # fmt: skip
SERVICE = Actor("eve", "local", Role.SERVICE)


class NoAlarms:
    def raise_(self, device: str, name: str, **_: Any) -> None:
        raise AssertionError(f"{device} {name}")

    def clear(self, device: str, name: str) -> None:
        raise AssertionError(f"{device} {name}")


def scanner(**changed: Any) -> ScannerProfile:
    whole = load_scanner("dual-head").model_dump(mode="json", by_alias=True)
    supplies = {f"{head}_hv": {**SUPPLY, "head": head} for head in ("front", "back")}
    return ScannerProfile.model_validate_json(json.dumps({**whole, "supplies": supplies, **changed}))


def site(**devices: dict[str, Any]) -> Site:
    return Site(station="bench", storage="/none", devices=devices)  # type: ignore[arg-type]


TWO_HEADS = {
    "front": {"ability": "detector_head", "head": "front"}, "back": {"ability": "detector_head", "head": "back"},
    "front_hv": {"ability": "high_voltage"}, "back_hv": {"ability": "high_voltage"},
}  # fmt: skip


def guarding(profile: ScannerProfile, **devices: dict[str, Any]) -> tuple[Guarding, dict[str, Any]]:
    said = site(**devices)
    built = build_devices(said.devices, profile)
    return Guarding(said, profile, built, Bus(), NoAlarms()), dict(built)


async def test_the_cover_of_a_head_guards_its_own_supply_alone() -> None:
    guards, devices = guarding(scanner(), **TWO_HEADS)
    head = devices["front"]
    assert isinstance(head, SimulatedHead)
    assert isinstance(devices["front_hv"], SimulatedHighVoltage)
    await guards.interlocks.refresh()
    head.open_cover()
    await guards.interlocks.refresh()

    against = {name: devices[name].against_raising() for name in ("front_hv", "back_hv")}
    assert against == {"front_hv": "front.service_cover is open", "back_hv": None}
    assert isinstance(devices["back_hv"], GuardedHighVoltage)
    assert devices["back_hv"].supply.line is not devices["front_hv"].supply.line


@pytest.mark.parametrize(
    ("needs", "missing", "said"),
    [
        ({"raise_voltage": ["service_cover"]}, ("back",), "service_cover of head back to raise back_hv; none is there"),
        ({"move": ["watchdog"]}, (), "scanner dual-head needs an interlock watchdog to move; no device watches it"),
    ],
)
def test_a_station_without_an_interlock_that_its_scanner_needs_is_refused(
    needs: dict[str, Any], missing: tuple[str, ...], said: str
) -> None:
    devices = {name: each for name, each in TWO_HEADS.items() if name not in missing}
    with pytest.raises(ProfileError) as why:
        guarding(scanner(interlocks=needs), **devices, gantry={"ability": "axis"})
    assert said in str(why.value)


def test_a_station_whose_interlocks_are_all_there_is_not() -> None:
    needs = {
        "move": ["emergency_stop", "collision_pad", "drive_power"],
        "raise_voltage": ["service_cover", "temperature"],
    }
    guards, _ = guarding(scanner(interlocks=needs), **TWO_HEADS, gantry={"ability": "axis"})
    assert guards.envelope is None


def test_supplies_are_guarded_where_nothing_watches_an_interlock() -> None:
    supplies = {name: each for name, each in TWO_HEADS.items() if each["ability"] == "high_voltage"}
    guards, _ = guarding(scanner(), **supplies)
    nothing_moves: Any = None

    assert [name for name, _ in guards.services(nothing_moves)] == ["voltage-guard"]


def test_the_envelope_of_the_scanner_is_that_of_the_station() -> None:
    rule = {"sum": {"front_radius": 1.0}, "least": 230.0, "where": {"bed": (300.0, 2400.0)}, "why": "head meets bed"}
    guards, _ = guarding(scanner(envelope=[rule]), gantry={"ability": "axis"})
    assert guards.envelope is not None
    assert guards.envelope({"front_radius": 100.0, "bed": 0.0}) is None
    assert "head meets bed" in str(guards.envelope({"front_radius": 100.0}))  # nobody reads the bed


@pytest.mark.parametrize("verb", ["arm-voltage", "raise-voltage", "set"])
async def test_energy_is_added_in_the_states_of_the_table_alone(verb: str) -> None:
    async def handler(request: Any, actor: Actor) -> dict[str, Any]:
        return {"device": request.device, "by": actor.user}

    state, asked = State.READY, Raise(device="hv", volts=100.0)
    guards, devices = guarding(scanner(), **TWO_HEADS)
    handlers = guards.raising({verb: handler}, lambda: state)
    assert await handlers[verb](asked, SERVICE) == {"device": "hv", "by": "eve"}
    known = guards.interlocks.current()
    assert all(each.value is not None for each in known) is (verb != "set")  # contacts were read for it
    assert isinstance(devices["front"], SimulatedHead)
    state = State.ACQUIRING
    if verb == "set":
        assert await handlers[verb](asked, SERVICE) == {"device": "hv", "by": "eve"}
        return
    with pytest.raises(TransitionRefusedError, match="not possible while acquiring"):
        await handlers[verb](asked, SERVICE)


@pytest.mark.parametrize("name", ["spect-camera", "pet-ring", "gamma-probe"])
async def test_the_stations_of_the_manual_have_all_that_their_scanners_need(name: str, tmp_path: Path) -> None:
    text = (STATIONS / f"{name}.toml").read_text()
    (tmp_path / "site.toml").write_text(text)
    station = load_site(tmp_path / "site.toml")
    assert station.simulated
    profile = load_scanner(name)
    built = build_devices(station.devices, profile, Wiring(controllers(station, tmp_path)).instruments)
    guards = Guarding(station, profile, built, Bus(), NoAlarms())

    assert (guards.envelope is not None) is (name == "spect-camera")
    assert set(profile.supplies) == {
        each for each, device in station.devices.items() if device.ability == "high_voltage"
    }
    assert {*profile.axes.linear, *profile.axes.rotary} == {
        each for each, device in station.devices.items() if device.ability in ("axis", "bed")
    }
