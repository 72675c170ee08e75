"""Poisson as a process, heard over real sockets."""

import hashlib
from pathlib import Path

import pytest
from support_simulators import read_tcp, refused, simulator, subscribe, truth_of

from daq.wire.native import NativeFlag


def test_every_source_is_accounted_for_over_udp(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "poisson", "--profile", "singles64", "--rate", "60000", "--sources", 3, "--seconds", "0.3", "--seed", 4,
        "--truth", truth_file, "--once",
    ) as server:  # fmt: skip
        got = subscribe(server, 8, sources=3)
        code, errors = server.finish()

    truth = truth_of(truth_file)
    assert (code, errors) == (0, "")
    assert server.ready["tcp"] is None
    assert set(server.ready["endpoints"]) == {"udp"}
    assert (got.gap, got.duplicates) == (0, 0)
    assert {t.basis for t in got.trackers.values()} == {"counter"}
    assert [s["source"] for s in truth["sources"]] == [0, 1, 2]
    assert [s["words"] for s in truth["sources"]] == [got.trackers[source].sent for source in range(3)]
    assert [s["sha256"] for s in truth["sources"]] == [got.sha256(source) for source in range(3)]
    assert [s["packets"] for s in truth["sources"]] == [
        len([d for d in got.datagrams if d.header.source == source and d.whole_words]) for source in range(3)
    ]
    assert truth["heartbeats"] == len(got.of(NativeFlag.HEARTBEAT)) >= 3
    assert truth["events"] == sum(s["events"] for s in truth["sources"])
    assert abs(truth["events"] - 18_000) < 700
    assert truth["seed"] == 4
    assert truth["lateness_ms"] >= 0


def test_udp_and_tcp_bring_the_same_words(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.json"
    with simulator(
        "poisson", "--profile", "safir64", "--rate", "1e6", "--events", "20k", "--speed", "max", "--truth", truth_file
    ) as server:
        over_udp = subscribe(server, 8)
        first = truth_of(truth_file)
        over_tcp = read_tcp(server)
        second = truth_of(truth_file, run=2)
        code, errors = server.terminate()

    assert (code, errors) == (0, "")
    assert over_tcp[:32] == b"SAFIR CListModeData".ljust(32, b"\0")
    assert over_udp.words(0) == over_tcp[32:]
    assert first["sources"][0]["sha256"] == second["sources"][0]["sha256"] == hashlib.sha256(over_tcp[32:]).hexdigest()
    assert (first["transport"], second["transport"]) == ("udp", "tcp")
    assert first["events"] == second["events"] == 20_000


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--profile", "safir64"], 2, "required: --rate"),
        (["--profile", "safir64", "--rate", "-1"], 2, "'-1' is not a number above zero"),
        (["--profile", "safir64", "--rate", "1", "--events", "1", "--seconds", "1"], 2, "not allowed with"),
        (["--profile", "safir64", "--rate", "1", "--mix", "single=1"], 2, "event kinds are prompt, delayed"),
        (["--profile", "safir64", "--rate", "1", "--seed", "-1"], 2, "--seed -1: must be zero or more"),
        (["--profile", "head-xye64", "--rate", "0.001"], 3, "the clock can bridge silences up to 536.871 s"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_a_sentence(options: list[str], code: int, sentence: str) -> None:
    got, errors = refused("poisson", *options)

    assert got == code
    assert sentence in errors
    assert "Traceback" not in errors
