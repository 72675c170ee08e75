"""The control connection of a CAEN FERS-5200 board (TCP 9760): requests, replies, registers, commands.

Source: CAEN FERSlib as kept in `djanloo/pyferslib` 6a3359e: `src/FERS_LLeth.c`, `src/FERSlib.c`,
`include/FERS_Registers_520X.h`. All numbers are little-endian. A request is answered before the next one is sent.

    write memory         'ABBD' address32 size32 data[size]   ->  u32 status, 0 = done
    read memory          'ABBE' address32 size32              ->  data[size]
    write register, old  'ABBA' address32 data32              ->  u32, 0 = refused (the other way round)
    read register, old   'ABBC' address32                     ->  u32
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from daq.errors import FormatError

CONTROL_PORT, STREAM_PORT = 9760, 9000

WRITE_MEMORY, READ_MEMORY, WRITE_OLD, READ_OLD = b"ABBD", b"ABBE", b"ABBA", b"ABBC"
MOST_MEMORY_BYTES = 0xFFFF
"""The vendor's library says sizes in 16 bits."""
REPLY_BYTES = 4
_CODE_BYTES = 4


class Register(IntEnum):
    """Addresses of the A5202's registers, 32 bits each. Those from 0x02000000 on exist once for each channel."""

    ACQ_CTRL = 0x01000000
    RUN_MASK = 0x01000004
    TRG_MASK = 0x01000008
    TREF_MASK = 0x0100000C
    VALIDATION_MASK = 0x01000010
    T0_OUT_MASK = 0x01000014
    T1_OUT_MASK = 0x01000018
    VETO_MASK = 0x0100001C
    ACQ_CTRL2 = 0x01000020
    TREF_DELAY = 0x01000048
    TREF_WINDOW = 0x0100004C
    DWELL_TIME = 0x01000050
    LIST_SIZE = 0x01000054
    DIGITAL_PROBE = 0x01000068
    CHANNEL_MASK_0 = 0x01000100
    CHANNEL_MASK_1 = 0x01000104
    CITIROC_CFG = 0x01000108
    CITIROC_ENABLE = 0x0100010C
    CITIROC_PROBE = 0x01000110
    QD_COARSE_THRESHOLD = 0x01000114
    TD_COARSE_THRESHOLD = 0x01000118
    LG_SHAPING_TIME = 0x0100011C
    HG_SHAPING_TIME = 0x01000120
    HOLD_DELAY = 0x01000124
    AMUX_SEQUENCE = 0x01000128
    WAVE_LENGTH = 0x0100012C
    ASIC_BITS_CTRL = 0x01000130
    ASIC_BITS_DATA = 0x01000134
    QDISCR_MASK_0 = 0x01000138
    QDISCR_MASK_1 = 0x0100013C
    TDISCR_MASK_0 = 0x01000140
    TDISCR_MASK_1 = 0x01000144
    TEST_PULSE_CTRL = 0x01000200
    TEST_PULSE_DAC = 0x01000204
    HV_REGADDR = 0x01000210
    HV_REGDATA = 0x01000214
    TRIGGER_HOLD_OFF = 0x01000218
    DC_OFFSET = 0x01000220
    SPI_DATA = 0x01000224
    TRIGGER_LOGIC = 0x01000234
    HIT_WIDTH = 0x01000238
    TRIGGER_LOGIC_WIDTH = 0x0100023C
    I2C_ADDR = 0x01000240
    I2C_DATA = 0x01000244
    FW_REV = 0x01000300
    ACQ_STATUS = 0x01000304
    REAL_TIME = 0x01000308
    DEAD_TIME = 0x01000310
    BOARD_TEMP = 0x01000340
    FPGA_TEMP = 0x01000348
    T_OR_COUNT = 0x01000350
    Q_OR_COUNT = 0x01000354
    HV_VMON = 0x01000356
    HV_IMON = 0x01000358
    HV_STATUS = 0x01000360
    PID = 0x01000400
    PCB_REV = 0x01000404
    FERS_CODE = 0x01000408
    UC_STATUS = 0x01000600
    UC_SHUTDOWN = 0x01000604
    SW_COMPATIBILITY = 0x01004000
    COMMANDS = 0x01008000
    REBOOT_FPGA = 0x0100FFF0
    ZS_LG_THRESHOLD = 0x02000000
    ZS_HG_THRESHOLD = 0x02000004
    QD_FINE_THRESHOLD = 0x02000008
    TD_FINE_THRESHOLD = 0x0200000C
    LG_GAIN = 0x02000010
    HG_GAIN = 0x02000014
    HV_ADJUST = 0x02000018
    HIT_COUNT = 0x02000800
    UC_FW_REV = 0xF0000000


class Command(IntEnum):
    """What is written to `Register.COMMANDS`."""

    TIME_RESET = 0x11
    ACQ_START = 0x12
    ACQ_STOP = 0x13
    TRIGGER = 0x14
    RESET = 0x15
    TEST_PULSE = 0x16
    RESET_PERIODIC_TRIGGER = 0x17
    CLEAR = 0x18
    VALIDATION = 0x19
    SET_VETO = 0x1A
    CLEAR_VETO = 0x1B
    TDL_SYNC = 0x1C
    INTERNAL_CLOCK = 0x1E
    EXTERNAL_CLOCK = 0x1F
    CONFIGURE_ASIC = 0x20


class Status(IntFlag):
    """Bits of `Register.ACQ_STATUS`; the low 16 come in service events, too."""

    READY = 1 << 0
    FAIL = 1 << 1
    RUNNING = 1 << 2
    TDL_SYNC = 1 << 3
    FPGA_OVER_TEMPERATURE = 1 << 4
    BOARD_OVER_TEMPERATURE = 1 << 13
    CRC_ERROR = 1 << 14
    SPI_BUSY = 1 << 16
    I2C_BUSY = 1 << 17
    I2C_FAIL = 1 << 18


BAD_STATUS = Status.FAIL | Status.FPGA_OVER_TEMPERATURE | Status.BOARD_OVER_TEMPERATURE | Status.CRC_ERROR
"""Bits that say that something is wrong with the board."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bits `low` to `high`, inclusive, of a register."""

    register: Register
    low: int
    high: int

    @property
    def mask(self) -> int:
        """Return the bits, in place."""
        return ((1 << (self.high - self.low + 1)) - 1) << self.low

    def of(self, value: int) -> int:
        """Return what the slice of a register's `value` says."""
        return (value & self.mask) >> self.low

    def put(self, value: int, wanted: int) -> int:
        """Return a register's `value` with the slice changed to `wanted`."""
        return (value & ~self.mask) | (wanted << self.low & self.mask)


ACQUISITION_MODE = Slice(Register.ACQ_CTRL, 0, 3)
"""Data qualifiers of the events that are wanted: 1 spectroscopy, 2 timing, 3 both, 4 counting, 8 waveform."""
TIMING_MODE = Slice(Register.ACQ_CTRL, 4, 7)
"""0 common start, 1 common stop, 2 streaming."""
TIME_OVER_THRESHOLD = Slice(Register.ACQ_CTRL, 8, 9)
GAIN_SELECT = Slice(Register.ACQ_CTRL, 12, 13)
"""0 the board chooses for each channel, 1 high, 2 low, 3 both."""
START_EVENTS = Slice(Register.ACQ_CTRL, 15, 15)
SERVICE_EVENTS = Slice(Register.ACQ_CTRL, 18, 19)
"""Bit 0 high voltage and temperatures, bit 1 counts of the channels."""
NO_TDLINK = Slice(Register.ACQ_CTRL, 20, 20)
FOURTEEN_BITS = Slice(Register.ACQ_CTRL, 21, 21)
TEST_PATTERN = Slice(Register.ACQ_CTRL, 23, 23)
TRIGGER_ID_MODE = Slice(Register.ACQ_CTRL, 26, 26)
"""0 counts triggers, converted or not; 1 counts validations: then nobody can say how many triggers were lost."""
ZERO_SUPPRESSED_COUNTS = Slice(Register.ACQ_CTRL, 30, 30)


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `data` is what is to be written, `size` the bytes to be read or written."""

    code: bytes
    address: int
    data: bytes = b""
    size: int = REPLY_BYTES

    @property
    def reply_bytes(self) -> int:
        """Return the size of the answer."""
        return self.size if self.code == READ_MEMORY else REPLY_BYTES

    def encoded(self) -> bytes:
        """Return the bytes on the wire."""
        head = self.code + struct.pack("<I", self.address)
        if self.code in (READ_MEMORY, WRITE_MEMORY):
            head += struct.pack("<I", self.size)
        return head + self.data


def write_memory(address: int, data: bytes) -> Request:
    """Return the request to write 1 to 65535 bytes."""
    return Request(WRITE_MEMORY, address, bytes(data), _size(len(data)))


def read_memory(address: int, size: int) -> Request:
    """Return the request to read 1 to 65535 bytes."""
    return Request(READ_MEMORY, address, b"", _size(size))


def write_register(address: int, value: int) -> Request:
    """Return the request to write a register of 32 bits, as today's boards take it."""
    return write_memory(address, struct.pack("<I", value))


def read_register(address: int) -> Request:
    """Return the request to read a register of 32 bits."""
    return read_memory(address, REPLY_BYTES)


def send_command(command: Command) -> Request:
    """Return the request to do something."""
    return write_register(Register.COMMANDS, command)


def channel_address(register: Register, channel: int) -> int:
    """Return where a register of one channel is."""
    return 0x02000000 | (register & 0xFFFF) | channel << 16


def broadcast_address(register: Register) -> int:
    """Return where a register of all channels at once is."""
    return 0x03000000 | (register & 0xFFFF)


def done(request: Request, reply: bytes) -> bool:
    """Return whether a board did what a request to write asked for."""
    answer = value_of(reply)
    return answer != 0 if request.code == WRITE_OLD else answer == 0


def value_of(reply: bytes) -> int:
    """Return the number of 32 bits in a reply; raise `FormatError` for one of another size."""
    if len(reply) != REPLY_BYTES:
        raise FormatError(f"a reply of {len(reply)} bytes from a FERS board: {REPLY_BYTES} are a number")
    return int.from_bytes(reply, "little")


def parse_request(data: bytes | bytearray | memoryview) -> tuple[Request | None, int]:
    """Return the request that `data` begins with, and its bytes; None and 0 while some are missing.

    Raise `FormatError` for what is no request: nothing after it can be understood.
    """
    head = bytes(data[:12])
    if len(head) < _CODE_BYTES:
        return None, 0
    code = head[:_CODE_BYTES]
    if code not in (WRITE_MEMORY, READ_MEMORY, WRITE_OLD, READ_OLD):
        raise FormatError(f"a FERS request begins with {code!r}, not with ABBA, ABBC, ABBD or ABBE")
    fixed = 8 if code == READ_OLD else 12
    if len(head) < fixed:
        return None, 0
    address = int.from_bytes(head[4:8], "little")
    if code in (READ_OLD, WRITE_OLD):
        return Request(code, address, head[8:fixed]), fixed
    size = _size(int.from_bytes(head[8:12], "little"))
    wanted = fixed + (size if code == WRITE_MEMORY else 0)
    if len(data) < wanted:
        return None, 0
    return Request(code, address, bytes(data[fixed:wanted]), size), wanted


def _size(size: int) -> int:
    if not 1 <= size <= MOST_MEMORY_BYTES:
        raise FormatError(f"{size} bytes of a FERS board's memory at a time: 1 to {MOST_MEMORY_BYTES}")
    return size
