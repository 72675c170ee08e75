"""A ring is looked at while it is recorded: figures of modules, times of flight, planes and angles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support_cli import done, started
from support_readout import until
from support_record import attached, temporary_folder
from support_simulators import simulator

from daq.readout.liveview import LiveView
from daq.storage.listing import load_manifest


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


def test_what_is_seen_of_a_point_source_is_where_it_stands(tmp_path: Path, temporary: Path) -> None:
    """60 mm from the axis: its lines lie within a band of the sinogram, and every pair seen is in every figure."""
    with simulator(
        "pet", "--profile", "singles64", "--activity", "point:F-18,mbq=0.3,x=60,y=0,z=0", "--seconds", "2",
        "--kev-per-adc", "1",
    ) as front_end, started(
        "record", "--profile", "singles64", "--source", front_end.ready["udp"], "--scanner", "reference-ring",
        "--window", "photopeak=425-650 keV", "--half-window", "3.2 ns", "--delay", "100 ns", "--out", tmp_path / "run",
        temporary=temporary,
    ) as process:  # fmt: skip
        views: list[LiveView] = []
        until(lambda: bool(views) or attached(temporary, views), "the live figures")
        with views[0] as view:
            shown = done(process)
            figures, about = view.figures(), view.about["looks"]["ring"]

    assert shown.code == 0, shown.err
    rows = {segment.stream: segment.rows for segment in load_manifest(tmp_path / "run").segments}
    looked = figures["looked"]
    seen = looked["coincidences_seen"]
    assert seen + looked["coincidences_skipped"] <= rows["coincidences"]  # what the end released was not looked at
    assert seen > 1000
    assert figures["modules"].sum() == looked["singles_seen"]
    assert figures["tof"].sum() + looked["tof_outside"] == seen
    assert figures["axial"].sum() == seen
    prompts = figures["sinogram"][0].sum(axis=0)
    n, fold = about["sinogram"]["crystals"], about["sinogram"]["fold_radius"]
    radius_mm = about["sinogram"]["radius_mm"] * np.cos(np.pi * (n - 1 - fold * np.arange(len(prompts))) / n)
    inside = np.abs(radius_mm) < 75.0
    assert prompts[inside].sum() > 0.98 * prompts.sum() > 500
    edge = figures["axial"][0].argmax()
    assert abs(edge - about["axial"]["planes"] // 2) <= about["axial"]["planes"] // 4
