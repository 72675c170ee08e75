"""Compile the product's own hot loops: eagerly, without the GIL, kept in the user's cache where there is one.

A kernel is compiled (or loaded) when its module is imported, so that nothing compiles while data flow. Modules that a
command needs for its help must therefore not import kernels.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config, entrypoints
from numba.core.errors import NumbaError

# What other packages add to numba is for kernels that handle their data. Ours handle arrays alone, and loading the rest
# costs each readout a fifth of its start.
cast("Any", entrypoints)._already_initialized = True  # noqa: SLF001 - numba has no setting for it

_MADE_OF = b"daq.model.kernel"
_PACKAGES = Path(__file__).parents[2]
_IMPORT = re.compile(
    r"^from ((?:daq|simulators|device_profiles|benchmarks)[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE
)

Function = TypeVar("Function", bound=Callable[..., Any])


def cache_directory() -> Path:
    """Return the folder of compiled code: `$XDG_CACHE_HOME/scandaq/kernels`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home is no error here
    return Path(base) / "scandaq" / "kernels"


def writable_cache() -> Path | None:
    """Return `cache_directory` or, where nothing can be written there, a folder of ours among the temporary files.

    None where neither can be had: code is then compiled at every start, which takes some 20 seconds.
    """
    if _writable(cache_directory()):
        return cache_directory()
    own = Path(tempfile.gettempdir()) / f"scandaq-kernels-{os.geteuid()}"
    return own if _ours(own) and _writable(own) else None


def kernel(*signatures: Any) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function for `signatures` (numba types), to run without the GIL.

    Without a folder that can be written it is compiled in memory: seconds at every start. Damaged files are replaced.
    """

    def compiled(function: Function) -> Function:
        base = writable_cache()
        made_of = _fingerprint(Path(function.__code__.co_filename)) if base else ""
        for folder in [base / made_of] * 2 if base else []:
            try:
                return _cached(function, list(signatures), folder)
            except NumbaError:
                raise
            except Exception:  # noqa: BLE001 - numba unpickles what it finds: a damaged file can raise anything
                _forget(function, folder)
        return cast("Function", numba.njit(list(signatures), nogil=True)(function))

    return compiled


def _cached(function: Function, signatures: list[Any], folder: Path) -> Function:
    """Compile with numba's cache in our folder, not beside the sources, which may not be ours to write."""
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)
    try:
        return cast("Function", numba.njit(signatures, nogil=True, cache=True)(function))
    finally:
        settings.CACHE_DIR = before


def _forget(function: Callable[..., Any], folder: Path) -> None:
    """Remove what numba keeps of a function: `<module>.<name>-<line>.<python>.nbi` and `.nbc`."""
    code = function.__code__
    with suppress(OSError):  # not ours to remove: the function is compiled in memory then
        for file in folder.rglob(f"*.{function.__qualname__}-{code.co_firstlineno}.*"):
            file.unlink(missing_ok=True)


def inlined(function: Function) -> Function:
    """Return a helper that is compiled into each kernel that calls it."""
    return cast("Function", numba.njit(nogil=True)(function))


def spliced(function: Function) -> Function:
    """Return a helper whose code is put into the kernel itself, for helpers that make no arrays and return none.

    Without reference counts: counting each array at each call, as `inlined` does, costs more than a small helper.
    """
    settings: Any = {"nogil": True, "forceinline": True, "_nrt": False}
    return cast("Function", numba.njit(**settings)(function))


@lru_cache(maxsize=256)
def _fingerprint(path: Path) -> str:
    """Return a name for what the kernels of a file are made of: itself, the helpers that it imports and theirs.

    numba looks at the file of a kernel alone when it asks whether its cache is stale. Helpers lie in other files, and
    constants in files that these import.
    """
    made_of, seen = {Path(__file__), path}, {path}
    waiting = [path]
    while waiting:
        for file in _imported(waiting.pop()) - seen:
            seen.add(file)
            made_of.add(file)
            if _MADE_OF in _text(file):
                waiting.append(file)
    return hashlib.sha256(b"".join(_text(file) for file in sorted(made_of))).hexdigest()[:16]


def _imported(path: Path) -> set[Path]:
    """Return the files beside our own packages that a file imports."""
    found: set[Path] = set()
    for package, names in _IMPORT.findall(_text(path).decode()):
        parts = [name.partition(" as ")[0].strip() for name in names.strip("()").split(",")]
        for module in (package, *(f"{package}.{part}" for part in parts if part.isidentifier())):
            file = _PACKAGES / (module.replace(".", "/") + ".py")
            if file.is_file():
                found.add(file)
    return found


@lru_cache(maxsize=1024)
def _text(path: Path) -> bytes:
    return path.read_bytes()


def _ours(folder: Path) -> bool:
    """Make `folder` for us alone; return False for one that others can reach: code is loaded from it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def _writable(folder: Path) -> bool:
    """Return True when files can be made in `folder`, which is made first."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
