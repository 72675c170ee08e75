"""Load the compiled decoder of a layout: generated module in the user's cache, compiled once, loaded ever after.

numba caches machine code beside a source file, so the generated text is kept as a file named by its hash. Where no
folder can be written, the module is compiled in memory, which costs seconds at every start and is said so once.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from daq.listmode.codegen import VERSION, decoder_source
from daq.listmode.decoder import Decoder, LayoutDecoder
from daq.model.kernel import cache_directory, writable_cache
from daq.model.layout import Clock, Layout
from daq.model.processing import Processing

_LOG = logging.getLogger(__name__)


def load_decoder(layout: Layout, clock: Clock) -> Decoder:
    """Return the decoder of `layout`, compiling its kernel if no cache holds it."""
    if layout.decoder is not None:
        return _hand_written(layout, clock)
    text = decoder_source(layout, clock)
    name = f"scandaq_layout_v{VERSION}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    module = sys.modules.get(name) or _cached(name, text) or _in_memory(name, text)
    return LayoutDecoder(layout, clock, module.decode)


def load_path(layout: Layout, framing: str, processing: Processing) -> None:
    """Load the loops that only some recordings need, before data flow: compiling them takes seconds."""
    if layout.decoder == "tofpet2" or framing == "petsys-gbe":
        importlib.import_module("daq.listmode.tofpet2")
        importlib.import_module("daq.wire.petsys_tracking")
    if layout.decoder == "fers":
        importlib.import_module("daq.listmode.fers")
        importlib.import_module("daq.wire.fers_tracking")
    if processing.pairing is not None:
        importlib.import_module("daq.pipeline.pairstage")
    if processing.heads:
        importlib.import_module("daq.pipeline.heads")


def _hand_written(layout: Layout, clock: Clock) -> Decoder:
    """Return the decoder that a layout names, for words that no layout can say."""
    if layout.decoder == "mcpha":
        from daq.listmode.mcpha import McphaDecoder

        return McphaDecoder(layout, clock)
    if layout.decoder == "fers":
        from daq.listmode.fers import FersDecoder

        return FersDecoder(layout, clock)
    from daq.listmode.tofpet2 import Tofpet2Decoder

    return {"tofpet2": Tofpet2Decoder}[str(layout.decoder)](layout, clock)


def _cached(name: str, text: str) -> ModuleType | None:
    """Return the module from the cache folder, writing it first where needed; None when the folder refuses."""
    source = text.replace("cache=CACHE", "cache=True").encode()
    folder = writable_cache()
    if folder is None:
        _LOG.warning("no kernel cache in %s: the decoder is compiled anew at every start", cache_directory())
        return None
    path = folder / f"{name}.py"
    try:
        if not path.exists() or path.read_bytes() != source:
            _write_by_rename(path, source)
        try:
            return _execute(name, path)
        except Exception as why:  # noqa: BLE001 - numba unpickles what it finds: a damaged file can raise anything
            _LOG.warning("the kernel cache of %s is damaged (%s): compiled anew", path, why)
            _forget(path)
            return _execute(name, path)
    except (OSError, RuntimeError) as why:
        _LOG.warning("no kernel cache in %s (%s): the decoder is compiled anew at every start", path.parent, why)
        return None


def _forget(path: Path) -> None:
    """Remove what Python and numba keep beside the module."""
    for kept in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        kept.unlink(missing_ok=True)


def _write_by_rename(path: Path, source: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(source)
    Path(temporary).replace(path)


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _in_memory(name: str, text: str) -> ModuleType:
    module = ModuleType(name)
    exec(compile(text.replace("cache=CACHE", "cache=False"), name, "exec"), module.__dict__)  # noqa: S102 - our own text
    sys.modules[name] = module
    return module
