"""What happens when control is lost: each line of the table in *motion and safety*, or the test that has it already."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from support_controllers import MachineLink
from support_virtual import VirtualLoop, virtually

from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import VoltageLimits
from daq.errors import DeadlineError
from daq.services.bus import Bus
from daq.services.readings import Readings
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from simulators.instruments.caen import CaenN1470

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanations" / "motion-and-safety.md"
LIMITS = VoltageLimits(400.0, 100.0, 100.0, 2.0, 300e-6, 1.0)
PROFILE = load_control("caen-n1470")


def a_supply_that_is_up(loop: VirtualLoop) -> tuple[CaenN1470, MachineLink, GuardedHighVoltage]:
    machine = CaenN1470(clock=loop.time)
    channel = machine.channels[0]
    channel.vset = 300.0
    channel.switch(on=True)
    link = MachineLink(machine, loop)  # type: ignore[arg-type]
    instrument = Instrument(Session("supply", PROFILE, link, codec_of(PROFILE), clock=loop.time))
    return machine, link, GuardedHighVoltage("hv", LIMITS, ProfiledSupply(instrument, "0"), clock=loop.time)


def test_a_daemon_that_starts_reads_what_is_and_writes_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        machine, link, supply = a_supply_that_is_up(loop)
        bus = Bus()
        reading = loop.create_task(Readings({"hv": supply}, bus, clock=loop.time).run(), name="readings")
        await asyncio.sleep(30.0)
        reading.cancel()

        said = [data.decode() for _, data in link.heard]
        assert len(said) > 50
        assert [text for text in said if ",CMD:SET," in text] == []
        assert machine.channels[0].output.volts == pytest.approx(300.0)
        newest = {reading.name: reading for reading in bus.newest()}  # type: ignore[union-attr]
        assert newest["voltage"].value == pytest.approx(300.0)  # type: ignore[union-attr]

    virtually(main)


def test_a_silent_supply_is_told_to_be_off_until_it_says_that_it_is() -> None:
    async def main(loop: VirtualLoop) -> None:
        machine, link, supply = a_supply_that_is_up(loop)
        await supply.read_v()
        link.pull()
        with pytest.raises(DeadlineError, match="hv is not verified to be at 0 V or below after 20 s"):
            await supply.off(within_s=20.0)
        assert machine.channels[0].on
        loop.call_later(15.0, setattr, link, "plugged", True)
        await supply.off(within_s=60.0)
        assert not machine.channels[0].on
        assert machine.channels[0].output.volts < LIMITS.tolerance_v

    virtually(main)


def named_tests() -> list[str]:
    table = PAGE.read_text(encoding="utf-8").partition("## When control is lost")[2].partition("\n## ")[0]
    return re.findall(r"`(test_[a-z0-9_]+)`", table)


@pytest.mark.skipif(not PAGE.exists(), reason="no documentation beside these tests: not a checkout")
def test_every_line_of_the_table_names_a_test_that_there_is() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = named_tests()

    assert len(named) >= 10
    assert [name for name in named if f"def {name}(" not in tests] == []
