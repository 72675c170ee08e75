"""The documents of quality control. Each is written once, never changed, and told from others by the hash of its body.

A *result* says what a test found; a *signature* binds a name and a meaning to the hash of a result; a *strike* takes a
result out of lists and trends with a reason, and deletes nothing; a *reference* makes a signed result the one that
others are compared with; an *event* marks service or recalibration; a *source* is one of the source register, a
*source-note* a line of its log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from daq.errors import FormatError
from daq.model.qc.figures import Figure, Level

DOCUMENT_SCHEMA = "qc-document/1"
DocumentKind = Literal["result", "signature", "strike", "reference", "event", "source", "source-note"]
KINDS: tuple[DocumentKind, ...] = ("result", "signature", "strike", "reference", "event", "source", "source-note")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,119}")


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `about`: id of the document that it is about, a test's or source's name, else empty.

    `at_utc`: when what it tells of happened (a test: when it was performed), RFC 3339 with milliseconds and Z; `by` is
    who says so, `entered_utc` when the station took it. `body`: what it says, plain data by its kind.
    """

    id: str
    kind: DocumentKind
    at_utc: str
    entered_utc: str
    by: str
    body: Mapping[str, Any]
    about: str = ""
    station: str = ""
    scanner: str = ""
    simulated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, its hash with it."""
        return {**self.content(), "sha256": self.sha256}

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of all that it says, as canonical JSON: keys in order, no spaces, UTF-8."""
        return hashlib.sha256(canonical(self.content())).hexdigest()

    def content(self) -> dict[str, Any]:
        """Return all that the hash is of."""
        return {
            "schema": DOCUMENT_SCHEMA, "id": self.id, "kind": self.kind, "at_utc": self.at_utc,
            "entered_utc": self.entered_utc, "by": self.by, "about": self.about, "station": self.station,
            "scanner": self.scanner, "simulated": self.simulated, "body": dict(self.body),
        }  # fmt: skip


def canonical(told: Mapping[str, Any]) -> bytes:
    """Return canonical JSON. Raise `FormatError` for what JSON cannot hold, infinite numbers included."""
    try:
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as why:
        raise FormatError(f"a document of quality control cannot be written: {why}") from None


def new_identity(what: str, at_utc: str, told: Mapping[str, Any]) -> str:
    """Return the id of a new document: `20261123t141805123z-daily-flood-3fa9c2d1`, the end from what it tells.

    That of a result begins with its time, `what` being the test; that of another one with its kind: `what` is
    `signature`, `source-hc-57-1` ... Told again, the same document has the same id.
    """
    moment = re.sub(r"[^0-9tz]", "", at_utc.lower())
    name = re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")[:70] or "x"
    end = hashlib.sha256(canonical({"what": what, "at_utc": at_utc, "told": dict(told)})).hexdigest()[:8]
    is_other = any(name == kind or name.startswith(f"{kind}-") for kind in KINDS if kind != "result")
    return f"{name}-{moment}-{end}" if is_other else f"{moment}-{name}-{end}"


def document_bytes(document: Document) -> bytes:
    """Return the file of a document: its canonical JSON with the hash as the last key, and a line end.

    Without `,"sha256":"..."` and the line end it is what the hash is of, byte for byte.
    """
    return canonical(document.content())[:-1] + f',"sha256":"{document.sha256}"}}\n'.encode()


def document_from(told: Mapping[str, Any]) -> Document:
    """Return the document of its plain data. Raise `FormatError` for one that is not whole, or whose hash is wrong."""
    try:
        made = Document(
            **{name: told[name] for name in ("id", "kind", "at_utc", "entered_utc", "by", "body")},
            **{name: told[name] for name in ("about", "station", "scanner", "simulated")},
        )
        fits = told["schema"] == DOCUMENT_SCHEMA and made.kind in KINDS and isinstance(made.body, Mapping)
        same = made.sha256 == told["sha256"]
    except (KeyError, TypeError) as why:
        raise FormatError(f"a document of quality control is not whole: {why}") from None
    if not fits or not _ID.fullmatch(made.id):
        raise FormatError(
            f"document {str(told['id'])[:40]!r}: schema {told['schema']!r}, kind {made.kind!r}: not known"
        )
    if not same:
        raise FormatError(f"document {made.id}: it was changed after it was written: its hash does not fit")
    return made


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure of one subject beside its limit. `text` says it in a sentence."""

    figure: str
    subject: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class QcResult:
    """The body of a result: all that is needed to see, years later, what was found and why it was judged so.

    `acquisitions`: `{"id", "directory", "manifest_sha256"}` of each recording; `protocol`: id, version, sha256, state;
    `source`: of the register, with its activity at the time; `limits`: those used, verbatim; `reference`: id of the
    result that relative limits were taken from; `statements`: what the operator stated, by whom; `overrides`: reasons.
    """

    test: str
    title: str
    analysis: str
    analysis_version: int
    level: Level
    figures: tuple[Figure, ...]
    judged: tuple[Judged, ...]
    limits: Mapping[str, Any]
    obstacles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    advice: str = ""
    acquisitions: tuple[Mapping[str, Any], ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    calibrations: tuple[Mapping[str, Any], ...] = ()
    collimator: str | None = None
    reference: str | None = None
    statements: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Any] = field(default_factory=dict)
    evidence_sha256: str | None = None
    comment: str = ""
    software: str = ""

    def to_body(self) -> dict[str, Any]:
        """Return it as plain data."""
        told = {name: getattr(self, name) for name in self.__slots__}
        told |= {"level": str(self.level), "figures": [each.to_json() for each in self.figures]}
        told["judged"] = [
            {"figure": one.figure, "subject": one.subject, "level": str(one.level), "text": one.text}
            for one in self.judged
        ]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> QcResult:
        """Return the result of a document's body. Raise `FormatError` for one that is not whole."""
        try:
            told = {name: body[name] for name in cls.__slots__ if name in body}
            told["figures"] = tuple(map(Figure.from_json, body["figures"]))
            told["judged"] = tuple(
                Judged(one["figure"], one["subject"], Level(one["level"]), one["text"]) for one in body["judged"]
            )
            told["level"] = Level(body["level"])
            for name in ("obstacles", "remarks", "acquisitions", "calibrations"):
                told[name] = tuple(told.get(name, ()))
            return cls(**told)
        except (KeyError, TypeError, ValueError) as why:
            raise FormatError(f"a result of quality control is not whole: {why}") from None
