"""Whether a test of quality control may be acquired now: everything that is against it, in one refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.qc.figures import Level
from daq.model.qc.limits import QcTest
from daq.model.qc.verbs import QcRun
from daq.model.verbs import Prepare
from daq.qc.sources import source_entry, source_in_use
from daq.services.qc.bed import Bed
from daq.services.qc.standing import Standing

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.protocol_terms import QcTerms
    from daq.model.station import Actor

FORMS: Mapping[str, tuple[str, ...]] = {
    "sheet": ("sheet",),
    "point": ("point", "vial"),
    "line": ("line", "rod"),
    "cylinder": ("cylinder", "phantom"),
    "capsule": ("capsule", "point", "vial", "marker"),
    "phantom": ("phantom", "cylinder", "vial", "other"),
}
"""The forms of the source register that are what a protocol asks for."""
BACKGROUND = "background"
"""Name by which a background that is not in limits is overridden."""
DRAFT = "quality control without a patient"
"""Reason that stands where a protocol is a draft and nobody gave another one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a test is acquired with: what is prepared, and what the manifest says of the test."""

    prepare: Prepare
    protocol: AcquisitionProtocol
    told: Mapping[str, Any]


class Asking:
    """Judges requests for tests. `protocol_of` loads a protocol by its id."""

    def __init__(self, standing: Standing, bed: Bed, protocol_of: Callable[[str], AcquisitionProtocol]) -> None:
        self._standing, self._bed, self.protocol_of = standing, bed, protocol_of

    async def asked(self, request: QcRun, actor: Actor) -> Asked:
        """Return what to prepare. Raise `MissingError` where there is no such test, `RefusedError` with all reasons."""
        test, protocol, terms = await self.terms_of(request.test)
        if request.bed_empty:
            self._bed.state_empty(actor)
        against = [self._of_bed()]
        source, why = await self.source(request.source, protocol, terms)
        against.append(why)
        background, why = await self._background(terms)
        overridden = BACKGROUND in request.overrides
        against.append(None if overridden else why)
        reasons = [reason for reason in against if reason is not None]
        if reasons:
            raise RefusedError(f"{request.test} cannot be run: {'; '.join(reasons)}")
        told = {
            "test": request.test, "title": test.title, "analysis": test.analysis, "source": source,
            "background": background, "statements": {"bed empty": self._bed.statement},
            "overrides": {BACKGROUND: request.overrides[BACKGROUND]} if overridden and why is not None else {},
        }  # fmt: skip
        prepare = Prepare(
            protocol=protocol.id, draft_reason=request.draft_reason or DRAFT, reason=request.reason, views=[],
            windows=[], overrides={name: reason for name, reason in request.overrides.items() if name != BACKGROUND},
        )  # fmt: skip
        return Asked(prepare, protocol, told)

    async def terms_of(self, name: str) -> tuple[QcTest, AcquisitionProtocol, QcTerms]:
        """Return a test that is acquired, its protocol, and what that needs. Raise `MissingError`, `RefusedError`."""
        tests = self._standing.tests
        if name not in tests:
            raise MissingError(f"this scanner has no test {name!r}; there are {', '.join(tests) or 'none'}")
        test = tests[name]
        if test.protocol is None:
            raise RefusedError(
                f"{name} has no protocol: it is entered (daq qc enter {name}), or made of recordings (daq qc analyse)"
            )
        protocol = await asyncio.to_thread(self.protocol_of, test.protocol)
        if protocol.qc is None:
            raise RefusedError(f"{name}: protocol {protocol.id} has no [qc]: it is none of quality control")
        return test, protocol, protocol.qc

    def _of_bed(self) -> str | None:
        if not self._bed.occupied:
            return None
        return f"the bed is {self._bed.statement}: state that it is empty (--bed-empty, or daq qc bed-empty)"

    async def source(
        self, serial: str | None, protocol: AcquisitionProtocol, terms: QcTerms
    ) -> tuple[dict[str, Any], str | None]:
        """Return the source as the manifest has it, and why it cannot be used."""
        if terms.source == "none":
            return {}, None if serial is None else f"it is done without a source, not with {serial}"
        what = f"a {terms.source} of {protocol.radionuclide}"
        try:
            if serial is None:
                return {}, f"{what} is needed: name it (--source SERIAL){await self._register(protocol, terms)}"
            found = await self._standing.books.source(serial)
            if found is None:
                more = await self._register(protocol, terms)
                return {}, f"source {serial} is not in the register (daq qc source){more}"
            entry = source_entry(serial, dict(found.body))
            used = source_in_use(
                entry, at=self._standing.clock(), zone=self._standing.zone, nuclides=(protocol.radionuclide or "",)
            )
        except ScandaqError as why:
            return {}, str(why)
        if entry.form not in FORMS[terms.source]:
            return {}, f"source {serial} is a {entry.form}, and {what} is needed"
        return used.to_body(), None

    async def _register(self, protocol: AcquisitionProtocol, terms: QcTerms) -> str:
        """Return which sources of the register fit, in words."""
        fit = [
            str(each.body.get("serial"))
            for each in await self._standing.books.sources()
            if each.body.get("nuclide") == protocol.radionuclide and not each.body.get("disposed")
            and each.body.get("form") in FORMS[terms.source]
        ]  # fmt: skip
        return f"; the register has {', '.join(fit)}" if fit else "; the register has none that fits"

    async def _background(self, terms: QcTerms) -> tuple[dict[str, Any], str | None]:
        """Return the background that stands, and why it is not in limits."""
        if terms.background is None:
            return {}, None
        try:
            kept, why = await self._standing.of_need(terms.background)
        except ScandaqError as trouble:
            return {}, f"the background before the source is not known: {trouble}"
        if kept is None:
            return {}, f"no background before the source: {why} (daq qc run {terms.background.name})"
        about = {"result": kept.document.id, "sha256": kept.document.sha256, "level": str(kept.result.level)}
        if kept.result.level is not Level.IN_LIMITS:
            name, when = terms.background.name, kept.document.at_utc
            return about, f"the background before the source, {name} of {when}, is {kept.result.level}"
        return about, None
