"""From a protocol to what the readout is told: which instrument, which limits, what stands in the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition import new_manifest, require_space
from daq.errors import MismatchError, MissingError, RefusedError
from daq.model.protocol_estimate import estimate
from daq.model.stop import parse_stop
from daq.model.verbs import Prepare
from daq.services.acquisition.papers import Papers

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.model.protocol import AcquisitionProtocol
    from daq.readout.plan import Plan
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


def protocol_plan(equipment: Equipment, wanted: Wanted) -> tuple[Plan, Path]:
    """Return the plan and a fresh runtime directory; refuse what cannot work, or does not fit, before it starts."""
    from daq.readout.plan import CONTROL, Plan, Receive, parse_source
    from daq.readout.registry import runtime_directory

    protocol = wanted.loaded.protocol
    plug, profile = instrument_for(equipment, protocol)
    source = parse_source(plug.url)
    if source.kind not in profile.transport.kinds:
        raise MismatchError(f"profile {profile.id} cannot be reached by {plug.url}")
    limits = [parse_stop(step.stop_limits()) for step in protocol.steps]  # of all, so that none is refused later
    _require_space(equipment, protocol, profile, wanted.directory)
    runtime = runtime_directory()
    plan = Plan(
        directory=str(wanted.directory.resolve()),
        manifest=_manifest(equipment, wanted, profile, plug, str(limits[0])),
        layout=profile.layout,
        clock=profile.clock,
        unit=profile.counting_unit,
        source=source,
        datagram_framing=profile.transport.datagram_framing or "none",
        stop=limits[0],
        order=profile.order,
        receive=Receive(rate_words_per_s=profile.transport.rate_max_words_per_s),
        start_at_once=False,
        single_step=False,
        control=str(runtime / CONTROL),
        step_name=protocol.steps[0].name,
        moving=protocol.steps[0].moving,
        attend_s=_FIRST_LEASE_S,
    )
    return plan, runtime


def _require_space(
    equipment: Equipment, protocol: AcquisitionProtocol, profile: InstrumentProfile, directory: Path
) -> None:
    """Refuse a protocol that does not fit the storage. Of one that states no rate a minute at the highest must fit."""
    about = estimate(protocol, scanner=equipment.scanner)
    duration_s = about.duration_s.value or _LEAST_S
    words = _MARGIN * about.counts.value if about.counts.value is not None else None
    if words is None:
        words = min(duration_s, _LEAST_S) * profile.transport.rate_max_words_per_s
    require_space(profile, directory, words=words, duration_s=duration_s)


def _manifest(equipment: Equipment, wanted: Wanted, profile: InstrumentProfile, plug: Plug, stop: str) -> Manifest:
    site, loaded, papers = equipment.site, wanted.loaded, wanted.papers
    identity, protocol = wanted.directory.name, loaded.protocol
    manifest = new_manifest(profile, identity=identity, source=plug.url, stop=stop, simulated=site.simulated)
    return manifest.model_copy(update={
        "continues": wanted.request.continues,
        "station": site.station,
        "scanner": equipment.scanner.model_dump(mode="json") if equipment.scanner else None,
        "protocol": {
            "id": protocol.id, "version": protocol.version, "title": protocol.title, "sha256": loaded.sha256,
            "state": loaded.state, "steps": len(protocol.steps), "toml": loaded.text.decode(),
        },
        "operator": wanted.operator,
        "overrides": wanted.overrides,
        "patient_reference": papers.patient.ref.key if papers.patient else None,
        "administration_reference": papers.administration.key if papers.administration else None,
    })  # fmt: skip


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
