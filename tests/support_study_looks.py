"""Protocols with a step of each kind, what is shown of them live, and rows and marks of a made study, for tests."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import numpy as np

from daq.listmode.columns import decoded_columns
from daq.model.events import MARKS, NO_SOURCE
from daq.model.framed import Pixels
from daq.model.protocol_file import ProtocolFile
from daq.model.protocol_steps import made_of
from daq.pipeline.seriesrule import HeadFacts, Setup
from daq.readout.studydeclaration import StudyLook, look_at
from device_profiles.load import load_profile

HEADER = """
schema = "acquisition-protocol/1"
id = "mine"
version = 1
title = "Everything"
kind = "static"
modality = "gamma_camera"
instrument.heads = 2
sources."*" = "this test"
[windows.photopeak]
peak = "140.5 keV"
width = "20 %"
"""
STEPS = {
    "view": 'view = "ANT"\nimage.matrix = [64, 64]',
    "flow": """kind = "dynamic"
frame_zero = { by = "count_rate", rate = "9000 cps", over = "50 ms" }
phases = [{ frames = 3, frame = "0.3 s" }]
image.matrix = [32, 32]""",
    "body": """kind = "whole_body"
sweep = { axis = "bed", from = "0 mm", to = "300 mm", speed = "100 mm/s" }
image.matrix = [64, 128]""",
    "heart": """kind = "gated"
gate = { trigger = "ecg", bins = 8, framing = "percent", interval = ["600 ms", "1000 ms"] }
image.matrix = [32, 32]""",
    "around": """kind = "spect"
repeat = { count = 3, axis = "gantry", from = "0 deg", step = "30 deg" }
stop.time = "1 s"
image.matrix = [32, 32]""",
    "huge": """kind = "dynamic"
phases = [{ frames = 10000, frame = "1 s" }]
image.matrix = [256, 256]""",
}
HEADS = (HeadFacts(0, "front", 0.0, 540.0, 400.0), HeadFacts(1, "back", 180.0, 540.0, 400.0))
LAYOUT = load_profile("head-xye64").layout
COLUMNS = decoded_columns(LAYOUT)["singles"]
S = 10**12


def protocol_text(*names: str) -> str:
    """Return a protocol with these steps."""
    return HEADER + "".join(f'\n[[steps]]\nname = "{name}"\n{STEPS[name]}\n' for name in names)


def look_of(*names: str) -> StudyLook:
    """Return what is shown live of a protocol with these steps."""
    protocol = made_of(ProtocolFile.model_validate_json(json.dumps(tomllib.loads(protocol_text(*names)))))
    plain = Pixels.centred(540.0, 400.0, 10.0)
    return look_at(Setup(heads=HEADS, field_pixels=plain, steps=protocol.steps, windows=protocol.windows.windows))


def mark(kind: str, time_ps: int, *, text: str = "", value: int = 0, value2: float = float("nan")) -> dict[str, Any]:
    """Return a mark as columns."""
    return {
        "kind": np.array([MARKS.index(kind)], np.uint8), "time_ps": np.array([time_ps], np.int64),
        "source": np.array([NO_SOURCE], np.uint16), "value": np.array([value], np.int64),
        "value2": np.array([value2]), "text": [text],
    }  # fmt: skip


def singles(times_ps: list[int], *, head: int = 0, x_mm: float = 0.0, y_mm: float = 0.0) -> dict[Any, Any]:
    """Return events in the photopeak at one place, as streams."""
    rows = len(times_ps)
    return {"singles": {
        "time_ps": np.array(times_ps, np.int64), "x_mm": np.full(rows, x_mm, np.float32),
        "y_mm": np.full(rows, y_mm, np.float32), "head": np.full(rows, head, np.uint8),
        "windows": np.ones(rows, np.uint16),
    }}  # fmt: skip
