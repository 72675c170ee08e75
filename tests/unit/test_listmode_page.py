"""The format page says what the code does: columns, flags, marks, manifest keys, facts."""

import re
from pathlib import Path

import pytest

from daq.listmode.blocks import MAX_BODY, MAX_HEADER, PAGE, read_message
from daq.model.events import DECODED_MARKS, HOST_MARKS, STREAMS, StreamName
from daq.model.packets import Flag
from daq.storage.listing import SegmentFile
from daq.storage.manifest import Manifest, RecordedStep, Segment
from daq.storage.recover import _loss
from daq.storage.walk import Damage

ROOT = Path(__file__).parents[2]
PAGE_TEXT = (ROOT / "docs/reference/list-mode-format.md").read_text()
GOLDEN = ROOT / "tests/golden/listmode-1.0"


def section(title: str) -> str:
    return PAGE_TEXT.split(f"{title}\n")[1].split("\n#")[0]


def table(text: str, which: int = 0) -> list[list[str]]:
    """Return the cells of a section's table, without header and backticks."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in tables[which].splitlines()]
    return [[row[0].strip("`"), *row[1:]] for row in rows[2:]]


@pytest.mark.parametrize("stream", STREAMS)
def test_columns_of_each_stream(stream: StreamName) -> None:
    for row, (name, column) in zip(table(section(f"### {stream}")), STREAMS[stream].items(), strict=True):
        kind = f"{column.type}, null" if column.nullable else column.type
        assert row[:3] == [name, kind, "always" if column.required else ""]
        if (stream, name) not in (("raw", "flags"), ("marks", "kind"), ("marks", "source")):
            assert row[3] == column.meaning


def test_flags() -> None:
    assert [(row[0], row[1].strip("`")) for row in table(section("### raw"), 1)] == [
        (str(flag.value), flag.name) for flag in Flag
    ]


def test_marks() -> None:
    front_end, readout = section("### marks").split("Kinds the readout writes:")
    assert set(re.findall(r"`(\w+)`", front_end.split("Kinds a front end sends:")[1])) == set(DECODED_MARKS)
    named = set(re.findall(r"`(\w+)`", readout.split("Rows lie")[0])) - {"value", "value2"}
    assert named == set(HOST_MARKS)


def test_manifest_keys() -> None:
    assert [row[0] for row in table(section("## The manifest"))] == [*Manifest.model_fields, "crc32"]
    assert [row[0] for row in table(section("## The manifest"), 1)] == list(Segment.model_fields)
    assert [row[0] for row in table(section("## The manifest"), 2)] == list(RecordedStep.model_fields)
    losses = next(row[1] for row in table(section("## The manifest")) if row[0] == "losses")
    loss = _loss(SegmentFile(Path("marks-00000.arrows"), "marks", 0, None), Damage(0, 0, ""))
    assert re.findall(r"`(\w+)`", losses) == list(loss)


def test_facts_of_the_golden_sample() -> None:
    described = {row[0]: row[1] for row in table(section("## Facts"))}
    found: dict[str, set[str]] = {}
    for path in GOLDEN.glob("*.arrows"):
        data, at = memoryview(path.read_bytes()), 0
        while not isinstance(message := read_message(data, at), str):
            for key in message.facts:
                found.setdefault(key, set()).add("batch" if "seq" in message.facts else "schema")
            at = message.end
    assert {key: "both" if len(places) == 2 else places.pop() for key, places in found.items()} == described


def test_sizes() -> None:
    assert (PAGE, MAX_HEADER, MAX_BODY) == (4096, 1 << 20, 1 << 30)
    assert "at most 1 MiB" in PAGE_TEXT
    assert "at most 1 GiB" in PAGE_TEXT
