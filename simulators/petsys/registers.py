"""The registers of a front end: bytes by address, what they hold at power-on, and those that are counters or pulses.

Addresses, widths and what hosts demand of them: PETsys `sw_daq_tofpet2` 194662e, `src/petsys_py_lib/daqd.py`,
`info.py`, `fe_power.py`, `bias.py`. Addresses that nothing is known of keep what is written to them and begin at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daq.wire.petsys_config import ASIC_TYPE_TOFPET2, PROTOCOL_VERSION, WIDTHS, Register, bytes_of

BIAS_INTERFACES = 0x0030
"""Four bits per slot for high-voltage boards."""
POWER_ENABLE = 0x0213
"""Bit 0: power of the modules, bit 1: bias voltage."""
POWER_FEEDBACK = 0x021C
"""Bits 2 and 3: the two supplies of the modules are good."""
UNIT_UP_CLOCKS, PLL_UP_CLOCKS = 0x02D8, 0x02E0
"""Clocks since power-on, and since the clock locked: 64 bits each."""

_UNIT_WITH_TRIGGER = 0x0001
_BASE_PCB = 0x0001
"""A board with places for eight modules and no processor on them."""
_BIAS_16P = 0xFFFE
"""A board of 16 channels in slot 0, nothing in the others."""
_MODULE_KINDS = {2: 0x0001, 4: 0x0111, 8: 0x0211}
"""ASICs on a module -> bits 47:32 of the firmware variant."""
_MODULES = 8
_POWERED = 0b01
_SUPPLIES_GOOD = 0b1100
_SPECIAL_WIDTHS = {BIAS_INTERFACES: 16, POWER_ENABLE: 2, POWER_FEEDBACK: 8, UNIT_UP_CLOCKS: 64, PLL_UP_CLOCKS: 64}
_FIXED = (
    Register.BASE_PCB, Register.FIRMWARE_VARIANT, Register.LINKS_MINUS_1, Register.LINK_SPEED, Register.ASIC_TYPE,
    Register.PLL_LOCKED, Register.SLAVE_PRESENT, Register.PROTOCOL, BIAS_INTERFACES,
)  # fmt: skip
"""Writing these changes nothing."""

Reading = Callable[[], int]


def asics_per_module(asics: int) -> int:
    """Return how many ASICs each module has on a unit with so many: the smallest modules that suffice."""
    return next(size for size in sorted(_MODULE_KINDS) if size * _MODULES >= asics)


def width_of(address: int) -> int:
    """Return the bits of the register that begins at `address`; 8 where nothing is known of it."""
    known = {int(register): bits for register, bits in WIDTHS.items()}
    return _SPECIAL_WIDTHS.get(address) or known.get(address, 8)


class Registers:
    """Bytes by address. `readings`: address of a register -> its value now, for those that the hardware sets."""

    def __init__(self, asics: int, readings: Mapping[int, Reading]) -> None:
        self._asics = asics
        self._readings = dict(readings) | {POWER_FEEDBACK: lambda: _SUPPLIES_GOOD if self.powered else 0}
        self._bytes: dict[int, int] = {}
        self._locked: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Set everything to what it is at power-on. The modules have power then."""
        self._bytes, self._locked = {}, set()
        variant = _UNIT_WITH_TRIGGER << 48 | _MODULE_KINDS[asics_per_module(self._asics)] << 32
        for address, value in (
            (Register.BASE_PCB, _BASE_PCB),
            (Register.FIRMWARE_VARIANT, variant),
            (Register.ASIC_TYPE, ASIC_TYPE_TOFPET2),
            (Register.PLL_LOCKED, 1),
            (Register.PROTOCOL, PROTOCOL_VERSION),
            (BIAS_INTERFACES, _BIAS_16P),
            (POWER_ENABLE, _POWERED),
        ):
            self.put(address, value)
        for address in (*_FIXED, *self._readings):
            self._locked.update(range(address, address + bytes_of(width_of(address))))

    @property
    def powered(self) -> bool:
        """Tell whether the modules, and so the ASICs, have power."""
        return bool(self.value(POWER_ENABLE) & 1)

    def value(self, address: int) -> int:
        """Return the value of the register that begins at `address`."""
        return int.from_bytes(self.read(address, bytes_of(width_of(address))), "little")

    def put(self, address: int, value: int) -> None:
        """Set a register, whoever may write it."""
        for k, byte in enumerate(value.to_bytes(bytes_of(width_of(address)), "little")):
            self._bytes[address + k] = byte

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bytes from `address` on; a counter is looked at once, so that its bytes belong together."""
        found = bytearray(self._bytes.get(address + k, 0) for k in range(count))
        for first, reading in self._readings.items():
            size = bytes_of(width_of(first))
            if first < address + count and address < first + size:
                now = (reading() & (1 << width_of(first)) - 1).to_bytes(size, "little")
                for k in range(max(first, address), min(first + size, address + count)):
                    found[k - address] = now[k - first]
        return bytes(found)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes; those of registers that only the hardware sets are let go, as hardware does."""
        for k, byte in enumerate(data):
            if address + k not in self._locked:
                self._bytes[address + k] = byte
