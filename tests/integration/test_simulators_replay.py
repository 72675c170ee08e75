"""Replay as a process, heard over real sockets."""

import hashlib
import socket
import struct
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support_simulators import (
    ROOT,
    command,
    petlink_words,
    read_tcp,
    receive,
    refused,
    refused_process,
    simulator,
    subscribe,
    truth_of,
    udp_socket,
)

from daq.composition import new_manifest
from daq.storage.recording import Recording
from daq.wire.native import NativeFlag, decode, packetise, request
from daq.wire.native_batch import packets_of
from device_profiles.load import load_profile
from simulators.options import instrument
from simulators.poisson import PoissonSupply

MMR = "siemens-mmr/small_listmode_file.l"
SAFIR = "safir/point_5.clm.safir"
WORDS = petlink_words(200, 20)


@pytest.fixture
def petlink_file(tmp_path: Path) -> Path:
    path = tmp_path / "recording.l"
    path.write_bytes(WORDS)
    return path


def test_the_ready_line_says_where_it_serves(petlink_file: Path) -> None:
    with simulator("replay", petlink_file, "--profile", "siemens-petlink32") as server:
        ready = server.ready
        code, errors = server.terminate()

    assert set(ready) == {"ready", "kind", "endpoints", "faults", "tcp", "udp"}
    assert (ready["ready"], ready["kind"]) == (True, "replay")
    assert not Path(ready["faults"]).parent.exists()
    assert ready["endpoints"] == {"tcp": ready["tcp"], "udp": ready["udp"]}
    assert ready["udp"].startswith("udp://127.0.0.1:")
    assert (code, errors) == (0, "")


def test_a_request_brings_every_word_between_start_and_end(petlink_file: Path, tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max", "--source-id", 7, "--once",
        "--truth", truth_file,
    ) as server:  # fmt: skip
        got = subscribe(server, 4)
        code, errors = server.finish()

    truth = truth_of(truth_file)
    assert got.words(7) == WORDS
    assert (got.gap, got.duplicates, got.trackers[7].basis) == (0, 0, "counter")
    starts = got.of(NativeFlag.START)
    assert [s.header.first_word_index for s in starts] == [0, 0]
    assert [s.whole_words > 0 for s in starts] == [False, True]
    assert [e.header.first_word_index for e in got.of(NativeFlag.END)] == [4200] * 3
    assert (code, errors) == (0, "")
    assert truth["sources"][0] == {
        "source": 7,
        "words": 4200,
        "bytes": 16800,
        "words_by_kind": truth["sources"][0]["words_by_kind"] | {"prompt": 4000, "time": 200},
        "words_unknown": 0,
        "events": 4000,
        "first_time_ps": 0,
        "last_time_ps": 199 * 10**9,
        "sha256": hashlib.sha256(WORDS).hexdigest(),
        "packets": len([d for d in got.datagrams if d.whole_words]),
        "heartbeats": 0,
    }
    assert (truth["complete"], truth["speed"], truth["lateness_ms"]) == (True, "max", None)


def test_words_leave_when_their_own_time_says(tmp_path: Path, petlink_file: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "0.5", "--truth", truth_file
    ) as server:
        got = subscribe(server, 4)
        truth = truth_of(truth_file)

    lasted_s = got.arrival_s[-1] - got.arrival_s[0]
    # 199 ms at half speed and 40 ms of end packets; `lateness_ms` is the sender's own measure
    assert lasted_s >= 0.397
    assert truth["lateness_ms"] >= 0
    assert lasted_s < 3 * (0.45 + truth["lateness_ms"] / 1000)
    assert got.words(0) == WORDS
    beats = [d.header.first_word_index for d in got.of(NativeFlag.HEARTBEAT)]
    assert len(beats) == truth["heartbeats"] >= 2
    assert beats == sorted(beats)
    assert 0 < beats[0] < beats[-1] < 4200
    assert len([d for d in got.datagrams if d.whole_words]) >= 30  # a paced front end does not wait for full packets


def test_every_request_gets_the_whole_recording(tmp_path: Path, petlink_file: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max", "--truth", truth_file
    ) as server:
        first = subscribe(server, 4)
        second = subscribe(server, 4)
        truth = truth_of(truth_file, run=2)

    assert first.words(0) == second.words(0) == WORDS
    assert truth["words"] == 4200


def test_garbage_is_ignored_and_counted(tmp_path: Path, petlink_file: Path) -> None:
    truth_file = tmp_path / "truth.json"
    hostile = [
        b"", b"?", bytes(16), b"SN" + bytes(2000), request()[:-1], request() + b"!",
        struct.pack("<HHHHQ", 0x4E53, 0, 4, 0, 0), struct.pack("<HHHHQ", 0x4E53, 0, 0xFFFF, 0, 2**64 - 1),
    ]  # fmt: skip
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max", "--truth", truth_file
    ) as server:
        with udp_socket() as udp:
            for datagram in hostile:
                udp.sendto(datagram, server.address("udp"))
            udp.sendto(request(), server.address("udp"))
            got = receive(udp, 4)
        truth = truth_of(truth_file)
        code, errors = server.terminate()

    assert got.words(0) == WORDS
    assert truth["ignored_datagrams"] == len(hostile)
    assert (code, errors) == (0, "")


def test_a_repeated_request_does_not_start_a_second_run(tmp_path: Path, petlink_file: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with (
        simulator(
            "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "2", "--truth", truth_file
        ) as server,
        udp_socket() as udp,
    ):
        for _ in range(5):
            udp.sendto(request(), server.address("udp"))
        receive(udp, 4)
        truth_of(truth_file)
        udp.settimeout(0.4)

        with pytest.raises(TimeoutError):
            udp.recv(2048)


def test_a_receiver_that_goes_away_ends_its_run_and_the_next_is_served(tmp_path: Path, petlink_file: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "0.2", "--truth", truth_file
    ) as server:
        with udp_socket() as udp:
            udp.sendto(request(), server.address("udp"))
            while len(udp.recv(2048)) == 16:
                pass
        broken = truth_of(truth_file)
        got = subscribe(server, 4)
        code, errors = server.terminate()

    assert (broken["complete"], broken["trouble"]) == (False, "nobody listens at its port any more")
    sent = broken["words"]
    assert 0 < sent < 4200
    assert broken["sources"][0]["sha256"] == hashlib.sha256(WORDS[: 4 * sent]).hexdigest()
    assert sum(broken["sources"][0]["words_by_kind"].values()) == sent
    assert got.words(0) == WORDS
    assert code == 0
    assert errors.startswith("simulators: run to udp://127.0.0.1:")
    assert errors.endswith(f"ended after {sent} words: nobody listens at its port any more\n")


def test_a_push_needs_no_request(tmp_path: Path, petlink_file: Path) -> None:
    with udp_socket() as udp:
        to = f"127.0.0.1:{udp.getsockname()[1]}"
        with simulator(
            "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max", "--to", to, "--once"
        ) as server:
            got = receive(udp, 4)
            code, _ = server.finish()

    assert got.words(0) == WORDS
    assert code == 0


def test_sigterm_in_the_middle_of_a_run_ends_quietly_and_tells_what_was_sent(
    tmp_path: Path, petlink_file: Path
) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "0.01", "--truth", truth_file
    ) as server:
        with udp_socket() as udp:
            udp.sendto(request(), server.address("udp"))
            while len(udp.recv(2048)) == 16:
                pass
            code, errors = server.terminate()
        tcp = server.address("tcp")

    truth = truth_of(truth_file)
    assert (code, errors) == (0, "")
    assert (truth["complete"], truth["trouble"]) == (False, "stopped by a signal")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tcp, timeout=1)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".truth")] == []


def test_a_repeated_recording_is_one_stream_of_words(petlink_file: Path) -> None:
    with simulator("replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max", "--repeat", 3) as server:
        over_udp = subscribe(server, 4)
        over_tcp = read_tcp(server)

    assert over_udp.words(0) == over_tcp == WORDS * 3
    assert over_udp.trackers[0].restarts == 0


def test_the_mmr_recording_arrives_byte_for_byte(recorded_data: Path, tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", recorded_data / MMR, "--profile", "siemens-petlink32", "--speed", "4", "--truth", truth_file
    ) as server:
        got = subscribe(server, 4)
        over_tcp = read_tcp(server)
        truth = truth_of(truth_file)

    content = (recorded_data / MMR).read_bytes()
    kinds = truth["sources"][0]["words_by_kind"]
    assert got.words(0) == over_tcp == content
    assert (kinds["prompt"], kinds["delayed"], kinds["time"]) == (218_881, 35_320, 613)
    assert truth["sources"][0]["last_time_ps"] == 612 * 10**9
    indices = [d.header.first_word_index for d in got.datagrams if d.whole_words]
    assert all(a < b for a, b in pairwise(indices))


def test_the_safir_recording_arrives_byte_for_byte(recorded_data: Path, tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "replay", recorded_data / SAFIR, "--profile", "safir64", "--speed", "max", "--truth", truth_file
    ) as server:
        got = subscribe(server, 8)
        truth = truth_of(truth_file)
        over_tcp = read_tcp(server)

    content = (recorded_data / SAFIR).read_bytes()
    kinds = truth["sources"][0]["words_by_kind"]
    assert got.words(0) == content[32:]
    assert over_tcp == content
    assert (kinds["time"], kinds["delayed"], kinds["prompt"]) == (359, 43, 35_844)


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["replay"], 2, "required: FILE, --profile"),
        (["replay", "nowhere.l", "--profile", "siemens-petlink32"], 4, "nowhere.l: no such file or directory"),
        (["replay", "README.md", "--profile", "nobody-32"], 4, "no instrument profile 'nobody-32'"),
        (["replay", "README.md", "--profile", "safir64"], 3, "README.md, profile safir64: the stream begins with b'"),
        (
            ["replay", "README.md", "--profile", "siemens-petlink32", "--speed", "0"],
            2,
            "'0' is not a number above zero",
        ),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--speed", "nan"], 2, "'nan' is not a number"),
        (
            ["replay", "README.md", "--profile", "siemens-petlink32", "--port", "http=80"],
            2,
            "endpoints are tcp and udp",
        ),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--port", "udp=70000"], 2, "'70000' is not a whole"),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--host", "::1"], 2, "'::1' is not an IPv4 address"),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--to", "nowhere"], 2, "'nowhere'"),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--source-id", "65535"], 2, "from 0 to 65534"),
        (["replay", "README.md", "--profile", "siemens-petlink32", "--repeat", "0"], 2, "'0' is not a whole number"),
        (
            ["replay", "README.md", "--profile", "siemens-petlink32", "--truth", "no/such/t.json"],
            2,
            "there is no folder",
        ),
        (["replay", "daq", "--profile", "siemens-petlink32"], 4, "daq"),
        (["teleport"], 2, "invalid choice: 'teleport'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(options: list[str], code: int, sentence: str) -> None:
    got, errors = refused(*options)

    assert got == code
    assert sentence in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_without_a_word_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.l"
    path.write_bytes(bytes(size))

    code, errors = refused("replay", path, "--profile", "siemens-petlink32")

    assert code == 3
    assert errors == f"simulators: {path}: {size} bytes hold no word of 4 bytes after the preamble\n"


def test_a_port_in_use_is_refused(petlink_file: Path) -> None:
    with udp_socket() as taken:
        port = taken.getsockname()[1]

        code, errors = refused_process(
            "replay", petlink_file, "--profile", "siemens-petlink32", "--port", f"udp={port}"
        )

    assert (code, errors) == (3, f"simulators: cannot serve on 127.0.0.1:{port}: Address already in use\n")


def test_a_recording_of_several_sources_is_replayed_word_for_word(tmp_path: Path) -> None:
    """What was recorded over UDP with loss, duplicates and reordering goes out again, each word once."""
    profile = load_profile("singles64")
    words = {
        source: PoissonSupply(instrument("singles64"), rate_cps=1e5, events=3000, seed=source) for source in (3, 9)
    }
    data = {source: b"".join(bytes(c.words) for s in supply.slices() for c in s) for source, supply in words.items()}
    blocks = {source: list(packetise(stream, 8, source, 0, first_flags=1)) for source, stream in data.items()}
    lost = blocks[3].pop(5)
    order = [*blocks[3][:4], *blocks[9][:6], blocks[3][2], *blocks[3][4:], blocks[9][7], blocks[9][6], *blocks[9][8:]]
    directory = tmp_path / "recording"
    manifest = new_manifest(profile, identity="test", source="udp://127.0.0.1:1", stop="end", simulated=True)
    buffer = np.frombuffer(b"".join(bytes(d) for d in order), np.uint8)
    lengths = np.array([len(d) for d in order], np.int64)
    offsets = np.cumsum(lengths) - lengths
    with Recording.start(
        directory, manifest, profile.layout, profile.clock, "word", "native", stop=None, store_raw=True, imported=False
    ) as recording:
        recording.feed(packets_of(buffer, offsets, lengths, np.arange(len(order)), 8))
        recording.seal("end")

    truth_file = tmp_path / "truth.json"
    with simulator("replay", directory, "--profile", "singles64", "--speed", "max", "--truth", truth_file) as server:
        got = subscribe(server, 8, sources=2)
        truth = truth_of(truth_file)

    gone = decode(lost, 8)
    begin = gone.header.first_word_index * 8
    assert (
        got.words(9)
        == data[9][: 6 * 1456] + data[9][7 * 1456 : 8 * 1456] + data[9][6 * 1456 : 7 * 1456] + data[9][8 * 1456 :]
    )
    assert got.words(3) == data[3][:begin] + data[3][begin + 1456 :]
    assert [s["source"] for s in truth["sources"]] == [3, 9]
    assert server.ready["tcp"] is None


def test_a_signal_before_the_ready_line_ends_quietly() -> None:
    options = command("poisson", "--profile", "siemens-petlink32", "--rate", "1e7", "--events", "30M")
    with subprocess.Popen(options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        time.sleep(0.7)
        process.terminate()
        output, errors = process.communicate(timeout=20)

    assert (output, errors, process.returncode) == ("", "", 0)
