"""What may be asked and done about the protocols of a site: look, compare, check, save, sign, restore, retire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from daq.model.arguments import Arguments, Named, Reason
from daq.model.station import Role

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=1, le=1_000_000)]
Document = Annotated[dict[str, Any], Field(min_length=1, max_length=100)]
"""The tables of the file, with its keys; numbers with a dimension are texts with their unit."""
Said = Annotated[str, Field(max_length=40)]


class Protocols(Arguments):
    """Ask for the protocols, those of the site first. `text`: those whose id, title, kind or nuclide have its words."""

    text: Annotated[str, Field(max_length=200)] = ""
    kind: Named | None = None
    retired: bool = False
    """With those that are not offered any more."""


class Protocol(Arguments):
    """Ask for one protocol whole, in force or an older version; with `activity`: what it is expected to count."""

    protocol: Named
    version: Number | None = None
    activity: Said | None = None
    """With its unit: `600 MBq`."""
    after: Said | None = None
    """How long after the injection the first step begins."""
    visible: Said | None = None
    """The share of it that a head sees."""
    collimator: Said | None = None


class ProtocolForm(Arguments):
    """Ask for what a form needs: what each key means, units, choices, and what this station has."""


class ProtocolVersions(Arguments):
    """Ask for the versions of a protocol, newest first."""

    protocol: Named


class ProtocolDiff(Arguments):
    """Ask what differs: between two versions, or a version (default: the one in force) and a document."""

    protocol: Named
    old: Number | None = None
    new: Number | None = None
    document: Document | None = None


class ProtocolCheck(Arguments):
    """Ask what is wrong with a document, and what it would take, without saving it."""

    document: Document


class ProtocolSave(Arguments):
    """Keep a document as the next version of a protocol and put it in force.

    `base`: SHA-256 of what was read; none: the protocol is new. `like`: id of the protocol that a new one was made of.
    """

    protocol: Named
    document: Document
    base: Sha256 | None = None
    like: Named | None = None


class ProtocolSign(Arguments):
    """Sign a protocol of the site as oneself. `sha256`: of what was read, so that nobody signs what he has not seen."""

    protocol: Named
    sha256: Sha256
    meaning: Reason


class ProtocolRestore(Arguments):
    """Make the content of an older version the next one. `base`: SHA-256 of what is in force; none where nothing is."""

    protocol: Named
    version: Number
    base: Sha256 | None = None


class ProtocolRetire(Arguments):
    """Offer a protocol no more. Nothing is deleted; restoring a version offers it again."""

    protocol: Named
    base: Sha256


PROTOCOL_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "protocols": (Protocols, Role.VIEWER, "the protocols, and their state"),
    "protocol": (Protocol, Role.VIEWER, "one protocol whole, what is against it here, what it takes and counts"),
    "protocol-form": (ProtocolForm, Role.VIEWER, "what a form for protocols needs: meanings, units, choices"),
    "protocol-versions": (ProtocolVersions, Role.VIEWER, "the versions of a protocol: who, when, why"),
    "protocol-diff": (ProtocolDiff, Role.VIEWER, "what differs between versions, or from an edited one"),
    "protocol-check": (ProtocolCheck, Role.VIEWER, "what is wrong with an edited protocol, without saving it"),
    "protocol-save": (ProtocolSave, Role.PHYSICIST, "keep an edited protocol as the next version, with a reason"),
    "protocol-sign": (ProtocolSign, Role.PHYSICIST, "sign a protocol of the site"),
    "protocol-restore": (ProtocolRestore, Role.PHYSICIST, "make an older version the next one, with a reason"),
    "protocol-retire": (ProtocolRetire, Role.PHYSICIST, "offer a protocol no more, with a reason"),
}
"""Verb: its arguments, the least role, what it does."""
PROTOCOL_ASKING = frozenset({
    "protocols", "protocol", "protocol-form", "protocol-versions", "protocol-diff", "protocol-check",
})  # fmt: skip
