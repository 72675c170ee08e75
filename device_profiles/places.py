"""Where the site file is, and the local socket of its station: found fast, without checking the rest of the file.

Whoever wants to stop something must not wait for a file to be checked, nor be kept from it by a mistake in it.
`load_site` finds the same places.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from daq.errors import MissingError, ProfileError

ENV_PREFIX = "SCANDAQ_"
ENV_SITE = "SCANDAQ_SITE"
"""Names the site file itself."""
_MAX_BYTES = 4 << 20


def find_site(given: str | Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return `given`, else what `$SCANDAQ_SITE` names, else the user's, else the machine's. Raises `MissingError`."""
    if given is not None:
        return Path(given)
    if environment.get(ENV_SITE):
        return Path(environment[ENV_SITE])
    config = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = (config / "scandaq" / "site.toml", Path("/etc/scandaq/site.toml"))
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    raise MissingError(f"no site file: give --site FILE or set {ENV_SITE}; looked for {looked}")


def local_socket(site: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the station's local socket. Raises `MissingError` or `ProfileError`."""
    try:
        with site.open("rb") as file:
            tables = tomllib.loads(file.read(_MAX_BYTES).decode())
    except FileNotFoundError:
        raise MissingError(f"{site}: no such file") from None
    except OSError as why:
        raise ProfileError(f"{site}: cannot be read ({why.strerror})") from None
    except ValueError as why:
        raise ProfileError(f"{site}: not TOML ({why})") from None
    set_here = {name.upper(): value for name, value in environment.items()}

    def place(key: str) -> Path | None:
        value = set_here.get(ENV_PREFIX + key.upper(), tables.get(key))
        if value is not None and not isinstance(value, str):
            raise ProfileError(f"{site}: {key} = {value!r}: must be a path")
        return None if value is None else (site.parent / value).absolute()

    socket = place("socket")
    if socket is not None:
        return socket
    state, storage = place("state"), place("storage")
    if state is None and storage is None:
        raise ProfileError(f"{site}: names neither socket, state nor storage")
    return (state or storage / "station") / "control"  # type: ignore[operator] # one of the two is there
