"""A supply that is silent or tripped is not taken to be off: nothing is prepared until somebody says that it may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daq.composition.hardware import Hardware
from daq.devices.simulated.supply import SimulatedHighVoltage
from daq.model.station import Actor, Role
from daq.model.verbs import Raise
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State
from device_profiles.site import Site


def hardware(folder: Path) -> tuple[Hardware, dict[str, Any]]:
    devices = {"front": {"ability": "detector_head"}, **{name: {"ability": "high_voltage"} for name in ("one", "two")}}
    bus = Bus()
    site = Site(station="bench", storage=folder, devices=devices)  # type: ignore[arg-type]
    made = Hardware(site, None, {}, bus, Alarms(bus, folder / "alarms"), rehome=False)
    return made, dict(made._devices)


async def test_supplies_that_are_off_and_answer_are_no_reason_to_wait(tmp_path: Path) -> None:
    made, _ = hardware(tmp_path)
    assert await made.voltages() is None


async def test_each_that_is_silent_or_in_trouble_is_named(tmp_path: Path) -> None:
    made, devices = hardware(tmp_path)
    assert isinstance(devices["one"], SimulatedHighVoltage)
    devices["one"].simulate("cut-wire")
    devices["two"].simulate("trip")

    why = str(await made.voltages())

    assert why.startswith("what one holds is not known: one")
    assert why.endswith("; two: trip")


async def test_nothing_is_prepared_while_a_voltage_is_being_raised(tmp_path: Path) -> None:
    made, _ = hardware(tmp_path)
    heard: list[str | None] = []

    async def raising(*_: Any) -> dict[str, Any]:
        heard.append(await made.voltages())
        return {}

    made._handlers["raise-voltage"] = raising
    service = Actor("eve", "local", Role.SERVICE)
    await made.handlers(lambda: State.READY)["raise-voltage"](Raise(device="one", volts=100.0), service)

    assert heard == ["one is being raised"]
    assert await made.voltages() is None
