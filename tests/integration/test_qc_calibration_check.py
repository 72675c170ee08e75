"""A calibration of recordings, from its measurement over its check to its use, in a folder that keeps a life-cycle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daq.cli.main import main

SCANNER = """
schema = "scanner-profile/0"
id = "small-head"
title = "One small head"
vendor = "test"
source = "made up"
verified = "simulated"
[[heads]]
id = "front"
number = 0
instrument = "head-xye64"
angle_deg = 180.0
width_mm = 128.0
height_mm = 96.0
"""
EVENTS = 300_000


def flood(folder: Path, name: str, *, seed: int) -> Path:
    """Import a flood of a head whose energies are uneven by 3 %."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-80, 80, EVENTS), rng.uniform(-64, 64, EVENTS)
    kev = rng.normal(140.511, 5.9, EVENTS) * (1.02 + 0.03 * np.cos(2 * np.pi * x / 40.0))
    at, up, energy = (np.rint(each).astype(np.int64) & 0x3FF for each in (x / 0.6, y / 0.6, kev / 0.5))
    words = (1 << 62) | (np.arange(EVENTS, dtype=np.int64) << 30) | (energy << 20) | (up << 10) | at
    (folder / f"{name}.words").write_bytes(words.astype("<i8").tobytes())
    out = folder / name
    words_file = str(folder / f"{name}.words")
    assert main(["listmode", "import", "--profile", "head-xye64", words_file, "--out", str(out), "--json"]) == 0
    return out


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["calibrate", *words])
    shown = capsys.readouterr()
    told = json.loads(shown.out) if shown.out.startswith("{") else {}
    return code, told, shown.out + shown.err


def test_a_calibration_is_measured_tried_signed_used_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small-head.toml").write_text(SCANNER, encoding="utf-8")
    first, second = flood(tmp_path, "first", seed=1), flood(tmp_path, "second", seed=2)
    calibrations = tmp_path / "calibrations"
    calibrations.mkdir()
    head = ("--scanner", str(tmp_path / "small-head.toml"), "--folder", str(calibrations), "--json")
    why = ("--reason", "commissioning")
    assert asked(capsys, "lifecycle", str(calibrations), "--begin", *why)[0] == 0

    names = []
    for made_of, checked_by in ((first, second), (second, first)):
        code, told, said = asked(
            capsys, "energy-map", "--flood", str(made_of), "--pitch", "8", "--serial", "H1", *head
        )  # fmt: skip
        assert code == 0, said
        file = told["file"]
        names.append(told["calibration"]["id"])
        assert "was not checked" in asked(capsys, "sign", str(calibrations), names[-1], *why)[2]
        code, _, said = asked(capsys, "verify", file, "--flood", str(checked_by), "--limit", "1", *head)
        assert code == 0, said  # the candidate is tried, although it is not active
        assert asked(capsys, "sign", str(calibrations), names[-1], *why)[0] == 0
        assert asked(capsys, "activate", str(calibrations), names[-1], *why)[0] == 0
    used = asked(capsys, "nema", "--flood", str(first), "--serial", "H1", *head)[1]["after"]["calibrations"]
    assert used == [names[1]]
    code, _, said = asked(capsys, "roll-back", str(calibrations), names[1], "--reason", "an edge")
    assert (code, f"{names[0]} is active again" in said) == (0, True)
    used = asked(capsys, "nema", "--flood", str(first), "--serial", "H1", *head)[1]["after"]["calibrations"]
    assert used == [names[0]]
