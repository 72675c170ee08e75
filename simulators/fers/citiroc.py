"""The two Citiroc 1A chips of a board and the bit stream that sets each of them up.

Places of the bits: CAEN FERSlib 1.3.0, `WriteCStoFileFormatted` in `src/FERS_configure_5202.c`. What a channel does
follows from the stream in the chip, not from the registers it was made of: without the command nothing changes.
"""

from __future__ import annotations

from typing import NamedTuple

from simulators.fers.registers import CHANNELS, ChannelRegister, Register, Registers

CHIPS = 2
PER_CHIP = CHANNELS // CHIPS
STREAM_BITS = 1144
_WORDS = STREAM_BITS // 32 + 1
_BIT_OF_CONFIGURATION = {0: 258, 1: 301, 2: 306, 3: 307, 4: 308, 5: 309, 6: 323, 7: 328, 8: 330, 9: 1133, 10: 1141,
                         11: 1143}  # fmt: skip
"""Bit of the configuration register -> bit of the stream."""
_INDEX_MASK = 0x7F
_MANUAL = 1 << 8
_CHIP_SHIFT = 9
_FROM_FPGA = 1 << 10
_HG_SHIFT, _LG_SHIFT, _PREAMPLIFIER_OFF_SHIFT = 9, 3, 0


class ChannelSetup(NamedTuple):
    """What the stream in the chips says, a value per channel, or per chip and channel alike."""

    lg_gain: list[int]
    hg_gain: list[int]
    qd_threshold: list[int]
    td_threshold: list[int]
    qd_mask: int


class Citirocs:
    """The chips of a board, and the stream in the FPGA that the next command loads into one of them."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._manual = [0] * CHIPS
        self._chips = [0] * CHIPS
        self.reset()

    def reset(self) -> None:
        """Load both chips with what the registers hold after power-on."""
        self._manual = [0] * CHIPS
        self._chips = [self._made(chip) for chip in range(CHIPS)]

    def configure(self, *, damaged: bool = False) -> None:
        """Load the chip that is chosen; `damaged`: one bit of the thresholds does not arrive."""
        control = self._registers.get(Register.SCBS_CTRL)
        chip = control >> _CHIP_SHIFT & 1
        stream = self._manual[chip] if control & _MANUAL else self._made(chip)
        self._chips[chip] = stream ^ (1 << 1107 if damaged else 0)

    def word(self) -> int:
        """Return the word of the stream that the control register points at."""
        control = self._registers.get(Register.SCBS_CTRL)
        chip = control >> _CHIP_SHIFT & 1
        stream = self._made(chip) if control & _FROM_FPGA else self._chips[chip]
        return stream >> 32 * (control & _INDEX_MASK) & 0xFFFFFFFF

    def put_word(self, value: int) -> None:
        """Set the word of the stream to be loaded by hand."""
        control = self._registers.get(Register.SCBS_CTRL)
        index, chip = control & _INDEX_MASK, control >> _CHIP_SHIFT & 1
        if index < _WORDS:
            cleared = self._manual[chip] & ~(0xFFFFFFFF << 32 * index)
            self._manual[chip] = (cleared | value << 32 * index) & (1 << STREAM_BITS) - 1

    def setup(self) -> ChannelSetup:
        """Return what the chips do."""
        lg, hg, qd, td, mask = [], [], [], [], 0
        for chip, stream in enumerate(self._chips):
            q_coarse, t_coarse = _slice(stream, 1107, 10), _slice(stream, 1117, 10)
            mask |= _slice(stream, 265, PER_CHIP) << PER_CHIP * chip
            for k in range(PER_CHIP):
                preamplifier = _slice(stream, 619 + 15 * k, 15)
                hg.append(preamplifier >> _HG_SHIFT & 0x3F)
                lg.append(preamplifier >> _LG_SHIFT & 0x3F)
                td.append(t_coarse + _slice(stream, 4 * k, 4))
                qd.append(q_coarse + _slice(stream, 128 + 4 * k, 4))
        return ChannelSetup(lg, hg, qd, td, mask)

    def _made(self, chip: int) -> int:
        """Return the stream that the registers make for a chip."""
        registers = self._registers
        mask = registers.mask(Register.QD_MASK_0, Register.QD_MASK_1) >> PER_CHIP * chip & 0xFFFFFFFF
        stream = mask << 265
        stream |= (registers.get(Register.LG_SHAPING) & 7) << 315 | (registers.get(Register.HG_SHAPING) & 7) << 320
        stream |= (registers.get(Register.QD_COARSE_THR) & 0x3FF) << 1107
        stream |= (registers.get(Register.TD_COARSE_THR) & 0x3FF) << 1117
        configuration = registers.get(Register.CITIROC_CFG)
        for bit, place in _BIT_OF_CONFIGURATION.items():
            stream |= (configuration >> bit & 1) << place
        columns = {register: registers.channels(register) for register in ChannelRegister}
        for k in range(PER_CHIP):
            channel = PER_CHIP * chip + k
            stream |= (columns[ChannelRegister.TD_FINE_THR][channel] & 0xF) << 4 * k
            stream |= (columns[ChannelRegister.QD_FINE_THR][channel] & 0xF) << 128 + 4 * k
            stream |= (columns[ChannelRegister.HV_ADJUST][channel] & 0x1FF) << 331 + 9 * k
            gains = (columns[ChannelRegister.HG_GAIN][channel] & 0x3F) << _HG_SHIFT
            gains |= (columns[ChannelRegister.LG_GAIN][channel] & 0x3F) << _LG_SHIFT
            stream |= gains << 619 + 15 * k
        return stream


def _slice(stream: int, start: int, bits: int) -> int:
    return stream >> start & (1 << bits) - 1
