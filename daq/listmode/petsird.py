"""PETSIRD 0.12, binary: the header of a file and its time blocks. The lists of events come from `petsird_events`.

Format: yardl's binary encoding, version 1, of the model that `petsird_schema` names: magic, version, schema, then the
fields of the model in their order; unsigned numbers as LEB128, signed ones zigzag before it, float32 as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.petsird_geometry import Geometry
from daq.listmode.petsird_schema import SCHEMA

VERSION = "0.12"
END_OF_BLOCKS = b"\0"
_EVENTS, _SINGLES = 0, 5


class CoincidencePolicy(IntEnum):
    """What the file says of multiples."""

    NONE = 0
    REJECT_HIGHER_MULTIPLES = 1
    MULTIPLES_AS_ALL_COINCIDENCES = 2
    MULTIPLES_AS_SEQUENTIAL_COINCIDENCES = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class Exam:
    """What is known of the examination. Times are UTC ns since 1970; an empty text is not known."""

    study_utc_ns: int
    start_utc_ns: int | None
    patient_id: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The header of a scanner with one kind of module. Edges are float32 [bins + 1], in mm and keV; NaN: not known."""

    model_name: str
    geometry: Geometry
    tof_edges_mm: npt.NDArray[np.float32]
    tof_resolution_mm: float
    energy_edges_kev: npt.NDArray[np.float32]
    energy_resolution_at_511: float
    prompts: CoincidencePolicy
    delayeds: CoincidencePolicy
    efficiency_method: str = ""
    singles_per_module: bool = False
    exam: Exam | None = None


def varint(value: int) -> bytes:
    """Return an unsigned number as LEB128."""
    made = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def signed(value: int) -> bytes:
    """Return a signed number of at most 64 bits as LEB128 after zigzag."""
    return varint((value << 1 ^ value >> 63) & 0xFFFFFFFFFFFFFFFF)


def text(value: str) -> bytes:
    """Return a text as its length in bytes and UTF-8."""
    made = value.encode()
    return varint(len(made)) + made


def encode_header(header: Header) -> bytes:
    """Return everything before the first time block."""
    return b"".join(
        (b"yardl", struct.pack("<i", 1), text(SCHEMA), _scanner(header), _optional(header.exam, _exam)),
    )


def encode_events(
    start_ms: int, stop_ms: int, prompts: Sequence[bytes] | None, delayeds: Sequence[bytes] | None
) -> tuple[bytes, bytes, bytes]:
    """Return what goes before the prompts of a block, between them and the delayeds, and after them.

    `prompts` and `delayeds` are None where such events are not stored, else their number as `varint` gave it.
    """
    before = varint(1) + bytes([_EVENTS]) + varint(start_ms) + varint(stop_ms) + varint(0)
    return before + _list_head(prompts), _list_head(delayeds), varint(0) + varint(0)


def encode_singles(start_ms: int, stop_ms: int, per_module: Sequence[int]) -> bytes:
    """Return a block of singles counted per module, of every energy."""
    units = [varint(1) + varint(count) for count in per_module]
    return b"".join((
        varint(1), bytes([_SINGLES]), varint(start_ms), varint(stop_ms), varint(len(units)), *units, varint(0),
    ))  # fmt: skip


def _list_head(number: Sequence[bytes] | None) -> bytes:
    """Return the head of the list of pairs of one kind of module: one row, one list, its length."""
    return varint(0) if number is None else b"".join((varint(1), varint(1), *number))


def _scanner(header: Header) -> bytes:
    modules = len(header.geometry.modules)
    return b"".join((
        text(header.model_name),
        _scanner_geometry(header.geometry),
        varint(0),  # bulk materials: none described
        b"\0",  # gantry alignment: the identity
        text("NONE"),  # collimator
        _triangle(_edges(header.tof_edges_mm)),
        _triangle(_f32(header.tof_resolution_mm)),
        varint(1), _edges(header.energy_edges_kev),
        varint(1), _f32(header.energy_resolution_at_511),
        _singles(header, modules),
        signed(0),  # singles as a list: not stored
        signed(header.prompts), signed(header.delayeds),
        signed(0), signed(0),  # triples, quadruples: not stored
        _efficiencies(header.efficiency_method),
    ))  # fmt: skip


def _scanner_geometry(made: Geometry) -> bytes:
    crystal = made.corners.astype("<f4").tobytes() + varint(0)
    elements = crystal + _transforms(made.elements)
    module = elements + varint(0)
    return varint(1) + module + _transforms(made.modules) + b"\0"


def _transforms(matrices: npt.NDArray[np.float32]) -> bytes:
    return varint(len(matrices)) + matrices.astype("<f4").tobytes()


def _singles(header: Header, modules: int) -> bytes:
    if not header.singles_per_module:
        return signed(0) + varint(0) + varint(0)
    units = b"".join(signed(module) for module in range(modules))
    every_energy = np.array([0.0, np.inf], np.float32)
    return signed(1) + varint(1) + varint(modules) + units + varint(1) + _edges(every_energy)


def _efficiencies(method: str) -> bytes:
    """Return efficiencies that are 1: lists with an empty entry for the one kind of module."""
    empty = varint(0)
    return text(method) + _f32(1.0) + varint(1) + empty + _triangle(empty) + _triangle(empty)


def _exam(exam: Exam) -> bytes:
    codes = text("") * 5
    unknown = _f32(float("nan"))
    return b"".join((
        text("PT"), text(""), text(exam.series_uid), text(""), text(exam.frame_of_reference_uid),
        signed(exam.study_utc_ns), _optional(exam.start_utc_ns, signed),
        text(exam.patient_id), text(""), unknown, unknown, unknown,
        codes, codes, codes,
        varint(0), varint(0),  # radiopharmaceuticals and external signals: none described
    ))  # fmt: skip


def _optional(value: Any, encode: Any) -> bytes:
    return b"\0" if value is None else b"\1" + encode(value)


def _triangle(entry: bytes) -> bytes:
    """Return the lower triangle of one kind of module."""
    return varint(1) + varint(1) + entry


def _edges(edges: npt.NDArray[np.float32]) -> bytes:
    return varint(len(edges)) + edges.astype("<f4").tobytes()


def _f32(value: float) -> bytes:
    return struct.pack("<f", value)
