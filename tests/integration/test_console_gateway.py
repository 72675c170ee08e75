"""The console of a real daemon: two browsers, control, double clicks, restarts, tabs of yesterday; and what is odd."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from playwright.sync_api import Browser, Page, expect
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from support_console import in_both_themes, until
from support_daemon import Station, station

from daq.errors import UnreachableError

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    negative_data_rejection, missing_required_header, unsupported_method,
]  # fmt: skip
WITHIN_MS = 15_000
NO_FRONT_END = "tcp://127.0.0.1:9"
WORDS = "correct horse battery"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    console, mqtt = f"{{ port = {free_port()} }}", '{ broker = "none" }'
    with station(tmp_path_factory.mktemp("gateway"), NO_FRONT_END, console=console, mqtt=mqtt) as made:
        begun(made)
        yield made


def begun(made: Station) -> None:
    """Start the daemon and wait until it serves the console."""
    made.launch()
    made.until(lambda: made.answers() and serves(made), "the console", within_s=60.0)


def serves(made: Station) -> bool:
    with suppress(UnreachableError):  # not yet
        return bool(link(made))
    return False


def link(made: Station) -> str:
    return str(made.ask("console-link")["url"])


def url(made: Station) -> str:
    return str(made.ask("console-link")["base"])


@contextmanager
def page_of(chromium: Browser, made: Station, *, user: str = "") -> Iterator[Page]:
    """Open the console in a browser of its own, signed in by link, or by the form as a user."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(WITHIN_MS)
    try:
        page = context.new_page()
        page.goto(url(made) if user else link(made))
        if user:
            page.get_by_label("User").fill(user)
            page.get_by_label("Password").fill(WORDS)
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("navigation").wait_for()
        yield page
        page.evaluate("() => fetch('/api/v1/session', {method: 'DELETE'})")
    finally:
        context.close()


@pytest.fixture(scope="module", autouse=True)
def _users(served: Station, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text(WORDS)
    for name in ("keller", "weber"):
        words = ("console", "user", "add", name, "--role", "technologist", "--password-file", str(secret))
        done = served.daq(*words, "--site", str(served.site))
        assert done.returncode == 0, done.stderr

    def signs_in(name: str) -> bool:
        with httpx.Client(base_url=url(served)) as client:
            answer = client.post("/api/v1/session", json={"user": name, "password": WORDS})
            return answer.status_code == 200 and client.delete("/api/v1/session").status_code == 200

    served.until(lambda: signs_in("weber"), "the daemon to know its users")


def chip(page: Page) -> Any:
    return page.locator(".control-chip")


def test_control_is_asked_for_and_handed_over_between_two_consoles(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="keller") as one, page_of(chromium, served, user="weber") as other:
        chip(one).click()
        one.get_by_role("button", name="Take control").click()
        expect(chip(one)).to_have_text("Control: you")
        expect(chip(other)).to_have_text("Control: keller")

        chip(other).click()
        assert in_both_themes(other, _violations_of_the_dialog) == []
        other.get_by_label("Why you need control").fill("patient is ready here")
        other.get_by_role("button", name="Ask for control").click()
        expect(
            one.get_by_role("alert").filter(has_text="weber asks for control: patient is ready here")
        ).to_be_visible()
        one.get_by_role("button", name="Hand over now").click()
        expect(chip(other)).to_have_text("Control: you")
        expect(chip(one)).to_have_text("Control: weber")
        expect(one.get_by_text("weber holds control now. You watch.")).to_be_visible()
        chip(other).click()
        other.get_by_role("button", name="Give control back").click()
        expect(chip(one)).to_have_text("Control: nobody")
    told = [(line["object"], line["user"]) for line in served.audit_lines() if line["verb"] == "control"]
    assert told == [("taken", "keller"), ("requested", "weber"), ("handed-over", "keller"), ("released", "weber")]


def _violations_of_the_dialog(page: Page) -> list[str]:
    from support_console import violations

    return violations(page, ".control-dialog") + violations(page, "header")


def test_the_dialog_of_control_leaves_stop_within_reach_and_its_keys_work(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="keller") as page:
        chip(page).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        before = len([line for line in served.audit_lines() if line["verb"] == "stop-motion"])
        page.get_by_role("button", name="STOP ALL MOTION").click()
        served.until(lambda: len([x for x in served.audit_lines() if x["verb"] == "stop-motion"]) > before, "the stop")
        page.get_by_role("dialog").get_by_role("button").first.focus()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


_QUESTION = """() => import('/static/js/ui.js').then(ui => ui.decide({title: 'A question', choices: [
    {key: 'keep', label: 'Keep acquiring', safe: true}, {key: 'stop', label: 'Stop and keep'}]}))"""


def test_a_question_leaves_stop_within_reach_and_nothing_else_and_the_safe_choice_has_the_focus(
    served: Station, chromium: Browser
) -> None:
    with page_of(chromium, served, user="keller") as page:
        page.evaluate(f"() => {{ window.chosen = ({_QUESTION})(); }}")
        expect(page.get_by_role("button", name="Keep acquiring")).to_be_focused()
        expect(page.locator("main")).to_have_attribute("inert", "")
        before = len([line for line in served.audit_lines() if line["verb"] == "stop-motion"])
        page.get_by_role("button", name="STOP ALL MOTION").click()
        served.until(lambda: len([x for x in served.audit_lines() if x["verb"] == "stop-motion"]) > before, "the stop")
        page.get_by_role("button", name="Keep acquiring").focus()
        page.keyboard.press("Escape")

        assert page.evaluate("() => window.chosen") == "keep"
        expect(page.locator("main")).not_to_have_attribute("inert", "")


_TWICE = """async key => {
    const send = () => fetch('/api/v1/commands/bed-empty', {
        method: 'POST', body: '{}', headers: {'Content-Type': 'application/json', 'Idempotency-Key': key}});
    return Promise.all((await Promise.all([send(), send(), send()])).map(each => each.text()));
}"""


def test_a_double_click_is_one_line_of_the_audit_log(served: Station, chromium: Browser) -> None:
    before = len([line for line in served.audit_lines() if line["verb"] == "bed-empty" and line["result"] == "done"])
    with page_of(chromium, served, user="keller") as page:
        answers = page.evaluate(_TWICE, "double-click-1")
    after = [line for line in served.audit_lines() if line["verb"] == "bed-empty" and line["result"] == "done"]

    assert len(set(answers)) == 1
    assert json.loads(answers[0])["bed"]["occupied"] is False
    assert len(after) == before + 1
    assert (after[-1]["user"], after[-1]["origin"]) == ("keller", "console")


def test_a_restart_of_the_daemon_throws_nobody_out_and_control_stays(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="keller") as page:
        chip(page).click()
        page.get_by_role("button", name="Take control").click()
        expect(chip(page)).to_have_text("Control: you")
        kept = served.state_folder / "console-sessions.json"
        until(lambda: json.loads(kept.read_text())["holder"], lambda holder: holder is not None)
        served.kill()
        expect(page.get_by_text("Connection lost")).to_be_visible()
        begun(served)

        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
        expect(chip(page)).to_have_text("Control: you")
        expect(page.get_by_text("keller (technologist)")).to_be_visible()


def test_a_tab_whose_session_was_ended_says_why_and_stops_still(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="weber") as page:
        done = served.daq("console", "user", "remove", "weber", "--site", str(served.site))
        assert done.returncode == 0, done.stderr

        expect(page.get_by_text("You are signed out: the user was removed")).to_be_visible()
        assert in_both_themes(page) == []
        before = len(served.audit_lines())
        page.get_by_role("button", name="STOP ALL MOTION").click()
        served.until(
            lambda: any(line["verb"] == "stop-motion" for line in served.audit_lines()[before:]), "the stop of weber"
        )
        page.goto(link(served))  # of the same page: its address alone changes
        page.get_by_role("navigation").wait_for()
        with page.expect_websocket():  # the socket is of one session: whoever signs in over it is heard on another
            page.goto(link(served))
        expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_page_that_is_older_than_the_station_asks_to_be_loaded_again(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="keller") as page:
        expect(page.get_by_text("software has changed")).to_have_count(0)

        def other_version(route: Any) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, json={**answer.json(), "version": "another"})

        page.route("**/api/v1/session", other_version)
        page.context.set_offline(True)
        page.evaluate("() => import('/static/js/live.js').then(live => live.disconnect())")
        page.context.set_offline(False)
        page.evaluate("() => import('/static/js/live.js').then(live => live.connect(() => undefined))")

        expect(page.get_by_text("software has changed")).to_be_visible()
        page.unroute("**/api/v1/session")
        page.get_by_role("button", name="Load again").click()
        page.get_by_role("navigation").wait_for()
        expect(page.get_by_text("software has changed")).to_have_count(0)


def test_nothing_depends_on_the_clock_of_the_browser(served: Station, chromium: Browser) -> None:
    with page_of(chromium, served, user="keller") as page:
        page.clock.set_fixed_time("2001-01-01T00:00:00Z")
        chip(page).click()
        page.get_by_role("button", name="Take control").click()

        expect(chip(page)).to_have_text("Control: you")
        page.reload()
        expect(page.get_by_text("keller (technologist)")).to_be_visible()


def test_whatever_is_asked_no_answer_is_a_fault_and_each_is_as_the_document_says(served: Station) -> None:
    base = url(served)
    with httpx.Client(base_url=base) as client:
        client.post("/api/v1/session", json={"link": link(served).partition("#link=")[2]})
        cookies = dict(client.cookies)
        told = client.get("/api/v1/openapi.json").json()
    for asking in (asking for path in told["paths"].values() for asking in path.values()):
        asking.pop("security", None)  # this browser is signed in; a wrong cookie is none of what is made up
    schema = schemathesis.openapi.from_dict(told).exclude(operation_id="sign-out")
    quick = settings(
        max_examples=2, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    asked, twisted = 0, set()
    with schema_session(cookies) as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            modes = [GenerationMode.POSITIVE]
            body = str([each.definition for each in operation.body])
            if operation.body and body not in twisted:  # many verbs take the same arguments
                twisted.add(body)
                modes.append(GenerationMode.NEGATIVE)
            for mode in modes:

                @quick
                @given(operation.as_strategy(generation_mode=mode))
                def ask(case: Any) -> None:
                    nonlocal asked
                    asked += 1
                    case.call_and_validate(base_url=base, session=session, checks=CHECKS)

                ask()

    assert asked > 200
    assert served.status()["state"] == "ready"


@contextmanager
def schema_session(cookies: dict[str, str]) -> Iterator[Any]:
    import requests

    with requests.Session() as session:
        session.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        yield session


def test_nothing_of_all_this_is_a_fault_in_the_log(served: Station) -> None:
    log = Path(served.log_file).read_text(errors="replace")

    assert "Traceback" not in log, log[-4000:]
    assert WORDS not in log
