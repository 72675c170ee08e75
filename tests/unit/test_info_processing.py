"""`daq listmode info` says what was done to singles and what came of it, without the long tables."""

from __future__ import annotations

from typing import Any

from daq.storage.manifest import Manifest
from daq.storage.processingtext import processing_info, processing_text

RULE = {
    "half_window_ps": 3200,
    "delay_ps": 100_000,
    "policy": "takeAllGoods",
    "windows": ["photopeak"],
    "ring": {"rings": 32},
}
WINDOW = {"name": "photopeak", "lower_kev": 425.0, "upper_kev": 650.0}


def manifest(**changes: Any) -> Manifest:
    return Manifest(
        acquisition_id="a", state="sealed", created_utc="", profile={}, profile_sha256="", source="", **changes
    )


def test_a_recording_whose_rows_are_as_decoded_says_nothing_of_it() -> None:
    assert processing_info(manifest()) is None
    assert processing_text(None) == ""


def test_calibration_windows_rule_and_counts_are_told() -> None:
    info = processing_info(
        manifest(
            processing={
                "calibration": {"tables": [1, 2]},
                "windows": [WINDOW],
                "pairing": RULE,
                "singles": "all",
                "pairs": True,
            },
            calibrations={"singles": {"id": "ring-7", "made_utc": "2026-11-01T08:00:00Z", "identity": False}},
            counters={"windows": {"photopeak": 1234}, "pairing": {"prompts": 56_000, "delayeds": 7, "unpaired": 0}},
        )
    )

    assert info is not None
    assert "ring" not in info["pairing"]
    assert "tables" not in str(info)
    assert processing_text(info).splitlines() == [
        "singles and pairs",
        "  calibration  ring-7, made 2026-11-01T08:00:00Z",
        "  window       photopeak, 425 to 650 keV: 1,234 singles",
        "  pairs        half window 3.2 ns, delay 100 ns, takeAllGoods, singles of photopeak",
        "  prompts      56,000",
        "  delayeds     7",
        "  unpaired     0",
    ]


def test_an_open_recording_has_no_counts_yet() -> None:
    rule = {**RULE, "delay_ps": None, "windows": []}
    info = processing_info(
        manifest(processing={"windows": [WINDOW], "pairing": rule}, calibrations={"singles": {"identity": True}})
    )

    text = processing_text(info)
    assert "photopeak, 425 to 650 keV\n" in text
    assert text.endswith("half window 3.2 ns, no delayed window, takeAllGoods")
    assert "identity" in text
