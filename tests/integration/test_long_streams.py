"""Memory does not grow with the length of a stream: a tenth of it is measured against the whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.bench_streams import one

MOST_MB = 700
"""What a command may hold resident, mapped file pages included, however long the recording is."""
MOST_GROWTH = 1.5


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_memory_is_flat_over_ten_gigabytes(tmp_path: Path) -> None:
    gigabytes = float(os.environ.get("SCANDAQ_BENCH_GB", "10"))

    short = one(tmp_path / "short", gigabytes / 10)
    long = one(tmp_path / "long", gigabytes)

    peaks_mb = {verb: (round(short[verb][2]), round(figures[2])) for verb, figures in long.items()}
    print(peaks_mb)
    assert {verb: peak for verb, (_, peak) in peaks_mb.items() if peak > MOST_MB} == {}
    assert {verb: peaks for verb, peaks in peaks_mb.items() if peaks[1] > MOST_GROWTH * peaks[0]} == {}
