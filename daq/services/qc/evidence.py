"""Pictures and curves of a result in one file: `.npz`, plain arrays and a JSON head, nothing that could be executed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import FormatError
from daq.model.qc.figures import Curve, Picture

EVIDENCE_SCHEMA = "qc-evidence/1"
END = ".npz"
MOST_BYTES = 256 << 20
_HEAD = "head"
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member: the same evidence is the same bytes."""

Evidence = tuple[tuple[Picture, ...], tuple[Curve, ...]]


def evidence_bytes(pictures: tuple[Picture, ...], curves: tuple[Curve, ...]) -> bytes:
    """Return the file. Raise `FormatError` where it would be too large."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    head = {
        "schema": EVIDENCE_SCHEMA,
        "pictures": [_picture_head(number, picture, arrays) for number, picture in enumerate(pictures)],
        "curves": [_curve_head(number, curve, arrays) for number, curve in enumerate(curves)],
    }
    size = sum(array.nbytes for array in arrays.values())
    if size > MOST_BYTES:
        raise FormatError(f"evidence of {size} bytes: at most {MOST_BYTES} are kept")
    arrays[_HEAD] = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), np.uint8)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), member.getvalue(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def evidence_from(data: bytes, sha256: str) -> Evidence:
    """Return pictures and curves of a file. Raise `FormatError` where it is not the one that was kept, or damaged."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FormatError("the evidence was changed after it was written: its hash is not that of the result")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = json.loads(arrays[_HEAD].tobytes())
            if head["schema"] != EVIDENCE_SCHEMA:
                raise FormatError(f"evidence of schema {head['schema']!r}; this build knows {EVIDENCE_SCHEMA}")
            pictures = tuple(_picture(number, told, arrays) for number, told in enumerate(head["pictures"]))
            curves = tuple(_curve(number, told, arrays) for number, told in enumerate(head["curves"]))
    except (KeyError, TypeError, ValueError, EOFError, OSError, zipfile.BadZipFile) as why:
        raise FormatError(f"the evidence cannot be read: {str(why)[:200]}") from None
    return pictures, curves


def _picture_head(number: int, picture: Picture, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    arrays[f"picture{number}"] = np.ascontiguousarray(picture.values, np.float64)
    fields = {name: list(field) for name, field in picture.fields.items()}
    return {"title": picture.title, "unit": picture.unit, "pixel_mm": picture.pixel_mm, "fields": fields}


def _picture(number: int, told: dict[str, Any], arrays: Any) -> Picture:
    fields = {name: (float(size[0]), float(size[1])) for name, size in told["fields"].items()}
    return Picture(told["title"], arrays[f"picture{number}"], told["unit"], told["pixel_mm"], fields)


def _curve_head(number: int, curve: Curve, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    parts = {"x": curve.x, "y": curve.y, "fitted": curve.fitted}
    arrays |= {
        f"curve{number}_{name}": np.asarray(part, np.float64) for name, part in parts.items() if part is not None
    }
    return {
        "title": curve.title, "x_label": curve.x_label, "y_label": curve.y_label, "marks": dict(curve.marks),
        "fitted": curve.fitted is not None,
    }  # fmt: skip


def _curve(number: int, told: dict[str, Any], arrays: Any) -> Curve:
    fitted = arrays[f"curve{number}_fitted"] if told["fitted"] else None
    x, y = arrays[f"curve{number}_x"], arrays[f"curve{number}_y"]
    return Curve(told["title"], x, y, told["x_label"], told["y_label"], fitted, told["marks"])
