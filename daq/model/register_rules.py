"""What the registers of a control profile must obey: bits that exist, accesses that do no harm in passing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from daq.model.finding import Finding, error

if TYPE_CHECKING:
    from daq.model.control import ControlProfile, Register

CODECS = ("ipbus-udp", "ipbus-tcp", "rbcp")


def registers(profile: ControlProfile) -> Iterator[Finding]:
    """Demand registers of a protocol that has some, each in order, and fields that do not spoil each other."""
    codec = profile.framing.codec
    if profile.registers and codec not in CODECS:
        yield error("registers", sorted(profile.registers), f"belong to codecs {', '.join(CODECS)}, not to {codec}")
        return
    if codec in CODECS:
        yield from _hexadecimal(profile)
    for name, register in profile.registers.items():
        yield from _bits(f"registers.{name}", register, codec)
        yield from _effects(f"registers.{name}", register, codec)
    for (name, one), (other, two) in combinations(profile.registers.items(), 2):
        yield from _together(name, one, other, two)


def _hexadecimal(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that numbers are read and written as the codecs have them: 10 in one base is 16 in the other."""
    for name, value in profile.values.items():
        if value.type in ("integer", "flags") and value.base != 16:  # noqa: PLR2004
            yield error(f"values.{name}.base", value.base, "accesses have hexadecimal numbers: base = 16")
        if value.type in ("number", "mantissa"):
            yield error(f"values.{name}.type", value.type, "accesses have whole numbers: integer, with a scale")


def _bits(key: str, register: Register, codec: str) -> Iterator[Finding]:
    whole, mask = (1 << register.bits) - 1, mask_of(register)
    if codec != "rbcp" and (register.bits, register.order) != (32, "big"):
        yield error(f"{key}.bits", register.bits, "a word of IPbus has 32 bits, and no order of bytes")
    if mask == 0 or mask & ~whole:
        yield error(f"{key}.mask", hex(register.mask), f"some of {register.bits} bits are wanted")
        return
    low = mask >> shift_of(mask)
    if low & (low + 1):
        yield error(f"{key}.mask", hex(register.mask), "has a gap: name two fields")
    if register.words > 1 and mask != whole:
        yield error(f"{key}.mask", hex(register.mask), "of several words all bits are meant")
    if register.reset is not None and not 0 <= register.reset <= low:
        yield error(f"{key}.reset", register.reset, f"does not fit into the {low.bit_length()} bits of the mask")
    if register.scale == 0:
        yield error(f"{key}.scale", 0, "makes every reading the same")
    if register.unit is None and (register.scale, register.offset) != (1.0, 0.0):
        yield error(f"{key}.unit", "absent", 'what has a scale has a unit; a pure number "1"')


def _effects(key: str, register: Register, codec: str) -> Iterator[Finding]:
    reads, writes = register.access != "write", register.access != "read"
    if register.fifo and (codec == "rbcp" or mask_of(register) != (1 << register.bits) - 1):
        yield error(f"{key}.fifo", "true", "needs a protocol that reads again and again at one address, and all bits")
    if register.read_clears and not reads:
        yield error(f"{key}.read_clears", "true", "of what cannot be read")
    if register.write_one_clears and not writes:
        yield error(f"{key}.write_one_clears", "true", "of what cannot be written")
    if register.hazard != "neutral" and not writes:
        yield error(f"{key}.hazard", register.hazard, "of what cannot be written")


def _together(name: str, one: Register, other: str, two: Register) -> Iterator[Finding]:
    """Demand that a field can be written without harm to the others of its word."""
    if one.address != two.address:
        return
    for mine, its, theirs in ((one, other, two), (two, name, one)):
        if mine.access == "read-write" and mask_of(mine) != (1 << mine.bits) - 1 and harmed(theirs):
            key = f"registers.{other if mine is two else name}"
            yield error(
                key, hex(mine.mask), f"is written together with {its} of the same word, which that would change"
            )


def harmed(register: Register) -> bool:
    """Return True where reading a word and writing it back changes what it holds."""
    return register.read_clears or register.write_one_clears or register.fifo


def mask_of(register: Register) -> int:
    """Return the bits that are meant; the default mask is all of the word."""
    return register.mask & ((1 << register.bits) - 1) if register.mask == 0xFFFF_FFFF else register.mask  # noqa: PLR2004


def shift_of(mask: int) -> int:
    """Return how far the lowest bit of a mask is from the right."""
    return (mask & -mask).bit_length() - 1
