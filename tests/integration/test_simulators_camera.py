"""`camera` as a process, heard over real sockets: what it sends is what it says about every event."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support_simulators import Received, simulator, subscribe, truth_of

from simulators.camera.truthfile import read_photons

SCENE = (
    "camera", "--profile", "head-xye64", "--scanner", "fers-dual-head", "--collimator", "LEHR", "--activity",
    "spots:Tc-99m,mbq=150", "--medium", "radius=140,length=400", "--electronics",
    "dead_time_ps=2000000,integration_ps=500000", "--seed", 5, "--once", "--speed", "max",
)  # fmt: skip


def decoded(got: Received, source: int) -> dict[str, np.ndarray]:
    """Return the fields of head-xye64, by the bits of its page."""
    words = np.frombuffer(got.words(source), "<u8").astype(np.int64)
    signed = {"x_mm": words & 0x3FF, "y_mm": words >> 10 & 0x3FF}
    return {
        "head": words >> 60 & 3, "time_us": words >> 30 & 0x3FFFFFFF, "energy_kev": (words >> 20 & 0x3FF) * 0.5,
        **{name: (value - ((value & 0x200) << 1)) * 0.6 for name, value in signed.items()},
    }  # fmt: skip


def test_every_event_sent_is_one_of_the_truth(tmp_path: Path) -> None:
    truth_file, photons_file = tmp_path / "t.json", tmp_path / "p.arrow"
    with simulator(
        *SCENE, "--seconds", "1", "--sources", 2, "--truth", truth_file, "--photons", photons_file
    ) as server:
        got = subscribe(server, 8, sources=2)
        code, errors = server.finish()
    truth = truth_of(truth_file)
    photons, reported, about = read_photons(photons_file)

    assert (code, errors, got.gap) == (0, "", 0)
    assert truth["events"] == len(photons) > 5000
    assert truth["front_ends"] == [[0], [1]]
    assert truth["scene"]["electronics"]["dead_time_ps"] == 2_000_000
    assert truth["events_are_made"] == about["events_are_made"] == "while they are sent"
    for source in (0, 1):
        mine = photons.head == source
        fields = decoded(got, source)
        assert np.all(fields["head"] == source)
        assert np.array_equal(fields["time_us"], photons.time_ps[mine] // 1_000_000)
        assert np.abs(fields["x_mm"] - reported.x_mm[mine]).max() <= 0.3 + 1e-4
        assert np.abs(fields["y_mm"] - reported.y_mm[mine]).max() <= 0.3 + 1e-4
        assert np.abs(fields["energy_kev"] - reported.energy_kev[mine]).max() <= 0.25 + 1e-4


def test_a_loop_goes_on_where_it_ends_and_says_that_it_is_one(tmp_path: Path) -> None:
    truth_file, photons_file = tmp_path / "t.json", tmp_path / "p.arrow"
    with simulator(
        *SCENE, "--seconds", "2", "--loop", "0.2", "--truth", truth_file, "--photons", photons_file
    ) as server:
        got = subscribe(server, 8)
        code, errors = server.finish()
    truth = truth_of(truth_file)
    photons, _, about = read_photons(photons_file)
    fields = decoded(got, 0)
    times = photons.time_ps // 1_000_000

    assert (code, errors, got.gap) == (0, "", 0)
    assert about["loop_ps"] == truth["loop_ps"] == 200_000_000_000
    assert truth["repetitions"] == 10
    assert truth["events"] == 10 * len(photons) == len(fields["head"])
    assert np.array_equal(fields["time_us"], np.concatenate([times + k * 200_000 for k in range(10)]))
    assert np.array_equal(fields["head"], np.tile(photons.head, 10))


def test_one_process_for_each_head_makes_the_halves_of_one_camera(tmp_path: Path) -> None:
    halves = []
    for head in (0, 1):
        photons_file = tmp_path / f"{head}.arrow"
        with simulator(*SCENE, "--seconds", "0.5", "--head", head, "--photons", photons_file) as server:
            got = subscribe(server, 8)
            assert server.finish() == (0, "")
        halves.append(decoded(got, 0))

    assert [set(half["head"].tolist()) for half in halves] == [{0}, {1}]
    hot = [half["x_mm"][half["y_mm"] > 60].mean() for half in halves]
    assert hot[0] > 5 > -5 > hot[1]
