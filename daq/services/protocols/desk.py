"""Who carries out the verbs about protocols. Files are read and written in one thread beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from typing import Protocol as Shape

from acquisition_protocols.book import Book, Edit, InForce, identified
from acquisition_protocols.difference import difference
from acquisition_protocols.load import is_shipped, load_protocol, protocol_of
from acquisition_protocols.signing import sign
from acquisition_protocols.versions import Version
from daq.errors import MissingError, ProfileError, RefusedError, ScandaqError
from daq.model.console.protocol_verbs import (
    Protocol,
    ProtocolCheck,
    ProtocolDiff,
    ProtocolRestore,
    ProtocolRetire,
    Protocols,
    ProtocolSave,
    ProtocolSign,
    ProtocolVersions,
)
from daq.model.finding import Finding, error, errors
from daq.model.protocol import AcquisitionProtocol
from daq.model.station import Actor
from daq.services.protocols.rows import Rows, matching
from daq.services.worker import Worker

Handler = Callable[[Any, Actor], Awaitable[dict[str, Any]]]
LIST = "protocols"
_WITHIN_S = 20.0
_LOOK_S = 2.0


class Facts(Shape):
    """What the station has to say of protocols."""

    def against(self, protocol: AcquisitionProtocol) -> list[Finding]:
        """Return what its scanner and instrument cannot do of it."""
        ...

    def figures(self, protocol: AcquisitionProtocol) -> dict[str, Any]:
        """Return what it takes here, and its steps in words."""
        ...

    def expected(self, protocol: AcquisitionProtocol, request: Protocol) -> dict[str, Any] | None:
        """Return what an activity is expected to give; None where none is said."""
        ...

    def form(self) -> dict[str, Any]:
        """Return what a form needs."""
        ...


class ProtocolDesk:
    """Answers, and changes; `changed` is called when the list is another than before."""

    def __init__(self, folder: Path | None, facts: Facts, changed: Callable[[str], None]) -> None:
        self._book, self._facts, self._changed = Book(folder), facts, changed
        self._rows = Rows(self._book, facts.against)
        self._worker = Worker("protocols", threads=1, waiting=64)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return who carries out what."""
        return {
            "protocols": self._answering(self._list), "protocol": self._answering(self._one),
            "protocol-form": self._answering(lambda _, __: self._facts.form()),
            "protocol-versions": self._answering(self._versions), "protocol-diff": self._answering(self._diff),
            "protocol-check": self._answering(self._check), "protocol-save": self._changing(self._save),
            "protocol-sign": self._changing(self._sign), "protocol-restore": self._changing(self._restore),
            "protocol-retire": self._changing(self._retire),
        }  # fmt: skip

    async def run(self) -> None:
        """Look at the files until cancelled, so that who shows the list hears when a person has put one there."""
        while True:
            _, another = await self._worker.call_within(_WITHIN_S, self._rows.all)
            if another:
                self._changed(LIST)
            await asyncio.sleep(_LOOK_S)

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    def _answering(self, work: Callable[[Any, Actor], dict[str, Any]]) -> Handler:
        async def answer(request: Any, actor: Actor) -> dict[str, Any]:
            return await self._worker.call_within(_WITHIN_S, work, request, actor)

        return answer

    def _changing(self, work: Callable[[Any, Actor], dict[str, Any]]) -> Handler:
        answering = self._answering(work)

        async def change(request: Any, actor: Actor) -> dict[str, Any]:
            answer = await answering(request, actor)
            self._changed(LIST)
            return answer

        return change

    # Asked

    def _list(self, request: Protocols, _: Actor) -> dict[str, Any]:
        rows, _changed = self._rows.all()
        found = matching(rows, request.text, request.kind, retired=request.retired)
        return {"protocols": found, "of": len(rows), "may_save": bool(self._book.folders)}

    def _one(self, request: Protocol, _: Actor) -> dict[str, Any]:
        identity = identified(request.protocol)
        now = self._book.in_force(identity)
        kept = None if request.version is None else self._book.version(identity, request.version)
        if kept is None and now is None:
            there = self._book.history(identity)
            raise MissingError(f"the file of {identity} is gone; its last version is {there[0].version.version}")
        told = self._told(identity, now, kept)
        return told | self._judged(told["document"], identity, request)

    def _told(self, identity: str, now: InForce | None, kept: Version | None) -> dict[str, Any]:
        text = kept.text if kept is not None else now.text if now is not None else ""
        document = protocol_of(text)
        row = next((row for row in self._rows.all()[0] if row["id"] == identity), None)
        retired = self._book.retired(identity)
        return {
            "id": identity, "row": row, "shipped": now is not None and is_shipped(now.path),
            "base": now.sha256 if now is not None else None, "sha256": now.sha256 if kept is None and now else None,
            "version": kept.version if kept is not None else now.version if now is not None else None,
            "in_force": kept is None or (now is not None and kept.sha256 == now.sha256),
            "document": document, "toml": text.encode(errors="replace").decode(),
            "retired": None if retired is None else retired.model_dump(mode="json"),
            "may_save": bool(self._book.folders), "versions": self._kept(identity),
        }  # fmt: skip

    def _judged(self, document: dict[str, Any], identity: str, request: Protocol | None) -> dict[str, Any]:
        """Return what is wrong with a document, here or anywhere, and what it takes where it can be used."""
        protocol, found = checked_document(document, identity)
        here = [] if protocol is None else self._facts.against(protocol)
        told: dict[str, Any] = {
            "findings": [*(_said(each, "file") for each in found), *(_said(each, "station") for each in here)],
            "errors": len(errors(found)), "usable_here": protocol is not None and not errors(here),
            "figures": None, "expected": None, "expected_problem": None,
        }  # fmt: skip
        if protocol is None:
            return told
        told["figures"] = self._facts.figures(protocol)
        if request is not None and request.activity is not None:
            try:
                told["expected"] = self._facts.expected(protocol, request)
            except ScandaqError as why:
                told["expected_problem"] = str(why).replace("--", "")
        return told

    def _versions(self, request: ProtocolVersions, _: Actor) -> dict[str, Any]:
        return {"id": request.protocol, "versions": self._kept(identified(request.protocol))}

    def _kept(self, identity: str) -> list[dict[str, Any]]:
        """Return the versions. `not_in_force`: newer than the one in force, as where the station died while saving."""
        told, kept = [], self._book.history(identity)
        now = next((each.version.version for each in kept if each.in_force), None)
        for each in kept:
            about = each.version.model_dump(mode="json", exclude={"text", "schema_id"})
            signed = None if each.signature is None else asdict(each.signature)
            never = now is not None and each.version.version > now
            told.append(about | {"in_force": each.in_force, "not_in_force": never, "signature": signed})
        return told

    def _diff(self, request: ProtocolDiff, _: Actor) -> dict[str, Any]:
        identity = identified(request.protocol)
        old = self._document(identity, request.old)
        if request.document is not None and request.new is not None:
            raise RefusedError("give a version or a document to compare with, not both")
        new = request.document if request.document is not None else self._document(identity, request.new)
        changes = difference(old, new)
        return {"id": identity, "changes": [asdict(each) | {"sentence": each.sentence} for each in changes]}

    def _document(self, identity: str, number: int | None) -> dict[str, Any]:
        if number is not None:
            return protocol_of(self._book.version(identity, number).text)
        now = self._book.in_force(identity)
        return {} if now is None else now.document

    def _check(self, request: ProtocolCheck, _: Actor) -> dict[str, Any]:
        return self._judged(request.document, str(request.document.get("id")), None)

    # Done

    def _save(self, request: ProtocolSave, actor: Actor) -> dict[str, Any]:
        if request.document.get("id") != request.protocol:
            raise RefusedError(f"the document is of {request.document.get('id')!r}, not of {request.protocol!r}")
        made = Edit(request.document, request.base, actor.user, request.reason, request.like)
        return _saved(self._book.save(made))

    def _restore(self, request: ProtocolRestore, actor: Actor) -> dict[str, Any]:
        identity = identified(request.protocol)
        return _saved(
            self._book.restore(identity, request.version, base=request.base, by=actor.user, reason=request.reason)
        )

    def _retire(self, request: ProtocolRetire, actor: Actor) -> dict[str, Any]:
        identity = identified(request.protocol)
        self._book.retire(identity, base=request.base, by=actor.user, reason=request.reason)
        return {"id": identity, "retired": True}

    def _sign(self, request: ProtocolSign, actor: Actor) -> dict[str, Any]:
        identity = identified(request.protocol)
        now = self._book.in_force(identity)
        if now is None:
            raise MissingError(f"there is no protocol {identity!r}")
        if is_shipped(now.path):
            raise RefusedError(f"{identity} comes with scandaq and is not signed there: save a version of the site's")
        if now.sha256 != request.sha256:
            raise RefusedError(f"{identity} has changed since you read it; look at what differs before you sign")
        loaded = load_protocol(now.path)
        signature = sign(now.path, identity, loaded.sha256, by=actor.user, meaning=request.meaning)
        return {"id": identity, "version": loaded.protocol.version, **asdict(signature)}


def checked_document(
    document: dict[str, Any], identity: str
) -> tuple[AcquisitionProtocol | None, list[Finding]]:  # fmt: skip
    """Return the protocol of a document and everything wrong with it."""
    from acquisition_protocols.load import checked_tables

    if not document:
        return None, [error("file", "", "is no TOML")]
    try:
        return checked_tables(document, Path(f"{identity}.toml"))
    except ProfileError as why:
        return None, [Finding("", "", str(why))]


def _said(finding: Finding, where: str) -> dict[str, str]:
    return {**asdict(finding), "where": where}


def _saved(version: Version) -> dict[str, Any]:
    return version.model_dump(mode="json", exclude={"text", "schema_id"})
