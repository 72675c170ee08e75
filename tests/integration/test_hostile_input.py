"""Bytes that mean harm, from wires and files: a sentence and its exit code, never a traceback; bounded memory."""

from __future__ import annotations

import json
import random
import shutil
import socket
import struct
import threading
import time
import tomllib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_cli import Done, call, petlink_file, started
from support_cli import done as ended
from support_readout import free_port, until

from daq.storage.accounts import MAX_SOURCES
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST
from daq.storage.verify import verify
from daq.wire.native import Header, NativeFlag, encode
from device_profiles.load import profile_path

PROFILE = "siemens-petlink32"
CODES = {0, 2, 3, 4, 5, 6, 7}
"""What a command may end with whatever it is given: never 1, unexpected."""
MEMORY_BYTES = 700 << 20


def in_a_sentence(made: Done) -> None:
    """Assert that a refusal is one, of bounded length, and that nothing unexpected happened."""
    assert made.code in CODES, made.err
    assert "Traceback" not in made.out + made.err
    if made.code not in (0, 6):
        assert made.err.startswith("daq: ")
        assert len(made.err) < 5000


@contextmanager
def listening(tmp_path: Path, *options: str) -> Iterator[tuple[socket.socket, Callable[[], Done], int]]:
    """Yield a socket that reaches a listening `daq record`, what waits for its end, and the readout's process."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    port = free_port()
    arguments = ("record", "--profile", PROFILE, "--source", f"udp://@127.0.0.1:{port}", "--out", tmp_path / "run")
    with (
        started(*arguments, "--json", "--stall", "20", *options, temporary=temporary) as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(("127.0.0.1", port))
        until((tmp_path / "run" / "raw-00000.arrows").exists, "a recording")
        (folder,) = temporary.iterdir()
        pid = readout_of(folder)
        yield sender, lambda: ended(process), pid


def readout_of(folder: Path) -> int:
    (pid,) = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"daq.readout\0{folder}".encode() in _command_line(entry)
    )
    return pid


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def send(sender: socket.socket, datagrams: list[bytes]) -> None:
    """Send, a little slower than as fast as possible: it is the readout that is tested, not the kernel's buffer."""
    for at in range(0, len(datagrams), 200):
        for datagram in datagrams[at : at + 200]:
            sender.send(datagram)
        time.sleep(0.005)


def finish(sender: socket.socket) -> None:
    """End with a source that everything else leaves alone."""
    sender.send(encode(Header(4242, NativeFlag.START, 0, 0)))
    sender.send(encode(Header(4242, 0, 1, 0), b"\1\0\0\x40"))


def mutated(rng: random.Random, datagram: bytes) -> bytes:
    data = bytearray(datagram)
    for _ in range(rng.randint(1, 4)):
        what = rng.randrange(4)
        place = rng.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[place:]
        elif what == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 40))
        elif data:
            data[place : place + 8] = rng.choice([b"\xff" * 8, bytes(8), b"\xff" * 7 + b"\x7f"])
    return bytes(data)


def whole(tmp_path: Path, made: Done) -> dict[str, Any]:
    """Assert that the recording is sealed, sound and balanced and replays; return its ledger."""
    assert made.code == 0, made.err
    assert verify(tmp_path / "run").verdict == "ok"
    replayed = call("listmode", "replay", tmp_path / "run", "--json")
    assert replayed.json["differences"] == []
    ledger: dict[str, Any] = made.json["ledger"]
    assert ledger["balanced"] is True
    return ledger


def test_random_and_mutated_datagrams_are_kept_counted_and_harm_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    datagrams: list[bytes] = []
    for packet in range(1500):
        payload = rng.randbytes(4 * rng.randint(1, 20))
        good = encode(Header(packet % 3, 0, len(payload) // 4, 20 * packet), payload)
        datagrams += [good, mutated(rng, good), rng.randbytes(rng.choice([0, 1, 15, 16, 17, 300, 1472, 9000]))]

    with listening(tmp_path, "--stop", "host=4s") as (sender, result, pid):
        send(sender, datagrams)
        finish(sender)
        until(lambda: not unread(sender.getpeername()[1]), "all read")
        peak = peak_bytes(pid)
        made = result()

    ledger = whole(tmp_path, made)
    sources = {source["source"] for source in ledger["sources"]}
    assert {0, 1, 2, 4242} <= sources
    assert ledger["socket"]["foreign"] > 1000
    assert peak < MEMORY_BYTES


def unread(port: int) -> int:
    """Return the bytes that wait in the receive queue of a UDP port."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            return int(fields[4].split(":")[1], 16)
    return 0


def test_a_flood_of_source_numbers_is_bounded(tmp_path: Path) -> None:
    datagrams = [encode(Header(source, 0, 1, 0), b"\1\0\0\x40") for source in range(65_535)]

    with listening(tmp_path, "--stop", f"prompts={MAX_SOURCES + 1}") as (sender, result, pid):
        send(sender, datagrams[: MAX_SOURCES - 1])
        send(sender, datagrams[MAX_SOURCES:])
        until(lambda: not unread(sender.getpeername()[1]), "all read")
        peak = peak_bytes(pid)
        send(sender, [encode(Header(0, 0, 1, 1), b"\1\0\0\x40")] * 3)
        made = result()

    ledger = whole(tmp_path, made)
    assert len(ledger["sources"]) == MAX_SOURCES
    assert ledger["socket"]["foreign"] >= 65_535 - MAX_SOURCES - 1 - ledger["socket"]["kernel_drops"]
    assert peak < MEMORY_BYTES


def test_word_numbers_at_the_end_of_the_world_are_only_gaps(tmp_path: Path) -> None:
    header = struct.Struct("<HHHHQ")
    datagrams = [encode(Header(0, NativeFlag.START, 0, 0))]
    for first in (2**63 - 1, 2**63, 2**64 - 1, 2**63 - 2, 2**62, 5, 2**63 - 365):
        for flags, words in ((0, 1), (0, 364), (2, 0), (4, 0), (1, 0), (1, 2), (0, 0xFFFF), (8, 0), (0xFFFF, 1)):
            datagrams.append(header.pack(0x4E53, 0, flags, words, first) + bytes(4 * min(words, 364)))
            datagrams.append(header.pack(0x4E53, 0, flags, words, first))

    with listening(tmp_path, "--stop", "host=2s") as (sender, result, _):
        send(sender, datagrams)
        finish(sender)
        made = result()

    ledger = whole(tmp_path, made)
    assert ledger["sources"][0]["gap"] > 2**62


@pytest.mark.parametrize("profile", [PROFILE, "safir64", "singles64"])
def test_random_bytes_over_tcp_are_recorded_or_refused(tmp_path: Path, profile: str) -> None:
    noise = random.Random(3).randbytes(300_001)
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve_once, args=(server, noise))
        serving.start()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        made = call("record", "--profile", profile, "--source", url, "--out", tmp_path / "run", "--json")
        serving.join(20.0)

    in_a_sentence(made)
    assert made.code == (3 if profile == "safir64" else 0)
    assert verify(tmp_path / "run").verdict == "ok"
    if made.code == 0:
        (source,) = made.json["ledger"]["sources"]
        assert source["received"] == -(-len(noise) // (4 if profile == PROFILE else 8))
        assert source["balanced"] is True
        assert call("listmode", "export", tmp_path / "run", "--to", "raw", "--out", tmp_path / "raw").code == 0
        assert (tmp_path / "raw").read_bytes() == noise


def serve_once(server: socket.socket, data: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            connection.sendall(data)
        except OSError:
            return


FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\x01",
    "three bytes": b"abc",
    "text": b"# a readme of a thousand lines\n" * 1000,
    "zip": b"PK\x03\x04" + bytes(5000),
    "random": random.Random(5).randbytes(100_000),
    "all ones": b"\xff" * 100_000,
    "huge claim": struct.pack("<Q", 2**63) * 1000,
    "an Arrow stream that claims 2 GiB": b"\xff\xff\xff\xff" + struct.pack("<I", 2**31 - 8) + bytes(64),
    "only a SAFIR preamble": b"SAFIR CListModeData".ljust(32, b"\0"),
    "half a SAFIR preamble": b"SAFIR CList",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("profile", [PROFILE, "safir64", "singles64", "head-xye64"])
def test_a_foreign_file_is_imported_whole_or_refused_in_a_sentence(
    tmp_path: Path, profile: str, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)

    made = call("listmode", "import", "--profile", profile, tmp_path / "file", "--out", tmp_path / "run", "--json")

    in_a_sentence(made)
    assert made.code in (0, 3)
    assert (tmp_path / "run").exists() == (made.code == 0)


def test_a_file_of_the_wrong_profile_is_refused_unless_forced(recorded_data: Path, tmp_path: Path) -> None:
    mmr, safir = recorded_data / "siemens-mmr/small_listmode_file.l", recorded_data / "safir/point_5.clm.safir"

    as_safir = call("listmode", "import", "--profile", "safir64", mmr, "--out", tmp_path / "a")
    as_mmr = call("listmode", "import", "--profile", PROFILE, safir, "--out", tmp_path / "b")
    forced = call("listmode", "import", "--profile", PROFILE, safir, "--out", tmp_path / "c", "--force", "--json")

    assert as_safir.code == 3
    assert "the profile says" in as_safir.err
    assert as_mmr.code == 3, as_mmr.out
    assert forced.code == 0
    assert forced.json["ledger"]["balanced"] is True


@pytest.mark.parametrize(("name", "code"), [("nothing", 4), (".", 3), ("/dev/zero", 3), ("x" * 300, 3)])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, code: int) -> None:
    made = call("listmode", "import", "--profile", PROFILE, tmp_path / name, "--out", tmp_path / "run")

    in_a_sentence(made)
    assert made.code == code


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    petlink_file(folder / "words.l")
    made = call("listmode", "import", "--profile", PROFILE, folder / "words.l", "--out", folder / "run")
    assert made.code == 0, made.err
    return folder / "run"


def with_manifest(recording: Path, out: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy the recording with a manifest that was changed, its checksum put right: a liar, not an accident."""
    shutil.copytree(recording, out)
    content = json.loads((out / MANIFEST).read_text())
    change(content)
    content.pop("crc32", None)
    text = json.dumps({**content, "crc32": "00000000"}, indent=1).encode() + b"\n"
    crc = b"%08x" % zlib.crc32(text)
    (out / MANIFEST).write_bytes(text.replace(b'"crc32": "00000000"', b'"crc32": "' + crc + b'"'))
    return out


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], int]] = {
    "another major version": (lambda m: m.update(format="2.0"), 3),
    "no version": (lambda m: m.pop("format"), 3),
    "a later minor version": (lambda m: m.update(format="1.9", something_new=[1]), 0),
    "no layout": (lambda m: m["profile"].pop("layout"), 3),
    "no profile": (lambda m: m.update(profile={}), 3),
    "a layout of another kind": (lambda m: m["profile"].update(layout={"word_bits": 32}), 3),
    "no time": (lambda m: m.update(time={}), 3),
    "an unknown framing": (lambda m: m["time"].update(framing="carrier pigeon"), 3),
    "a stop that is none": (lambda m: m.update(stop="when I say so"), 3),
    "a clock that does not tick": (lambda m: m["profile"]["clock"].update(tick_ps="0"), 3),
    "a segment elsewhere": (lambda m: m["segments"][0].update(file="../../etc/passwd"), 3),
    "huge rows": (lambda m: m["segments"][0].update(rows=10**18), 6),
    "no segments": (lambda m: m.update(segments=[]), 6),
}


@pytest.mark.parametrize(("change", "code"), LIES.values(), ids=LIES.keys())
def test_a_manifest_that_lies_is_found_out_or_refused(
    recording: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], code: int
) -> None:
    liar = with_manifest(recording, tmp_path / "run", change)

    replayed = call("listmode", "replay", liar, "--json")
    rewritten = call("listmode", "replay", liar, "--out", tmp_path / "out", "--json")

    in_a_sentence(replayed)
    in_a_sentence(rewritten)
    assert replayed.code == code or (code == 6 and replayed.code in (0, 3)), replayed.err


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_of_a_manifest_may_be_anything(
    recording: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just([{}])
    )
    content = json.loads((recording / MANIFEST).read_text())
    where = content
    key = data.draw(st.sampled_from(sorted(where)))
    while isinstance(where[key], dict) and where[key] and data.draw(st.booleans()):
        where = where[key]
        key = data.draw(st.sampled_from(sorted(where)))
    where[key] = data.draw(values)
    liar = with_manifest(recording, tmp_path_factory.mktemp("liar") / "run", lambda m: m.update(content))

    for command in ("info", "verify", "replay"):
        in_a_sentence(call("listmode", command, liar, "--json"))


def toml_of(value: Any) -> str:
    """Return a value as TOML, inline all the way down."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_of(item) for item in value) + "]"
    return json.dumps(value)


ODD = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70).filter(lambda n: -(2**63) <= n < 2**63), st.text(max_size=6),
    st.sampled_from(["", "63:0", "0:63", "99:98", "3125/0", "1e9", [], {}, -1, 0, 10**18, 2**62, [[]], "prompt"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([PROFILE, "singles64", "safir64"]))
def test_a_profile_with_any_value_changed_works_or_is_refused_by_key(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    folder = tmp_path_factory.mktemp("profile")
    petlink_file(folder / "words.l", milliseconds=2)
    content = tomllib.loads(profile_path(name).read_text())
    where = content
    key = data.draw(st.sampled_from(sorted(where)))
    while isinstance(where[key], dict) and where[key] and data.draw(st.integers(0, 4)):
        where = where[key]
        key = data.draw(st.sampled_from(sorted(where)))
    where[key] = data.draw(ODD)
    (folder / "profile.toml").write_text("\n".join(f"{json.dumps(k)} = {toml_of(v)}" for k, v in content.items()))

    made = call(
        "listmode",
        "import",
        "--profile",
        folder / "profile.toml",
        folder / "words.l",
        "--out",
        folder / "run",
        "--json",
    )

    in_a_sentence(made)
    assert made.code in (0, 3)
    if made.code == 0:
        assert made.json["ledger"]["balanced"] is True


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), junk=st.binary(max_size=8), at=st.integers(0, 3000))
def test_a_profile_file_that_is_cut_or_damaged_is_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("profile")
    text = profile_path("singles64").read_bytes()
    text = text[:at] + junk + text[at:]
    (folder / "profile.toml").write_bytes(text[: max(len(text) - cut, 0)] if cut % 3 else text)
    petlink_file(folder / "words.l", milliseconds=2)

    in_a_sentence(
        call("listmode", "import", "--profile", folder / "profile.toml", folder / "words.l", "--out", folder / "run")
    )


def test_a_profile_that_promises_an_endless_preamble_reads_no_more_than_the_file(tmp_path: Path) -> None:
    text = (
        profile_path(PROFILE)
        .read_text()
        .replace("word_bits = 32", "word_bits = 32\npreamble_bytes = 1000000000000000000")
    )
    (tmp_path / "profile.toml").write_text(text)
    petlink_file(tmp_path / "words.l")

    made = call(
        "listmode", "import", "--profile", tmp_path / "profile.toml", tmp_path / "words.l", "--out", tmp_path / "run"
    )

    in_a_sentence(made)
    assert made.code == 3


def test_memory_of_an_import_does_not_grow_with_the_file(tmp_path: Path) -> None:
    petlink_file(tmp_path / "one.l", milliseconds=100, each=1000)
    (tmp_path / "many.l").write_bytes((tmp_path / "one.l").read_bytes() * 200)
    assert (tmp_path / "many.l").stat().st_size > 80_000_000
    arguments = ("listmode", "import", "--profile", PROFILE, tmp_path / "many.l", "--out", tmp_path / "run", "--json")

    peak = 0
    with started(*arguments) as process:
        while process.poll() is None:
            try:
                peak = max(peak, peak_bytes(process.pid))
            except (OSError, StopIteration):
                break
            time.sleep(0.02)
        made = ended(process)

    assert made.code == 0, made.err
    assert made.json["rows"]["coincidences"] == 20_000_000
    assert load_manifest(tmp_path / "run").state == "sealed"
    assert 50 << 20 < peak < MEMORY_BYTES
