"""What may be asked of a readout: requests with their defaults, refusals that come back as the error they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_control import EXCHANGE, handle, say, serving
from support_pages import blocks

from daq import errors
from daq.errors import UsageError
from daq.model.refusal import error_of, refusal
from daq.readout.protocol import REQUESTS, parse_request


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "control", handle) as path:
        yield path


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "readout-control.md"
CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.ScandaqError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_of_the_tree_comes_back_as_itself(kind: type[errors.ScandaqError]) -> None:
    again = error_of(refusal(kind("why")))

    assert (type(again), str(again), again.exit_code) == (kind, "why", kind.exit_code)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7])
def test_an_exit_code_alone_gives_a_class_that_has_it(code: int) -> None:
    assert error_of({"error": "why", "exit_code": code}).exit_code == code
    assert error_of({"error": "why", "exit_code": code, "kind": "os"}).exit_code == code


VALID: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"do": "status"}, {}),
    ({"do": "start"}, {}),
    ({"do": "attend", "within_s": 2}, {"within_s": 2.0}),
    ({"do": "step", "stop": ["prompts=1000", "time=20s"], "name": "angle 12", "moving": True, "last": True}, {}),
    ({"do": "step"}, {"stop": [], "name": "", "moving": False, "last": False}),
    ({"do": "end_step"}, {"by": "operator", "completed": False}),
    ({"do": "end_step", "by": "the bed has arrived", "completed": True}, {}),
    ({"do": "motion_lost"}, {"text": ""}),
    ({"do": "motion_lost", "text": "the bed stands still"}, {}),
    ({"do": "pause"}, {}),
    ({"do": "resume"}, {}),
    ({"do": "mark", "text": "patient moved", "kind": "injection", "monotonic_ns": 123}, {}),
    ({"do": "positions", "samples": [{"axis": "bed", "monotonic_ns": 123, "position": 4.5, "moving": True}]}, {}),
    ({"do": "mark", "text": "\ud800 no text"}, {"text": "? no text", "kind": "operator"}),
    ({"do": "stop"}, {"by": "operator"}),
    ({"do": "release"}, {}),
    (EXCHANGE, {}),
    ({**EXCHANGE, "deadline_s": 1}, {}),
    ({"do": "snapshot"}, {}),
]


@pytest.mark.parametrize(("request_", "filled_in"), VALID)
def test_a_request_reaches_the_handler_with_its_defaults(request_: dict[str, Any], filled_in: dict[str, Any]) -> None:
    assert parse_request(json.dumps(request_).encode()) == {**request_, **filled_in}


MATCH = {"offset": 0, "mask": "ff", "value": "0a"}
INVALID: list[tuple[dict[str, Any], str]] = [
    ({"do": "status", "verbose": True}, "verbose: Extra inputs"),
    ({"do": "step", "stop": "time=20s"}, "stop: Input should be a valid list"),
    ({"do": "step", "stop": ["time=soon"]}, "the value must be a time such as"),
    ({"do": "step", "stop": ["hits=1"]}, "possible are end, time="),
    ({"do": "step", "stop": ["end"] * 21}, "stop: List should have at most 20"),
    ({"do": "step", "name": "x" * 201}, "name: String should have at most 200"),
    ({"do": "mark", "text": "x", "kind": "stop"}, "kind: Input should be 'operator', 'hand_over' or 'injection'"),
    ({"do": "mark", "text": 5}, "text: Input should be a valid string"),
    ({"do": "mark", "text": "x" * 4001}, "text: String should have at most 4000"),
    ({"do": "mark", "text": "x", "monotonic_ns": 1.5}, "monotonic_ns: Input should be a valid integer"),
    ({"do": "mark", "text": "x", "monotonic_ns": 2**63}, "monotonic_ns: Input should be less than"),
    ({"do": "mark", "text": "x", "monotonic_ns": -1}, "monotonic_ns: Input should be greater"),
    ({"do": "stop", "by": ""}, "by: String should have at least 1"),
    ({"do": "stop", "by": "time"}, "by: Value error, time is what a limit is called"),
    ({"do": "end_step", "by": "prompts=500"}, "by: Value error, prompts=500 is what a limit is called"),
    ({"do": "attend"}, "within_s: Field required"),
    ({"do": "attend", "within_s": 0.05}, "within_s: Input should be greater than or equal to 0.1"),
    ({"do": "attend", "within_s": 61}, "within_s: Input should be less than or equal to 60"),
    ({"do": "attend", "within_s": True}, "within_s: Input should be a valid number"),
    ({"do": "step", "moving": 1}, "moving: Input should be a valid boolean"),
    ({"do": "motion_lost", "text": "x" * 4001}, "text: String should have at most 4000"),
    ({**EXCHANGE, "bytes": "0"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "0 0"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "00\n"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": ""}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "00" * 16_385}, "bytes: String should have at most"),
    ({**EXCHANGE, "data": "00"}, "data: Extra inputs"),
    ({**EXCHANGE, "deadline_s": 0}, "deadline_s: Input should be greater than 0"),
    ({**EXCHANGE, "deadline_s": float("nan")}, "deadline_s: Input should be a finite number"),
    ({**EXCHANGE, "deadline_s": 61}, "deadline_s: Input should be less than or equal to 60"),
    ({**EXCHANGE, "match": {**MATCH, "offset": -1}}, "match.offset: Input should be greater"),
    ({**EXCHANGE, "match": {**MATCH, "mask": "ffff"}}, "match: Value error, mask has 2 bytes, value 1"),
    ({**EXCHANGE, "match": {**MATCH, "mask": "f0"}}, "nothing could match"),
    ({**EXCHANGE, "match": None}, "match: Input should be"),
]


@pytest.mark.parametrize(("request_", "why"), INVALID, ids=lambda value: str(value)[:60])
def test_a_request_that_is_not_valid_says_which_key_and_which_there_are(request_: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=rf"^request {request_['do']}: .*{re.escape(why)}") as refused_:
        parse_request(json.dumps(request_).encode())

    assert (
        "keys are" in str(refused_.value) or "possible are" in str(refused_.value) or "must be" in str(refused_.value)
    )
    assert len(str(refused_.value)) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    "stop", "name", "text", "monotonic_ns", "by", "bytes", "match", "deadline_s", "moving", "last", "completed",
    "within_s",
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_values_are_a_request_or_a_usage_error(do: str, values: dict[str, Any]) -> None:
    with suppress(UsageError):
        parsed = parse_request(json.dumps({"do": do, **values}).encode())
        assert parsed["do"] == do
        assert parse_request(json.dumps(parsed).encode()) == parsed


def requests_of_the_page() -> list[dict[str, Any]]:
    return [json.loads(code) for code in re.findall(r"`(\{\"do\".*?\})`", PAGE.read_text(encoding="utf-8"))]


def test_the_page_shows_every_request_with_every_key_as_it_is_taken() -> None:
    shown = requests_of_the_page()

    assert [request["do"] for request in shown] == list(REQUESTS)
    for request in shown:
        assert parse_request(json.dumps(request).encode()) == request
        fields = REQUESTS[request["do"]].model_fields
        assert set(request) == {field.alias or name for name, field in fields.items()}


def test_the_refusal_on_the_page_is_the_one_that_is_given(server: Path) -> None:
    (shown,) = (block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "json")

    assert say(server, b'{"do": "mark"}\n') == [json.loads(shown)]


def test_the_plain_python_of_the_page_works_and_is_ten_lines(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = (
        block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if "AF_UNIX" in block.text
    )  # fmt: skip

    exec(program, {"control": str(server)})  # noqa: S102 - our own page

    assert capsys.readouterr().out == "recording\n"
    assert len([line for line in program.splitlines() if line]) <= 10
