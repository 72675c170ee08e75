"""Find and load acquisition protocols: a site's own before a shipped one, by id; anybody's by path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from acquisition_protocols import rules
from acquisition_protocols.signing import Signature, judged
from daq.errors import MissingError, ProfileError
from daq.model.finding import Finding, error, errors
from daq.model.protocol import AcquisitionProtocol
from daq.model.protocol_file import ProtocolFile
from daq.model.protocol_steps import made_of
from daq.model.tables import close_names, make, parse_toml, refusal

FOLDER = Path(__file__).parent
MAX_BYTES = 1 << 20
"""A protocol is written by people."""


@dataclass(frozen=True, slots=True)
class LoadedProtocol:
    """A protocol and the file it came from. `text` are the bytes of the file, `sha256` is of them, in hexadecimal.

    `state` is `signed` only where a signature beside the file is of exactly these bytes; `state_reason` says why.
    """

    protocol: AcquisitionProtocol
    path: Path
    sha256: str
    state: Literal["draft", "signed"]
    state_reason: str
    signature: Signature | None
    text: bytes


def load_protocol(name_or_path: str | Path, folders: Sequence[Path] = ()) -> LoadedProtocol:
    """Return a protocol by id (the `folders` first, then the shipped ones) or by path.

    Raises `MissingError` (naming close ids) or `ProfileError` (every problem at once: file, key, value, reason).
    """
    path = protocol_path(name_or_path, folders)
    text = read(path)
    protocol, found = checked(text, path)
    wrong = errors(found)
    if protocol is None or wrong:
        raise ProfileError(refusal(str(path), wrong))
    sha256 = hashlib.sha256(text).hexdigest()
    signature, reason = judged(path, protocol.id, sha256, shipped=is_shipped(path))
    state: Literal["draft", "signed"] = "draft" if signature is None else "signed"
    return LoadedProtocol(protocol, path, sha256, state, reason, signature, text)


def checked(text: bytes, path: Path) -> tuple[AcquisitionProtocol | None, list[Finding]]:
    """Return the protocol of a file's text, or None where it has errors, and all errors and warnings.

    Raises `ProfileError` for what is no TOML.
    """
    return checked_tables(parse_toml(text, str(path)), path)


def checked_tables(tables: dict[str, Any], path: Path) -> tuple[AcquisitionProtocol | None, list[Finding]]:
    """Return the protocol of the tables of a file, or None where it has errors, and all errors and warnings."""
    file, found = make(ProtocolFile, tables)
    if file is None:
        return None, found
    found = [*_named_alike(file, path), *rules.findings(file, tables)]
    return (None if errors(found) else made_of(file)), found


def protocol_of(text: str) -> dict[str, Any]:
    """Return the tables of a text, none where it is no TOML."""
    try:
        return parse_toml(text.encode(errors="replace"), "")
    except ProfileError:
        return {}


def shipped() -> dict[str, Path]:
    """Return the files of the shipped protocols by id, without reading them: a file is named by its id."""
    return {path.stem: path for path in sorted(FOLDER.rglob("*.toml"))}


def available(folders: Sequence[Path] = ()) -> dict[str, Path]:
    """Return the files of all protocols by id: of the first folder that has one, else the shipped one."""
    own = (path for folder in folders for path in _files(folder))
    found = shipped()
    site: dict[str, Path] = {}
    for path in own:
        site.setdefault(path.stem, path)
    return dict(sorted((found | site).items()))


def _files(folder: Path) -> list[Path]:
    """Return the protocol files below a folder; what disappears while it is looked through is passed over."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".toml"))


def is_shipped(path: Path) -> bool:
    """Return True for a file that comes with scandaq: always a draft of the site's."""
    return FOLDER in path.absolute().parents


def protocol_path(name_or_path: str | Path, folders: Sequence[Path] = ()) -> Path:
    """Return the file of a protocol. Raises `MissingError` for an id that nobody has, naming close ones."""
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(".toml"):
        return Path(name_or_path)
    known = available(folders)
    if text in known:
        return known[text]
    raise MissingError(f"no acquisition protocol {text!r}; {close_names(text, known)} A file is given by its path")


def read(path: Path) -> bytes:
    """Return the bytes of a file. Raises `MissingError`, or `ProfileError` for one unreadable or too long."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)  # never more: a device has no end
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise ProfileError(f"{path}: cannot be read ({why.strerror})") from None
    if len(text) > MAX_BYTES:
        raise ProfileError(f"{path}: a protocol has at most {MAX_BYTES} bytes")
    return text


def _named_alike(file: ProtocolFile, path: Path) -> list[Finding]:
    if path.stem == file.id:
        return []
    return [
        error("id", file.id, f"the file is named {path.name}: a protocol's file is named by its id, {file.id}.toml")
    ]
