"""What a PETsys front end is told before and after it is listened to: register commands as a sequence without IO.

A sequence is a generator: it yields `Ask`, is sent the payload of the reply, and returns what it found. Every write is
read back. Order and meaning of the registers: PETsys `sw_daq_tofpet2` 194662e, `daqd.py`, `initializeSystem`.

`set_up` configures no ASIC: thresholds, bias voltages and the calibration of links are set up before, ASIC by ASIC with
`write_asic` or by other software.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from daq.errors import DeadlineError, MismatchError, ReadbackError, RefusedError
from daq.model import tofpet2 as t
from daq.model.frontend import FrontEnd
from daq.wire.petsys_config import (
    ASIC_TYPE_TOFPET2,
    PROTOCOL_VERSION,
    WIDTHS,
    AsicCode,
    AsicCommand,
    Function,
    Register,
    RegisterRead,
    RegisterWrite,
    bytes_of,
    check_written,
    decode_asic_reply,
    decode_register_data,
    encode_asic,
    encode_register,
)

LINK_DEADLINE_S = 2.0
"""How long the links of ASICs may take to come up after they are enabled."""
_TAG_SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """A command to be sent; it may be sent again when no reply comes."""

    function: Function
    payload: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """What a front end says of itself; `asics`: a bit for each one that it takes data from."""

    base_pcb: int
    firmware: int
    asics: int


Sequence = Generator[Ask, bytes, Unit]


def read_register(register: Register) -> Generator[Ask, bytes, int]:
    """Return the value of a register."""
    count = bytes_of(WIDTHS[register])
    payload = yield Ask(Function.REGISTERS, encode_register(RegisterRead(register, count)))
    return int.from_bytes(decode_register_data(payload, count), "little")


def write_register(register: Register, value: int) -> Generator[Ask, bytes, None]:
    """Write a register and look whether it holds the value. Raises `ReadbackError`."""
    data = value.to_bytes(bytes_of(WIDTHS[register]), "little")
    check_written((yield Ask(Function.REGISTERS, encode_register(RegisterWrite(register, data)))))
    found = yield from read_register(register)
    if found != value:
        raise ReadbackError(f"register {register.name.lower()} was set to 0x{value:X} and holds 0x{found:X}")


def read_asic(spi_id: int, *, channel: int | None = None) -> Generator[Ask, bytes, int]:
    """Return the configuration of a channel of an ASIC, or without one its global configuration."""
    code = AsicCode.READ_GLOBAL if channel is None else AsicCode.READ_CHANNEL
    payload = yield Ask(Function.ASIC, encode_asic(AsicCommand(spi_id, code, channel)))
    return decode_asic_reply(code, payload) or 0


def write_asic(spi_id: int, value: int, *, channel: int | None = None) -> Generator[Ask, bytes, None]:
    """Write a configuration and look whether the ASIC holds it. Raises `ReadbackError`."""
    code = AsicCode.WRITE_GLOBAL if channel is None else AsicCode.WRITE_CHANNEL
    decode_asic_reply(code, (yield Ask(Function.ASIC, encode_asic(AsicCommand(spi_id, code, channel, value)))))
    found = yield from read_asic(spi_id, channel=channel)
    if found != value:
        what = "its global configuration" if channel is None else f"that of channel {channel}"
        raise ReadbackError(f"ASIC {spi_id:#06x}: {what} was set to {value:#x} and is {found:#x}")


def set_up(front_end: FrontEnd, asics: int, now_s: Callable[[], float]) -> Sequence:
    """Check what the front end is, set its clock to zero and take data from the ASICs of the mask `asics`.

    Raises `MismatchError` for a front end that is another than expected, `RefusedError` for one whose clock does not
    lock, `ReadbackError` for one that does not do as it is told, `DeadlineError` for ASICs whose links stay down.
    """
    unit = yield from _identify()
    if front_end.enable_asics:  # the vendor's host syncs without data, too
        yield from write_register(Register.ASIC_ENABLE, 0)
    if front_end.reset_time_tag:
        yield from _reset_time_tag(now_s)
    if front_end.enable_asics:
        yield from write_register(Register.ASIC_ENABLE, asics)
        yield from _links(asics, now_s)
    enabled = yield from read_register(Register.ASIC_ENABLE)
    return Unit(unit.base_pcb, unit.firmware, enabled)


def shut_down() -> Sequence:
    """Take no more data from any ASIC."""
    unit = yield from _identify()
    yield from write_register(Register.ASIC_ENABLE, 0)
    return unit


def _identify() -> Sequence:
    version = yield from read_register(Register.PROTOCOL)
    if version != PROTOCOL_VERSION:
        raise MismatchError(f"the front end speaks protocol 0x{version:X}; this build knows 0x{PROTOCOL_VERSION:X}")
    kind = yield from read_register(Register.ASIC_TYPE)
    if kind != ASIC_TYPE_TOFPET2:
        raise MismatchError(f"the front end has ASICs of type {kind}; TOFPET2 is type {ASIC_TYPE_TOFPET2}")
    if not (yield from read_register(Register.PLL_LOCKED)) & 1:
        raise RefusedError("the front end's clock is not locked: its times would mean nothing")
    base_pcb = yield from read_register(Register.BASE_PCB)
    firmware = yield from read_register(Register.FIRMWARE_VARIANT)
    return Unit(base_pcb, firmware, 0)


def _reset_time_tag(now_s: Callable[[], float]) -> Generator[Ask, bytes, None]:
    """Pulse the sync, which sets the clock of frames to zero, and look at the clock."""
    began_s = now_s()
    yield from write_register(Register.SYNC, 1)
    yield from write_register(Register.SYNC, 0)
    tag_s = (yield from read_register(Register.TIME_TAG)) / t.CLOCK_HZ
    most_s = now_s() - began_s + _TAG_SLACK_S
    if tag_s > most_s:
        raise ReadbackError(
            f"the front end's clock was set to zero and says {tag_s:.3f} s; at most {most_s:.3f} s have passed"
        )


def _links(asics: int, now_s: Callable[[], float]) -> Generator[Ask, bytes, None]:
    """Wait until the links of all enabled ASICs are up."""
    give_up_s = now_s() + LINK_DEADLINE_S
    while True:
        up = (yield from read_register(Register.DESERIALISER_STATUS)) & (
            yield from read_register(Register.DECODER_STATUS)
        )
        missing = asics & ~up
        if not missing:
            return
        if now_s() > give_up_s:
            names = ", ".join(str(chip) for chip in range(t.MOST_CHIPS) if missing >> chip & 1)
            raise DeadlineError(
                f"no data link to ASICs {names} after {LINK_DEADLINE_S:g} s: the profile names them; they are not there"
                " or not configured"
            )
