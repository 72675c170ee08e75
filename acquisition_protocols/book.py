"""What may be done with the protocols of a site: save, restore, retire; with who, when and why. Nothing is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from acquisition_protocols import versions
from acquisition_protocols.load import available, checked, is_shipped, protocol_of, read
from acquisition_protocols.rewrite import rewritten
from acquisition_protocols.signing import Signature, read_signature
from acquisition_protocols.versions import Version, sha256_of
from daq.errors import MissingError, ProfileError, RefusedError
from daq.model.finding import errors
from daq.model.protocol_file import Identifier
from daq.model.station import utc_now
from daq.model.tables import refusal

Document = dict[str, Any]
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


@dataclass(frozen=True, slots=True)
class InForce:
    """The file of a protocol as it is now. `document` is empty where the text is no TOML."""

    path: Path
    text: str
    sha256: str
    document: Document

    @property
    def version(self) -> int:
        """Return the number that the file says; 1 where it says none."""
        said = self.document.get("version")
        return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 1


@dataclass(frozen=True, slots=True)
class Edit:
    """New content. `base`: SHA-256 of what was read, None for a protocol that is new; `like`: id it was made from."""

    document: Document
    base: str | None
    by: str
    reason: str
    like: str | None = None
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as a list shows it. `in_force`: it is the file; `signature`: of exactly its text."""

    version: Version
    in_force: bool
    signature: Signature | None


class Book:
    """The protocols of a site's folder and those that come with scandaq. Every call reads the files anew."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Return the site's folder. Raises `RefusedError` where the site names none."""
        if self._folder is None:
            raise RefusedError('this site has no folder for protocols: name one in the site file, protocols = "..."')
        return self._folder

    @property
    def folders(self) -> list[Path]:
        """Return it as a list, empty where the site names none."""
        return [] if self._folder is None else [self._folder]

    def in_force(self, identity: str) -> InForce | None:
        """Return the file of a protocol, the site's before a shipped one; None where there is none."""
        path = available(self.folders).get(identified(identity))
        if path is None:
            return None
        text = read(path).decode(errors="surrogateescape")
        sha256 = sha256_of_bytes(text)
        return InForce(path, text, sha256, protocol_of(text))

    def history(self, identity: str) -> list[Kept]:
        """Return the versions of a protocol, newest first; of one that nobody changed here, the file alone."""
        now = self.in_force(identity)
        kept = [] if self._folder is None else versions.versions(self._folder, identified(identity))
        if now is None and not kept:
            raise MissingError(f"there is no protocol {identity!r}, and no version of one")
        if now is not None and all(each.sha256 != now.sha256 for each in kept):
            kept = [_of_file(identity, now, kept), *kept]
        signed = {} if now is None or is_shipped(now.path) else _signatures(now.path)
        return [
            Kept(each, now is not None and each.sha256 == now.sha256, signed.get(each.sha256))
            for each in sorted(kept, key=lambda each: each.version, reverse=True)
        ]

    def version(self, identity: str, number: int) -> Version:
        """Return one version. Raises `MissingError`, naming those that there are."""
        there = [each.version for each in self.history(identity)]
        for each in there:
            if each.version == number:
                return each
        known = ", ".join(str(each.version) for each in there)
        raise MissingError(f"protocol {identity} has no version {number}; there are: {known}")

    def save(self, edit: Edit) -> Version:
        """Keep new content as the next version and put it in force; return it.

        Raises `RefusedError` where somebody has saved since it was read, nothing differs, or no reason is given, and
        `ProfileError` for content with errors.
        """
        identity = identified(edit.document.get("id"))
        reason = _reason(edit.reason)
        with versions.changing(self.folder):
            now = self.in_force(identity)
            self._require_as_read(identity, now, edit.base)
            kept = self._with_file(identity, now)
            number = max((each.version for each in kept), default=0) + 1
            made = self._made(edit, now, number)
            version = Version(
                id=identity, version=number, sha256=sha256_of(made.text), by=edit.by, at_utc=utc_now(), reason=reason,
                what="saved" if edit.restores is None else "restored", base=edit.base, restores=edit.restores,
                comments_lost=made.comments_lost, text=made.text,
            )  # fmt: skip
            versions.keep(self.folder, version)
            site_file = self.folder / f"{identity}.toml"
            versions.put_in_force(site_file if now is None or is_shipped(now.path) else now.path, version)
            if edit.restores is not None:
                versions.offer_again(self.folder, identity)
        return version

    def restore(self, identity: str, number: int, *, base: str | None, by: str, reason: str) -> Version:
        """Make the content of an older version the next one, with its comments; return it."""
        older = self.version(identity, number)
        document = protocol_of(older.text)
        if not document:
            raise RefusedError(f"version {number} of {identity} is no TOML; it cannot be restored")
        edit = Edit(document, base, by, reason, restores=number)
        return self.save(replace(edit, document={**document, "id": identity}))

    def retire(self, identity: str, *, base: str, by: str, reason: str) -> None:
        """Offer a protocol no more; its file stays, and who has prepared it goes on."""
        with versions.changing(self.folder):
            now = self.in_force(identity)
            if now is None:
                raise MissingError(f"there is no protocol {identity!r}")
            self._require_as_read(identity, now, base)
            versions.retire(self.folder, identity, by=by, reason=_reason(reason))

    def retired(self, identity: str) -> versions.Retired | None:
        """Return who retired a protocol; None where it is offered."""
        return None if self._folder is None else versions.retired(self._folder, identity)

    def _made(self, edit: Edit, now: InForce | None, number: int) -> Any:
        """Return the text of new content. Raises what speaks against it."""
        document = {**edit.document, "version": number}
        if edit.restores is not None:
            old = self.version(document["id"], edit.restores).text
        elif now is None and edit.like is not None:
            like = self.in_force(edit.like)
            old = "" if like is None or not like.document else like.text
        else:
            old = "" if now is None or not now.document else now.text
        if now is not None and {**now.document, "version": number} == document:
            raise RefusedError(f"nothing differs from version {now.version} of {document['id']}, which is in force")
        made = rewritten(old, document)
        text = encoded(made.text)
        protocol, found = checked(text, Path(f"{document['id']}.toml"))
        if protocol is None:
            raise ProfileError(refusal(str(document["id"]), errors(found)))
        return made

    def _require_as_read(self, identity: str, now: InForce | None, base: str | None) -> None:
        if now is None and base is not None:
            raise RefusedError(f"the file of {identity} is gone: somebody deleted it; save it as a new protocol")
        if now is not None and base is None:
            raise RefusedError(f"there is a protocol {identity} already: {now.document.get('title', now.path.name)}")
        if now is None or now.sha256 == base:
            return
        newest = next((each.version for each in self.history(identity) if each.in_force), None)
        told = "" if newest is None else f" version {newest.version}, by {newest.by or 'nobody known'}: {newest.reason}"
        raise RefusedError(f"{identity} has changed since you read it:{told}; look at what differs before you save")

    def _with_file(self, identity: str, now: InForce | None) -> list[Version]:
        """Return the versions, the one in force among them, kept also where a person put it there by hand."""
        kept = versions.versions(self.folder, identity)
        if now is None or any(each.sha256 == now.sha256 for each in kept):
            return kept
        found = _of_file(identity, now, kept)
        versions.keep(self.folder, found)
        return [*kept, found]


def identified(said: object) -> str:
    """Return an id. Raises `RefusedError` for what is none, so that no text from afar becomes a path."""
    try:
        return _IDENTIFIER.validate_python(said)
    except ValidationError:
        raise RefusedError("id: lower-case letters, digits and hyphens, at most 63, the first no hyphen") from None


def encoded(text: str) -> bytes:
    """Return the bytes of a text. Raises `RefusedError` for half characters."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise RefusedError("a text of the protocol holds half a character, which no file can") from None


def sha256_of_bytes(text: str) -> str:
    """Return the SHA-256 of a file that was read with what is no UTF-8 escaped."""
    import hashlib

    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _reason(said: str) -> str:
    if not (reason := said.strip()):
        raise RefusedError("reason: say why, so that who reads it in a year knows")
    return reason


def _of_file(identity: str, now: InForce, kept: list[Version]) -> Version:
    """Return the file itself as a version; its number is another where that was given away already."""
    taken = {each.version for each in kept}
    number = max(taken) + 1 if now.version in taken else now.version
    came = is_shipped(now.path)
    text = now.text.encode(errors="replace").decode()
    return Version(
        id=identity, version=number, sha256=sha256_of(text), what="shipped" if came else "found", by="",
        at_utc="" if came else _changed_utc(now.path), text=text,
        reason="came with scandaq" if came else "put into the folder by hand",
    )  # fmt: skip


def _changed_utc(path: Path) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _signatures(path: Path) -> Mapping[str, Signature]:
    """Return the signatures beside a file by what they are of, the newest of each; none where they cannot be read."""
    try:
        found = read_signature(path)
    except RefusedError:
        return {}
    if found is None:
        return {}
    told = [*reversed([old.value() for old in found.earlier]), found.value()]
    return {each.sha256: each for each in told}
