"""From a request to a run: the protocol is judged, the recording planned, the launch of the readout made ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition import acquisition_id, new_manifest, output_directory, require_space
from daq.errors import MismatchError, MissingError, RefusedError
from daq.model.finding import errors
from daq.model.station import Actor
from daq.model.stop import parse_stop
from daq.model.verbs import Prepare
from daq.services.acquisition.link import Link
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Around, Run
from daq.state.acquisition import Trigger

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.scanner import ScannerProfile
    from daq.readout.plan import Plan
    from device_profiles.schema import InstrumentProfile
    from device_profiles.site import Plug, Site

_FIRST_LEASE_S = 30.0
"""The readout loads its kernels before it answers for the first time."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a station has to acquire with."""

    site: Site
    scanner: ScannerProfile | None
    instruments: dict[str, tuple[Plug, InstrumentProfile]]
    collimator: Callable[[], Awaitable[str | None]]
    """What is mounted, as sensed; None where nothing senses it."""


class Planner:
    """Makes runs for a station."""

    def __init__(self, equipment: Equipment, machine: Machine, around: Around) -> None:
        self._equipment, self._machine, self._around = equipment, machine, around

    async def planned(self, request: Prepare, actor: Actor) -> Run:
        """Return a run, the state `preparing` and the journal written; raise what speaks against it."""
        loaded = await asyncio.to_thread(self.load, request.protocol)
        flags = await self._judge(loaded, request)
        plan, runtime = await asyncio.to_thread(self._plan, loaded, request, actor, flags)
        identity = plan.manifest.acquisition_id
        self._machine.fire(
            Trigger.PREPARE, "", run=identity, directory=plan.directory, runtime=str(runtime), step=0,
            protocol_id=loaded.protocol.id, protocol=loaded.text.decode(),
        )  # fmt: skip
        return Run(
            self._around, loaded.protocol, identity=identity, directory=Path(plan.directory),
            launch=partial(Link.launched, plan, runtime),
        )  # fmt: skip

    def load(self, name: str) -> LoadedProtocol:
        """Return a protocol of the site, or a shipped one. No path: who asks from afar must not name files."""
        from acquisition_protocols.load import load_protocol

        if "/" in name or name.endswith(".toml"):
            raise RefusedError(f"protocol {name!r}: give the id of a protocol of this site, not a file")
        folder = self._equipment.site.protocols
        return load_protocol(name, folders=[folder] if folder else [])

    async def _judge(self, loaded: LoadedProtocol, request: Prepare) -> dict[str, str]:
        """Return the requirements that were overridden, with reasons; raise for any that is not met."""
        from acquisition_protocols.rules import check

        protocol = loaded.protocol
        found = errors(check(protocol, scanner=self._equipment.scanner))
        if found:
            raise RefusedError(f"protocol {protocol.id}: " + "; ".join(map(str, found)))
        if loaded.state != "signed" and not request.draft_reason:
            raise RefusedError(
                f"protocol {protocol.id} version {protocol.version} is a draft: nobody has signed it; "
                "sign it, or give a reason for using it as a draft"
            )
        unmet = dict([entry async for entry in self._unmet(protocol)])
        left = [f"{name}: {why}" for name, why in unmet.items() if name not in request.overrides]
        if left:
            raise RefusedError(
                f"protocol {protocol.id} cannot be prepared: {'; '.join(left)}; "
                "each may be overridden by name with a reason, which every file will bear"
            )
        flags = {name: request.overrides[name] for name in unmet}
        return {**flags, **({"draft": request.draft_reason} if loaded.state != "signed" else {})}

    async def _unmet(self, protocol: AcquisitionProtocol) -> Any:
        """Yield each requirement that does not hold or cannot be shown to: its name, and why."""
        wanted = protocol.requirements.collimators
        if wanted:
            mounted = await self._equipment.collimator()
            if mounted is None:
                yield "collimator", f"{' or '.join(wanted)} is needed, and nothing senses what is mounted"
            elif mounted not in wanted:
                yield "collimator", f"{' or '.join(wanted)} is needed, {mounted} is mounted"
        for need in (*protocol.requirements.qc, *protocol.requirements.calibrations):
            yield need.name, f"{need.name} is needed, and this station has no record of one"

    def _plan(self, loaded: LoadedProtocol, request: Prepare, actor: Actor, flags: dict[str, str]) -> tuple[Plan, Path]:
        from daq.readout.plan import CONTROL, Plan, Receive, parse_source
        from daq.readout.registry import runtime_directory

        site, protocol = self._equipment.site, loaded.protocol
        plug, profile = self._instrument(protocol)
        source = parse_source(plug.url)
        if source.kind not in profile.transport.kinds:
            raise MismatchError(f"profile {profile.id} cannot be reached by {plug.url}")
        identity = acquisition_id()
        directory = output_directory(None, str(site.storage), identity)
        limits = [step.stop_limits() for step in protocol.steps]  # all of them, so that no step is refused later
        stop = parse_stop(limits[0])
        manifest = new_manifest(profile, identity=identity, source=plug.url, stop=str(stop), simulated=site.simulated)
        manifest = manifest.model_copy(update={
            "continues": request.continues,
            "station": site.station,
            "scanner": self._equipment.scanner.model_dump(mode="json") if self._equipment.scanner else None,
            "protocol": {
                "id": protocol.id, "version": protocol.version, "title": protocol.title, "sha256": loaded.sha256,
                "state": loaded.state, "steps": len(protocol.steps), "toml": loaded.text.decode(),
            },
            "operator": actor.user,
            "overrides": flags,
        })  # fmt: skip
        for limit in limits:
            require_space(profile, directory, source, parse_stop(limit), store_raw=True)
        runtime = runtime_directory()
        plan = Plan(
            directory=str(directory.resolve()),
            manifest=manifest,
            layout=profile.layout,
            clock=profile.clock,
            unit=profile.counting_unit,
            source=source,
            datagram_framing=profile.transport.datagram_framing or "none",
            stop=stop,
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

    def _instrument(self, protocol: AcquisitionProtocol) -> tuple[Plug, InstrumentProfile]:
        """Return the one instrument of the site that the protocol can be acquired with."""
        wanted = protocol.file.instrument.profiles
        fitting = {
            name: pair
            for name, pair in self._equipment.instruments.items()
            if pair[1].modality == protocol.modality and (not wanted or pair[1].id in wanted)
        }
        what = f"a {protocol.modality} instrument" + (f" of profile {' or '.join(wanted)}" if wanted else "")
        if not fitting:
            has = ", ".join(f"{name} ({pair[1].modality})" for name, pair in self._equipment.instruments.items())
            raise MissingError(f"protocol {protocol.id} needs {what}; this station has {has or 'no instrument'}")
        if len(fitting) > 1:
            raise RefusedError(
                f"protocol {protocol.id} could be acquired with {', '.join(fitting)}: it must name one profile"
            )
        return next(iter(fitting.values()))
