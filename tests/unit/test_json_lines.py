"""Lines of JSON: however they come, they are whole; whatever is in them, it is an object or refused in words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import UsageError
from daq.wire.jsonlines import MOST_DEPTH, Lines, encode, parse_object

texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3), max_leaves=8
)
messages = st.dictionaries(texts, values, max_size=5)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(messages)
def test_what_is_written_is_read_again(message: dict[str, Any]) -> None:
    if depth(message) > MOST_DEPTH:
        with pytest.raises(UsageError, match="within each other"):
            parse_object(encode(message))
    else:
        assert parse_object(encode(message)) == message
    assert encode(message).count(b"\n") == 1


@given(st.binary(max_size=300))
def test_whatever_comes_is_an_object_or_refused_in_words(line: bytes) -> None:
    with suppress(UsageError):
        assert isinstance(parse_object(line), dict)


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b" ") + b"\n"), max_size=8), st.data())
def test_lines_come_whole_however_the_bytes_come(whole: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(whole) + b"rest"
    lines, got = Lines(100), []

    while stream:
        size = data.draw(st.integers(1, len(stream)))
        lines.feed(stream[:size])
        stream = stream[size:]
        while (line := lines.next()) is not None:
            got.append(line)

    assert got == whole
    assert lines.rest() == b"rest"
    assert lines.kept_bytes == 0


@pytest.mark.parametrize("data", [b"x" * 10, b"x" * 10 + b"\n", b"x" * 50])
def test_a_line_that_is_too_long_is_refused_whether_it_ends_or_not(data: bytes) -> None:
    lines = Lines(10)
    lines.feed(data)

    with pytest.raises(UsageError, match="at most 10 bytes"):
        lines.next()


def test_a_line_of_the_greatest_length_is_taken() -> None:
    lines = Lines(10)
    lines.feed(b"123456789\n1234")

    assert (lines.next(), lines.next(), lines.kept_bytes) == (b"123456789\n", None, 4)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "one JSON object"), (b"\n", "one JSON object"), (b"{", "one JSON object"), (b"[1]", "an array"),
        (b"null", "null"), (b"true", "true or false"), (b"1", "a number"), (b'"a"', "a text"),
        (b'{"a": 1} {"b": 2}', "one JSON object"), (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' stands twice"), (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": [-Infinity]}', "-Infinity is no number"), (b'{"a": 1e999}', "1e999 is too large"),
        (b'{"a": 9223372036854775808}', "at most 9223372036854775807"),
        (b'{"a": ' + b"1" * 5000 + b"}", "one JSON object"),
        (b'{"a": "\\ud800"}', "surrogate"), (b'{"\\udc00": 1}', "surrogate"), (b'{"a": "\xff"}', "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"), (b"[" * 60_000, "one JSON object"),
        (b'{"a":' * 20_000, "one JSON object"),
        (b'{"a":' * 13 + b"1" + b"}" * 13, "within each other"),
        (b'{"a":' + b"[" * 12 + b"]" * 12 + b"}", "within each other"),
    ],
)  # fmt: skip
def test_a_rule_that_is_broken_is_named(line: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_object(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x"])
def test_what_is_no_json_is_not_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode({"a": value})


def test_a_message_may_be_as_deep_as_it_may() -> None:
    line = b'{"a":' * 12 + b"1" + b"}" * 12

    assert depth(parse_object(line)) == 12
    assert json.loads(line) == parse_object(line)
