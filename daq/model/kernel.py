"""Compile the product's own hot loops: eagerly, without the GIL, kept in the user's cache where there is one.

A kernel is compiled (or loaded) when its module is imported, so that nothing compiles while data flow. Modules that a
command needs for its help must therefore not import kernels.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config
from numba.core.errors import NumbaError

Function = TypeVar("Function", bound=Callable[..., Any])


def cache_directory() -> Path:
    """Return the folder of compiled code: `$XDG_CACHE_HOME/scandaq/kernels`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home is no error here
    return Path(base) / "scandaq" / "kernels"


def kernel(*signatures: Any) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function for `signatures` (numba types), to run without the GIL.

    Without a folder that can be written, or with a damaged one, it is compiled in memory: seconds at every start.
    """

    def compiled(function: Function) -> Function:
        if _writable(cache_directory()):
            try:
                return _cached(function, list(signatures))
            except NumbaError:
                raise
            except Exception:  # noqa: BLE001, S110 - numba unpickles what it finds: a damaged file can raise anything
                pass
        return cast("Function", numba.njit(list(signatures), nogil=True)(function))

    return compiled


def _cached(function: Function, signatures: list[Any]) -> Function:
    """Compile with numba's cache in our folder, not beside the sources, which may not be ours to write."""
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_directory())
    try:
        return cast("Function", numba.njit(signatures, nogil=True, cache=True)(function))
    finally:
        settings.CACHE_DIR = before


def inlined(function: Function) -> Function:
    """Return a helper that is compiled into each kernel that calls it."""
    return cast("Function", numba.njit(nogil=True)(function))


def spliced(function: Function) -> Function:
    """Return a helper whose code is put into the kernel itself, for helpers that make no arrays and return none.

    Without reference counts: counting each array at each call, as `inlined` does, costs more than a small helper.
    """
    settings: Any = {"nogil": True, "forceinline": True, "_nrt": False}
    return cast("Function", numba.njit(**settings)(function))


def _writable(folder: Path) -> bool:
    """Return True when files can be made in `folder`, which is made first."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
