"""A PETsys front end through the whole readout: set up, recorded byte for byte, bad days counted, replayed alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support_petsys import Registers, ScriptedFrontEnd, frame
from support_readout import Running, manifest_of, plan_of, received, running, until
from support_slabs import rows_of_batches

from daq.errors import DeadlineError
from daq.model import tofpet2 as t
from daq.model.ledger import SourceLedger
from daq.model.packets import Flag
from daq.readout.control import ask
from daq.readout.plan import CONTROL
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare
from daq.wire import petsys as p
from daq.wire.petsys_config import Function, Register, RegisterRead, encode_register
from device_profiles.load import load_profile

PROFILE = load_profile("petsys-tofpet2-gbe")
MALFORMED, PREAMBLE = int(Flag.MALFORMED), int(Flag.PREAMBLE)


def event(channel: int, clock: int, fine: int = 300, energy: int = 255) -> np.ndarray:
    return p.encode_events(p.Event(*(np.array([n]) for n in (channel, 1, clock, clock + 50, fine, energy))))


def hits(first: int, count: int) -> list[p.Frame]:
    return [p.Frame(k, event(k % 1024, k % 900)) for k in range(first, first + count)]


@contextmanager
def recording(
    folder: Path, *, registers: Registers | None = None, change: Callable[[p.Reply], list[bytes]] | None = None,
    stall_s: float = 5.0, start_at_once: bool = True,
) -> Iterator[tuple[Running, ScriptedFrontEnd]]:  # fmt: skip
    there = ScriptedFrontEnd(registers or Registers(), change)
    there.start()
    plan = plan_of(
        folder, f"udp://127.0.0.1:{there.port}", profile=PROFILE, order=PROFILE.order, stall_s=stall_s,
        front_end=PROFILE.transport.front_end, start_at_once=start_at_once,
    )  # fmt: skip
    waited_for = "recording" if start_at_once else "armed"
    try:
        with running(plan) as run:
            until(lambda: run.readout.status()["state"] == waited_for or bool(run.code), waited_for)
            yield run, there
    finally:
        there.close()


def sealed(run: Running) -> SourceLedger:
    run.readout.request_stop()
    run.finish()
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ledger.balanced
    return ledger.sources[0]


def nonzero(source: SourceLedger) -> dict[str, int]:
    plain = {**source.model_dump(), **source.beside.model_dump()}
    return {name: n for name, n in plain.items() if isinstance(n, int) and not isinstance(n, bool) and n}


def test_a_recording_holds_every_datagram_and_every_single_and_leaves_the_asics_off(tmp_path: Path) -> None:
    frames = hits(0, 300)
    datagrams = list(p.packetise(frames, 200))
    with recording(tmp_path) as (run, there):
        there.send(datagrams)
        received(run, 300)
        source = sealed(run)
        enabled = [value for register, value in there.registers.written if register == Register.ASIC_ENABLE]
    manifest = manifest_of(run)
    assert run.code == [0]
    assert enabled == [0, 0xFFFF, 0]
    assert nonzero(source) == {"sent": 300, "received": 300, "recorded": 300, "events": 300}
    assert (manifest.ledger and manifest.ledger.unit, source.basis) == ("frame", "sequence")
    assert manifest.words_by_kind == {"single": 300, "unknown": 0, "out_of_range": 0, "untimed": 0}
    with open_listmode(tmp_path / "run") as recorded:
        assert [row.data for row in rows_of_batches(recorded.batches("raw"))] == datagrams
        (singles,) = list(recorded.batches("singles"))
        assert compare(recorded).differences == []
    k = np.arange(300)
    assert singles.column("time_ps").to_pylist() == ((k * 1024 + k % 900) * 5000 - 5000).tolist()
    assert singles.column("detector").to_pylist() == k.tolist()
    assert set(singles.column("energy_adc").to_pylist()) == {255}


def test_time_begins_when_the_recording_is_started_and_what_came_before_is_thrown_away(tmp_path: Path) -> None:
    with recording(tmp_path, start_at_once=False) as (run, there):
        there.send([p.encode_data([one]) for one in hits(200_000, 7)])
        begun = [value for register, value in there.registers.written if register == Register.SYNC]
        ask(tmp_path / CONTROL, {"do": "start"})
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        there.send([p.encode_data([one]) for one in hits(3, 100)])
        received(run, 100)
        source = sealed(run)
        again = [value for register, value in there.registers.written if register == Register.SYNC]
    assert (begun, again) == ([1, 0], [1, 0, 1, 0])
    assert nonzero(source) == {"sent": 100, "received": 100, "recorded": 100, "events": 100}
    assert run.last_status["datagrams_before_listening"] == 7
    assert manifest_of(run).time["zero_ticks"] == [0]


def test_every_bad_day_of_the_wire_is_counted_by_its_cause_and_harms_nothing_else(tmp_path: Path) -> None:
    good = {k: p.encode_data([one]) for k, one in enumerate(hits(0, 200))}
    lost, twice = {20, 21, 22}, 30
    good[40], good[41] = good[41], good[40]
    good[50] = good[50][:-3]
    lying = p.encode_frame(hits(60, 1)[0])
    lying[1] = 3
    good[60] = b"\xa5" + lying.astype("<u8").tobytes() + p.encode_data(hits(61, 1))[1:]
    good[70] = p.encode_data([p.Frame(70, event(3, 3), lost=2), frame(71, lost=2), frame(72)])
    good[80] = p.encode_data(
        [hits(80, 1)[0], p.Frame(81, event(3, 3), port=7), p.Frame(81, event(t.channel_id(0, 0, 17, 0), 5))]
    )
    gone = lost | {61, 71, 72, 81}
    datagrams = [datagram for k, datagram in good.items() if k not in gone]
    datagrams += [good[twice], p.encode_reply(p.Reply(1 << 40, 0, b"\0")), b"what is this?"]
    with recording(tmp_path) as (run, there):
        there.send(datagrams)
        received(run, 197)
        until(lambda: run.readout.recording.derivation.accounts.foreign >= 2, "what is nobody's")
        source = sealed(run)
    ledger = manifest_of(run).ledger
    assert nonzero(source) == {
        "sent": 200, "gap": 3, "received": 197, "recorded": 195, "malformed": 2, "duplicates": 1,
        "lossy_frames": 1, "lost_frames": 1, "idle_frames": 1, "events": 193, "malformed_events": 1,
    }  # fmt: skip
    assert ledger is not None
    assert (ledger.socket.foreign, ledger.socket.replies) == (2, 1)
    with open_listmode(tmp_path / "run") as recorded:
        assert len(rows_of_batches(recorded.batches("raw"))) == len(datagrams)
        detectors = [n for batch in recorded.batches("singles") for n in batch.column("detector").to_pylist()]
        assert compare(recorded).differences == []
    unharmed = set(range(200)) - lost - {50, 60, 70, 71, 72, 81}
    assert sorted(detectors) == sorted([*unharmed, 3])


def command(serial: int, register: Register) -> bytes:
    payload = encode_register(RegisterRead(register, 8))
    return p.encode_command(p.Command(serial, Function.REGISTERS, payload))


def asked(run: Running, serial: int, *, deadline_s: float = 2.0) -> bytes:
    expected = bytes([p.REPLY_MARK]) + serial.to_bytes(p.SERIAL_BYTES, "little")
    request = {
        "do": "exchange", "bytes": command(serial, Register.PROTOCOL).hex(), "deadline_s": deadline_s,
        "match": {"offset": 0, "mask": (b"\xff" * len(expected)).hex(), "value": expected.hex()},
    }  # fmt: skip
    return bytes.fromhex(ask(run.folder / CONTROL, request, deadline_s=deadline_s + 5.0)["bytes"])


def test_a_command_is_answered_during_the_recording_and_a_reply_to_another_one_is_counted(tmp_path: Path) -> None:
    def twice_and_another(reply: p.Reply) -> list[bytes]:
        other = p.encode_reply(p.Reply(reply.serial ^ 0x4000, reply.function, reply.payload))
        return [other, p.encode_reply(reply), p.encode_reply(reply)]

    with recording(tmp_path, change=twice_and_another) as (run, there):
        there.send(p.packetise(hits(0, 50)))  # type: ignore[arg-type]
        received(run, 50)
        before = run.readout.recording.derivation.ledger().socket.replies
        reply = p.decode_reply(asked(run, 4711))
        there.deaf = True
        with pytest.raises(DeadlineError, match="did not answer"):
            asked(run, 4712, deadline_s=0.1)
        there.deaf = False
        there.send(p.packetise(hits(50, 50)))  # type: ignore[arg-type]
        received(run, 100)
        source = sealed(run)
    ledger = manifest_of(run).ledger
    assert (reply.serial, reply.payload) == (4711, b"\0" + 0x104.to_bytes(8, "little") + b"\0")
    assert ledger is not None
    assert ledger.socket.replies == before + 2
    assert ledger.socket.foreign == 0
    assert nonzero(source) == {"sent": 100, "received": 100, "recorded": 100, "events": 100}
    with open_listmode(tmp_path / "run") as recorded:
        raw = rows_of_batches(recorded.batches("raw"))
        assert [row.data for row in raw if row.flags & PREAMBLE] == [p.encode_reply(reply)]
        assert compare(recorded).differences == []


def test_a_front_end_that_falls_silent_ends_the_recording_which_is_sealed(tmp_path: Path) -> None:
    with recording(tmp_path, stall_s=0.4) as (run, there):
        there.send(p.packetise(hits(0, 100)))  # type: ignore[arg-type]
        received(run, 100)
        there.deaf = True
        run.finish()
    assert manifest_of(run).ended_by == "stalled"
    assert run.last_status["state"] == "sealed"
    assert manifest_of(run).words_by_kind["single"] == 100


def test_a_front_end_of_another_protocol_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    registers = Registers()
    registers.values[Register.PROTOCOL] = 0x105
    with recording(tmp_path, registers=registers) as (run, _):
        assert run.finish() == 3
    assert "speaks protocol 0x105; this build knows 0x104" in run.last_status["error"]
    assert not (tmp_path / "run").exists()
    assert registers.written == []
