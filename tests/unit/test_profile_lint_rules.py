"""Every rule of `daq profile lint`, each broken once: where it points and what it says."""

import json
from copy import deepcopy
from typing import Any

import pytest

from daq.model.column_rules import COUNT_COLUMNS, TARGETS
from daq.model.finding import Finding
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import bit_names, findings

SINGLES = {
    "word_bits": 32,
    "byte_order": "little",
    "preamble_bytes": 8,
    "preamble_begins": ["LIST"],
    "kinds": {
        "hit": {
            "yields": "single",
            "tag": {"31:30": 1},
            "fields": {
                "time": {"bits": "29:18", "unit": "tick", "to": "time"},
                "energy": {"bits": "17:8", "unit": "keV", "scale": 0.5, "to": "energy_kev"},
                "row": {"bits": "7:4", "unit": "1"},
                "column": {"bits": "3:0", "unit": "1"},
            },
            "detector": {"digits": ["row", "column"], "radix": [16, 16]},
        },
        "epoch": {
            "yields": "time",
            "tag": {"31:30": 2},
            "fields": {"epoch": {"bits": "29:0", "unit": "tick", "ticks": 4096, "to": "time"}},
        },
        "gate": {
            "yields": "mark",
            "mark": "gate",
            "tag": {"31:30": 3},
            "fields": {"state": {"bits": "29:0", "unit": "1", "to": "value"}},
        },
    },
}
PAIRS = {
    "word_bits": 32,
    "byte_order": "big",
    "kinds": {
        "prompt": {
            "yields": "prompt",
            "tag": {"31": 0},
            "fields": {
                "time": {"bits": "30:20", "unit": "tick", "to": "time"},
                "tof": {"bits": "19:12", "unit": "ps", "scale": 20, "signed": True, "to": "tof_ps"},
                "a": {"bits": "11:6", "unit": "1"},
                "b": {"bits": "5:0", "unit": "1"},
            },
            "detector_a": {"digits": ["a"], "radix": [64]},
            "detector_b": {"digits": ["b"], "radix": [64]},
        },
        "other": {"yields": "nothing", "tag": {"31": 1}, "reserved": ["30:0"]},
    },
}
CLOCK = {"tick_ps": "10000", "precision_ps": 10000, "reset_at_start": True}
HIT, EPOCH, GATE, PROMPT = "kinds.hit.", "kinds.epoch.", "kinds.gate.", "kinds.prompt."
HF, EF, GF, PF = f"{HIT}fields.", f"{EPOCH}fields.", f"{GATE}fields.", f"{PROMPT}fields."
S, P = SINGLES, PAIRS
Edit = tuple[str, Any]
REMOVED = object()


def judged(base: dict[str, Any], *edits: Edit) -> list[Finding]:
    layout = deepcopy(base)
    for path, value in edits:
        *parents, last = path.split(".")
        table = layout
        for parent in parents:
            table = table.setdefault(parent, {})
        if value is REMOVED:
            del table[last]
        else:
            table[last] = value
    model = Layout.model_validate_json(json.dumps(layout))
    return findings(model, Clock.model_validate_json(json.dumps(CLOCK)))


@pytest.mark.parametrize("base", [SINGLES, PAIRS])
def test_a_sensible_layout_gives_no_finding(base: dict[str, Any]) -> None:
    assert judged(base) == []


BROKEN: list[tuple[dict[str, Any], list[Edit], str, str, str]] = [
    # bits and tags
    (S, [(HF + "energy.bits", "40:33")], "hit.fields.energy.bits", "40:33", "bit 40 is past the word of 32"),
    (S, [(HIT + "tag", {"32:30": 1})], 'hit.tag."32:30"', "32:30", "bit 32 is past the word of 32 bits (0 to 31)"),
    (S, [(EPOCH + "reserved", ["64"])], "epoch.reserved[0]", "64", "bit 64 is past the word"),
    (S, [(HF + "row.bits", "4:7")], "hit.fields.row.bits", "4:7", 'write the high bit first: "7:4"'),
    (S, [(HF + "row.bits", "8:5")], "hit.fields.row.bits", "8:5", "overlaps fields.energy.bits = 17:8 in bit 8"),
    (S, [(HF + "time.bits", "30:18")], "hit.fields.time.bits", "30:18", 'overlaps tag."31:30" = 31:30 in bit 30'),
    (S, [(HIT + "reserved", ["5:2"])], "hit.reserved[0]", "5:2", "overlaps fields.row.bits = 7:4 in bits 5:4"),
    (S, [(HIT + "tag", {"31:30": 5})], 'hit.tag."31:30"', "0x5", "the value needs 3 bits, the range has 2"),
    (S, [(HIT + "tag", {"31:30": 1, "30": 0})], 'hit.tag."30"', "0b0", "no word can match both"),
    (S, [(EPOCH + "tag", {"31:30": 1})], "epoch.tag", "0b01", "unreachable: the same tag as hit, which comes first"),
    (S, [(HIT + "tag", {"31": 1})], "epoch.tag", "0b10", "unreachable: every such word is a hit"),
    (S, [(EPOCH + "tag", {"31": 1})], "gate.tag", "0b11", 'unreachable: every such word is a epoch { "31" = 0b1 }'),
    (S, [(HIT + "tag", {"30": 1})], "gate.tag", "0b11", "unreachable: every such word is a hit"),
    (S, [(GATE + "tag", {"29": 1})], "gate.tag", '"29" = 0b1', "ambiguous with hit"),
    (S, [(GATE + "tag", {"29": 1})], "gate.tag", '"29" = 0b1', "the word 0x60000000 matches both"),
    (S, [(GATE + "tag", {})], "gate.tag", "{}", 'ambiguous with epoch { "31:30" = 0b10 }'),
    # preamble, marks, events
    (S, [("preamble_bytes", 3)], "preamble_begins[0]", "'LIST'", "4 bytes, longer than preamble_bytes = 3"),
    (S, [("preamble_begins", ["Größe"])], "preamble_begins[0]", "'Größe'", "must be ASCII text"),
    (S, [("preamble_begins", [""])], "preamble_begins[0]", "''", "at least one character"),
    (S, [(GATE + "mark", REMOVED)], "gate.mark", "absent", "required where yields is mark"),
    (S, [(HIT + "mark", "gate")], "hit.mark", "'gate'", "only where yields is mark; here it is single"),
    (S, [(HIT + "stored", False)], "hit.stored", "false", "only for marks and time words"),
    (S, [("kinds", {})], "layout.kinds", "none", "no kind yields a single, prompt or delayed"),
    (S, [("kinds.hit", REMOVED)], "layout.kinds", "epoch, gate", "nothing would be recorded"),
    # units
    (S, [(HF + "row.unit", "")], "hit.fields.row.unit", "''", 'a pure number is "1"'),
    (S, [(HF + "row.unit", "kev")], "hit.fields.row.unit", "'kev'", "unknown unit; close: keV"),
    (S, [(HF + "energy.unit", "MeV")], "hit.fields.energy.unit", "'MeV'", "energy_kev is in keV"),
    (S, [(HF + "energy.unit", "1")], "hit.fields.energy.unit", "'1'", "must give keV, and unit must say so"),
    (S, [(HF + "row.to", "x_mm")], "hit.fields.row.unit", "'1'", "x_mm is in mm"),
    (P, [(PF + "tof.unit", "ns")], "prompt.fields.tof.unit", "'ns'", "tof_ps is in ps"),
    (S, [(HF + "row.to", "head"), (HF + "row.unit", "mm")], "hit.fields.row.unit", "'mm'", "pure number"),
    # columns
    (S, [(HF + "row.to", "bin")], "hit.fields.row.to", "'bin'", "possible: time, energy_adc, energy_kev"),
    (S, [(EF + "epoch.to", "value")], "epoch.fields.epoch.to", "'value'", "yields time; possible: time"),
    (S, [(GF + "state.to", "head")], "gate.fields.state.to", "'head'", "possible: time, value, value2"),
    (P, [(PF + "tof.to", "energy_kev")], "prompt.fields.tof.to", "'energy_kev'", "energy_a_kev, energy_b_kev"),
    (P, [("kinds.other.fields", {"n": {"bits": "4:0", "unit": "1", "to": "value"}})],
        "other.fields.n.to", "'value'", "none"),
    (S, [(HF + "row.to", "energy_kev")], "hit.fields.row.to", "'energy_kev'", "two fields of this kind fill one"),
    (S, [(EF + "fine", {"bits": "3:0", "unit": "tick", "to": "time"})], "epoch.fields.fine.to", "'time'", "two"),
    (S, [(HF + "row", {"bits": "7:4", "unit": "1", "to": "head", "scale": 2})], "hit.fields.row.scale", "2", "count"),
    (S, [(GF + "state.offset", 1.5)], "gate.fields.state.scale", "1, offset 1.5", "use value2"),
    (S, [(HF + "time.scale", 2)], "hit.fields.time.scale", "2, offset 0", "use ticks"),
    (S, [(HF + "time.signed", True)], "hit.fields.time.signed", "true", "time is unsigned"),
    (S, [(HF + "row", {"bits": "7:4", "unit": "1", "to": "head", "signed": True})],
        "hit.fields.row.signed", "true", "head"),
    (S, [(GF + "state.scale", 0)], "gate.fields.state.scale", "0", "not zero"),
    (P, [(PF + "tof.scale", 1e8)], "prompt.fields.tof.scale", "100000000.0", "tof_ps is 32 bits"),
    # time
    (S, [(EF + "epoch.to", REMOVED), (EF + "epoch.ticks", 1)], "epoch.fields", "no time", "needs one field"),
    (P, [(PF + "time.to", REMOVED)], "prompt.fields", "no time", "its events have no time"),
    (S, [(HF + "row.ticks", 4)], "hit.fields.row.ticks", "4", 'only for a field with to = "time"'),
    (S, [(HF + "row.wrap", 4)], "hit.fields.row.wrap", "4", 'only for a field with to = "time"'),
    (S, [(HF + "time.wrap", 4097)], "hit.fields.time.wrap", "4097", "12 bits wrap after 4096 counts at the latest"),
    (S, [(HF + "time.unit", "us")], "hit.fields.time.unit", "'us'", "10000 ps by the clock, which is not 1 us"),
    (S, [(EF + "epoch.ticks", 1 << 34)], "epoch.fields.epoch.ticks", "17179869184", "ticks pass 2^63 ticks"),
    (S, [(HF + "time.unit", "keV")], "hit.fields.time.unit", "'keV'", "a time field counts ticks"),
    # detector numbers
    (S, [(HIT + "detector.digits", ["row", "colum"])],
        "hit.detector.digits[1]", "'colum'", "not a field of this kind"),
    (S, [(HIT + "detector.digits", ["row", "row"])], "hit.detector.digits[1]", "'row'", "is used twice"),
    (S, [(HIT + "detector", {"digits": [], "radix": []})], "hit.detector.digits", "[]", "at least one digit"),
    (S, [(HIT + "detector.radix", [16])], "hit.detector.radix", "[16]", "1 radices for 2 digits"),
    (S, [(HF + "row.signed", True)], "hit.detector.digits[0]", "'row'", "is a signed field"),
    (S, [(HIT + "detector.radix", [1 << 30, 16])], "hit.detector.radix", "[1073741824, 16]", "do not fit the uint32"),
    (S, [(HIT + "detector.lookup", [0, 1])],
        "hit.detector.lookup", "[0, 1]", "2 entries; the digits give 256 numbers"),
    (S, [(HIT + "detector", {"digits": ["row"], "radix": [2], "lookup": [0, -2]})],
        "hit.detector.lookup[1]", "-2", "or -1"),
    (S, [(HIT + "detector", {"digits": ["row"], "radix": [1], "lookup": [1 << 32]})],
        "hit.detector.lookup[0]", "4294967296", "32 bits"),
    (S, [(EPOCH + "detector", {"digits": ["epoch"], "radix": [4]})],
        "epoch.detector", "digits [epoch]", "yields time"),
    (P, [(PROMPT + "detector", {"digits": ["a"], "radix": [64]})],
        "prompt.detector", "digits [a]", "not for a kind that yields"),
    (P, [(PROMPT + "detector_b", REMOVED)],
        "prompt.detector_b", "absent", "both detector_a and detector_b or neither"),
    (P, [(PROMPT + "detector_a", REMOVED)],
        "prompt.detector_a", "absent", "both detector_a and detector_b or neither"),
    (P, [(PF + "a.to", "energy_a_kev"), (PF + "a.unit", "keV")],
        "kinds.prompt.fields", "energy_a_kev", "both or neither"),
    (P, [(PROMPT + "detector_b.radix", [32])], "prompt.detector_b", "digits [b]", "numbers its detectors otherwise"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "edits", "key", "value", "reason"), BROKEN)
def test_a_broken_rule_is_an_error_with_key_value_and_reason(
    base: dict[str, Any], edits: list[Edit], key: str, value: str, reason: str
) -> None:
    wrong = [finding for finding in judged(base, *edits) if finding.severity == "error"]

    assert any(f.key.endswith(key) and value in f.value and reason in f.reason for f in wrong), [str(f) for f in wrong]


WARNED: list[tuple[dict[str, Any], list[Edit], str, str, str]] = [
    (S, [(GF + "state.bits", "27:3")], "kinds.gate", "bits 29:28, 2:0", "list them in `reserved`"),
    (S, [("preamble_begins", [])], "preamble_bytes", "8", "cannot be told from one of this"),
    (S, [(HIT + "detector.radix", [16, 17])],
        "hit.detector.radix[1]", "17", "never reached: column has 4 bits, so 16"),
    (S, [(HIT + "detector", {"digits": ["row"], "radix": [2], "lookup": [7, 7]})],
        "hit.detector.lookup", "[7, 7]", "two"),
    (P, [(PROMPT + "detector_a", REMOVED), (PROMPT + "detector_b", REMOVED)],
        "kinds.prompt", "prompt", "when, not where"),
    (P, [("kinds.other.yields", "mark"), ("kinds.other.mark", "status")],
        "other.fields", "no time", "that of the last event"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "edits", "key", "value", "reason"), WARNED)
def test_what_only_deserves_a_look_is_a_warning(
    base: dict[str, Any], edits: list[Edit], key: str, value: str, reason: str
) -> None:
    (finding,) = judged(base, *edits)

    assert finding.severity == "warning"
    assert finding.key.endswith(key)
    assert value in finding.value
    assert reason in finding.reason


def test_kinds_of_one_stream_must_fill_the_same_columns() -> None:
    second = deepcopy(SINGLES["kinds"]["hit"]) | {"tag": {"31:30": 0}}  # type: ignore[index]
    second["fields"]["energy"].pop("to")

    (finding,) = judged(SINGLES, ("kinds.poor", second))

    assert finding.key == "layout.kinds.poor.fields"
    assert finding.reason == "shares a stream with hit, but only one of the two gives energy_kev"


def test_a_precision_finer_than_the_tick_is_a_warning() -> None:
    clock = Clock.model_validate_json(json.dumps(CLOCK | {"precision_ps": 100}))

    (finding,) = findings(Layout.model_validate_json(json.dumps(SINGLES)), clock)

    assert (finding.key, finding.severity) == ("clock.precision_ps", "warning")


@pytest.mark.parametrize(("column", "width"), COUNT_COLUMNS.items())
def test_a_count_column_takes_no_more_bits_than_it_has(column: str, width: int) -> None:
    yields = "prompt" if column == "bin" else "single"
    field = {"bits": f"{width}:0", "unit": "1", "to": column}
    kind = {"yields": yields, "fields": {"n": field, "t": {"bits": "62:40", "unit": "tick", "to": "time"}}}
    layout = {"word_bits": 64, "byte_order": "little", "kinds": {"event": kind}}

    wrong = [finding for finding in judged(layout) if finding.severity == "error"]

    assert [finding.reason for finding in wrong] == [f"{width + 1} bits; {column} takes at most {width}"]


@pytest.mark.parametrize("column", ["time", "value"])
def test_a_64_bit_field_does_not_fit_a_signed_column_of_64_bits(column: str) -> None:
    kind = {"yields": "mark", "mark": "gate", "fields": {"n": {"bits": "63:0", "unit": "1", "to": column}}}

    reasons = [finding.reason for finding in judged(SINGLES, ("word_bits", 64), ("kinds.gate", kind))]

    assert f"64 bits; {column} takes at most 63" in reasons


def test_one_bit_and_several_ranges_are_named_as_people_write_them() -> None:
    assert [bit_names(0b1), bit_names(0b110), bit_names(0b1011)] == ["bit 0", "bits 2:1", "bits 3, 1:0"]


def test_every_yield_has_its_list_of_columns() -> None:
    assert set(TARGETS) == {"single", "prompt", "delayed", "time", "mark", "nothing"}
