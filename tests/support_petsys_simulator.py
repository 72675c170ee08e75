"""A simulated PETsys unit without a process: loops of frames, and what a reader finds in datagrams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from daq.model import tofpet2 as t
from daq.wire.petsys import DATA_MARK, Damage, Frame, decode_data
from simulators.faults import FaultSpec
from simulators.faults.board import FaultBoard
from simulators.faults.spec import parse_fault
from simulators.petsys.encoding import encode
from simulators.petsys.faultkinds import KINDS, PetsysRules
from simulators.petsys.framefaults import Packed
from simulators.petsys.loop import Content, Loop, State
from simulators.petsys.singles import Singles, poisson_singles

ASICS = 4
LOOP_S = 0.1
DATAGRAM_WORDS = 183
ALL = State((1 << ASICS) - 1)


def singles_of(rate_cps: float, frames: int, *, seed: int = 1) -> Singles:
    return poisson_singles(rate_cps, ASICS * t.CHANNELS_PER_CHIP, frames * t.FRAME_PS, seed)


def content_of(rate_cps: float, frames: int, *, source: int = 0, datagram_words: int = DATAGRAM_WORDS) -> Content:
    return Content(encode(singles_of(rate_cps, frames), source), source, datagram_words, seed=1)


def board_of(*texts: str) -> FaultBoard:
    specs: list[FaultSpec] = [parse_fault(text, KINDS) for text in texts]
    return FaultBoard(PetsysRules(ASICS, LOOP_S), specs, seed=3, kinds=KINDS)


def frames_of_loop(loop: Loop) -> list[Frame]:
    frames, damage = decode_data(bytes([DATA_MARK]) + loop.words.astype("<u8").tobytes())
    assert damage is None
    return frames


@dataclass
class Read:
    """What a reader that stops at damage finds."""

    frames: list[Frame] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    bytes: int = 0

    def take(self, datagram: bytes) -> None:
        frames, damage = decode_data(datagram)
        self.frames += frames
        self.damage += [damage] if damage else []
        self.bytes += len(datagram)

    @property
    def ids(self) -> list[int]:
        return [frame.frame_id for frame in self.frames]

    @property
    def events(self) -> int:
        return sum(len(frame.events) for frame in self.frames)

    def channels(self) -> dict[str, int]:
        words = np.concatenate([frame.events for frame in self.frames])
        found, counts = np.unique(words >> np.uint64(t.CHANNEL_SHIFT), return_counts=True)
        return {str(channel): count for channel, count in zip(found.tolist(), counts.tolist(), strict=True)}


def read_packed(packed: Packed) -> Read:
    read = Read()
    data = packed.words.astype("<u8").view(np.uint8)
    for begin, length in zip((packed.begin * t.WORD_BYTES).tolist(), packed.length.tolist(), strict=True):
        read.take(bytes([DATA_MARK]) + data[begin : begin + length].tobytes())
    return read
