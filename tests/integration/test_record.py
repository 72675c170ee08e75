"""`daq record` as a process, with simulators that speak the real wire protocols, signals and kills."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_cli import Done, call, daq, done, left_in, petlink_file, started
from support_readout import free_port, until
from support_record import PROFILE, replay_is_equal, rows_in, temporary_folder
from support_simulators import simulator

from daq.storage.listing import load_manifest
from daq.storage.verify import verify

MMR = "siemens-mmr/small_listmode_file.l"


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


@pytest.fixture
def words(tmp_path: Path) -> Path:
    petlink_file(tmp_path / "words.l", milliseconds=300, each=20)
    return tmp_path / "words.l"


def record(url: str, out: Path, temporary: Path, *options: object, profile: str = PROFILE) -> Done:
    return daq("record", "--profile", profile, "--source", url, "--out", out, *options, temporary=temporary)


def raw_of(directory: Path, out: Path) -> bytes:
    assert call("listmode", "export", directory, "--to", "raw", "--out", out).code == 0
    return out.read_bytes()


def nonzero(words_by_kind: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in words_by_kind.items() if count}


def unexpected(errors: str) -> list[str]:
    """Return the lines on stderr but for what a stock kernel gives reason to: its socket buffer is small."""
    return [line for line in errors.splitlines() if not line.startswith("daq: warning: socket buffer")]


INFO_KEYS = {
    "directory", "ended_by", "acquisition_id", "format", "state", "profile", "source", "simulated", "started", "sealed",
    "stop", "duration_ps", "size_bytes", "rows", "words_by_kind", "ledger", "segments", "hashed", "continues",
    "recovered_from", "rows_left_to_replay", "losses", "steps", "sorted_from", "processing", "lost_sources",
    "overrides",
}  # fmt: skip


@pytest.mark.parametrize(("wire", "speed"), [("udp", "max"), ("tcp", "max"), ("udp", "1")])
def test_made_up_words_are_recorded_whole(words: Path, tmp_path: Path, temporary: Path, wire: str, speed: str) -> None:
    with simulator("replay", words, "--profile", PROFILE, "--speed", speed) as front_end:
        made = record(front_end.ready[wire], tmp_path / "run", temporary, "--json", "--simulated")

    assert (made.code, unexpected(made.err)) == (0, [])
    info = made.json
    assert set(info) == INFO_KEYS
    assert info["directory"] == str(tmp_path / "run")
    assert (info["state"], info["ended_by"], info["stop"], info["simulated"]) == ("sealed", "end", "end", True)
    assert nonzero(info["words_by_kind"]) == {"prompt": 4800, "delayed": 1200, "time": 300}
    (source,) = info["ledger"]["sources"]
    assert source["basis"] == {"udp": "counter", "tcp": "stream"}[wire]
    assert (source["sent"], source["recorded"], source["gap"], source["balanced"]) == (6300, 6300, 0, True)
    assert info["hashed"] is True
    assert verify(tmp_path / "run", sha256=True).verdict == "ok"
    assert raw_of(tmp_path / "run", tmp_path / "again.l") == words.read_bytes()
    replay_is_equal(tmp_path / "run")


@pytest.mark.parametrize("wire", ["udp", "tcp"])
@pytest.mark.parametrize("speed", ["max", "1"])
def test_the_recorded_mmr_file_comes_over_the_wire_as_from_the_file(
    recorded_data: Path, tmp_path: Path, temporary: Path, wire: str, speed: str
) -> None:
    with simulator("replay", recorded_data / MMR, "--profile", PROFILE, "--speed", speed) as front_end:
        info = record(front_end.ready[wire], tmp_path / "run", temporary, "--json").json

    assert nonzero(info["words_by_kind"]) == {
        "prompt": 218_881, "delayed": 35_320, "time": 613, "singles": 1, "control": 1,
    }  # fmt: skip
    (source,) = info["ledger"]["sources"]
    assert source["basis"] == {"udp": "counter", "tcp": "stream"}[wire]
    assert (source["sent"], source["recorded"], source["balanced"]) == (254_816, 254_816, True)
    assert raw_of(tmp_path / "run", tmp_path / "again.l") == (recorded_data / MMR).read_bytes()
    replay_is_equal(tmp_path / "run")


def test_the_recorded_safir_file_comes_over_tcp_with_its_preamble(
    recorded_data: Path, tmp_path: Path, temporary: Path
) -> None:
    file = recorded_data / "safir/point_5.clm.safir"
    with simulator("replay", file, "--profile", "safir64", "--speed", "max") as front_end:
        info = record(front_end.ready["tcp"], tmp_path / "run", temporary, "--json", profile="safir64").json

    assert nonzero(info["words_by_kind"]) == {"prompt": 35_844, "delayed": 43, "time": 359}
    assert raw_of(tmp_path / "run", tmp_path / "again") == file.read_bytes()
    replay_is_equal(tmp_path / "run")


def test_a_front_end_that_pushes_is_listened_to(words: Path, tmp_path: Path, temporary: Path) -> None:
    port = free_port()
    arguments = (
        "record",
        "--profile",
        PROFILE,
        "--source",
        f"udp://@127.0.0.1:{port}",
        "--out",
        tmp_path / "run",
        "--json",
    )
    with started(*arguments, temporary=temporary) as recording:
        until(lambda: bound(port), "the port bound")
        with simulator("replay", words, "--profile", PROFILE, "--speed", "max", "--to", f"127.0.0.1:{port}"):
            made = done(recording)

    assert made.code == 0, made.err
    assert made.json["ledger"]["sources"][0]["recorded"] == 6300


def bound(port: int) -> bool:
    """Tell whether somebody has the UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_several_sources_each_have_their_account(tmp_path: Path, temporary: Path) -> None:
    options = ("--rate", "50000", "--seconds", "0.5", "--speed", "max", "--sources", "3", "--source-id", "7")
    with simulator("poisson", "--profile", "singles64", *options) as front_end:
        made = record(front_end.ready["udp"], tmp_path / "run", temporary, "--json", profile="singles64")

    sources = made.json["ledger"]["sources"]
    assert made.code == 0, made.err
    assert [source["source"] for source in sources] == [7, 8, 9]
    assert {source["balanced"] for source in sources} == {True}
    assert sum(source["recorded"] for source in sources) == sum(made.json["words_by_kind"].values())
    replay_is_equal(tmp_path / "run")


@pytest.mark.parametrize(
    ("stop", "ended_by"),
    [("prompts=2k", "prompts=2000"), ("time=100ms", "time"), ("host=600ms", "host"), ("delayeds=1M,time=50ms", "time")],
)
def test_a_limit_ends_the_recording_and_says_which_one(
    words: Path, tmp_path: Path, temporary: Path, stop: str, ended_by: str
) -> None:
    speed = "0.05" if stop.startswith("host") else "1"
    with simulator("replay", words, "--profile", PROFILE, "--speed", speed) as front_end:
        made = record(front_end.ready["udp"], tmp_path / "run", temporary, "--stop", stop, "--json")

    assert made.code == 0, made.err
    assert made.json["ended_by"] == ended_by
    assert load_manifest(tmp_path / "run").ended_by == ended_by
    assert made.json["ledger"]["balanced"] is True
    replay_is_equal(tmp_path / "run")


def test_a_recording_without_an_out_goes_to_the_storage_by_date(words: Path, tmp_path: Path, temporary: Path) -> None:
    made = daq(
        "record", "--profile", PROFILE, "--source", words.as_uri(), "--storage", tmp_path / "store", "--json",
        temporary=temporary,
    )  # fmt: skip

    assert made.code == 0, made.err
    directory = Path(made.json["directory"])
    assert directory.parent.parent == tmp_path / "store"
    assert directory.name == made.json["acquisition_id"]
    assert made.json["started"].startswith(directory.parent.name)


REFUSED: list[tuple[list[str], int, str]] = [
    (["--source", "tcp://127.0.0.1:{port}"], 5, "Connection refused"),
    (["--source", "file:///nowhere/words.l"], 4, "no such file"),
    (["--source", "/dev/null"], 3, "not a regular file"),
    (["--source", "nonsense://127.0.0.1:1"], 2, "possible are"),
    (["--source", "udp://127.0.0.1:9", "--stop", "prompts=many"], 2, "must be a count"),
    (["--source", "udp://127.0.0.1:9", "--stall", "0"], 2, "--stall"),
    (["--source", "udp://127.0.0.1:9", "--stall", "nan"], 2, "--stall"),
    (["--source", "udp://127.0.0.1:9", "--stop", "time=1000h"], 3, "GB"),
    (["--source", "udp://127.0.0.1:9", "--profile", "no-such-profile"], 4, "no instrument profile"),
    (["--source", "udp://127.0.0.1:9", "--profile", "./words.l"], 3, "words.l"),
    (["--source", "{words}", "--out", "/dev/null/run"], 3, "/dev/null/run"),
    (["--source", "{words}", "--out", "{words}"], 3, "never written over"),
    (["--source", "{words}", "--out", "x" * 300], 3, "File name too long"),
    (["--source", "{words}", "--storage", "s"], 2, "exclude each other"),
]


@pytest.mark.parametrize(("options", "code", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_work_is_refused_in_a_sentence(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, sentence: str
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    given = [option.format(port=free_port(socket.SOCK_STREAM), words=words) for option in options]

    made = call("record", "--profile", PROFILE, "--out", "run", *given)

    assert made.code == code, made.err
    assert sentence in made.err
    assert made.err.startswith("daq: ")
    assert made.err.count("\n") <= 3
    assert made.out == ""
    assert left_in(tmp_path / "tmp") == []


def test_a_command_line_that_makes_no_sense_is_a_usage_error() -> None:
    assert call("record", "--profile", PROFILE).code == 2
    assert call("record", "--no-such-option").code == 2
    assert call().code == 2


def test_a_front_end_that_never_speaks_is_unreachable(tmp_path: Path, temporary: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{silent.getsockname()[1]}"
        made = record(url, tmp_path / "run", temporary, "--stall", "1", "--json")

    assert made.code == 5
    assert "never sent anything" in made.err
    assert made.json["ended_by"] == "silent"


@pytest.mark.parametrize("wire", ["udp", "tcp"])
def test_a_front_end_that_falls_silent_is_a_stall_and_what_came_is_sealed(
    words: Path, tmp_path: Path, temporary: Path, wire: str
) -> None:
    with simulator("replay", words, "--profile", PROFILE, "--speed", "0.03") as front_end:
        arguments = ("record", "--profile", PROFILE, "--source", front_end.ready[wire], "--out", tmp_path / "run")
        with started(*arguments, "--stall", "2", "--json", temporary=temporary) as recording:
            until(lambda: rows_in(tmp_path / "run") > 0, "rows on the disk")
            os.kill(front_end.process.pid, signal.SIGSTOP)
            made = done(recording)
            os.kill(front_end.process.pid, signal.SIGCONT)

    assert made.code == 7
    assert "fell silent" in made.err
    assert (made.json["ended_by"], made.json["state"]) == ("stalled", "sealed")
    assert made.json["ledger"]["balanced"] is True
    assert 0 < made.json["rows"]["coincidences"] <= 6000
    replay_is_equal(tmp_path / "run")
