"""What was done to singles, as the manifest says it: written when a recording begins, read by replay and sorting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from daq.errors import FormatError
from daq.model.processing import Processing

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.manifest import Manifest

_ABOUT = {"id", "made_utc", "method", "sha256", "identity", "state", "left_out"}


def note_processing(manifest: Manifest, processing: Processing) -> None:
    """Write into the manifest what is done to singles, the calibration named besides; nothing where nothing is done."""
    if processing == Processing():
        return
    manifest.processing = processing.model_dump(mode="json")
    if processing.calibration is not None:
        about = processing.calibration.model_dump(mode="json", include=_ABOUT)
        manifest.calibrations = {**manifest.calibrations, "singles": about}


def recorded_processing(manifest: Manifest, directory: Path) -> Processing:
    """Return what was done to singles; raise `FormatError` where the manifest says something else than a processing."""
    if manifest.processing is None:
        return Processing()
    try:
        return Processing.model_validate_json(json.dumps(manifest.processing))
    except ValidationError as why:
        first = why.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FormatError(f"{directory}: the manifest's processing: {where}: {first['msg']}") from None
