"""A FERS board is identified, set up with every register read back, started, stopped; what it does not do is said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from daq.errors import DeadlineError, MismatchError, ReadbackError, RefusedError, ScandaqError
from daq.model.fersboard import FersBoard
from daq.wire.fers import READ_MEMORY, Command, Register, Request
from daq.wire.fers_setup import Found, Place, Sequence, halt, identify, require_well, runs, set_up, start, stop
from simulators.fers.board import Board
from simulators.fers.settings import BOTH, SPECTROSCOPY

ALONE = Place(0, 1)


@dataclass
class Whims:
    """What goes wrong from the `after`-th write on."""

    after: int = 10**9
    kind: str = ""
    writes: int = 0

    def _now(self, kind: str) -> bool:
        return self.kind == kind and self.writes > self.after

    def refused(self) -> bool:
        self.writes += 1
        return self._now("refused")

    def stuck(self) -> bool:
        return self._now("stuck")

    def asic_damaged(self) -> bool:
        return self.kind == "asic"


@dataclass
class Running:
    """Runs when told to, unless it is `lame`; goes on when told to stop if it is `deaf`."""

    lame: bool = False
    deaf: bool = False
    running: bool = False
    heard: list[int] = field(default_factory=list)

    def command(self, command: int) -> None:
        self.heard.append(command)
        if command == Command.ACQ_START and not self.lame:
            self.running = True
        elif command == Command.ACQ_STOP and not self.deaf:
            self.running = False

    def times_ms(self) -> tuple[int, int]:
        return 0, 0

    def counts(self) -> list[int]:
        return [0] * 66


class Bench:
    """A simulated board without sockets, and what was asked of it."""

    def __init__(self, whims: Whims | None = None, *, lame: bool = False, deaf: bool = False) -> None:
        self.board = Board(21_001, lambda: 0.0, whims or Whims(), threading.RLock())
        self.board.acquisition = self.acquisition = Running(lame, deaf)
        self.requests: list[Request] = []
        self.now_s = 0.0

    def clock(self) -> float:
        self.now_s += 0.01
        return self.now_s

    def run(self, sequence: Sequence[Found]) -> Found:
        try:
            request = next(sequence)
            while True:
                self.requests.append(request)
                request = sequence.send(self._reply(request))
        except StopIteration as end:
            found: Found = end.value
            return found

    def _reply(self, request: Request) -> bytes:
        if request.code == READ_MEMORY:
            return self.board.read(request.address, request.size)
        return self.board.write(request.address, request.data).to_bytes(4, "little")


def test_a_board_says_who_it_is() -> None:
    bench = Bench()
    board = bench.run(identify())

    assert (board.serial, str(board)) == (21_001, "board 21001, firmware 6.01")


@pytest.mark.parametrize(
    ("register", "value", "error", "words"),
    [
        (Register.FW_REV, 0, RefusedError, "no valid firmware"),
        (Register.FERS_CODE, 5203, MismatchError, "FERS 5203; this profile is for 5202"),
        (Register.ACQ_STATUS, 0b10011, RefusedError, "wrong with it: fpga over temperature$"),
    ],
)
def test_a_board_that_cannot_be_used_is_refused_in_words(
    register: Register, value: int, error: type[ScandaqError], words: str
) -> None:
    bench = Bench()
    bench.board.registers._readings[register] = lambda: value

    with pytest.raises(error, match=words):
        bench.run(identify())


def test_a_board_that_failed_is_set_up_again_and_then_asked_whether_it_is_well() -> None:
    bench = Bench(Whims(kind="asic"))
    with pytest.raises(ReadbackError):
        bench.run(set_up(FersBoard(), ALONE))

    assert bench.run(identify()).serial == 21_001
    with pytest.raises(RefusedError, match=r"wrong with it: fail$"):
        bench.run(require_well())


def test_each_register_that_is_written_is_read_right_after_and_the_board_does_what_it_was_told() -> None:
    bench = Bench()
    gains = tuple(range(64))
    wanted = FersBoard(
        disabled_channels=(3, 40), high_gain=gains, low_gain=7, time_threshold=300, hold_ns=160, mux_clock_ns=240,
        high_shaping_ns=87.5, low_shaping_ns=12.5, range_bits=14, charge_fine=5,
    )  # fmt: skip
    bench.run(set_up(wanted, ALONE))

    written = [at for at, each in enumerate(bench.requests) if each.code != READ_MEMORY]
    registers = [at for at in written if bench.requests[at].address != Register.COMMANDS]
    assert len(registers) > 4 * 64
    for at in registers:
        assert (bench.requests[at + 1].code, bench.requests[at + 1].address) == (
            READ_MEMORY, bench.requests[at].address,
        )  # fmt: skip
    settings = bench.board.settings()
    assert (settings.mode, settings.gain, settings.triggers, settings.full_scale) == (
        SPECTROSCOPY, BOTH, frozenset({"t_or"}), (1 << 14) - 1,
    )  # fmt: skip
    assert [n for n in range(64) if not settings.channels[n]] == [3, 40]
    assert (settings.hold_ps, settings.dead_ps, settings.service) == (160_000, 160_000 + 33 * 240_000, 3)
    chips = bench.board.chips.setup()
    assert (chips.hg_gain, chips.lg_gain) == (list(gains), [7] * 64)
    assert (chips.qd_threshold[0], chips.td_threshold[0]) == (255, 300)
    registers_now = bench.board.registers
    assert (registers_now.get(Register.HG_SHAPING_TIME), registers_now.get(Register.LG_SHAPING_TIME)) == (0, 6)
    assert registers_now.get(Register.RUN_MASK) == 1


def test_bits_of_the_control_register_that_are_not_ours_stay() -> None:
    bench = Bench()
    bench.board.registers.put(Register.ACQ_CTRL, 1 << 31 | 1 << 26 | 1 << 23 | 0xF)
    bench.run(set_up(FersBoard(mode="counting"), ALONE))

    assert bench.board.registers.get(Register.ACQ_CTRL) & (1 << 31 | 1 << 26 | 1 << 23 | 0xF) == 1 << 31 | 0x4


@pytest.mark.parametrize("after", [0, 1, 5, 17, 100, 250])
@pytest.mark.parametrize(("kind", "error"), [("refused", RefusedError), ("stuck", ReadbackError)])
def test_whatever_the_board_does_not_take_is_said(kind: str, error: type[ScandaqError], after: int) -> None:
    bench = Bench(Whims(after, kind))
    gains = tuple(1 + n % 60 for n in range(64))
    wanted = FersBoard(high_gain=gains, low_gain=gains, charge_fine=3, time_fine=4, disabled_channels=(1, 60))

    with pytest.raises(error, match=r"refused to set \w+|\w+ was set to 0x\w+ and holds 0x\w+"):
        bench.run(set_up(wanted, ALONE))


def test_a_chip_that_holds_other_bits_than_it_was_given_is_named() -> None:
    with pytest.raises(ReadbackError, match=r"chip 0 holds other settings than it was given: word 34 of its bits is"):
        Bench(Whims(kind="asic")).run(set_up(FersBoard(), ALONE))


def test_a_board_is_started_with_its_clock_at_zero_and_seen_running() -> None:
    bench = Bench()
    bench.run(halt())
    bench.run(start(bench.clock))
    bench.run(runs(bench.clock))
    bench.run(stop())

    told = [Command.ACQ_STOP, Command.CLEAR, Command.TIME_RESET, Command.ACQ_START, Command.ACQ_STOP]
    assert bench.acquisition.heard == told


def test_a_board_that_does_not_start_or_stop_is_said_within_its_deadline() -> None:
    bench = Bench(lame=True)
    with pytest.raises(DeadlineError, match=r"does not run after 1 s; its status is ready"):
        bench.run(start(bench.clock))
    bench = Bench(deaf=True)
    bench.run(start(bench.clock))
    with pytest.raises(ReadbackError, match="told to stop and says that it still runs"):
        bench.run(stop())


@pytest.mark.parametrize(
    ("chain", "number", "run_mask", "outputs"),
    [
        ("t0_chain", 0, 0xFFFB_0801, (1 << 10, 0)),
        ("t0_chain", 2, 0xFFFB_0082, (1 << 10, 0)),
        ("t1_chain", 0, 0xFFFB_0801, (0, 1 << 10)),
        ("t1_chain", 1, 0xFFFB_0484, (0, 1)),
        ("command", 1, 0x0000_0001, (0, 0)),
    ],
)
def test_boards_of_a_chain_wait_for_the_one_before(
    chain: str, number: int, run_mask: int, outputs: tuple[int, int]
) -> None:
    bench = Bench()
    bench.run(set_up(FersBoard.model_validate({"start": chain}), Place(number, 3)))

    get: Callable[[int], int] = bench.board.registers.get
    assert get(Register.RUN_MASK) == run_mask
    assert (get(Register.T0_OUT_MASK), get(Register.T1_OUT_MASK)) == outputs


@pytest.mark.parametrize(
    "wrong",
    [
        {"high_gain": 64}, {"high_gain": [1] * 63}, {"high_shaping_ns": 30.0}, {"mux_clock_ns": 1024},
        {"disabled_channels": [64]}, {"trigger": []}, {"trigger": ["light"]}, {"charge_fine": 16}, {"reset": True},
    ],
)  # fmt: skip
def test_settings_that_no_register_can_hold_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FersBoard.model_validate(wrong)
