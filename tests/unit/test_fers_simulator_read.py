"""What the simulated boards send is what the decoder reads: two codecs that share no code."""

from __future__ import annotations

import numpy as np
import pytest
from support_fers import profile, words_of
from support_fers_simulator import BOTH, COUNTING, HIGH, LOW, SPECTROSCOPY, Clock, WriteFaults, put, read_events

from daq.listmode.decoder import Decoded
from daq.model.events import MARKS
from daq.storage.kernels import load_decoder
from simulators.faults.board import FaultBoard
from simulators.faults.spec import parse_fault
from simulators.fers.board import Board
from simulators.fers.faults import KINDS, FersRules, RunFaults
from simulators.fers.registers import Command, Register
from simulators.fers.run import Acquisition, Light, Link
from simulators.fers.signals import PS, random_light
from simulators.fers.world import World

SERVICE = 3 << 18
SECONDS = 1.05


def started(
    control: int, world: World, link: Link, *, triggers: int = 1 << 2, rate: float = 1500, faults: tuple[str, ...] = ()
) -> Acquisition:
    """Return what runs on a board that was set up and started."""
    board = Board(7, Clock(), WriteFaults(), world.lock)
    light = Light(random_light(rate, PS, seed=2), None, seed=4)
    bad_days = FaultBoard(FersRules(1), [parse_fault(text, KINDS) for text in faults], kinds=KINDS)
    run = Acquisition(board, world, light, link, RunFaults(bad_days, 0), [])
    for register, value in ((Register.ACQ_CTRL, control), (Register.TRG_MASK, triggers), (Register.TD_COARSE_THR, 300)):
        put(board, register, value)
    for chip in (0, 1):
        put(board, Register.SCBS_CTRL, chip << 9)
        put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)
    put(board, Register.COMMANDS, Command.TIME_RESET)
    put(board, Register.COMMANDS, Command.ACQ_START)
    return run


def ran(
    control: int, *, old: bool = False, triggers: int = 1 << 2, faults: tuple[str, ...] = ()
) -> tuple[Acquisition, bytes]:
    """Let a board run for a while of its own time; return it and its stream."""
    run = started(control, World(speed=None), Link(1 << 24, 0.0, old), triggers=triggers, faults=faults)
    stream = bytearray()
    while run.seconds() < SECONDS:
        run.produce()
        stream += popped(run)
    run.command(Command.ACQ_STOP)
    return run, bytes(stream) + popped(run)


def popped(run: Acquisition) -> bytes:
    """Take what waits."""
    stream = bytearray()
    while piece := run.pop():
        run.release(len(piece))
        stream += piece
    return bytes(stream)


def read(stream: bytes, **settings: object) -> tuple[Decoded, dict[str, int]]:
    made = profile(**settings)
    decoder = load_decoder(made.layout, made.clock)
    carry = decoder.start(imported=False)
    rows = decoder.decode(words_of(made.layout, stream)[0], carry)
    return rows, dict(zip(decoder.counters, carry.counts[0].tolist(), strict=True))


def marks(rows: Decoded, kind: str) -> list[tuple[int, float]]:
    found = rows.streams["marks"]
    chosen = [MARKS[number] == kind for number in found["kind"].tolist()]
    return list(zip(found["value"][chosen].tolist(), found["value2"][chosen].tolist(), strict=True))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("gain", "name"), [(BOTH, "high"), (HIGH, "high"), (LOW, "low")])
def test_amplitudes_times_and_losses_are_those_of_the_truth(gain: int, name: str, old: bool) -> None:
    run, stream = ran(SPECTROSCOPY | gain | SERVICE, old=old)
    truth = run.truth()

    rows, counted = read(stream, gain=name)

    singles = rows.streams["singles"]
    kind = f"{0x11 if gain == BOTH else 1:#04x}"
    assert len(singles["time_ps"]) == truth["events"][kind] > 1500
    assert singles["amplitudes"].astype(np.int64).sum(axis=0).tolist() == truth[f"sum_{name}"]
    assert (np.diff(singles["time_ps"]) >= 9_864_000 - 8000).all()
    lost_in_between = truth["triggers"] - len(singles["time_ps"])
    assert 0 < counted["triggers_lost"] <= lost_in_between
    assert (counted["service"], counted["spectroscopy"]) == (1, truth["events"][kind])


@pytest.mark.parametrize("old", [False, True])
def test_a_length_that_lies_costs_no_other_event_in_either_protocol(old: bool) -> None:
    run, stream = ran(SPECTROSCOPY | BOTH, old=old, faults=("lie:share=0.05",))
    _, counts = read(stream)
    lies = run.faults.counts["lie"]

    assert lies > 20
    assert sum(run.truth()["events"].values()) - lies <= counts["spectroscopy"] + counts["service"]


def test_a_service_event_tells_temperatures_bias_and_counts() -> None:
    run, stream = ran(SPECTROSCOPY | HIGH | SERVICE)

    rows, _ = read(stream, gain="high")

    supply = run.board.supply
    wanted = [supply.fpga_c, supply.board_c, supply.detector_c, supply.supply_c]
    assert [value for _, value in sorted(marks(rows, "temperature"))] == pytest.approx(wanted, abs=0.3)
    assert marks(rows, "bias_voltage") == [(0, 0.0)]
    rates = {int(channel): count for count, channel in marks(rows, "singles_rate")}
    assert sorted(rates) == list(range(66))
    assert 0 < rates[64] <= run.truth()["counts"][64]


def test_counts_by_period_are_those_of_the_truth() -> None:
    run, stream = ran(COUNTING, triggers=1 << 5)

    rows, _ = read(stream)

    seen = np.zeros(66, np.int64)
    for count, channel in marks(rows, "singles_rate"):
        seen[int(channel)] += count
    assert seen.tolist() == run.truth()["counts"]


def test_hits_are_at_the_time_of_their_photon() -> None:
    run, stream = ran(2 | 1 << 8, triggers=1 << 3)

    rows, _ = read(stream, events="timing")

    singles = rows.streams["singles"]
    assert np.bincount(singles["detector"], minlength=64).sum() <= sum(run.truth()["counts"][:64])
    first_light = run._source.between(0, PS).time_ps[0]
    assert 0 <= singles["time_ps"][0] - first_light < 2_100_000


def test_a_host_that_takes_nothing_costs_triggers_and_no_memory() -> None:
    run = started(SPECTROSCOPY | BOTH, World(speed=20.0), Link(1 << 16, 0.0, old_protocol=False), rate=5000)

    while run.seconds() < 0.2:
        run.produce()
    waiting = run.waiting_bytes
    run.command(Command.ACQ_STOP)
    events = read_events(popped(run))

    truth = run.truth()
    a_block = 50 * 4 * (6 + 66 + 1)
    assert (1 << 16) - 300 < waiting < (1 << 16) + a_block
    assert len(events) == truth["events"]["0x11"]
    assert truth["lost_buffer_full"] > 500
    assert run.waiting_bytes == 0
