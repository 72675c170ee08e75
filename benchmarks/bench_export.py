"""Exports of pairs: PETSIRD's encoder against the official writer on the same events, and memory at two lengths.

SCANDAQ_BENCH_GB is the size of the directory that the longer export is made of, in GB: 1 by default.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import petsird

from benchmarks.bench_streams import MOST_MB, measured
from benchmarks.common import Row, interleaved
from daq.listmode.encoder import Encoder
from daq.listmode.petsird_events import CHUNK_ROWS, EventEncoder, TofBins
from daq.listmode.petsird_geometry import NO_BIN, detection_bins
from daq.model.scanner import Ring
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

OFFICIAL_ROWS = 20_000
OURS_PER_OFFICIAL = 25
"""So many times the official writer's events go through ours in a round, for both to take about as long."""
FLOOR, AIM = 10.0, 40.0
RING_RATE = 400_000
BYTES_PER_ROW = 17.0


def run() -> list[Row]:
    """Return the rows of the table."""
    return [*encoder_rows(), *memory_rows()]


def ring() -> Ring:
    found = load_scanner("siemens-mmr").ring
    assert found is not None
    return found


def columns(rows: int, bins: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    made = np.sort(rng.choice(np.flatnonzero(bins != NO_BIN).astype(np.uint32), (rows, 2)), axis=1)
    return {
        "detector_a": made[:, 0].copy(), "detector_b": made[:, 1].copy(), "kind": np.zeros(rows, np.uint8),
        "tof_ps": rng.integers(-2250, 2251, rows).astype(np.int32),
    }  # fmt: skip


def encoder_rows() -> list[Row]:
    """Compare bytes first, then CPU time per event; the official writer is given finished objects and made ones."""
    bins = detection_bins(ring())
    events = columns(OFFICIAL_ROWS * OURS_PER_OFFICIAL, bins)
    few = {name: column[:OFFICIAL_ROWS] for name, column in events.items()}
    encoder = EventEncoder(bins, np.array([430, 610], np.float32), TofBins.covering(2250, 36))
    ours = encoder.encode(few)
    numbers = _numbers(ours.prompts.tobytes(), OFFICIAL_ROWS)
    objects = _objects(numbers)
    theirs = _official(objects)
    if ours.prompts.tobytes() not in theirs or ours.prompt_number != OFFICIAL_ROWS:
        raise RuntimeError("the official writer makes other bytes of the same events")

    def all_of_ours() -> None:
        for start, stop in pairwise([*range(0, len(events["kind"]), CHUNK_ROWS), len(events["kind"])]):
            encoder.encode({name: column[start:stop] for name, column in events.items()})

    spent = interleaved(
        {"ours": all_of_ours, "writer": lambda: _official(objects), "both": lambda: _official(_objects(numbers))}
    )
    rate = len(events["kind"]) / spent["ours"] / 1e6
    official = {name: OFFICIAL_ROWS / spent[name] / 1e6 for name in ("writer", "both")}
    figure = (
        f"{rate:.1f} M events/s with pairs to bins and time of flight; official: {official['writer']:.2f} M/s of "
        f"finished objects, {official['both']:.2f} M/s with making them; {len(ours.prompts) / OFFICIAL_ROWS:.2f} B each"
    )
    return [
        Row("PETSIRD encoder / official writer", figure, rate / official["writer"], FLOOR, AIM),
        Row("PETSIRD encoder / 10 M events/s", f"{rate:.1f} M events/s", rate / 10, 1.0, 2.0),
    ]


def _numbers(data: bytes, rows: int) -> list[tuple[int, int, int]]:
    """Decode what the encoder made, byte by byte."""
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value, shift = 0, 0
    return list(zip(*(values[at : 3 * rows : 3] for at in range(3)), strict=True))


def _objects(numbers: list[tuple[int, int, int]]) -> list[petsird.CoincidenceEvent]:
    return [petsird.CoincidenceEvent(detection_bins=[a, b], tof_idx=tof) for a, b, tof in numbers]


def _official(events: list[petsird.CoincidenceEvent]) -> bytes:
    made = io.BytesIO()
    block = petsird.EventTimeBlock(time_interval=petsird.TimeInterval(start=0, stop=100), prompt_events=[[events]])
    with petsird.BinaryPETSIRDWriter(made) as writer:
        writer.write_header(petsird.Header())
        writer.write_time_blocks([petsird.TimeBlock.EventTimeBlock(block)])
    return made.getvalue()


def memory_rows() -> list[Row]:
    """Export recordings of a tenth and of the whole length, each in a fresh process."""
    gigabytes = float(os.environ.get("SCANDAQ_BENCH_GB", "1"))
    place = Path(tempfile.mkdtemp(prefix="scandaq-bench-", dir=os.environ.get("SCANDAQ_BENCH_DIR", ".")))
    try:
        found = [_exported(place / str(part), int(part * gigabytes * 1e9 / BYTES_PER_ROW)) for part in (0.1, 1.0)]
    finally:
        shutil.rmtree(place)
    rows = []
    for to in found[0]:
        short, (wall, cpu, peak, events) = found[0][to], found[1][to]
        figure = (
            f"{events / 1e6:.0f} M events in {wall:.1f} s ({cpu:.1f} CPU-s, {events / cpu / 1e6:.1f} M events/CPU-s); "
            f"peak {short[2]:.0f} MB at a tenth, {peak:.0f} MB"
        )
        rows.append(Row(f"listmode export to {to}, {MOST_MB} MB / peak", figure, MOST_MB / max(short[2], peak), 1.0))
    return rows


def _exported(place: Path, rows: int) -> dict[str, tuple[float, float, float, int]]:
    place.mkdir()
    made, header = place / "listmode", place / "header.hdr"
    rows = _wire_file(place / "wire.l", rows)
    header.write_text(
        "!INTERFILE:=\nnumber of rings:=64\n%axial compression:=1\n%maximum ring difference:=60\n"
        "%number of projections:=344\n%number of views:=252\n"
        "%energy window lower level (keV) [1]:=430\n%energy window upper level (keV) [1]:=610\n"
    )
    measured(
        "listmode", "import", str(place / "wire.l"), "--profile", "siemens-petlink32", "--out", str(made), "--no-raw"
    )
    (place / "wire.l").unlink()
    figures = {}
    for to, more in (("petsird", ["--half-window", "2.93 ns"]), ("safir", [])):
        out = place / f"out.{to}"
        scanner = ["--scanner", "siemens-mmr", "--header", str(header)]
        figures[to] = (*measured("listmode", "export", str(made), "--to", to, "--out", str(out), *scanner, *more), rows)
        out.unlink()
    return figures


def _wire_file(path: Path, rows: int) -> int:
    """Write seconds of 400,000 coincidences of an mMR over and over, time words going on; return how many."""
    profile = load_profile("siemens-petlink32")
    rng = np.random.default_rng(1)
    names = list(profile.layout.kinds)
    codes = np.where(rng.random(RING_RATE) < 0.86, names.index("prompt"), names.index("delayed"))
    # projections and views whose two crystals are real: the middle of a block against the middle of another
    bins = rng.integers(0, 4084, RING_RATE) * 344 * 252 + 9 * rng.integers(0, 28, RING_RATE) * 344 + 176
    encoder = Encoder(profile.layout, profile.clock, time_words="all")
    second = encoder.encode(codes, np.sort(rng.integers(0, 1000, RING_RATE)), {"bin": bins}).view("<u4").copy()
    is_time = (second >> 29) == 4
    seconds = max(1, rows // RING_RATE)
    with path.open("wb") as file:
        for _ in range(seconds):
            file.write(second.tobytes())
            second[is_time] += 1000
    return seconds * RING_RATE
