"""What the manifest of a recording tells of how it was acquired: protocol, heads, how the patient lay.

Read before any row, and by whoever shows a recording under way: nothing here computes, nothing loads what does.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from daq.errors import FormatError
from daq.model.geometry import PatientOrientation
from daq.model.protocol_file import ProtocolFile
from daq.model.protocol_steps import made_of
from daq.model.study import StudyReference
from daq.pipeline.facing import GANTRY
from daq.pipeline.seriesrule import HeadFacts

if TYPE_CHECKING:
    from daq.model.layout import Layout
    from daq.model.protocol import AcquisitionProtocol
    from daq.storage.manifest import Manifest

_HEADS = 8


def turns(manifest: Manifest, protocol: AcquisitionProtocol | None) -> bool:
    """Return True where something turns the heads: an axis of the scanner, or a step that sets it."""
    rotary = ((manifest.scanner or {}).get("axes") or {}).get("rotary") or {}
    return GANTRY in rotary or any(GANTRY in step.positions for step in (protocol.steps if protocol else ()))


def recorded_protocol(manifest: Manifest, where: object) -> AcquisitionProtocol | None:
    """Return the protocol that the manifest holds, all its sessions; None where it holds none."""
    text = (manifest.protocol or {}).get("toml")
    if text is None:
        return None
    try:
        return made_of(ProtocolFile.model_validate_json(json.dumps(tomllib.loads(str(text)))))
    except (tomllib.TOMLDecodeError, ValidationError) as why:
        raise FormatError(f"{where}: the protocol in its manifest cannot be read: {why}") from None


def heads_of(manifest: Manifest, layout: Layout) -> tuple[HeadFacts, ...]:
    """Return the heads of the scanner that the manifest names, else those that words can name."""
    told: Sequence[Mapping[str, Any]] = (manifest.scanner or {}).get("heads", ())
    if not told:
        codes = max((1 << field.width for field in layout.fields_to("head")), default=1)
        return tuple(HeadFacts(number) for number in range(min(codes, _HEADS)))
    return tuple(sorted((head_facts(place, head) for place, head in enumerate(told)), key=lambda head: head.number))


def head_facts(place: int, told: Mapping[str, Any]) -> HeadFacts:
    """Return a head of the scanner as a manifest tells it. Raise `FormatError` naming what is wrong."""
    try:
        numbers = (float(told[key]) for key in ("angle_deg", "width_mm", "height_mm"))
        return HeadFacts(int(told["number"]), str(told["id"]), *numbers)
    except KeyError as key:
        raise FormatError(f"manifest.json: scanner.heads[{place}] says no {key.args[0]}") from None
    except (TypeError, ValueError) as why:
        raise FormatError(f"manifest.json: scanner.heads[{place}]: {why}") from None


def orientation_of(manifest: Manifest, protocol: AcquisitionProtocol | None) -> PatientOrientation:
    """Return how the patient lay: by the study, else by the protocol; head first and supine where neither says."""
    if manifest.study is not None:
        try:
            return StudyReference.model_validate(manifest.study).patient_orientation
        except ValidationError as why:
            raise FormatError(f"manifest.json: study: {why.errors()[0]['loc'][0]}: {why.errors()[0]['msg']}") from None
    return protocol.patient_orientation if protocol else PatientOrientation.HFS
