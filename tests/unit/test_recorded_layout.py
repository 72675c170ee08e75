"""The layout in a manifest becomes machine code: one that breaks a rule is refused before it does."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_listmode import make_directory, raw, segment

from daq.errors import FormatError
from daq.storage import replaying
from daq.storage.export import export
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare

PROFILE: dict[str, Any] = {
    "id": "test",
    "layout": {
        "word_bits": 32,
        "byte_order": "little",
        "preamble_bytes": 8,
        "preamble_begins": ["TEST"],
        "kinds": {
            "hit": {
                "yields": "single",
                "fields": {
                    "crystal": {"bits": "11:0", "unit": "1"},
                    "ticks": {"bits": "31:12", "unit": "ns", "to": "time"},
                },
                "detector": {"digits": ["crystal"], "radix": [4096], "lookup": list(range(4096))},
            }
        },
    },
    "clock": {"tick_ps": "1000", "precision_ps": 1000, "reset_at_start": True},
}

Change = Callable[[dict[str, Any]], None]


def hit(profile: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = profile["layout"]["kinds"]["hit"]
    return found


LIES: dict[str, Change] = {
    "a lookup table shorter than the numbers that index it": lambda p: hit(p)["detector"].update(lookup=[1, 2, 3]),
    "bits past the word": lambda p: hit(p)["fields"]["crystal"].update(bits="70:60"),
    "an inverted range": lambda p: hit(p)["fields"]["crystal"].update(bits="0:11"),
    "a digit that is no field": lambda p: hit(p)["detector"].update(digits=["os"]),
    "a number that is infinite": lambda p: hit(p)["fields"]["ticks"].update(scale=float("inf")),
    "code in a name": lambda p: hit(p)["fields"].update({"a;import os": {"bits": "1", "unit": "1"}}),
    "a line break in a name": lambda p: p["layout"]["kinds"].update({"hit\n": hit(p)}),
    "no kinds": lambda p: p["layout"].update(kinds={}),
    "no clock": lambda p: p.pop("clock"),
    "a preamble that is no ASCII": lambda p: p["layout"].update(preamble_begins=["\u00e9"]),
}


def recording(tmp_path: Path, profile: dict[str, Any]) -> Path:
    made = segment("raw", [raw([{"data": bytes(range(256)), "sequence": 0}])])
    time = {"framing": "native", "imported": True}
    return make_directory(tmp_path / "run", [made], profile=profile, time=time)


@pytest.mark.parametrize("lie", LIES)
def test_a_layout_that_breaks_a_rule_is_never_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    profile = copy.deepcopy(PROFILE)
    LIES[lie](profile)
    directory = recording(tmp_path, profile)
    monkeypatch.setattr(replaying, "load_decoder", lambda *_: pytest.fail("it was compiled"))

    with pytest.raises(FormatError, match="the manifest's profile"), open_listmode(directory) as run:
        compare(run)
    with pytest.raises(FormatError, match="the manifest's profile"):
        export(directory, tmp_path / "out", to="raw")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_sound_one_is_taken(tmp_path: Path) -> None:
    export(recording(tmp_path, PROFILE), tmp_path / "out", to="raw")

    assert (tmp_path / "out").read_bytes() == b"TEST\0\0\0\0" + bytes(range(256))
