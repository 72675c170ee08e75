"""Payloads of PETsys commands and replies: registers, ASIC configuration, SPI, I2C. Bytes in, values out, and back.

Source: PETsys `sw_daq_tofpet2` 194662e, `src/petsys_py_lib/daqd.py` (`read_mem_ctrl`, `write_mem_ctrl`,
`spi_master_execute`, `i2c_master`, `__doAsicCommand`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from daq.errors import WireError

PROTOCOL_VERSION = 0x104
ASIC_TYPE_TOFPET2 = 2
ASIC_CHANNELS = 64
CHANNEL_CONFIG_BITS = 125
GLOBAL_CONFIG_BITS = 184

_REGISTER = struct.Struct("<BHH")
_ASIC = struct.Struct(">HBB")
_SPI = struct.Struct("<9H")
_MOST_WORDS = 1 << 16
_CODE_BITS, _CHANNEL_BITS = 4, 7


class Function(IntEnum):
    """What of the front end a command is for."""

    REGISTERS = 0x00
    ASIC = 0x01
    SPI = 0x02
    I2C = 0x03


class Register(IntEnum):
    """Addresses of registers; a register of more than 8 bits fills as many addresses from there on, low byte first."""

    BASE_PCB = 0x0000
    FIRMWARE_VARIANT = 0x0008
    LINKS_MINUS_1 = 0x0100
    LINK_SPEED = 0x0101
    ASIC_TYPE = 0x0102
    PLL_LOCKED = 0x0200
    SYNC = 0x0201
    GATE = 0x0202
    TIME_TAG = 0x0203
    TEST_PULSE = 0x020B
    AUXILIARY_IO = 0x0214
    GATE_DELAY = 0x0294
    LINK_TEST = 0x0296
    LEGACY_MODULES = 0x02B8
    TRIGGER_PORTS = 0x02D0
    ASIC_RESET = 0x0300
    RECEIVER_CALIBRATION = 0x0301
    DESERIALISER_STATUS = 0x0302
    DECODER_STATUS = 0x0310
    ASIC_ENABLE = 0x0318
    SLAVE_PRESENT = 0x0400
    SENT_UPSTREAM = 0x0401
    RECEIVED_UPSTREAM = 0x0409
    RECEIVED_BAD_UPSTREAM = 0x0411
    SENT_DOWNSTREAM = 0x0419
    RECEIVED_DOWNSTREAM = 0x0421
    RECEIVED_BAD_DOWNSTREAM = 0x0429
    LINK_SELECT = 0x0450
    LINK_LOCKED = 0x0458
    LINK_VALUE = 0x0460
    COINCIDENCE_TRIGGER = 0x0602
    PROTOCOL = 0xFFF8


WIDTHS = {
    Register.BASE_PCB: 16, Register.FIRMWARE_VARIANT: 64, Register.LINKS_MINUS_1: 2, Register.LINK_SPEED: 2,
    Register.ASIC_TYPE: 16, Register.PLL_LOCKED: 1, Register.SYNC: 2, Register.GATE: 1, Register.TIME_TAG: 46,
    Register.TEST_PULSE: 64, Register.AUXILIARY_IO: 64, Register.GATE_DELAY: 10, Register.LINK_TEST: 3,
    Register.LEGACY_MODULES: 8, Register.TRIGGER_PORTS: 64, Register.ASIC_RESET: 1, Register.RECEIVER_CALIBRATION: 1,
    Register.DESERIALISER_STATUS: 64, Register.DECODER_STATUS: 64, Register.ASIC_ENABLE: 64, Register.SLAVE_PRESENT: 1,
    Register.SENT_UPSTREAM: 64, Register.RECEIVED_UPSTREAM: 64, Register.RECEIVED_BAD_UPSTREAM: 64,
    Register.SENT_DOWNSTREAM: 64, Register.RECEIVED_DOWNSTREAM: 64, Register.RECEIVED_BAD_DOWNSTREAM: 64,
    Register.LINK_SELECT: 16, Register.LINK_LOCKED: 1, Register.LINK_VALUE: 16, Register.COINCIDENCE_TRIGGER: 16,
    Register.PROTOCOL: 64,
}  # fmt: skip
"""Bits of each register."""


class AsicCode(IntEnum):
    """What is asked of an ASIC, four bits."""

    WRITE_CHANNEL = 0b0000
    READ_CHANNEL = 0b0001
    WRITE_GLOBAL = 0b1000
    READ_GLOBAL = 0b1001

    @property
    def is_read(self) -> bool:
        """Tell whether the reply brings a configuration."""
        return bool(self & 1)

    @property
    def is_channel(self) -> bool:
        """Tell whether it is for one channel."""
        return not self & 0b1000

    @property
    def bits(self) -> int:
        """Return how long the configuration is."""
        return CHANNEL_CONFIG_BITS if self.is_channel else GLOBAL_CONFIG_BITS


class AsicStatus(IntEnum):
    """First byte of the reply to an ASIC command."""

    OK = 0x00
    BAD_ACKNOWLEDGE = 0xE3
    BAD_CHECKSUM = 0xE4
    STUCK = 0xE5


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """Read `count` bytes from `address` on."""

    address: int
    count: int


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """Write bytes from `address` on."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AsicCommand:
    """A command to one ASIC. `spi_id`: module * 256 + ASIC of the module. Bit k of `value` is bit k of its register."""

    spi_id: int
    code: AsicCode
    channel: int | None = None
    value: int | None = None


@dataclass(frozen=True, slots=True)
class SpiCommand:
    """One cycle of the SPI master: when, in clocks of the cycle, each line is driven, and what is sent."""

    chip: int
    cycle_length: int
    clock: tuple[int, int]
    select: tuple[int, int]
    mosi: tuple[int, int]
    miso: tuple[int, int]
    data: bytes
    frequency: int = 1
    miso_falling: bool = False
    mosi_falling: bool = False


@dataclass(frozen=True, slots=True)
class I2cCommand:
    """Steps of the I2C lines of `bus`. Step bits: 0 SCL, 1 SDA released, 2 and 3 check that they followed."""

    bus: int
    steps: bytes


def bytes_of(bits: int) -> int:
    """Return how many bytes hold so many bits."""
    return (bits + 7) // 8


def encode_register(command: RegisterRead | RegisterWrite) -> bytes:
    """Return the payload; raise `WireError` for an address or length that does not fit 16 bits."""
    count = command.count if isinstance(command, RegisterRead) else len(command.data)
    if not 1 <= count <= _MOST_WORDS or not 0 <= command.address < _MOST_WORDS:
        raise WireError(f"registers: {count} bytes at {command.address:#06x}; 1 to 65536 bytes, addresses of 16 bits")
    if isinstance(command, RegisterRead):
        return _REGISTER.pack(0, count - 1, command.address)
    return _REGISTER.pack(1, count - 1, command.address) + command.data


def decode_register(payload: bytes) -> RegisterRead | RegisterWrite:
    """Return what is asked of the registers, or raise `WireError`."""
    if len(payload) < _REGISTER.size:
        raise WireError(f"registers: a payload of {len(payload)} bytes, at least {_REGISTER.size} are needed")
    what, less_one, address = _REGISTER.unpack_from(payload)
    data = payload[_REGISTER.size :]
    if what == 0 and not data:
        return RegisterRead(address, less_one + 1)
    if what == 1 and len(data) == less_one + 1:
        return RegisterWrite(address, data)
    raise WireError(f"registers: 0x{what:02X} for {less_one + 1} bytes, with {len(data)}: neither a read nor a write")


def encode_register_data(data: bytes) -> bytes:
    """Return the reply to a read. The vendor's host demands a byte before and after the data and looks at neither."""
    return b"\0" + data + b"\0"


def decode_register_data(payload: bytes, count: int) -> bytes:
    """Return the `count` bytes that were read; raise `WireError` when it is not as many."""
    if len(payload) != count + 2:
        raise WireError(f"registers: the reply has {len(payload)} bytes; {count} read ones need {count + 2}")
    return payload[1:-1]


REGISTER_WRITTEN = b"\0"
"""The reply to a write."""


def check_written(payload: bytes) -> None:
    """Raise `WireError` unless the reply says that registers were written."""
    if payload != REGISTER_WRITTEN:
        raise WireError(f"registers: a write was answered with {payload.hex() or 'nothing'}, not with 00")


def encode_asic(command: AsicCommand) -> bytes:
    """Return the payload, with as many bits of padding as the vendor's host sends."""
    code = command.code
    if code.is_channel != (command.channel is not None) or code.is_read == (command.value is not None):
        raise WireError(f"ASIC: {code.name} with channel {command.channel} and value {command.value}")
    bits, length = int(code), _CODE_BITS
    if command.channel is not None:
        if not 0 <= command.channel < ASIC_CHANNELS:
            raise WireError(f"ASIC: channel {command.channel}; an ASIC has {ASIC_CHANNELS}")
        bits, length = bits << _CHANNEL_BITS | command.channel, length + _CHANNEL_BITS
    if command.value is not None:
        if not 0 <= command.value < 1 << code.bits:
            raise WireError(f"ASIC: a configuration of more than {code.bits} bits")
        bits, length = bits << code.bits | command.value, length + code.bits
    padding = max(8 * bytes_of(length) - code.bits, 0)
    size = bytes_of(length + padding)
    head = _ASIC.pack(command.spi_id, length, code.bits if code.is_read else 0)
    return head + (bits << (8 * size - length)).to_bytes(size, "big")


def decode_asic(payload: bytes) -> AsicCommand:
    """Return the command, or raise `WireError`. What stands behind the announced bits is padding."""
    if len(payload) < _ASIC.size:
        raise WireError(f"ASIC: a payload of {len(payload)} bytes, at least {_ASIC.size} are needed")
    spi_id, length, answered = _ASIC.unpack_from(payload)
    data = payload[_ASIC.size :]
    if not _CODE_BITS <= length <= 8 * len(data):
        raise WireError(f"ASIC: announces {length} bits and carries {8 * len(data)}")
    bits = int.from_bytes(data, "big") >> 8 * len(data) - length
    try:
        code = AsicCode(bits >> length - _CODE_BITS)
    except ValueError:
        raise WireError(f"ASIC: unknown command 0b{bits >> length - _CODE_BITS:04b}") from None
    expected = _CODE_BITS + code.is_channel * _CHANNEL_BITS + (not code.is_read) * code.bits
    if length != expected or answered != code.is_read * code.bits:
        raise WireError(f"ASIC: {code.name} has {expected} bits and is sent {length}, of which {answered} to be read")
    value = None if code.is_read else bits & (1 << code.bits) - 1
    rest = bits if code.is_read else bits >> code.bits
    return AsicCommand(spi_id, code, rest & (1 << _CHANNEL_BITS) - 1 if code.is_channel else None, value)


def encode_asic_reply(code: AsicCode, status: int, value: int = 0) -> bytes:
    """Return the reply: the status, after a read with a configuration behind it, highest bit first."""
    if not code.is_read or status != AsicStatus.OK:
        return bytes([status])
    size = bytes_of(code.bits)
    return bytes([status]) + (value << 8 * size - code.bits).to_bytes(size, "big")


def decode_asic_reply(code: AsicCode, payload: bytes) -> int | None:
    """Return the configuration that was read, None after a write; raise `WireError` with what the ASIC complains of."""
    if not payload:
        raise WireError(f"ASIC: the reply to {code.name} is empty")
    if payload[0] != AsicStatus.OK:
        known = {int(status): status.name.lower().replace("_", " ") for status in AsicStatus}
        raise WireError(f"ASIC: {code.name} failed: 0x{payload[0]:02X}, {known.get(payload[0], 'unknown')}")
    if not code.is_read:
        return None
    size = bytes_of(code.bits)
    if len(payload) < 1 + size:
        raise WireError(f"ASIC: the reply to {code.name} has {len(payload)} bytes, needed are {1 + size}")
    return int.from_bytes(payload[1 : 1 + size], "big") >> 8 * size - code.bits


def encode_spi(command: SpiCommand) -> bytes:
    """Return the payload."""
    head = command.miso_falling << 7 | command.mosi_falling << 6 | command.frequency
    try:
        times = _SPI.pack(command.cycle_length, *command.clock, *command.select, *command.mosi, *command.miso)
        return bytes([head]) + struct.pack(">H", command.chip) + times + (command.data or b"\0")
    except (struct.error, ValueError) as why:
        raise WireError(f"SPI: {command}: {why}") from None


def decode_spi(payload: bytes) -> SpiCommand:
    """Return the command, or raise `WireError`."""
    if len(payload) < 1 + 2 + _SPI.size + 1:
        raise WireError(f"SPI: a payload of {len(payload)} bytes, at least {1 + 2 + _SPI.size + 1} are needed")
    head, (chip,) = payload[0], struct.unpack_from(">H", payload, 1)
    times = _SPI.unpack_from(payload, 3)
    return SpiCommand(
        chip, times[0], times[1:3], times[3:5], times[5:7], times[7:9], payload[3 + _SPI.size :], head & 0x3F,
        miso_falling=bool(head & 0x80), mosi_falling=bool(head & 0x40),
    )  # fmt: skip


def encode_i2c(command: I2cCommand) -> bytes:
    """Return the payload."""
    if not 0 <= command.bus < _MOST_WORDS:
        raise WireError(f"I2C: bus {command.bus}; buses have 16 bits")
    return struct.pack(">H", command.bus) + command.steps


def decode_i2c(payload: bytes) -> I2cCommand:
    """Return the command, or raise `WireError`."""
    if len(payload) < 2:  # noqa: PLR2004 - the number of the bus
        raise WireError(f"I2C: a payload of {len(payload)} bytes has no bus")
    return I2cCommand(int.from_bytes(payload[:2], "big"), payload[2:])
