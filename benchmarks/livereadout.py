"""A readout that shows and records nothing: live figures of a two-headed camera behind a control socket.

`python -m benchmarks.livereadout FOLDER` shows 40 kcps for each head until it is ended, and says when it is ready. What
it publishes is made by the readout's own parts; the time of the latest event is that of the host's monotonic clock.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Self

import numpy as np

from daq.composition import new_manifest
from daq.model.events import StreamName
from daq.model.processing import Processing
from daq.model.study import StudyReference
from daq.model.windows import EnergyWindow, WindowSet
from daq.readout.control import ControlServer
from daq.readout.live import Live
from daq.readout.lookdeclaration import declare
from daq.readout.plan import CONTROL
from daq.storage.manifest import MANIFEST, dump_manifest
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

PROFILE, SCANNER = "head-xye64", "dual-head"
WINDOW = EnergyWindow(126.45, 154.55, "photopeak")
COLUMNS: dict[StreamName, tuple[str, ...]] = {
    "singles": ("time_ps", "x_mm", "y_mm", "energy_kev", "head", "windows"), "marks": ()
}  # fmt: skip
_BATCH = 800
_BATCH_S = 0.01
_PS_PER_NS = 1000


class ShownReadout:
    """Figures of a run behind a control socket in `folder`, with a manifest beside it."""

    def __init__(self, folder: Path, run: str = "shown", *, orientation: str = "HFS") -> None:
        """Begin the run. `orientation`: how the patient lies, by DICOM's letters."""
        folder.mkdir(parents=True, exist_ok=True)
        profile = load_profile(PROFILE)
        manifest = new_manifest(profile, identity=run, source="udp://127.0.0.1:1", stop="end", simulated=True)
        manifest.scanner = load_scanner(SCANNER).model_dump(mode="json")
        manifest.study = StudyReference.new(bytes(16), patient_orientation=orientation).model_dump(mode="json")
        (folder / MANIFEST).write_bytes(dump_manifest(manifest))
        self._processing = Processing(windows=(WINDOW,))
        declared = declare(COLUMNS, ("single",), profile.layout, processing=self._processing, heads=(0, 1))
        self.live = Live(declared, about={"acquisition_id": run, "directory": str(folder)})
        self.path = folder / CONTROL
        self._control = ControlServer(self.path, self._answer)
        self._count = 0
        self._random = np.random.default_rng(1)

    def see(self, events: int, *, x_mm: float | None = None, y_mm: float | None = None) -> None:
        """Show events of now, around a place or all over the field."""
        random, now_ps = self._random, time.monotonic_ns() * _PS_PER_NS
        energy = random.normal(140.5, 6.0, events).astype("f4")
        places = [
            random.uniform(-half, half, events) if at is None else np.full(events, at)
            for half, at in ((270.0, x_mm), (200.0, y_mm))
        ]
        rows: Any = {"singles": {
            "time_ps": np.full(events, now_ps, np.int64), "x_mm": places[0].astype("f4"),
            "y_mm": places[1].astype("f4"), "energy_kev": energy,
            "head": np.arange(events, dtype=np.uint8) % 2, "windows": WindowSet((WINDOW,)).mask(energy),
        }}  # fmt: skip
        self._count += events
        self.live.see(rows, np.array([[self._count]]), now_ps)

    def publish(self) -> None:
        """Publish what is due."""
        self.live.tick(time.monotonic_ns(), dict, lambda: "null")

    def end(self) -> None:
        """End as a readout does: figures are published a last time."""
        self.live.finish({}, "null")
        self._control.close()

    def close(self) -> None:
        """End without a word, as far as that is possible within a process."""
        self._control.close()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.close()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"fd": self.live.snapshot.duplicate()} if request.get("do") == "snapshot" else {}


def main() -> int:
    """Show until it is ended."""
    with ShownReadout(Path(sys.argv[1])) as readout:
        readout.live.view(1, 0, None)
        print(json.dumps({"control": str(readout.path)}), flush=True)
        due_s = time.monotonic()
        while True:
            readout.see(_BATCH)
            readout.publish()
            due_s += _BATCH_S
            time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main())
