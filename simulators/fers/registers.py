"""The registers of an A5202: what they are called, what they hold after a reset, which of them only the board sets.

Addresses and bits: CAEN FERSlib 1.3.0, `include/FERS_Registers_520X.h`, `src/FERS_configure_5202.c`. What registers
hold after a reset is not published: what FERSlib begins with (`FERS_paramparser.c`) stands here, but no acquisition
mode, so that a host that sets nothing up gets nothing. Addresses that nothing is known of keep what is written and
begin at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum

CHANNELS = 64
CLOCK_PS = 8_000
"""One tick of time stamps, and of every register that holds a time."""
FIRMWARE = 0x0601
"""FPGA firmware 6.1: from 4 on monitors of the bias supply are registers, and service events are chosen by two bits."""
CONTROLLER_FIRMWARE = 0x0200
_INDIVIDUAL, _BROADCAST = 0x02000000, 0x03000000
_BANK = 0xFF000000
_OFFSET = 0x0000FFFF
_CHANNEL_SHIFT = 16


class Register(IntEnum):
    """Addresses of the board."""

    ACQ_CTRL = 0x01000000
    RUN_MASK = 0x01000004
    TRG_MASK = 0x01000008
    TREF_MASK = 0x0100000C
    T0_OUT_MASK = 0x01000014
    ACQ_CTRL2 = 0x01000020
    TREF_WINDOW = 0x0100004C
    DWELL_TIME = 0x01000050
    CHANNEL_MASK_0 = 0x01000100
    CHANNEL_MASK_1 = 0x01000104
    CITIROC_CFG = 0x01000108
    QD_COARSE_THR = 0x01000114
    TD_COARSE_THR = 0x01000118
    LG_SHAPING = 0x0100011C
    HG_SHAPING = 0x01000120
    HOLD_DELAY = 0x01000124
    AMUX_SEQ_CTRL = 0x01000128
    SCBS_CTRL = 0x01000130
    SCBS_DATA = 0x01000134
    QD_MASK_0 = 0x01000138
    QD_MASK_1 = 0x0100013C
    TD_MASK_0 = 0x01000140
    TD_MASK_1 = 0x01000144
    TPULSE_CTRL = 0x01000200
    TPULSE_DAC = 0x01000204
    HV_REGADDR = 0x01000210
    HV_REGDATA = 0x01000214
    TRG_HOLD_OFF = 0x01000218
    SPI_DATA = 0x01000224
    FW_REV = 0x01000300
    ACQ_STATUS = 0x01000304
    REAL_TIME = 0x01000308
    DEAD_TIME = 0x01000310
    BOARD_TEMP = 0x01000340
    FPGA_TEMP = 0x01000348
    T_OR_CNT = 0x01000350
    Q_OR_CNT = 0x01000354
    HV_VMON = 0x01000356
    HV_IMON = 0x01000358
    HV_STATUS = 0x01000360
    PID = 0x01000400
    PCB_REV = 0x01000404
    FERS_CODE = 0x01000408
    COMMANDS = 0x01008000
    CONTROLLER_FW = 0xF0000000


class ChannelRegister(IntEnum):
    """Offsets within a channel."""

    ZS_LG_THR = 0x0000
    ZS_HG_THR = 0x0004
    QD_FINE_THR = 0x0008
    TD_FINE_THR = 0x000C
    LG_GAIN = 0x0010
    HG_GAIN = 0x0014
    HV_ADJUST = 0x0018
    HIT_COUNT = 0x0800


class Command(IntEnum):
    """What is written to `COMMANDS`."""

    TIME_RESET = 0x11
    ACQ_START = 0x12
    ACQ_STOP = 0x13
    TRIGGER = 0x14
    RESET = 0x15
    TEST_PULSE = 0x16
    RESET_PERIODIC = 0x17
    CLEAR = 0x18
    CONFIGURE_ASIC = 0x20


_DEFAULTS = {
    Register.RUN_MASK: 1,
    Register.TRG_MASK: 1,
    Register.DWELL_TIME: 125_000,
    Register.CHANNEL_MASK_0: 0xFFFFFFFF,
    Register.CHANNEL_MASK_1: 0xFFFFFFFF,
    Register.QD_COARSE_THR: 250,
    Register.HOLD_DELAY: 12,
    Register.AMUX_SEQ_CTRL: 37,
    Register.QD_MASK_0: 0xFFFFFFFF,
    Register.QD_MASK_1: 0xFFFFFFFF,
    Register.TD_MASK_0: 0xFFFFFFFF,
    Register.TD_MASK_1: 0xFFFFFFFF,
}
_CHANNEL_DEFAULTS = {ChannelRegister.LG_GAIN: 50, ChannelRegister.HG_GAIN: 50, ChannelRegister.HV_ADJUST: 0x1FF}

Reading = Callable[[], int]


def channel_address(register: ChannelRegister, channel: int) -> int:
    """Return the address of a register of one channel."""
    return _INDIVIDUAL | channel << _CHANNEL_SHIFT | register


class Registers:
    """32-bit values by address. `readings`: address -> the value now, for those that only the board sets."""

    def __init__(self, readings: Mapping[int, Reading]) -> None:
        self._readings = dict(readings)
        self._values: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Set everything to what it is after power-on."""
        self._values = {int(register): value for register, value in _DEFAULTS.items()}
        for register, value in _CHANNEL_DEFAULTS.items():
            self._values |= {channel_address(register, channel): value for channel in range(CHANNELS)}

    def get(self, address: int) -> int:
        """Return the value of a register now."""
        reading = self._readings.get(address)
        return (reading() if reading else self._values.get(address, 0)) & 0xFFFFFFFF

    def put(self, address: int, value: int) -> None:
        """Write a register; one that only the board sets stays as it is, a broadcast goes to every channel."""
        if address & _BANK == _BROADCAST:
            for channel in range(CHANNELS):
                self.put(_INDIVIDUAL | channel << _CHANNEL_SHIFT | address & _OFFSET, value)
        elif address not in self._readings:
            self._values[address] = value

    def channels(self, register: ChannelRegister) -> list[int]:
        """Return one register of all channels."""
        return [self.get(channel_address(register, channel)) for channel in range(CHANNELS)]

    def mask(self, low: Register, high: Register) -> int:
        """Return two registers with a bit per channel as one number."""
        return self.get(low) | self.get(high) << 32
