"""`python -m simulators petsys-gbe` as a process: a host that speaks the protocol, the truth, faults on the way."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support_petsys_simulator import Read
from support_simulators import Simulator, refused, simulator, truth_of

from daq.wire.petsys import HELLO, Command, Kind, Reply, decode_reply, encode_command, kind_of
from daq.wire.petsys_config import (
    AsicCode,
    AsicCommand,
    AsicStatus,
    Function,
    Register,
    RegisterRead,
    RegisterWrite,
    check_written,
    decode_register_data,
    encode_asic,
    encode_register,
)

WAIT_S = 10.0
SECONDS = 0.1
OPTIONS = ("--rate", "2e5", "--asics", 4, "--seconds", SECONDS, "--speed", 0.5)


@dataclass
class Host:
    """Talks to the front end; data that come meanwhile are kept, and read at the end."""

    udp: socket.socket
    serial: int = 0
    data: list[bytes] = field(default_factory=list)

    @property
    def read(self) -> Read:
        read = Read()
        for datagram in self.data:
            read.take(datagram)
        return read

    def hello(self) -> bytes:
        self.udp.send(HELLO)
        while kind_of(datagram := self.udp.recv(65536)) is not Kind.REPLY:
            self.data.append(datagram)
        return datagram

    def ask(self, function: int, payload: bytes) -> Reply:
        self.serial += 1
        self.udp.send(encode_command(Command(self.serial, function, payload)))
        return self.reply()

    def reply(self) -> Reply:
        while True:
            datagram = self.udp.recv(65536)
            if kind_of(datagram) is Kind.REPLY:
                return decode_reply(datagram)
            self.data.append(datagram)

    def get(self, register: Register, count: int) -> int:
        reply = self.ask(Function.REGISTERS, encode_register(RegisterRead(register, count)))
        assert reply.serial == self.serial
        return int.from_bytes(decode_register_data(reply.payload, count), "little")

    def put(self, register: Register, data: bytes) -> None:
        check_written(self.ask(Function.REGISTERS, encode_register(RegisterWrite(register, data))).payload)

    def sync(self) -> None:
        self.put(Register.SYNC, b"\1")
        self.put(Register.SYNC, b"\0")

    def listen(self, frames: int) -> None:
        """Keep data until a datagram begins with a frame as late as `frames`."""
        deadline = time.monotonic() + WAIT_S
        while not self.data or int.from_bytes(self.data[-1][1:9], "little") & (1 << 36) - 1 < frames:
            assert time.monotonic() < deadline, len(self.data)
            self.data.append(self.udp.recv(65536))

    def drain(self) -> None:
        """Keep what comes until there is silence."""
        self.udp.settimeout(1.0)
        with contextlib.suppress(TimeoutError):
            while True:
                self.data.append(self.udp.recv(65536))


@contextmanager
def host_of(server: Simulator) -> Iterator[Host]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.connect(server.address("udp"))
        udp.settimeout(WAIT_S)
        yield Host(udp)


def test_a_whole_session_is_as_the_truth_tells_it(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator("petsys-gbe", *OPTIONS, "--truth", truth_file) as server, host_of(server) as host:
        assert host.hello() == b"\x5a" + HELLO
        assert host.get(Register.PROTOCOL, 8) == 0x104
        host.put(Register.ASIC_ENABLE, b"\xff" * 8)
        host.sync()
        host.listen(round(SECONDS / 5.12e-6))
        host.put(Register.ASIC_ENABLE, bytes(8))
        last = host.get(Register.TIME_TAG, 6) // 1024
        host.drain()
        truth = truth_of(truth_file)

    read = host.read
    assert read.ids == list(range(len(read.ids)))
    assert read.ids[-1] > last, "idle frames tell that nothing is left"
    assert (truth["complete"], truth["trouble"]) == (True, None)
    assert (truth["frames"], truth["last_frame"]) == (len(read.ids), read.ids[-1])
    assert truth["events"] == read.events == truth["loop_events"] > 15_000
    assert truth["channels"] == read.channels()
    idle = sum(not len(frame.events) for frame in read.frames)
    assert (truth["bytes"], truth["idle_frames"]) == (read.bytes, idle)
    assert truth["commands"] == {"hello": 1, "registers": 6}


def test_a_new_sync_is_a_new_run_and_both_are_told(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator("petsys-gbe", *OPTIONS, "--truth", truth_file, "--free-run") as server, host_of(server) as host:
        host.hello()
        host.listen(2000)
        host.sync()
        first = truth_of(truth_file)
        host.data.clear()
        host.sync()
        second = truth_of(truth_file, run=2)

    assert first["frames"] >= 2000
    assert first["first_frame"] == second["first_frame"] == 0


def test_a_host_that_leaves_ends_the_run_and_the_next_is_served(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator("petsys-gbe", *OPTIONS, "--truth", truth_file, "--free-run") as server:
        for run in (1, 2):
            with host_of(server) as host:
                host.hello()
                host.listen(500)
            truth = truth_of(truth_file, run=run)
            assert truth["trouble"] == "nobody listens at its port any more"
            assert truth["frames"] >= len(host.read.ids)


def test_flat_out_too_it_notices_that_the_host_has_left(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    options = ("--rate", "1e6", "--asics", 4, "--speed", "max", "--free-run", "--truth", truth_file)
    with simulator("petsys-gbe", *options) as server:
        with host_of(server) as host:
            host.hello()
            host.listen(5000)
        truth = truth_of(truth_file)

    assert truth["trouble"] == "nobody listens at its port any more"
    assert (truth["options"]["rate"], truth["speed"]) == (1e6, "max")


def test_a_complaint_about_a_host_of_before_does_not_end_the_run_of_the_next(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    options = (*OPTIONS, "--free-run", "--truth", truth_file, "--fault", "reply-late:share=1,for_s=0.4")
    with simulator("petsys-gbe", *options) as server, host_of(server) as host:
        with host_of(server) as before:
            question = encode_register(RegisterRead(Register.PROTOCOL, 8))
            before.udp.send(encode_command(Command(1, Function.REGISTERS, question)))
        host.hello()
        host.listen(60_000)

        assert not truth_file.exists()


def test_with_once_it_ends_after_a_run(tmp_path: Path) -> None:
    with simulator("petsys-gbe", *OPTIONS, "--once", "--free-run") as server:
        with host_of(server) as host:
            host.hello()
            host.listen(100)
            host.put(Register.ASIC_ENABLE, bytes(8))
            host.drain()
        assert server.finish()[0] == 0


def test_replies_come_late_twice_for_another_command_or_not_at_all() -> None:
    with simulator("petsys-gbe", *OPTIONS) as server, host_of(server) as host, faults_of(server) as faults:
        read = encode_register(RegisterRead(Register.PROTOCOL, 8))

        faults("reply-late:share=1,for_s=0.3")
        began = time.monotonic()
        assert host.ask(Function.REGISTERS, read).serial == host.serial
        assert time.monotonic() - began > 0.29
        faults("reply-twice:share=1", clear=True)
        assert [host.ask(Function.REGISTERS, read).serial, host.reply().serial] == [host.serial] * 2
        faults("reply-other:share=1", clear=True)
        assert host.ask(Function.REGISTERS, read).serial == host.serial + 1
        faults("asic-acknowledge:share=1", clear=True)
        refused_byte = host.ask(Function.ASIC, encode_asic(AsicCommand(0, AsicCode.READ_GLOBAL))).payload
        assert refused_byte == bytes([AsicStatus.BAD_ACKNOWLEDGE])
        faults("reply-lost:share=1", clear=True)
        host.udp.settimeout(0.3)
        with pytest.raises(TimeoutError):
            host.put(Register.AUXILIARY_IO, b"\7")
        faults("", clear=True)
        assert host.get(Register.AUXILIARY_IO, 1) == 7, "it was carried out"


def test_a_reboot_ends_the_run_forgets_and_is_deaf_for_a_while(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    fault = "reboot:at_s=0.05,for_s=1"
    with simulator("petsys-gbe", *OPTIONS, "--truth", truth_file, "--fault", fault) as server, host_of(server) as host:
        host.put(Register.ASIC_ENABLE, b"\xff" * 8)
        host.sync()
        host.listen(9000)
        truth = truth_of(truth_file)
        died = time.monotonic()
        host.udp.settimeout(0.05)
        while True:
            with contextlib.suppress(TimeoutError):
                host.hello()
                break
        deaf_s = time.monotonic() - died
        host.udp.settimeout(WAIT_S)

        assert truth["trouble"] == "rebooted"
        assert truth["frames"] == pytest.approx(0.05 / 5.12e-6, rel=0.1)
        assert 0.2 < deaf_s < WAIT_S
        assert host.get(Register.ASIC_ENABLE, 8) == 0
        host.sync()
        host.data.clear()
        host.listen(100)
        assert host.read.events == 0


def test_frames_under_faults_add_up_to_the_truth(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    faults = ("--fault", "loss:share=0.01", "--fault", "duplicate:share=0.01", "--fault", "truncate:share=0.01")
    with simulator("petsys-gbe", *OPTIONS, "--truth", truth_file, *faults) as server, host_of(server) as host:
        host.put(Register.ASIC_ENABLE, b"\xff" * 8)
        host.sync()
        host.listen(round(SECONDS / 5.12e-6))
        host.put(Register.ASIC_ENABLE, bytes(8))
        host.drain()
        truth = truth_of(truth_file)

    injected: dict[str, int] = truth["injected"]
    frames = truth["frames"] - injected["loss_frames"] - injected["truncate_frames"] + injected["duplicate_frames"]
    events = truth["events"] - injected["loss_events"] - injected["truncate_events"] + injected["duplicate_events"]
    assert injected["loss_frames"] > 100
    read = host.read
    assert (len(read.frames), read.events) == (frames, events)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "tcp=0"], "the front end speaks UDP only"),
        (["--rate", "1e9", "--loop", "1"], "at most 3e+07"),
        (["--asics", "2", "--fault", "silent:module=2,at_s=0"], "there are modules 0 to 1"),
        (["--asics", "65"], "not a whole number from 1 to 64"),
    ],
)
def test_options_without_sense_are_refused(options: list[str], sentence: str) -> None:
    code, errors = refused("petsys-gbe", *options)

    assert code == 2
    assert sentence in errors


class _Faults:
    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r")

    def __call__(self, text: str, *, clear: bool = False) -> None:
        if clear:
            self._tell({"clear": True})
        if text:
            self._tell({"add": text})

    def _tell(self, request: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        assert "error" not in json.loads(self._lines.readline())

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@contextmanager
def faults_of(server: Simulator) -> Iterator[_Faults]:
    with contextlib.closing(_Faults(server.ready["faults"])) as faults:
        yield faults
