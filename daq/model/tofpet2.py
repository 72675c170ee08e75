"""Numbers of the PETsys TOFPET2 electronics that decoder, accounts and simulators must agree on.

Source: PETsys `sw_daq_tofpet2` 194662e, `src/raw_data/event_decode.hpp`, `shm_raw.hpp`, `RawReader.cpp`. A *frame* is
what the front end sends of 1024 clocks: two header words and one word of 64 bits for each event.

    header word 0   35:0 frame id   50:36 words of the frame, header included   53:51 type   58:54 slave   63:59 port
    header word 1   14:0 events     16:15 lost flags
    event           9:0 EFine   19:10 TFine   29:20 ECoarse   39:30 TCoarse   41:40 TAC   63:42 channel
    channel         5:0 channel of the chip   11:6 chip   16:12 slave   21:17 port
"""

from __future__ import annotations

CLOCK_HZ = 200_000_000
CLOCK_PS = 5_000
FRAME_CLOCKS = 1_024
FRAME_PS = FRAME_CLOCKS * CLOCK_PS
"""One frame lasts 5.12 us."""

WORD_BYTES = 8
HEADER_WORDS = 2
HEADER_BYTES = HEADER_WORDS * WORD_BYTES

FRAME_ID_BITS = 36
FRAME_ID_MASK = (1 << FRAME_ID_BITS) - 1
"""Frame ids wrap after 4.07 days."""

SIZE_SHIFT, SIZE_MASK = 36, 0x7FFF
TYPE_SHIFT, TYPE_MASK = 51, 0x7
ADDRESS_SHIFT, ADDRESS_MASK = 54, 0x3FF
"""Slave (low 5 bits) and port (high 5 bits) in one: the number of the source in scandaq."""
EVENTS_MASK = 0x7FFF
LOST_SHIFT, LOST_MASK = 15, 0x3

MOST_FRAME_WORDS = 8_196
"""The vendor's readout has room for no more."""

E_FINE_SHIFT, T_FINE_SHIFT, E_COARSE_SHIFT, T_COARSE_SHIFT, TAC_SHIFT, CHANNEL_SHIFT = 0, 10, 20, 30, 40, 42
CODE_MASK, TAC_MASK, CHANNEL_MASK = 0x3FF, 0x3, 0x3FFFFF
FINE_OFFSET = 27
"""Added to both fine codes, modulo 1024, before anything else is done with them."""
E_COARSE_FOLD = -256
"""An end that is more than 256 clocks before its start belongs to the next round of 1024 clocks."""

TACS = 4
CHANNELS_PER_CHIP = 64
MOST_CHIPS, MOST_SLAVES, MOST_PORTS = 64, 32, 32


def source_of(port: int, slave: int) -> int:
    """Return the number of the source that the unit at `port` and `slave` is."""
    return port * MOST_SLAVES + slave


def unit_of(source: int) -> tuple[int, int]:
    """Return port and slave of a source."""
    return divmod(source, MOST_SLAVES)


def channel_id(port: int, slave: int, chip: int, channel: int) -> int:
    """Return the number of a channel as event words carry it, 22 bits."""
    return ((port * MOST_SLAVES + slave) * MOST_CHIPS + chip) * CHANNELS_PER_CHIP + channel
