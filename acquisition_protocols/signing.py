"""Draft or signed: a protocol is a draft until a physicist signs it, and again after any change.

The signature is a file of its own, `<id>.signature.json` beside the protocol, with the SHA-256 of the protocol's bytes.
It says who stands for them; it is no cryptographic proof: who may write the folder may write a signature.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from daq.errors import RefusedError
from daq.model.layout import Strict
from daq.model.station import utc_now

SIGNATURE_SCHEMA = "protocol-signature/1"
MAX_BYTES = 1 << 20

Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S(.*\S)?$")]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed which bytes, when, and what it means, e.g. `approved for adults`."""

    sha256: str
    by: str
    at_utc: str
    meaning: str


class _Signed(Strict):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    by: Words
    at_utc: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z$")]
    meaning: Words

    def value(self) -> Signature:
        return Signature(self.sha256, self.by, self.at_utc, self.meaning)


class SignatureFile(_Signed):
    """The file. `earlier` are the signatures before it, newest first: none is ever lost."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["protocol-signature/1"] = Field(alias="schema")
    id: str
    earlier: tuple[_Signed, ...] = ()


def signature_path(protocol: Path) -> Path:
    """Return where the signature of a protocol file is."""
    return protocol.with_name(f"{protocol.stem}.signature.json")


def judged(protocol: Path, identity: str, sha256: str, *, shipped: bool) -> tuple[Signature | None, str]:
    """Return the signature that is of exactly these bytes, or None, and what there is to say in words."""
    if shipped:
        return None, "draft: it comes with scandaq; a physicist of the site signs a copy of it"
    try:
        found = read_signature(protocol)
    except RefusedError as why:
        return None, f"draft: {why}"
    if found is None:
        return None, "draft: nobody has signed it"
    signed = f"{found.by} on {found.at_utc}"
    if found.id != identity:
        return None, f"draft: the signature of {signed} is of protocol {found.id}"
    if found.sha256 != sha256:
        return None, f"draft again: changed after it was signed by {signed}"
    return found.value(), f"signed by {signed}: {found.meaning}"


def read_signature(protocol: Path) -> SignatureFile | None:
    """Return the signature file beside a protocol, None where there is none. Raises `RefusedError` for a broken one."""
    path = signature_path(protocol)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as why:
        raise RefusedError(f"{path.name} cannot be read ({why.strerror})") from None
    if len(text) > MAX_BYTES:
        raise RefusedError(f"{path.name} has more than {MAX_BYTES} bytes")
    try:
        return SignatureFile.model_validate_json(text)
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise RefusedError(f"{path.name} is no signature: {where}: {first['msg']}") from None


def sign(protocol: Path, identity: str, sha256: str, *, by: str, meaning: str) -> Signature:
    """Write the signature of a protocol's bytes beside it and return it; an earlier one moves into the new file.

    Raises `RefusedError` for an empty name or meaning, a broken signature file, or a folder that cannot be written.
    """
    before = read_signature(protocol)
    signature = Signature(sha256, by.strip(), utc_now(), meaning.strip())
    earlier = () if before is None else (before.value(), *(old.value() for old in before.earlier))
    content = {
        "schema": SIGNATURE_SCHEMA, "id": identity, **asdict(signature), "earlier": [asdict(old) for old in earlier],
    }  # fmt: skip
    text = json.dumps(content, indent=1) + "\n"
    try:
        SignatureFile.model_validate_json(text)
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False)[0]
        raise RefusedError(f"signature: {first['loc'][-1]} = {first['input']!r}: {first['msg']}") from None
    _write(signature_path(protocol), text)
    return signature


def _write(path: Path, text: str) -> None:
    """Write so that there is the old file or the new one, whole, whatever happens."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as why:
        scratch.unlink(missing_ok=True)
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None
