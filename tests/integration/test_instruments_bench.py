"""A Red Pitaya, attacked by PyMeasure and read by its profile, and a pulse generator that says ok to everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import numpy as np
import pytest
from pymeasure.instruments.redpitaya import RedPitayaScpi
from support_instruments import do, instrument
from support_simulators import Simulator, simulator

from daq.errors import LimitError, ReadbackError, ScandaqError


@pytest.fixture(scope="module")
def board() -> Iterator[Simulator]:
    with simulator("redpitaya-scpi") as process:
        yield process


@pytest.fixture(scope="module")
def pulser() -> Iterator[Simulator]:
    with simulator("scpi-pulser") as process:
        yield process


def test_the_driver_of_others_sees_a_red_pitaya_that_it_knows(board: Simulator) -> None:
    logging.getLogger("pymeasure").setLevel(logging.CRITICAL)
    host, port = board.address("tcp")
    it = RedPitayaScpi(ip_address=host, port=port, visa_library="@py")
    try:
        assert it.id == "REDPITAYA,INSTR2024,0,2.05-37"
        assert it.board_name == "STEMlab 125-14 v1.1"
        do(board, {"do": "analog", "pin": "AIN2", "volts": 1.25})
        do(board, {"do": "digital", "pin": "DIO3_P", "high": True})
        assert (it.ainslow2.voltage, it.dioP3.enabled, it.dioP3.direction_in) == (1.25, True, True)
        it.dioN1.direction_in = False
        it.dioN1.enabled = True
        it.led5.enabled = True
        it.aoutslow1.voltage = 0.75
        assert (it.dioN1.enabled, it.dioN1.direction_in, it.led5.enabled) == (True, False, True)
        assert do(board, {"told": True})["told"]["analog"]["AOUT1"] == 0.75
        it.digital_reset()
        assert not it.led5.enabled

        it.acquisition_reset()
        it.decimation, it.acq_trigger_level, it.acq_trigger_delay_samples = 8, 0.1, 0
        it.ain1.gain = "LV"
        it.acquisition_start()
        it.acq_trigger_source = "CH1_PE"
        assert it.acq_trigger_status is False
        for said in ("SOUR1:FUNC SINE", "SOUR1:FREQ:FIX 10000", "SOUR1:VOLT 0.5", "OUTPUT1:STATE ON"):
            it.write(said)
        assert (it.acq_trigger_status, it.buffer_length, it.decimation) == (True, 16384, 8)
        while not it.acq_buffer_filled:
            pass
        seen = np.asarray(it.ain1.get_data(3125))
        assert len(seen) == 3125
        assert np.abs(seen).max() == pytest.approx(0.5, abs=1e-3)
        rising = np.flatnonzero((seen[:-1] < 0) & (seen[1:] >= 0))
        assert np.diff(rising) == pytest.approx(1562.5, abs=1)
    finally:
        it.adapter.close()


async def test_pins_are_read_and_set_by_the_profile(board: Simulator) -> None:
    async with instrument(board, "redpitaya-scpi") as it:
        assert (await it.identify()).model == "INSTR2024"
        do(board, {"do": "analog", "pin": "AIN1", "volts": 2.5})
        do(board, {"do": "digital", "pin": "DIO2_P", "high": True})
        wanted = [("input", "3"), ("input", "1"), ("contact", "2"), ("contact", "1")]
        assert await it.read_many(wanted) == [0.0, 2.5, 1, 0]
        await it.set("output", 1.2, "3")
        await it.set("frequency", 25000.0)
        await it.act("start")
        assert await it.read_many([("output", "3"), ("generating", "")]) == [1.2, 1]
        with pytest.raises(LimitError, match=r"output cannot be 3\.3 V: 0 to 1\.8 V is possible"):
            await it.set("output", 3.3, "0")
        assert it.session.tally.lost == it.session.tally.strays == 0


@pytest.mark.parametrize("wire", ["tcp", pytest.param("tty", marks=pytest.mark.soak)])
async def test_a_pulser_is_set_started_and_stopped(pulser: Simulator, wire: str) -> None:
    async with instrument(pulser, "scpi-pulser", wire) as it:
        who = await it.identify()
        assert (who.vendor, who.model, who.serial) == ("BNC", "575-4", "31309")
        await it.set("period", 0.0005)
        for name, number in (("width", 2e-6), ("delay", 1e-7), ("amplitude", 2.5), ("output", 1)):
            await it.set(name, number, "1")
        wanted = [("period", ""), ("width", "1"), ("delay", "1"), ("amplitude", "1"), ("output", "2")]
        assert await it.read_many(wanted) == pytest.approx([0.0005, 2e-6, 1e-7, 2.5, 0])
        await it.act("start")
        await asyncio.sleep(0.1)
        await it.act("stop")
        assert do(pulser, {"told": True})["told"]["pulses"] >= 200
        assert it.session.tally.lost == it.session.tally.strays == 0


@pytest.mark.soak
async def test_a_pulser_that_says_ok_and_does_nothing_is_found_out(pulser: Simulator) -> None:
    async with instrument(pulser, "scpi-pulser") as it:
        with pytest.raises(LimitError, match="amplitude cannot be 30 V: 2 to 20 V is possible"):
            await it.set("amplitude", 30.0, "1")
        do(pulser, {"do": "ignore"})
        with pytest.raises(ReadbackError, match=r"amplitude was set to 3 V, amplitude reads \d\.\d V"):
            await it.set("amplitude", 3.0, "1")
        do(pulser, {"do": "swap", "serial": "1"})
        with pytest.raises(ScandaqError):
            await it.read("period")
