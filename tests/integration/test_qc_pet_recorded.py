"""Blocks of a real Biograph mMR: 254,201 coincidences without energies or times; skips without the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support_cli import call

from daq.listmode.interfile import parse_header
from daq.qc.pet import daily
from daq.qc.pet.ringmap import ring_map
from daq.qc.pet.tally import PairTally
from daq.storage.exportpairs import PairSource, Wanted
from daq.storage.reader import open_listmode
from device_profiles.scanners import load_scanner

HEADER = "siemens-mmr/PET_ACQ_small.l.hdr.STIR"
PROMPTS, DELAYEDS = 218_881, 35_320


@pytest.fixture
def mmr(recorded_data: Path, tmp_path: Path) -> PairTally:
    """The counts of the file's pairs."""
    file = recorded_data / "siemens-mmr/small_listmode_file.l"
    done = call("listmode", "import", "--profile", "siemens-petlink32", file, "--out", tmp_path / "mmr", "--json")
    assert done.code == 0, done.err
    scanner = load_scanner("siemens-mmr")
    assert scanner.ring is not None
    tally = PairTally(ring_map(scanner.ring))
    header = parse_header((recorded_data / HEADER).read_text(), HEADER)
    with open_listmode(tmp_path / "mmr") as run:
        for part in PairSource(run, Wanted(scanner=scanner, header=header)).runs():
            tally.add(part["detector_a"], part["detector_b"], part["kind"])
    return tally


def test_blocks_of_a_real_mmr_have_efficiencies_of_a_scanner_that_works(mmr: PairTally) -> None:
    found = daily.block_efficiencies(mmr)
    value, noise = 100.0 * found.value, 100.0 * found.noise
    centre = mmr.centre_mm()

    assert (mmr.prompts, mmr.delayeds, mmr.strangers) == (PROMPTS, DELAYEDS, 0)
    assert value.shape == (8, 56)
    assert not found.dead.any()
    assert daily.silent(mmr.ring.of_blocks(mmr.crystals[0]), mmr.ring).blocks == ()
    inner = value[1:-1]  # the object ends within the outer rows
    assert np.quantile(inner / inner.mean(axis=1, keepdims=True), (0.05, 0.95)) == pytest.approx([1.0, 1.0], abs=0.15)
    assert np.median(noise) < 8.0
    assert centre is not None
    assert np.hypot(*centre) < 60.0
