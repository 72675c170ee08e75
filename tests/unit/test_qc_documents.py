"""Documents of quality control: written once, read as they were, never read altered; and the pictures beside them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support_qc_books import about, moment, result

from daq.errors import FormatError, MissingError, RefusedError
from daq.model.qc.documents import KINDS, Document, QcResult, document_bytes, document_from, new_identity
from daq.model.qc.figures import Curve, Figure, Level, Picture
from daq.services.qc.entries import assembled, head_of
from daq.services.qc.evidence import evidence_bytes, evidence_from
from daq.services.qc.pasttable import EXPORTED
from daq.services.qc.store import Store

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.builds(
    Document, st.from_regex(r"[a-z0-9][a-z0-9-]{0,119}", fullmatch=True), st.sampled_from(KINDS), TEXT, TEXT, TEXT,
    st.dictionaries(TEXT, PLAIN, max_size=4), TEXT, TEXT, TEXT, st.booleans(),
)  # fmt: skip


@given(DOCUMENTS)
def test_a_document_is_read_as_it_was_written_and_its_bytes_are_what_the_hash_is_of(document: Document) -> None:
    data = document_bytes(document)

    assert document_from(json.loads(data)) == document
    assert data.endswith(f',"sha256":"{document.sha256}"}}\n'.encode())
    assert hashlib.sha256(data[: -len(',"sha256":""}\n') - 64] + b"}").hexdigest() == document.sha256


@given(DOCUMENTS, st.integers(min_value=0), st.integers(1, 255))
def test_no_byte_of_a_document_can_be_changed_and_be_read_as_something_else(
    document: Document, place: int, change: int
) -> None:
    data = bytearray(document_bytes(document))
    data[place % len(data)] ^= change

    try:
        told = json.loads(bytes(data))
        read = document_from(told)
    except (ValueError, FormatError, AttributeError, TypeError):
        return
    assert read == document  # white space, or a number written otherwise


@pytest.mark.parametrize(
    "body", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}, {"x": "\ud800"}, {1: 2, "a": 3}]
)
def test_what_json_cannot_hold_is_refused(body: dict[Any, Any]) -> None:
    with pytest.raises(FormatError, match="cannot be written"):
        document_bytes(Document("a", "event", moment(1), moment(1), "anna", body))


def test_ids_of_results_begin_with_their_time_those_of_others_with_their_kind() -> None:
    assert new_identity("daily-flood", "2025-01-02T07:00:00.000Z", {}).startswith("20250102t070000000z-daily-flood-")
    assert new_identity("source-HC/57 x", moment(1), {}).startswith("source-hc-57-x-20250102t")
    assert new_identity("source", moment(1), {"a": 1}) != new_identity("source", moment(1), {"a": 2})
    assert len(new_identity("x" * 500, moment(1), {})) <= 120


@pytest.mark.parametrize("at", ["", "yesterday", "2025-13-01T00:00:00Z"])
def test_a_document_without_a_time_is_refused(at: str) -> None:
    with pytest.raises(FormatError, match="is no time"):
        head_of(Document("a", "event", at, moment(1), "anna", {}))


def test_a_result_that_is_not_whole_is_refused() -> None:
    first = result(1)
    with pytest.raises(FormatError, match="not whole"):
        head_of(Document("a", "result", moment(1), moment(1), "anna", {**first.body, "figures": [{"name": "x"}]}))


def test_the_same_result_is_one_of_the_same_test_analysis_and_recordings() -> None:
    def work(**other: Any) -> str:
        return head_of(result(1, **other)).work

    first = work(acquisitions=({"id": "a"}, {"id": "b"}))
    assert first == work(acquisitions=({"id": "b"}, {"id": "a"}), comment="another", level=Level.ACTION)
    others = [work(acquisitions=({"id": "a"},)), work(analysis_version=2), work(test="x"), work(analysis="y"),
              work(acquisitions=())]  # fmt: skip
    assert len({first, *others}) == 6
    assert work(acquisitions=(), at=moment(2)) != work(acquisitions=())


def test_what_belongs_to_no_result_that_was_found_is_left_aside() -> None:
    first, other = result(1), result(2)

    (kept,) = assembled([first], [about("strike", other, reason="x"), about("signature", other)], now_ms=2**45)

    assert (kept.struck, kept.signatures) == (None, ())


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    from dataclasses import replace

    store, first = Store(tmp_path / "qc"), result(1)
    assert store.write(first) == store.write(first)
    path = store.path_of(first.id, first.at_utc)
    with pytest.raises(RefusedError, match="another document has this name"):
        store.write(replace(first, by="berta"))
    path.write_bytes(b"damaged")
    with pytest.raises(FormatError):
        store.write(first)
    assert path.read_bytes() == b"damaged"
    with pytest.raises(MissingError):
        store.read(path.with_name("none.json"))


FLOATS = npst.arrays(np.float64, npst.array_shapes(min_dims=2, max_dims=2, max_side=5))


@given(FLOATS, npst.arrays(np.float64, 7), TEXT, TEXT)
def test_pictures_and_curves_are_read_as_they_were_kept(picture: Any, curve: Any, title: str, unit: str) -> None:
    pictures = (Picture(title, picture, unit), Picture("b", picture, "", 6.4, {title: (1.5, 2.0)}))
    curves = (
        Curve(title, curve, curve[::-1], unit, "y", None, {title: 0.1}),
        Curve("d", curve, curve, "x", "y", curve),
    )

    data = evidence_bytes(pictures, curves)
    found, found_curves = evidence_from(data, hashlib.sha256(data).hexdigest())

    assert data == evidence_bytes(pictures, curves)
    for own, read in zip(pictures, found, strict=True):
        assert np.array_equal(read.values, own.values, equal_nan=True)
        assert (read.title, read.unit, read.pixel_mm, read.fields) == (own.title, own.unit, own.pixel_mm, own.fields)
    assert np.array_equal(found_curves[0].y, curve[::-1], equal_nan=True)
    assert (found_curves[0].fitted, found_curves[0].marks) == (None, {title: 0.1})
    assert found_curves[1].fitted is not None


def test_evidence_that_was_changed_or_would_be_executed_is_not_read() -> None:
    data = evidence_bytes((Picture("a", np.zeros((2, 2)), "1"),), ())
    with pytest.raises(FormatError, match="was changed after it was written"):
        evidence_from(data + b"x", hashlib.sha256(data).hexdigest())

    made = io.BytesIO()
    np.savez(made, head=np.array([{"a": object}], dtype=object))
    for bad in (made.getvalue(), b"PK", b"", data[: len(data) // 2]):
        with pytest.raises(FormatError, match="cannot be read"):
            evidence_from(bad, hashlib.sha256(bad).hexdigest())


def test_no_column_or_key_is_one_of_a_patient() -> None:
    names = {*EXPORTED, *QcResult.__slots__, *Document.__slots__, *Figure.__slots__}

    assert not [name for name in names if "patient" in name or name in ("name_of", "birth", "accession")]
