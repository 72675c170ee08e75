"""What each head sees while it is being looked at: its view and letters, from where the gantry is now.

By the functions that say so of a recording (`daq.pipeline.facing`, `daq.model.orientation`): nobody types it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.errors import MissingError
from daq.model.framed import head_first
from daq.model.geometry import PatientOrientation, View
from daq.model.orientation import NO_LETTERS, letters_seen, nearest_view
from daq.model.protocol import AcquisitionProtocol, Step
from daq.pipeline.facing import faced
from daq.pipeline.seriesrule import HeadFacts
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.storage.manifestfacts import head_facts, orientation_of, recorded_protocol, turns

_QUALITY_CONTROL = "quality_control"
_MOST_KNOWN = 64
_TURNING = ("TOMO", "GATED TOMO")


@dataclass(frozen=True, slots=True)
class LiveHeads:
    """What the manifest of the recording under way says of heads and patient."""

    heads: Mapping[int, HeadFacts]
    orientation: PatientOrientation
    protocol: AcquisitionProtocol | None
    turns: bool
    simulated: bool
    _known: dict[tuple[int, str, float | None], dict[str, Any]] = field(default_factory=dict)
    """What was worked out for the present step and angle of the gantry: it is asked for many times a second."""

    @property
    def turned(self) -> bool:
        """Return True where a picture as the detector has it must be turned by half a turn to be head up."""
        return not head_first(self.orientation)

    def seen(self, number: int, step_name: str, gantry_deg: float | None) -> dict[str, Any]:
        """Return what a head sees: `number`, `name`, `view`, `angle_deg` about the patient, `letters` and `doubt`.

        `letters` are those at left, right, top and bottom, empty where nobody knows or lies on the bed. `step_name`: of
        the present step, the first where there is none. `field_mm`: width and height, None where no scanner is known.
        """
        known = (number, step_name, gantry_deg)
        if known not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[known] = self._seen(number, step_name, gantry_deg)
        return self._known[known]

    def _seen(self, number: int, step_name: str, gantry_deg: float | None) -> dict[str, Any]:
        step = self._step(step_name)
        place = sorted(self.heads).index(number) if number in self.heads else len(self.heads)
        wanted = step.views[place] if step is not None and place < len(step.views) else None
        head = self.heads.get(number, HeadFacts(number))
        angle_deg, view, doubt = faced(
            head, math.nan if gantry_deg is None else gantry_deg, wanted, orientation=self.orientation,
            turns=self.turns,
        )  # fmt: skip
        return self._told(head, step, angle_deg, view, doubt)

    def seen_in(self, series: Mapping[str, Any], told: Mapping[str, Any], gantry_deg: float | None) -> dict[str, Any]:
        """Return what a head sees in a picture of a series, as the readout tells of both (`daq.readout.studylooks`).

        `gantry_deg`: of the slot that is shown; of a rotation it is another one in each.
        """
        head = self.heads.get(int(told["number"]), HeadFacts(int(told["number"]), str(told["name"])))
        step = self._of_series(series)
        angle_deg, view = told["angle_deg"], View(told["view"]) if told["view"] else None
        doubt = ""
        if series["kind"] in _TURNING and gantry_deg is not None:
            angle_deg, view, doubt = faced(
                head, gantry_deg, None, orientation=self.orientation, turns=self.turns
            )  # fmt: skip
        return self._told(head, step, angle_deg, view, doubt)

    def _told(
        self, head: HeadFacts, step: Step | None, angle_deg: float | None, view: View | None, doubt: str
    ) -> dict[str, Any]:
        patient = step is None or step.role != _QUALITY_CONTROL
        letters = letters_seen(angle_deg, view, step.laterality if step else None, patient=patient)
        shown = view if view is not None or angle_deg is None else nearest_view(angle_deg)
        return {
            "number": head.number, "name": head.name, "view": str(shown) if shown is not None and patient else "",
            "laterality": str(step.laterality) if step and step.laterality else "", "angle_deg": angle_deg,
            "letters": letters if patient else NO_LETTERS, "doubt": doubt, "patient": patient,
            "field_mm": None if head.width_mm is None or head.height_mm is None else [head.width_mm, head.height_mm],
        }  # fmt: skip

    def _step(self, name: str) -> Step | None:
        steps = self.protocol.steps if self.protocol else ()
        return next((step for step in steps if step.name == name), steps[0] if steps else None)

    def _of_series(self, series: Mapping[str, Any]) -> Step | None:
        """Return the step of the protocol that a series is made of, by the name of either."""
        steps = self.protocol.steps if self.protocol else ()
        name = series["name"]
        return next((step for step in steps if name in (step.name, step.key, step.name.rpartition(" ")[0])), None)


def live_heads(directory: Path, plan: Path | None = None) -> LiveHeads:
    """Return what the manifest of a recording says; before there is one what that of the readout's `plan` says.

    Raises what reading a manifest raises.
    """
    try:
        manifest = load_manifest(directory)
    except MissingError:
        if plan is None:
            raise
        manifest = _planned(plan)
    protocol = recorded_protocol(manifest, manifest.acquisition_id)
    told = (manifest.scanner or {}).get("heads", ())
    heads = [head_facts(place, each) for place, each in enumerate(told)]
    return LiveHeads(
        {head.number: head for head in heads}, orientation_of(manifest, protocol), protocol,
        protocol is not None and turns(manifest, protocol), manifest.simulated,
    )  # fmt: skip


def _planned(plan: Path) -> Manifest:
    """Return the manifest that a readout will begin with, of the file that told it."""
    try:
        return Manifest.model_validate(json.loads(plan.read_bytes())["manifest"])
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise MissingError(f"{plan}: it does not say what is going to be recorded ({type(why).__name__})") from None
