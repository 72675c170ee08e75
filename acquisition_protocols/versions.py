"""The versions of a site's protocols: each kept for good, with who made it, when and why; changed as a whole or not.

In the site's folder, `<id>.toml` is the version in force. `.versions/<id>/<n>.json` is version n with its text, written
once and never again; `.versions/<id>/retired.json` says that the protocol is not offered any more. A version is written
before it comes into force: where the host stops between the two, it is there and was never used.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from acquisition_protocols.signing import Words
from daq.errors import BusyError, RefusedError
from daq.model.layout import Strict
from daq.model.station import utc_now

FOLDER = ".versions"
_LOCK_S = 5.0
_LOOK_S = 0.02
_MAX_BYTES = 1 << 22
What = Literal["saved", "restored", "shipped", "found"]


class Version(Strict):
    """One version. `what`: `saved` or `restored` here, as `shipped`, or `found` in the folder, put there by hand."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["protocol-version/1"] = Field(alias="schema", default="protocol-version/1")
    id: str
    version: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    what: What
    by: str
    at_utc: str
    reason: str
    base: str | None = None
    """SHA-256 of what it was made from."""
    restores: int | None = None
    """The version whose content it has."""
    comments_lost: tuple[str, ...] = ()
    text: str


class Retired(Strict):
    """Says that a protocol is not offered any more."""

    by: Words
    at_utc: str
    reason: Words


def sha256_of(text: str) -> str:
    """Return the SHA-256 of the bytes of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def versions(folder: Path, identity: str) -> list[Version]:
    """Return the versions that are kept of a protocol, newest first. Raises `RefusedError` for a damaged one."""
    found = [read_version(path) for path in (folder / FOLDER / identity).glob("[0-9]*.json")]
    return sorted(found, key=lambda each: each.version, reverse=True)


def read_version(path: Path) -> Version:
    """Return the version of a file. Raises `RefusedError` where it is damaged."""
    try:
        with path.open("rb") as file:
            made = Version.model_validate_json(file.read(_MAX_BYTES + 1))
    except OSError as why:
        raise RefusedError(f"{path} cannot be read: {why.strerror}") from None
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False)[0]
        raise RefusedError(f"{path} is no version: {first['loc']}: {first['msg']}") from None
    if sha256_of(made.text) != made.sha256 or path.stem != str(made.version):
        raise RefusedError(f"{path} is damaged: its text has not the SHA-256, or the number, that it says")
    return made


def retired(folder: Path, identity: str) -> Retired | None:
    """Return who retired a protocol; None where it is offered. Raises `RefusedError` for a damaged file."""
    path = folder / FOLDER / identity / "retired.json"
    try:
        return Retired.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as why:
        raise RefusedError(f"{path} cannot be understood ({type(why).__name__}): mend or remove it") from None


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Let one process at a time change the protocols of a folder. Raises `BusyError` after 5 s, or `RefusedError`."""
    place = folder / FOLDER
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o664)
    except OSError as why:
        raise RefusedError(f"protocols cannot be kept in {folder}: {why.strerror}") from None
    try:
        until_s = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise BusyError(f"somebody else changes protocols in {folder} for {_LOCK_S:g} s now") from None
                time.sleep(_LOOK_S)
        yield
    finally:
        os.close(lock)


def keep(folder: Path, version: Version) -> None:
    """Keep a version for good. Raises `RefusedError` where its number is taken, or nothing can be written."""
    content = json.dumps(version.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False) + "\n"
    path = folder / FOLDER / version.id / f"{version.version}.json"
    if not written_whole(path, content, once=True):
        raise RefusedError(f"{version.id} version {version.version} is kept already: {path}")


def put_in_force(path: Path, version: Version) -> None:
    """Make a version that is kept the one in force, in the file of the protocol."""
    written_whole(path, version.text)


def retire(folder: Path, identity: str, *, by: str, reason: str) -> Retired:
    """Say that a protocol is not offered any more. Raises `RefusedError`."""
    try:
        said = Retired(by=by, at_utc=utc_now(), reason=reason.strip())
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False)[0]
        raise RefusedError(f"retire {identity}: {first['loc'][-1]}: {first['msg']}") from None
    written_whole(folder / FOLDER / identity / "retired.json", said.model_dump_json(indent=1) + "\n")
    return said


def offer_again(folder: Path, identity: str) -> None:
    """Take back that a protocol is retired."""
    with suppress(FileNotFoundError):
        (folder / FOLDER / identity / "retired.json").unlink()


def written_whole(path: Path, content: str, *, once: bool = False) -> bool:
    """Write so that there is the old file or the new one, whole, whatever happens; `once`: False where it is there."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
        if once:
            os.link(scratch, path)
        else:
            scratch.replace(path)
        _durable(path.parent)
    except FileExistsError:
        return False
    except OSError as why:
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return True


def _durable(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
