"""The simulated PETsys unit by its commands: registers, ASICs, buses."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from daq.wire.petsys_asic import CHANNEL_AFTER_RESET, GLOBAL_AFTER_RESET_2C
from daq.wire.petsys_config import (
    AsicCode,
    AsicCommand,
    AsicStatus,
    Function,
    I2cCommand,
    Register,
    RegisterRead,
    RegisterWrite,
    SpiCommand,
    bytes_of,
    check_written,
    decode_asic_reply,
    decode_register_data,
    encode_asic,
    encode_i2c,
    encode_register,
    encode_spi,
)
from simulators.petsys.registers import BIAS_INTERFACES, POWER_ENABLE, POWER_FEEDBACK, UNIT_UP_CLOCKS, width_of
from simulators.petsys.unit import Unit


@dataclass
class Trouble:
    status: AsicStatus = AsicStatus.OK

    def asic_status(self) -> AsicStatus:
        return self.status


@dataclass
class Bench:
    """A unit, and a host that talks to it. `clock` is read, and goes on by a large step, at each look."""

    asics: int = 4
    trouble: Trouble = field(default_factory=Trouble)
    clock: int = 0

    def __post_init__(self) -> None:
        self.unit = Unit(self.asics, self.trouble, self._now, lambda: 77)

    def _now(self) -> int:
        self.clock += 0x0102_0304_0506
        return self.clock

    def read(self, address: int) -> int:
        count = bytes_of(width_of(address))
        reply = self.unit.answer(Function.REGISTERS, encode_register(RegisterRead(address, count)))
        assert reply is not None
        return int.from_bytes(decode_register_data(reply, count), "little")

    def write(self, address: int, value: int) -> None:
        data = value.to_bytes(bytes_of(width_of(address)), "little")
        reply = self.unit.answer(Function.REGISTERS, encode_register(RegisterWrite(address, data)))
        assert reply is not None
        check_written(reply)

    def asic(self, chip: int, code: AsicCode, channel: int | None = None, value: int | None = None) -> bytes:
        reply = self.unit.answer(
            Function.ASIC, encode_asic(AsicCommand(chip // 2 * 256 + chip % 2, code, channel, value))
        )
        assert reply is not None
        return reply


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_says_what_the_vendors_host_looks_for(bench: Bench) -> None:
    found = {address: bench.read(address) for address in (Register.PROTOCOL, Register.ASIC_TYPE, Register.PLL_LOCKED)}

    assert found == {Register.PROTOCOL: 0x104, Register.ASIC_TYPE: 2, Register.PLL_LOCKED: 1}
    assert bench.read(Register.FIRMWARE_VARIANT) >> 48 == 1, "a unit with a trigger of its own"
    assert bench.read(Register.SLAVE_PRESENT) == 0
    assert bench.read(BIAS_INTERFACES) & 0xF == 0xE
    assert bench.read(UNIT_UP_CLOCKS) == 77


@pytest.mark.parametrize(
    ("asics", "kind"), [(1, 0x0001), (16, 0x0001), (17, 0x0111), (32, 0x0111), (33, 0x0211), (64, 0x0211)]
)
def test_modules_are_as_large_as_the_number_of_asics_needs(asics: int, kind: int) -> None:
    bench = Bench(asics)

    assert bench.read(Register.FIRMWARE_VARIANT) >> 32 & 0xFFFF == kind
    assert bench.unit.bus.chip_of((asics - 1) // {1: 2, 0x111: 4, 0x211: 8}[kind] * 256) is not None


def test_what_only_hardware_sets_cannot_be_written(bench: Bench) -> None:
    bench.write(Register.PROTOCOL, 0x999)
    bench.write(Register.DECODER_STATUS, 0xFFFF)

    assert (bench.read(Register.PROTOCOL), bench.read(Register.DECODER_STATUS)) == (0x104, 0)


def test_other_registers_keep_what_is_written_also_those_nobody_knows(bench: Bench) -> None:
    bench.write(Register.AUXILIARY_IO, 0x1122334455667788)
    bench.write(0x7777, 0x5A)

    assert (bench.read(Register.AUXILIARY_IO), bench.read(0x7777), bench.read(0x7778)) == (0x1122334455667788, 0x5A, 0)


def test_the_bytes_of_a_counter_are_of_one_moment(bench: Bench) -> None:
    first, second = bench.read(Register.TIME_TAG), bench.read(Register.TIME_TAG)

    assert (first, second) == (0x0102_0304_0506, 0x0204_0608_0A0C)
    assert bench.clock == second, "looked at once for each reading"


def test_the_pulse_of_the_sync_bit_ends_with_its_falling_edge(bench: Bench) -> None:
    counts = []
    for value in (0, 1, 1, 0, 0b10, 0, 1, 0):
        bench.write(Register.SYNC, value)
        counts.append(bench.unit.syncs)

    assert counts == [0, 0, 0, 1, 1, 1, 1, 2]


def test_links_are_up_of_asics_that_are_there_enabled_and_powered(bench: Bench) -> None:
    bench.write(Register.ASIC_ENABLE, (1 << 64) - 1 - 2)
    assert (
        bench.unit.enabled == bench.read(Register.DESERIALISER_STATUS) == bench.read(Register.DECODER_STATUS) == 0b1101
    )

    bench.write(POWER_ENABLE, 0)
    assert bench.unit.enabled == bench.read(Register.DECODER_STATUS) == bench.read(POWER_FEEDBACK) == 0


def test_an_asic_begins_as_after_a_reset_and_keeps_what_it_is_told(bench: Bench) -> None:
    assert decode_asic_reply(AsicCode.READ_GLOBAL, bench.asic(3, AsicCode.READ_GLOBAL)) == GLOBAL_AFTER_RESET_2C
    assert bench.asic(3, AsicCode.WRITE_CHANNEL, 63, 12345) == bench.asic(3, AsicCode.WRITE_GLOBAL, None, 99) == b"\0"

    assert decode_asic_reply(AsicCode.READ_CHANNEL, bench.asic(3, AsicCode.READ_CHANNEL, 63)) == 12345
    assert decode_asic_reply(AsicCode.READ_GLOBAL, bench.asic(3, AsicCode.READ_GLOBAL)) == 99
    assert decode_asic_reply(AsicCode.READ_CHANNEL, bench.asic(3, AsicCode.READ_CHANNEL, 62)) == CHANNEL_AFTER_RESET
    assert decode_asic_reply(AsicCode.READ_CHANNEL, bench.asic(2, AsicCode.READ_CHANNEL, 63)) == CHANNEL_AFTER_RESET


@pytest.mark.parametrize(("register", "value"), [(Register.ASIC_RESET, 1), (POWER_ENABLE, 0)])
def test_a_reset_or_a_loss_of_power_makes_asics_forget(bench: Bench, register: int, value: int) -> None:
    bench.asic(0, AsicCode.WRITE_GLOBAL, None, 99)

    bench.write(register, value)
    bench.write(POWER_ENABLE, 1)

    assert decode_asic_reply(AsicCode.READ_GLOBAL, bench.asic(0, AsicCode.READ_GLOBAL)) == GLOBAL_AFTER_RESET_2C


@pytest.mark.parametrize("spi_id", [2 * 256, 2, 255, 0x8010])
def test_an_asic_that_is_not_there_does_not_acknowledge(bench: Bench, spi_id: int) -> None:
    command = encode_asic(AsicCommand(spi_id, AsicCode.READ_GLOBAL))

    assert bench.unit.answer(Function.ASIC, command) == bytes([AsicStatus.BAD_ACKNOWLEDGE])


def test_a_broken_link_refuses_and_changes_nothing(bench: Bench) -> None:
    bench.trouble.status = AsicStatus.BAD_CHECKSUM
    refused = bench.asic(0, AsicCode.WRITE_GLOBAL, None, 99)
    bench.trouble.status = AsicStatus.OK

    assert refused == bytes([AsicStatus.BAD_CHECKSUM])
    assert decode_asic_reply(AsicCode.READ_GLOBAL, bench.asic(0, AsicCode.READ_GLOBAL)) == GLOBAL_AFTER_RESET_2C


def test_nothing_is_connected_to_the_buses(bench: Bench) -> None:
    cycle = SpiCommand(0x8000, 56, (16, 40), (15, 41), (0, 56), (16, 40), b"\xff\xff\1\2\3\xff\xff")

    assert bench.unit.answer(Function.SPI, encode_spi(cycle)) == b"\0\xff\xff\xff\0"
    assert bench.unit.answer(Function.I2C, encode_i2c(I2cCommand(1, bytes([0, 1, 2, 3, 0x0F])))) == bytes(
        [0, 1, 2, 3, 3]
    )


@pytest.mark.parametrize(
    ("function", "payload"), [(0, b""), (0, b"\7\0\0\0\0"), (1, b"\0"), (2, b""), (3, b""), (9, b"x")]
)
def test_what_cannot_be_understood_is_counted_and_not_answered(bench: Bench, function: int, payload: bytes) -> None:
    assert bench.unit.answer(function, payload) is None
    assert bench.unit.counts == {"not understood": 1}


def test_power_on_is_a_new_beginning(bench: Bench) -> None:
    bench.write(Register.ASIC_ENABLE, 3)
    bench.asic(0, AsicCode.WRITE_GLOBAL, None, 99)

    bench.unit.reset()

    assert bench.unit.enabled == 0
    assert decode_asic_reply(AsicCode.READ_GLOBAL, bench.asic(0, AsicCode.READ_GLOBAL)) == GLOBAL_AFTER_RESET_2C
