"""Memory is bounded, however long a stream is: a tenth of it and the whole stay below the same figure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.bench_streams import MOST_MB, one


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_memory_is_flat_over_ten_gigabytes(tmp_path: Path) -> None:
    gigabytes = float(os.environ.get("SCANDAQ_BENCH_GB", "10"))

    short = one(tmp_path / "short", gigabytes / 10)
    long = one(tmp_path / "long", gigabytes)

    peaks_mb = {verb: (round(short[verb][2]), round(figures[2])) for verb, figures in long.items()}
    print(peaks_mb)
    assert {verb: peaks for verb, peaks in peaks_mb.items() if max(peaks) > MOST_MB} == {}
