"""From a protocol to what the readout is told: which instrument, which limits, what stands in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition import addresses_of, new_manifest, require_space
from daq.composition.countable import require_countable
from daq.composition.heads import Camera, camera_of
from daq.composition.processing import noted, processing_of
from daq.errors import MissingError, RefusedError
from daq.model.protocol_estimate import estimate
from daq.model.stop import parse_stop
from daq.model.study import StudyReference
from daq.model.verbs import Prepare
from daq.services.acquisition.papers import Papers

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.model.calibration import Calibration
    from daq.model.headcalibration import HeadCorrections
    from daq.model.processing import Processing
    from daq.model.protocol import AcquisitionProtocol, Step
    from daq.model.stop import StopCondition
    from daq.readout.plan import Plan, SourceAddress
    from daq.storage.manifest import Manifest
    from device_profiles.schema import InstrumentProfile
    from device_profiles.site import Plug

_LEAST_S = 60.0
_MARGIN = 2.0
"""Words to allow for one expected count: patients differ, and so do background and other energies."""
_FIRST_LEASE_S = 30.0
"""The readout loads its kernels before it answers for the first time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be acquired, by whom, under which overrides, into which directory."""

    loaded: LoadedProtocol
    request: Prepare
    directory: Path
    operator: str
    overrides: dict[str, str]
    papers: Papers
    collimator: str | None = None
    """What is mounted, or what somebody says is."""
    study: StudyReference | None = None
    qc: Mapping[str, Any] | None = None
    """What the manifest says of quality control: which test it is, or which results a patient's rests on."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An instrument with what a protocol makes it do; made of what fits alone."""

    plug: Plug
    profile: InstrumentProfile
    sources: tuple[SourceAddress, ...]
    limits: tuple[StopCondition, ...]
    camera: Camera
    processing: Processing
    store_rows: bool


def fitted(equipment: Equipment, protocol: AcquisitionProtocol, directory: Path, collimator: str | None) -> Fitted:
    """Return what a protocol is acquired with; refuse what cannot work, or does not fit the storage."""
    plug, profile = instrument_for(equipment, protocol)
    sources = addresses_of(profile, plug.urls)
    limits = tuple(parse_stop(step.stop_limits()) for step in protocol.steps)  # of all, so that none is refused later
    camera = camera_for(equipment, protocol, collimator)
    processing = _processing(equipment, protocol, profile, camera.heads)
    _require_space(equipment, protocol, profile, directory, processing)
    store_rows = protocol.store.pairs if pairs_itself(profile) else protocol.store.rows
    for limit in limits:
        require_countable(profile, limit, processing, store_rows=store_rows)
    return Fitted(plug, profile, sources, limits, camera, processing, store_rows)


def protocol_plan(equipment: Equipment, wanted: Wanted) -> tuple[Plan, Path]:
    """Return the plan and a fresh runtime directory; refuse what cannot work, or does not fit, before it starts."""
    from daq.readout.plan import CONTROL, Plan, Receive
    from daq.readout.registry import runtime_directory

    protocol = wanted.loaded.protocol
    fit = fitted(equipment, protocol, wanted.directory, wanted.collimator)
    profile = fit.profile
    manifest = _manifest(equipment, wanted, profile, fit.plug, str(fit.limits[0]))
    fit.camera.note(manifest)
    runtime = runtime_directory()
    plan = Plan(
        directory=str(wanted.directory.resolve()),
        manifest=noted(manifest, fit.processing),
        layout=profile.layout,
        clock=profile.clock,
        unit=profile.counting_unit,
        sources=fit.sources,
        datagram_framing=profile.transport.datagram_framing or "none",
        front_end=profile.transport.front_end,
        stop=fit.limits[0],
        order=profile.order,
        receive=Receive(rate_words_per_s=profile.transport.rate_max_words_per_s),
        processing=fit.processing,
        store_raw=protocol.store.raw,
        store_rows=fit.store_rows,
        start_at_once=False,
        single_step=False,
        control=str(runtime / CONTROL),
        step_name=protocol.steps[0].name,
        moving=protocol.steps[0].moving,
        attend_s=_FIRST_LEASE_S,
    )
    return plan, runtime


def _require_space(
    equipment: Equipment, protocol: AcquisitionProtocol, profile: InstrumentProfile, directory: Path,
    processing: Processing,
) -> None:  # fmt: skip
    """Refuse a protocol that does not fit the storage.

    A minute at the highest rate must fit where no rate is stated. Where singles are paired the rate that counts is
    that of singles: the rates of the steps are of pairs.
    """
    about = estimate(protocol, scanner=equipment.scanner)
    duration_s = about.duration_s.value or _LEAST_S
    counts = about.counts.value
    if protocol.coincidence is not None and not pairs_itself(profile):
        singles_cps = protocol.coincidence.expected_singles_cps
        counts = None if singles_cps is None else singles_cps * duration_s
    if counts is None:
        words = min(duration_s, _LEAST_S) * profile.transport.rate_max_words_per_s
    else:
        words = _MARGIN * counts * profile.layout.event_bytes / profile.layout.word_bytes
    require_space(
        profile, directory, words=words, duration_s=duration_s, processing=processing, store_raw=protocol.store.raw
    )


def pairs_itself(profile: InstrumentProfile) -> bool:
    """Return True for an instrument whose words are coincidences, of which nothing is left to be processed."""
    from daq.listmode.columns import decoded_columns

    return "singles" not in decoded_columns(profile.layout)


def calibration_for(
    equipment: Equipment, protocol: AcquisitionProtocol, profile: InstrumentProfile
) -> Calibration | None:
    """Return the site's newest calibration that is valid now; `identity` where windows or pairs need one and none is.

    None where nothing needs one: rows stay as the front end gives them. Raises what a damaged file raises.
    """
    from device_profiles.calibrations import find_calibration

    if pairs_itself(profile):
        return None
    found = find_calibration(
        equipment.site.calibrations, instrument=profile.id, at=datetime.now(UTC),
        detector_count=profile.detector.detector_count,
    )  # fmt: skip
    needed = bool(protocol.windows.windows) or protocol.coincidence is not None
    return found if needed or not found.identity else None


def camera_for(equipment: Equipment, protocol: AcquisitionProtocol, collimator: str | None) -> Camera:
    """Return the corrections of the heads that a protocol is acquired with. Raises what `camera_of` does.

    Uniformity is that of the windows as they were signed, also where an exam has moved one: within what may be moved it
    is the same peak, and a map that is left out would be worse.
    """
    plug, profile = instrument_for(equipment, protocol)
    scanner = equipment.scanner
    if scanner is None or not scanner.heads or pairs_itself(profile):
        return camera_of(profile, None, None)
    return camera_of(
        profile, scanner, equipment.site.head_calibrations, windows=protocol.signed_windows.windows,
        collimator=collimator, serials=dict(enumerate(plug.serials)), sensed=True,
    )  # fmt: skip


def _processing(
    equipment: Equipment, protocol: AcquisitionProtocol, profile: InstrumentProfile,
    heads: tuple[HeadCorrections, ...] = (),
) -> Processing:  # fmt: skip
    """Return what is done to the singles. Windows and pairing are the acquisition's: nothing changes them under way."""
    from daq.model.processing import Processing

    if pairs_itself(profile):
        return Processing()
    ring = equipment.scanner.ring if equipment.scanner is not None else None
    pairing = None
    if protocol.coincidence is not None:
        if ring is None:
            raise RefusedError(
                f"protocol {protocol.id} pairs singles, and this station names no scanner with a ring: it is not "
                "known which detectors may pair"
            )
        pairing = protocol.coincidence.rule(ring)
    return processing_of(
        profile, windows=protocol.windows.windows, pairing=pairing, ring=ring, singles=protocol.store.singles,
        calibration=calibration_for(equipment, protocol, profile), pairs=protocol.store.pairs,
        heads=heads,
    )  # fmt: skip


def _manifest(equipment: Equipment, wanted: Wanted, profile: InstrumentProfile, plug: Plug, stop: str) -> Manifest:
    site, loaded, papers = equipment.site, wanted.loaded, wanted.papers
    identity, protocol = wanted.directory.name, loaded.protocol
    manifest = new_manifest(
        profile, identity=identity, source=", ".join(plug.urls), stop=stop, simulated=site.simulated
    )
    return manifest.model_copy(update={
        "continues": wanted.request.continues,
        "station": site.station,
        "scanner": equipment.scanner.model_dump(mode="json") if equipment.scanner else None,
        "protocol": {
            "id": protocol.id, "version": protocol.version, "title": protocol.title, "sha256": loaded.sha256,
            "state": loaded.state, "steps": len(protocol.steps), "plan": [_planned(step) for step in protocol.steps],
            "toml": loaded.text.decode(), "window_changes": [each.to_json() for each in protocol.changed],
        },
        "operator": wanted.operator,
        "overrides": {**wanted.overrides, **(wanted.qc or {}).get("overrides", {})},
        "qc": None if wanted.qc is None else dict(wanted.qc),
        "study": wanted.study.model_dump(mode="json") if wanted.study else None,
        "patient_reference": papers.patient.ref.key if papers.patient else None,
        "administration_reference": papers.administration.key if papers.administration else None,
    })  # fmt: skip


def _planned(step: Step) -> dict[str, Any]:
    """Return where a step is to be taken, as the manifest holds it."""
    at = {axis: {"value": value, "unit": step.units[axis]} for axis, value in step.positions.items()}
    return {
        "name": step.name, "kind": str(step.kind), "positions": at, "overlap_percent": step.overlap_percent,
        "first": step.first, "hand_overs": [each.name for each in step.before],
    }  # fmt: skip


def instrument_for(equipment: Equipment, protocol: AcquisitionProtocol) -> tuple[Plug, InstrumentProfile]:
    """Return the one instrument of the site that the protocol can be acquired with."""
    ids = protocol.file.instrument.profiles
    fitting = {
        name: pair
        for name, pair in equipment.instruments.items()
        if pair[1].modality == protocol.modality and (not ids or pair[1].id in ids)
    }
    what = f"a {protocol.modality} instrument" + (f" of profile {' or '.join(ids)}" if ids else "")
    if not fitting:
        has = ", ".join(f"{name} ({pair[1].modality})" for name, pair in equipment.instruments.items())
        raise MissingError(f"protocol {protocol.id} needs {what}; this station has {has or 'no instrument'}")
    if len(fitting) > 1:
        raise RefusedError(
            f"protocol {protocol.id} could be acquired with {', '.join(fitting)}: it must name one profile"
        )
    return next(iter(fitting.values()))
