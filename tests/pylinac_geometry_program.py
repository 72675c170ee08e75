"""Runs in an interpreter that has pylinac: what it makes of NM objects; the answer is a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pylinac import nuclear  # type: ignore[import-not-found]

asked = json.loads(Path(sys.argv[1]).read_text())
rotation = nuclear.CenterOfRotation(asked["rotation"])
rotation.analyze()
rates = nuclear.MaxCountRate(asked["rates"])
rates.analyze(frame_duration=asked["frame_s"])
sensitivity = nuclear.SimpleSensitivity(asked["sensitivity"])
sensitivity.analyze(activity_mbq=asked["activity_mbq"], nuclide=nuclear.Nuclide.Tc99m)
print("RESULT " + json.dumps({
    "offset_from_edge_mm": float(rotation.cor_x["a"]), "residual_mm": float(rotation.x_cor_deviation_mm),
    "highest_cps": float(rates.max_countrate), "cps_per_mbq": float(sensitivity.sensitivity_mbq),
}))  # fmt: skip
