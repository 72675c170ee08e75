"""`camera` with a body, as a process: in real time by what its axes say, and again by a file of the same."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from support_simulators import refused, simulator, subscribe, truth_of

from simulators.camera.truthfile import read_photons

HEADS = ("camera", "--profile", "head-xye64", "--collimator", "LEHR")
POINT = ("--body", "plain,mbq=100", "--activity", "point:Tc-99m,mbq=100")


def decoded(words: bytes) -> dict[str, np.ndarray]:
    """Return the fields of head-xye64, by the bits of its page."""
    plain = np.frombuffer(words, "<u8").astype(np.int64)
    y = plain >> 10 & 0x3FF
    return {
        "kind": plain >> 62 & 3, "head": plain >> 60 & 3, "seconds": (plain >> 30 & 0x3FFFFFFF) / 1e6,
        "y_mm": (y - ((y & 0x200) << 1)) * 0.6, "count": plain & 0x3FFFFFFF,
    }  # fmt: skip


def test_a_body_goes_with_its_bed_as_the_axis_says_while_it_is_seen(tmp_path: Path) -> None:
    truth_file, beats_file = tmp_path / "truth.json", tmp_path / "beats.jsonl"
    with simulator(
        *HEADS, *POINT, "--seconds", 3, "--ecg", "bpm=120,lost=0.3", "--beats", beats_file, "--truth", truth_file,
        "--once", "--bed", 20,
    ) as server:  # fmt: skip
        place = urlsplit(str(server.ready["endpoints"]["motion"]))
        with socket.create_connection(("127.0.0.1", urlsplit(str(server.ready["tcp"])).port or 0)) as wire:
            began_ns = time.monotonic_ns()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as axis:
                said = {"axis": "bed", "monotonic_ns": began_ns + 10**9, "position": 20, "target": 120, "speed": 100}
                for words in (json.dumps(said).encode(), b"nonsense"):
                    axis.sendto(words, (place.hostname or "", place.port or 0))
            wire.settimeout(20)
            got = b"".join(iter(lambda: wire.recv(1 << 16), b""))
        took_s = (time.monotonic_ns() - began_ns) / 1e9
        assert server.finish() == (0, "")
    truth = truth_of(truth_file)
    found = decoded(got)
    events = found["kind"] == 1
    beats = [json.loads(line) for line in beats_file.read_text().splitlines()]
    heard = [beat["time_ps"] // 1_000_000 / 1e6 for beat in beats if beat["heard"] and 0 <= beat["time_ps"] < 3e12]

    assert took_s > 2.9
    assert truth["motion"] == {"told": 1, "wrong": 1}
    assert truth["sources"][0]["words_by_kind"] == {"single": int(events.sum()), "cardiac_trigger": len(heard)}
    assert events.sum() > 30_000
    assert np.all(np.diff(found["seconds"]) >= 0)
    assert found["seconds"][~events].tolist() == heard
    assert found["count"][~events].tolist() == list(range(1, len(heard) + 1))
    near = events & (np.abs(found["y_mm"] - 70) < 80)
    for low, high, bed in ((0.0, 0.4, 20), (2.05, 3.0, 120)):  # the run begins some time after the connection
        part = near & (found["seconds"] > low) & (found["seconds"] < high) & (np.abs(found["y_mm"] - bed) < 15)
        assert abs(found["y_mm"][part].mean() - bed) < 0.5
    going = near & (found["seconds"] > 1.05) & (found["seconds"] < 1.4)
    speed, _ = np.polyfit(found["seconds"][going], found["y_mm"][going], 1)
    assert speed == pytest.approx(100, abs=6)


def test_the_same_file_of_movements_gives_the_same_words(tmp_path: Path) -> None:
    motion, photons_file = tmp_path / "motion.jsonl", tmp_path / "photons.arrow"
    lines = [{"axis": "gantry", "time_s": 0.2, "position": 0, "target": 90, "speed": 180},
             {"axis": "bed", "time_s": 0.5, "position": 0, "target": 40, "speed": 400}]  # fmt: skip
    motion.write_text("".join(json.dumps(line) + "\n" for line in lines))
    digests = []
    for more in (("--photons", photons_file), ()):
        truth_file = tmp_path / "truth.json"
        with simulator(
            *HEADS, *POINT, "--seconds", 1, "--motion-file", motion, "--speed", "max", "--once", "--truth", truth_file,
            *more,
        ) as server:  # fmt: skip
            assert "motion" not in server.ready["endpoints"]
            got = subscribe(server, 8)
            assert server.finish() == (0, "")
        digests.append((truth_of(truth_file)["sources"][0]["sha256"], got.words(0)))

    photons, _, about = read_photons(photons_file)
    assert digests[0] == digests[1]
    assert truth_of(truth_file)["events"] == len(photons)
    assert about["body"]["name"] == "plain"
    late = photons.y_mm[photons.time_ps > 0.65e12]
    assert abs(float(np.median(late)) - 40) < 0.5


def test_bodies_without_sense_are_refused_before_anything_is_served() -> None:
    for more, code, sentence in (
        (("--body", "skeleton,mbq=1"), 3, "bodies are seen through parallel holes; give --collimator"),
        (("--collimator", "LEHR", "--body", "plain,mbq=1"), 2, "nothing decays; give --activity"),
        (("--collimator", "LEHR", "--body", "skeleton,mbq=1", "--speed", "max"), 2, "give --motion-file or --still"),
        (("--collimator", "LEHR", "--body", "skeleton,mbq=1", "--loop", "1"), 2, "--loop: not with --body"),
        (("--activity", "point:Tc-99m,mbq=1", "--collimator", "LEHR", "--still"), 2, "--still: needs --body"),
        (("--collimator", "LEHR", "--body", "skeleton,mbq=1e9"), 2, "would have to be followed"),
    ):
        told = refused("camera", "--profile", "head-xye64", *more)
        assert told[0] == code, told
        assert sentence in told[1]
