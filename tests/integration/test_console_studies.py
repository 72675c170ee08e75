"""Studies and service in the browser: verify, export, remark; high voltage up by a held press, down by one."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from support_console import Clicks, ConsoleStation, browser_page, in_both_themes, shot, until

from daq.errors import AccessError
from daq.gateway.accounts import add_account
from daq.model.station import Role

HELD_MS = 2600
RISE = re.compile("^Raise to, in volts")
NEW = re.compile("^New value of threshold")
_TAKE = """() => fetch("/api/v1/control", {method: "POST", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({action: "take", reason: "a test"})}).then((answer) => answer.status)"""
HAS_DARK = """canvas => {
    const dots = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return dots.some((value, at) => at % 4 === 0 && value < 60 && dots[at + 3] === 255);
}"""
PARTS = ("devices", "voltage", "registers", "calibrations", "logs", "station")


@pytest.fixture(scope="module")
def recorded(station: ConsoleStation) -> str:
    """Record a short acquisition; return its id once its pictures are there."""
    patient = {"name": "SIM^Study", "patient_id": "SIM-0042", "birth_date": "1960-04-05"}
    run = str(station.ask("prepare", protocol="demo-planar-static", patient=patient, within_s=60.0)["run"])
    station.wait_for("armed")
    station.ask("start")
    station.wait_for("completed")
    until(lambda: station.ask("studies")["studies"][0]["pictured"], lambda pictured: pictured == run, 60.0)
    return run


def volts(station: ConsoleStation) -> float:
    return float(station.ask("read", device="bias", name="voltage")["read"][0]["value"])


def test_a_study_is_opened_verified_and_exported(station: ConsoleStation, chromium: Browser, recorded: str) -> None:
    with browser_page(chromium, station, "#/studies") as page:
        hand = Clicks(page)
        expect(page.get_by_role("img", name=f"Small picture of {recorded}")).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "studies")
        hand.press("SIM, Study", "link")
        picture = page.get_by_role("img", name="Contact sheet of")
        expect(picture).to_be_visible()
        until(lambda: picture.evaluate("image => image.naturalWidth"), lambda width: width > 300)
        expect(page.get_by_text("Every word is accounted for")).to_be_visible()
        hand.press("spots")
        frame = page.get_by_role("img", name="ANT · 0 s to")
        expect(frame).to_be_visible()
        until(lambda: frame.evaluate(HAS_DARK), bool)
        hand.press("Verify")
        hand.press("Verify now")
        expect(page.get_by_text("Whole: every byte of")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Completed, Verified")).to_be_visible()
        hand.press("Export")
        hand.press("Export now")
        expect(page.get_by_text("1 DICOM object with")).to_be_visible(timeout=30_000)
        assert hand.count == 6
        assert in_both_themes(page) == []
        hand.press("Contact sheet")
        shot(page, "study")
    done = next(job for job in station.ask("jobs")["jobs"] if job["kind"] == "export")
    assert [path.suffix for path in Path(done["result"]["folder"]).iterdir()] == [".dcm"]


def test_what_is_framed_again_is_shown_here_and_handed_out_without_a_path_of_the_station(
    station: ConsoleStation, chromium: Browser, recorded: str
) -> None:
    with browser_page(chromium, station, f"#/studies/{recorded}") as page:
        hand = Clicks(page)
        hand.press("Frame again")
        expect(page.get_by_text("the station's own export folder")).to_be_visible()
        page.get_by_label("Name of the new folder or file").fill("framed")
        hand.press("Frame again now")
        picture = page.get_by_role("img", name="Pictures of framed")
        expect(picture).to_be_visible(timeout=30_000)
        until(lambda: picture.evaluate("image => image.naturalWidth"), lambda width: width > 300)
        assert hand.count == 2
        assert in_both_themes(page) == []
        assert str(station.storage) not in page.content()
        answer = page.evaluate(
            "async () => { const told = await fetch('/api/v1/files/exports/framed/contact-sheet.png'); "
            "return [told.status, told.headers.get('Content-Security-Policy')]; }"
        )
        assert answer == [200, "sandbox; default-src 'none'"]
        fetched = "async path => (await fetch(path)).status"
        for wrong in ("framed/SHA256SUMS", "framed/..%2fx", "other/contact-sheet.png", "%2e%2e/contact-sheet.png"):
            assert page.evaluate(fetched, f"/api/v1/files/exports/{wrong}") in (404, 422), wrong
        page.context.clear_cookies()
        assert page.evaluate(fetched, "/api/v1/files/exports/framed/contact-sheet.png") == 401


def test_files_are_given_to_those_who_are_signed_in_and_no_others(
    station: ConsoleStation, chromium: Browser, recorded: str
) -> None:
    with browser_page(chromium, station, "#/studies") as page:
        fetched = "async path => (await fetch(path)).status"
        files = f"/api/v1/files/studies/{recorded}"
        assert page.evaluate(fetched, f"{files}/contact-sheet.png") == 200
        for wrong in ("patient.json", "..%2fpatient.json", "%2e%2e/patient.json", "manifest.json"):
            assert page.evaluate(fetched, f"{files}/{wrong}") in (404, 422)
        page.context.clear_cookies()
        assert page.evaluate(fetched, f"{files}/contact-sheet.png") == 401


def series_of(path: Path) -> str:
    """Return the description of the series in a DICOM file, and its view for people."""
    read = dcmread(path, stop_before_pixels=True)
    return f"{read.SeriesDescription} | {read.PatientID}"


def images_of(station: ConsoleStation, recorded: str) -> Path:
    """Return the folder of what was made of a recording."""
    return next(path for path in station.storage.rglob("images") if path.parent.name == recorded)


def anew(station: ConsoleStation, since: int) -> None:
    """Wait until pictures were made anew once more than before."""
    done = ("done", "failed")
    jobs = until(
        lambda: [job for job in station.ask("jobs")["jobs"] if job["kind"] == "finish" and job["state"] in done],
        lambda jobs: len(jobs) > since, 60.0,
    )  # fmt: skip
    assert jobs[0]["state"] == "done", jobs[0]["text"]


def test_a_wrong_label_and_a_wrong_position_are_corrected_up_to_dicom_and_what_they_were_is_kept(
    station: ConsoleStation, chromium: Browser, recorded: str
) -> None:
    images = images_of(station, recorded)
    before = series_of(images / "01-spots.dcm")
    with browser_page(chromium, station, f"#/studies/{recorded}") as page:
        hand = Clicks(page)
        hand.press("Remark")
        for what, field, value in (
            ("orientation", "The patient lay", "FFS"),
            ("label", "What the view is called", "Pelvis"),
        ):
            page.get_by_role("combobox", name="Remark").select_option(what)
            keep = page.get_by_role("button", name="Keep this remark")
            fill = page.get_by_role("combobox" if what == "orientation" else "textbox", name=field)
            fill.select_option(value) if what == "orientation" else fill.fill(value)
            page.get_by_role("textbox", name="Why").fill("\u200b \u2800")  # nothing that can be seen
            expect(keep).to_have_attribute("aria-disabled", "true")
            page.get_by_role("textbox", name="Why").fill("it was said wrongly")
            done = len([job for job in station.ask("jobs")["jobs"] if job["kind"] == "finish"])
            hand.press("Keep this remark")
            anew(station, done)
            hand.press("Remark")
        assert hand.count == 5
        expect(page.get_by_text("The view is “Pelvis”, not “spots”")).to_be_visible()
        expect(page.get_by_text("Feet first, on the back, not Head first, on the back")).to_be_visible()
        assert in_both_themes(page) == []
    assert "Pelvis" in series_of(images / "01-spots.dcm")
    assert series_of(images / "before-1" / "01-spots.dcm") == before
    note = dcmread(images / "rejected-corrected.dcm")
    assert note.ConceptNameCodeSequence[0].CodeMeaning == "Rejected for Patient Safety Reasons"
    assert sum(item.ValueType == "IMAGE" for item in note.ContentSequence) == 2  # as recorded, and as first corrected


def test_a_study_is_given_to_the_true_patient_by_two_persons_and_never_by_one(
    station: ConsoleStation, chromium: Browser, recorded: str
) -> None:
    add_account(station.socket.parent / "console-users.json", "bert", Role.TECHNOLOGIST, "signs beside me")
    key = station.ask("study", study=recorded)["study"]
    with pytest.raises(AccessError, match="takes a second person"):
        station.ask("study-reassign", study=key, patient={"name": "SIM^One", "patient_id": "SIM-1"}, why="alone")
    done = len([job for job in station.ask("jobs")["jobs"] if job["kind"] == "finish"])
    with browser_page(chromium, station, f"#/studies/{key}") as page:
        hand = Clicks(page)
        hand.on(page.get_by_text("Correct whose data it is"))
        hand.press("It is another patient's", "link")
        hand.on(page.get_by_role("button", name="SIM, Boris"))
        both = page.get_by_role("table", name="Both identities, side by side")
        expect(both).to_contain_text("SIM-0042")
        expect(both).to_contain_text("SIM-0002")
        give = page.get_by_role("button", name="Give to SIM, Boris")
        page.get_by_label("Second person").fill("bert")
        page.get_by_label("Their password").fill("signs beside me")
        for unseen in ("", "\u200b\u200b\u200b", " \u2800 "):
            page.get_by_label("What happened").fill(unseen)
            expect(give).to_have_attribute("aria-disabled", "true")
        page.get_by_label("What happened").fill("the wrong row was prepared")
        assert in_both_themes(page) == []
        shot(page, "study-given")
        for user, password, told in (
            ("bert", "not this one", "do not belong together"), (page_user(page), "x", "another person signs"),
        ):  # fmt: skip
            page.get_by_label("Second person").fill(user)
            page.get_by_label("Their password").fill(password)
            hand.press("Give to SIM, Boris")
            expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
            assert page.get_by_label("Their password").input_value() == ""
        assert station.ask("study", study=key)["patient"]["patient_id"] == "SIM-0042"
        wrong = hand.count
        page.get_by_label("Second person").fill("bert")
        page.get_by_label("Their password").fill("signs beside me")
        hand.press("Give to SIM, Boris")
        expect(page.get_by_text("It is SIM, Boris's now, ID SIM-0002.")).to_be_visible()
        assert hand.count - wrong + 3 == 4
        anew(station, done)
        hand.press("To the study", "link")
        expect(page.get_by_role("heading", name="SIM, Boris")).to_be_visible()
    patient = station.ask("study", study=key)["patient"]
    assert [(each["before"]["patient_id"], each["countersigned_by"]) for each in patient["corrections"]] == [
        ("SIM-0042", "bert")
    ]
    images = images_of(station, recorded)
    assert series_of(images / "01-spots.dcm").endswith("| SIM-0002")
    note = dcmread(images / "rejected-other-patient.dcm")
    assert (note.PatientID, note.ConceptNameCodeSequence[0].CodeValue) == ("SIM-0042", "113038")
    lines = str(station.ask("audit-lines", limit=500))
    assert "with bert" in lines
    assert "SIM-0042" not in lines
    assert "signs beside me" not in lines


def page_user(page: Page) -> str:
    """Return who is signed in."""
    return str(page.evaluate("async () => (await (await fetch('/api/v1/session')).json()).user"))


def test_an_emergency_is_linked_to_the_true_patient_by_one_and_countersigned_at_once_by_a_second(
    station: ConsoleStation, chromium: Browser
) -> None:
    entry = station.ask("worklist-emergency")["entry"]
    with browser_page(chromium, station, f"#/setup/{entry}") as page:
        hand = Clicks(page)
        hand.press("Link to the true patient", "link")
        hand.on(page.get_by_role("button", name="SIM, Chiara"))
        page.get_by_label("What happened").fill("the relatives came")
        expect(page.get_by_role("button", name="Link to SIM, Chiara")).not_to_have_attribute("aria-disabled", "true")
        page.get_by_label("Second person").fill("bert")
        page.get_by_label("Their password").fill("signs beside me")
        hand.press("Link to SIM, Chiara")
        expect(page.get_by_text("bert signed with you")).to_be_visible()
        assert hand.count == 3
    changes = station.ask("worklist-entry", entry=entry)["changes"]
    assert [(each["kind"], each["countersigned_by"]) for each in changes] == [("reconciliation", "bert")]


def test_a_remark_stays_with_its_reason(station: ConsoleStation, chromium: Browser, recorded: str) -> None:
    with browser_page(chromium, station, f"#/studies/{recorded}") as page:
        hand = Clicks(page)
        hand.press("Remark")
        keep = page.get_by_role("button", name="Keep this remark")
        expect(keep).to_have_attribute("aria-disabled", "true")
        page.get_by_role("textbox", name="Why").fill("the patient moved")
        hand.press("Keep this remark")
        expect(page.get_by_text("the patient moved")).to_be_visible()
    assert station.ask("studies")["studies"][0]["not_for_diagnosis"]
    assert "the patient moved" not in str(station.ask("audit-lines", limit=500))


def test_high_voltage_rises_only_by_a_press_that_is_held_and_falls_by_one(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.calm()
    with browser_page(chromium, station, "#/service/voltage") as page:
        hand = Clicks(page)
        hand.type("Raise to, in volts", "1501")
        page.get_by_text("At most 1500").wait_for()
        hand.type(RISE, "1000")
        hand.press("Preview")
        expect(page.get_by_text("Arming raises nothing")).to_be_visible()
        hand.press("Arm")
        hold = page.get_by_role("button", name="Hold 2 seconds to raise")
        hold.click()  # one press is no held one
        hold.scroll_into_view_if_needed()
        hold.hover()
        page.mouse.down()
        page.wait_for_timeout(HELD_MS / 3)
        page.mouse.up()  # let go before the time is up
        page.wait_for_timeout(HELD_MS)
        assert volts(station) < 1.0
        assert not any(line["verb"] == "raise-voltage" for line in station.ask("audit-lines")["lines"])
        assert in_both_themes(page) == []
        shot(page, "service-voltage")
        hold.hover()
        page.mouse.down()
        page.wait_for_timeout(HELD_MS)
        page.mouse.up()
        until(lambda: volts(station), lambda now: now > 20.0, 30.0)
        before = hand.count
        hand.press("Off now: bias")  # on its way up
        assert hand.count - before == 1
        page.get_by_text("bias was lowered meanwhile").wait_for()
        until(lambda: volts(station), lambda now: now < 2.0, 30.0)


def test_a_register_is_written_by_a_press_that_is_held_after_old_and_new_were_shown_and_is_read_back(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.calm()
    with browser_page(chromium, station, "#/service/registers") as page:
        before = int(station.ask("read", device="front_end", name="threshold")["read"][0]["value"])
        new = (before + 17) % 256
        hand = Clicks(page)
        hand.press("Set: threshold")
        page.get_by_text(f"threshold of front end: {before} becomes").wait_for()
        hand.type(NEW, "256")
        page.get_by_text("It takes 0 to 255.").wait_for()
        hold = page.get_by_role("button", name="Hold 2 seconds to write")
        assert hold.get_attribute("aria-disabled") == "true"
        hand.type(NEW, str(new))
        page.get_by_text(f"threshold of front end: {before} becomes {new}").wait_for()
        hold.focus()
        page.keyboard.press("Enter")  # one press is no held one
        page.keyboard.down("Enter")
        page.wait_for_timeout(HELD_MS / 3)
        page.keyboard.up("Enter")
        assert station.ask("read", device="front_end", name="threshold")["read"][0]["value"] == before
        assert in_both_themes(page) == []
        shot(page, "service-register")
        page.keyboard.down("Enter")
        page.get_by_text(f"{new}, read back").first.wait_for()
        page.keyboard.up("Enter")
        assert station.ask("read", device="front_end", name="threshold")["read"][0]["value"] == new
        done = [
            line for line in station.ask("audit-lines")["lines"] if line["verb"] == "set" and line["result"] == "done"
        ]
        assert (done[0]["old"], done[0]["new"]) == (before, new)


def test_service_ends_the_session_of_a_console_that_was_left_open_and_it_is_told_why(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station) as left, browser_page(chromium, station, "#/service/station") as page:
        assert left.evaluate(_TAKE) == 200
        page.get_by_text("holds control").first.wait_for()
        row = page.get_by_role("row").filter(has_text="holds control")
        hand = Clicks(page)
        hand.press("End session: root", within=row)
        hand.type("Reason", "left open over night")
        assert in_both_themes(page) == []
        shot(page, "service-consoles")
        hand.press("End session", within=page.locator("td .notice"))
        left.get_by_text("root has ended it: left open over night").wait_for()
        left.get_by_role("button", name="STOP ALL MOTION").wait_for()
        assert station.ask("console-sessions")["sessions"][0]["in_control"] is False
        left.goto(station.sign_in())  # as whom the harness signs out


def test_every_part_of_service_is_readable_for_all_in_both_themes(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/service") as page:
        for part in PARTS:
            page.evaluate("part => { location.hash = `#/service/${part}`; }", part)
            page.locator(f"#tab-{part}[aria-selected=true]").wait_for()
            page.locator("#service-panel > *").first.wait_for()
            assert in_both_themes(page) == [], part
            shot(page, f"service-{part}")
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), part
        began = time.monotonic()
        page.evaluate("() => { location.hash = '#/service/devices'; }")
        Clicks(page).press("Check now: bias")
        expect(page.get_by_text("Against raising")).to_be_visible()
        assert time.monotonic() - began < 20.0
