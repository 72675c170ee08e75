"""Which columns a layout fills, per stream, in the order the decoder's kernel takes them."""

from __future__ import annotations

from daq.model.events import AMPLITUDES, STREAMS, StreamName
from daq.model.layout import Kind, Layout

FAMILY: dict[str, StreamName] = {
    "single": "singles",
    "prompt": "coincidences",
    "delayed": "coincidences",
    "time": "marks",
    "mark": "marks",
}
"""The stream that a kind's rows go to."""

DECODED_STREAMS: tuple[StreamName, ...] = ("singles", "coincidences", "marks")

FERS_COLUMNS = {"spectroscopy": ("head", AMPLITUDES), "timing": ("detector", "energy_adc")}
"""Columns that events of a FERS board fill, beside the time."""

NUMPY_TYPES = {
    "int64": "i8",
    "uint64": "u8",
    "uint32": "u4",
    "int32": "i4",
    "uint16": "u2",
    "uint8": "u1",
    "float32": "f4",
    "float64": "f8",
    "bool": "?",
    "string": "u1",
}
"""NumPy type per Arrow type name; the only decoded text column, a mark's `kind`, is a code until it is written."""


def decoded_columns(layout: Layout) -> dict[StreamName, list[str]]:
    """Return, per stream that the layout can fill, its columns in the order of `daq.model.events`.

    Marks always exist: the readout writes its own. Amplitudes, which no file has, come last.
    """
    filled: dict[StreamName, set[str]] = {"marks": {"time_ps", "kind", "source", "value", "value2"}}
    for kind in layout.kinds.values():
        if kind.yields in ("single", "prompt", "delayed"):
            filled.setdefault(FAMILY[kind.yields], {"time_ps"}).update(_event_columns(kind))
    if layout.decoder == "tofpet2":
        filled["singles"].add("energy_adc")
    if layout.fers is not None:
        filled["singles"].update(FERS_COLUMNS[layout.fers.events])
    return {
        stream: [name for name in (*STREAMS[stream], AMPLITUDES) if name in filled[stream]]
        for stream in DECODED_STREAMS
        if stream in filled
    }


def stored_columns(layout: Layout) -> dict[StreamName, list[str]]:
    """Return the same with what is made of amplitudes in their place: the columns of a file, windows left out."""
    columns = decoded_columns(layout)
    if AMPLITUDES in columns.get("singles", []):
        filled = {*columns["singles"], "x_mm", "y_mm", "energy_kev"}
        columns["singles"] = [name for name in STREAMS["singles"] if name in filled]
    return columns


def _event_columns(kind: Kind) -> set[str]:
    columns = {str(field.to) for field in kind.fields.values() if field.to not in (None, "time")}
    for name in ("detector", "detector_a", "detector_b"):
        if getattr(kind, name) is not None:
            columns.add(name)
    if kind.yields != "single":
        columns.add("kind")
    return columns
