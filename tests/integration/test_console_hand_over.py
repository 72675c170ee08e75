"""The CT of a SPECT/CT at the console: its record before the start, the look at both before the patient leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, expect
from support_console import Clicks, ConsoleStation, browser_page, in_both_themes, shot
from support_handover import RECORD

LIKE, NAME = "bone-spect", "short-spect-ct"
CT = {"name": "CT for attenuation", "kind": "hand_over", "hand_over": "ct_attenuation", "instruction": "Arms up."}
LOOK = {"name": "overlay", "kind": "hand_over", "hand_over": "overlay_check", "instruction": "Look at both."}
TC99M = {"emission_energy_kev": 140.5, "hu_to_mu_per_cm": [[-1000, 0.0], [0, 0.1535], [1000, 0.24], [3000, 0.42]]}


def test_a_ct_is_handed_over_in_one_press_and_the_look_at_both_in_another(
    station: ConsoleStation, chromium: Browser, tmp_path: Path
) -> None:
    document = station.ask("protocol", protocol=LIKE)["document"]
    (stop,) = document["steps"]
    stop |= {"repeat": {**stop["repeat"], "count": 2}, "stop": {**stop["stop"], "time": "2 s"}}
    document |= {"id": NAME, "title": "Two angles with a CT", "steps": [CT, stop, LOOK]}
    document["sources"] |= {f"steps.{each['name']}": "scandaq docs/how-to/hand-over-a-ct.md" for each in (CT, LOOK)}
    made = station.ask("protocol-save", protocol=NAME, document=document, like=LIKE, reason="for this test")
    station.ask("protocol-sign", protocol=NAME, sha256=made["sha256"], meaning="for this test")
    station.calm()
    station.prepare(NAME, patient={"name": "SIM^Dorian", "patient_id": "SIM-0004"})
    station.hold()
    station.wait_for("armed")
    station.ask("simulate", device="enable", action="latch")
    record = tmp_path / "ct.json"
    record.write_text(json.dumps(RECORD | TC99M | {"kvp": 20}), encoding="utf-8")
    with browser_page(chromium, station, "#/acquire") as page:
        start = page.get_by_role("button", name="Start", exact=True)
        expect(start).to_have_attribute("aria-disabled", "true")
        expect(start).to_have_attribute("title", re.compile("First confirm what is handed over"))
        page.get_by_text("State it by hand").click()
        assert in_both_themes(page) == []
        shot(page, "acquire-hand-over")
        hand = Clicks(page)
        hand.press("Confirm the record")
        page.get_by_text("fields are missing or cannot be read").wait_for()
        page.get_by_label("Record of the CT").set_input_files(record)
        hand.press("Confirm the record")
        page.get_by_text(re.compile("kvp: .*greater than or equal to 60")).first.wait_for()
        record.write_text(json.dumps(RECORD | TC99M), encoding="utf-8")
        page.get_by_label("Record of the CT").set_input_files(record)
        wrong = hand.count
        hand.press("Confirm the record")
        page.get_by_text(re.compile("Confirmed by root")).wait_for()
        hand.press("Start")
        station.wait_for("waiting")
        page.get_by_role("heading", name="Before the patient leaves").wait_for()
        assert in_both_themes(page) == []
        hand.press("Aligned")
        assert (hand.count - wrong, hand.typed) == (3, 0)
        station.wait_for("completed")
    told = station.ask("acquisition")["acquisition"]
    assert told["hand_overs"] == [], "nothing is waited for after the end"
    manifest = json.loads((Path(station.ask("status")["directory"]) / "manifest.json").read_bytes())
    handed = [each for step in manifest["steps"] for each in step["hand_overs"]]
    assert [each["name"] for each in handed] == [CT["name"], LOOK["name"]]
    assert handed[0]["record"]["ct_series_uid"] == RECORD["ct_series_uid"]
