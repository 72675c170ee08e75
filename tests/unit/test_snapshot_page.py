"""The page on snapshots says what the code does, and its program reads a snapshot without our package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from support_pages import ROOT, blocks
from support_study_looks import look_of

from daq.listmode.codegen import CAUSES
from daq.listmode.columns import decoded_columns
from daq.model.headcalibration import Grid, HeadCorrections
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from daq.readout import snapshotformat
from daq.readout.control import ControlServer
from daq.readout.live import Live
from daq.readout.lookdeclaration import LOOKED, declare
from daq.readout.studylooks import KEYS, StudyLooks
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

PAGE = (ROOT / "docs" / "reference" / "snapshot.md").read_text(encoding="utf-8")
LAYOUT = load_profile("head-xye64").layout


def live_camera() -> Live:
    """Return the figures of a camera that gives everything, a ring's figures included."""
    columns = {
        **decoded_columns(LAYOUT),
        "singles": [*decoded_columns(LAYOUT)["singles"], "detector"],
        "coincidences": ["time_ps", "detector_a", "detector_b", "tof_ps", "kind"],
    }
    flat = Grid.of(np.ones((1, 1)), x0_mm=0, y0_mm=0, pitch_mm=1)
    processing = Processing(
        windows=(EnergyWindow(126, 154, "peak"),), heads=(HeadCorrections(head=0, uniformity={"peak": flat}),)
    )
    ring = load_scanner("siemens-mmr").ring
    declared = declare(columns, (*LAYOUT.kinds, *CAUSES), LAYOUT, ring=ring, processing=processing)
    return Live(replace(declared, study=look_of("body", "heart")))


def tables(header: str) -> list[list[str]]:
    """Return the cells of all tables that begin with the line `header`."""
    texts = [text.split("\n\n")[0] for text in PAGE.split(f"{header}\n")[1:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for text in texts for line in text.splitlines()[1:]]


def test_the_program_on_the_page_reads_a_snapshot(tmp_path: Path) -> None:
    (program,) = [block for block in blocks(PAGE) if block.about == "live.py"]
    (tmp_path / "live.py").write_text(program.text)
    with live_camera() as live:
        live.skip({}, np.array([[5, 0, 0, 0, 0]]), 0)
        live.tick(1, lambda: {"state": "recording"}, lambda: "{}")
        with closing(ControlServer(tmp_path / "control", lambda _: {"fd": live.snapshot.duplicate()})):
            done = subprocess.run(
                [sys.executable, "-P", "live.py", "control"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "counters ['single', 'cardiac_trigger', 'unknown', 'out_of_range', 'untimed']",
        "counts of source 0 [5 0 0 0 0]",
        'status {"state": "recording"}',
    ]


def test_the_page_names_every_array_with_group_type_and_dimensions() -> None:
    types = {"|u1": "text", "<u8": "uint64", "<u4": "uint32", "<i8": "int64", "<f8": "float64", "<f4": "float32"}
    with live_camera() as live:
        specs = [place.spec for group in live.snapshot._directory.groups.values() for place in group.arrays.values()]

    found = {
        row[0].strip("`"): (row[1].strip("`"), row[2], row[3])
        for row in tables("| array | group | type | shape | meaning |")
    }
    assert {name: entry[:2] for name, entry in found.items()} == {
        spec.name: (spec.group, types[spec.dtype]) for spec in specs
    }
    assert {name: len([part for part in entry[2].split(",") if part]) for name, entry in found.items()} == {
        spec.name: 0 if spec.text else len(spec.shape) for spec in specs
    }


def test_the_page_names_every_key_of_study() -> None:
    section = PAGE.split("## Pictures of a study\n")[1].split("\n## ")[0]
    keys = [name for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    about = json.loads(str(StudyLooks(look_of("heart")).values()["study"]))

    assert set(about) == {"step", "series", "omitted"}
    assert keys == list(KEYS)


def test_the_page_names_every_element_of_looked() -> None:
    assert re.findall(r"`(\w+)`", "".join(row[0] for row in tables("| element of `looked` | meaning |"))) == [
        *(name for what in ("seen", "skipped") for name in LOOKED[:4] if name.endswith(what)), *LOOKED[4:]
    ]  # fmt: skip


def test_the_page_states_the_offsets_of_the_code() -> None:
    code = snapshotformat.__doc__ or ""
    offsets = [found[0] for found in re.findall(r"^    (\S.*?)  +(8|2|4|\.\.\.)  +\S", code, re.MULTILINE)]
    stated = [row[0].replace("`", "") for row in tables("| offset | size | field |")]

    assert len(stated) == 15
    assert offsets == stated


def test_the_page_states_version_and_magic() -> None:
    assert f"magic `{snapshotformat.MAGIC.decode()}`" in PAGE
    assert f"major version, {snapshotformat.MAJOR};" in PAGE
    assert f"minor version, {snapshotformat.MINOR};" in PAGE


def test_the_directory_on_the_page_is_one_that_is_understood() -> None:
    (example,) = [block for block in blocks(PAGE) if block.language == "json" and '"groups"' in block.text]
    directory = snapshotformat.parse_directory(example.text.encode(), 1 << 20)

    assert directory.groups["looks"].arrays["counts"].spec.shape == (1025, 14)
