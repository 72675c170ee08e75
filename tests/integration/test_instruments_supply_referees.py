"""Simulated supplies attacked by drivers of others, unmodified: hvps, basil and PyMeasure."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import pytest
from support_instruments import do
from support_simulators import simulator


def until(good: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for what takes time; fail where it does not come."""
    by_s = time.monotonic() + within_s
    while not good():
        assert time.monotonic() < by_s
        time.sleep(0.02)


def test_hvps_sets_ramps_and_measures_an_iseg_but_cannot_switch_it() -> None:
    from hvps import Iseg

    with simulator("iseg-scpi") as process:
        crate = Iseg(port=process.ready["tty"], baudrate=9600, timeout=3.0, connect=True)
        module = crate.module(0)
        channel = module.channel(1)
        assert module.number_of_channels == 4
        assert module.firmware_release == "5.74"
        channel.voltage_set, channel.channel_voltage_ramp_up_speed = 120.0, 1000.0
        assert (channel.voltage_set, channel.channel_voltage_ramp_up_speed) == (120.0, 1000.0)
        channel.switch_on_high_voltage()  # it says `:VOLT ON None` and reports success
        assert channel.channel_status >> 3 & 1 == 0
        assert do(process, {"told": True})["told"]["on"] == [False] * 4
        assert channel.measured_voltage == 0.0
        crate.disconnect()


def test_basil_knows_the_iseg_shq() -> None:
    from basil.HL.iseg_hv import IsegHV
    from basil.TL.Serial import Serial

    with simulator("iseg-shq") as process:
        conf = {"port": process.ready["tty"], "baudrate": 9600, "read_termination": "\r\n", "timeout": 3.0}
        wire = Serial({"name": "wire", "init": conf})
        wire.init()
        supply = IsegHV(wire, {"name": "hv", "init": {"n_channel": 2, "channel": 2, "v_lim": 500}})
        supply.init()
        assert supply.identifier == "480132;3.09;3000V;4mA"
        assert (supply.answer_delay, supply.autostart, supply.polarity) == (1, False, 1)
        supply.ramp_speed = 255
        supply.set_voltage(200)
        supply.start_voltage_ramp()
        assert supply.status_word == "S2=L2H"
        until(lambda: bool(supply.voltage == 200.0))
        assert supply.voltage_target == 200.0
        assert float(supply.current) == pytest.approx(2e-7)
        assert supply.status_description.startswith("S2=ON: Output voltage according to set voltage")
        with pytest.raises(ValueError, match="too high"):
            supply.set_voltage(3500)  # above what its switch Vmax allows
        supply.set_voltage(0)
        supply.start_voltage_ramp()
        until(lambda: bool(supply.voltage == 0.0))
        wire.close()


def test_pymeasure_ramps_measures_and_shuts_a_keithley_down() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own and of its dependencies
        from pymeasure.instruments.keithley import Keithley2400

        with simulator("keithley-2400", "--load-ohm", "1e8") as process:
            host, port = process.address("tcp")
            smu = Keithley2400(
                f"TCPIP::{host}::{port}::SOCKET", visa_library="@py", read_termination="\n", write_termination="\n"
            )
            try:
                assert smu.id.startswith("KEITHLEY INSTRUMENTS INC.,MODEL 2400")
                smu.reset()
                smu.reset_data_format()
                smu.source_mode, smu.compliance_current, smu.source_voltage_range = "voltage", 1e-4, 100
                assert smu.compliance_current == pytest.approx(1e-4)
                smu.source_enabled = True
                smu.ramp_to_voltage(50.0, steps=5, pause=0.001)
                assert smu.voltage == pytest.approx(50.0)
                assert smu.current == pytest.approx(5e-7)
                assert smu.check_errors() == []
                smu.shutdown()
                assert do(process, {"told": True})["told"]["on"] == [False]
            finally:
                smu.adapter.close()
