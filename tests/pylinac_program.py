"""pylinac's planar uniformity of NM pictures in DICOM files, as JSON by file. Runs by itself."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from pylinac.nuclear import PlanarUniformity  # type: ignore[import-not-found]


def judged(path: str) -> dict[str, Any]:
    """Return its four numbers, and which pixels of the binned picture it took for the useful field."""
    test = PlanarUniformity(path)
    test.analyze()
    said = test.results_data(as_dict=True)["Frame 1"]
    frame = test.frame_results["1"]
    fields = {name: (frame[name].fov > 0).tolist() for name in ("ufov", "cfov")}
    return {**{key: float(value) for key, value in said.items()}, **fields}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({path: judged(path) for path in sys.argv[1:]}))
