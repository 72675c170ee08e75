"""Who signs in: users and their passwords, sessions that survive a restart, roles that change meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support_gateway import ROLES, Clock, Room, room

from daq.cli.main import main
from daq.errors import AccessError, BusyError, FormatError, MissingError, RefusedError, UsageError
from daq.gateway import accounts
from daq.gateway.accounts import (
    USERS_FILE,
    add_account,
    change_account,
    checked_name,
    load_accounts,
    made,
    remove_account,
    right,
)
from daq.gateway.sessionfile import SESSIONS_FILE, content_of, restore, save
from daq.gateway.sessions import IDLE_S, LINK_S, Sessions
from daq.gateway.throttle import Throttle
from daq.model.station import Role

WORDS = "correct horse battery"
OTHER_WORDS = "another password"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with less work: the least that a file may state."""
    monkeypatch.setattr(accounts, "_N", 1 << 14)


async def signed(here: Room, user: str, password: str) -> int:
    await here.gateway.people.begin()
    answer = await here.browser().post("/api/v1/session", json={"user": user, "password": password})
    return answer.status_code


def test_a_password_is_right_or_wrong_however_it_was_typed() -> None:
    account = made(Role.QC, "Zürich 1234 ﬁ")

    assert right(account, "Zu\u0308rich 1234 fi")
    assert not right(account, "Zurich 1234 fi")
    assert not right(None, "Zurich 1234 fi")


def test_an_unknown_user_costs_as_long_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # with the work that is usual
    account, worked = made(Role.QC, WORDS), []

    def hashed(password: str, salt: bytes, *work: int) -> bytes:
        worked.append((len(salt), *work))
        return b""

    monkeypatch.setattr(accounts, "_hash", hashed)
    assert not right(account, "x")
    assert not right(None, "x")
    assert worked == [(16, 1 << 15, 8, 1)] * 2


@pytest.mark.parametrize("wrong", ["short", "x" * 201])
def test_passwords_have_bounds_of_length(wrong: str) -> None:
    with pytest.raises(UsageError, match="10 to 200"):
        made(Role.QC, wrong)


@pytest.mark.parametrize("wrong", ["", " keller", "a\nb", "x" * 65])
def test_names_of_users_are_printable(wrong: str) -> None:
    with pytest.raises(UsageError, match="1 to 64"):
        checked_name(wrong)


def test_users_are_added_changed_and_removed_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / USERS_FILE
    add_account(path, "keller", Role.QC, WORDS)
    change_account(path, "keller", role=Role.PHYSICIST)

    assert (path.stat().st_mode & 0o777, load_accounts(path)["keller"].role) == (0o600, Role.PHYSICIST)
    assert WORDS not in path.read_text()
    with pytest.raises(RefusedError, match="already"):
        add_account(path, "keller", Role.QC, WORDS)
    change_account(path, "keller", password=OTHER_WORDS)
    assert right(load_accounts(path)["keller"], OTHER_WORDS)
    assert load_accounts(path)["keller"].role is Role.PHYSICIST
    remove_account(path, "keller")
    with pytest.raises(MissingError, match="no user 'keller'"):
        remove_account(path, "keller")


def test_a_file_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / USERS_FILE
    add_account(path, "keller", Role.QC, WORDS)
    path.chmod(0o640)
    with pytest.raises(RefusedError, match="0640"):
        load_accounts(path)
    path.chmod(0o600)
    for broken in ("{", "[]", '{"schema": "console-users/0"}', path.read_text().replace('"n": 16384', '"n": 3')):
        path.write_text(broken)
        with pytest.raises(FormatError):
            load_accounts(path)


def test_the_command_line_keeps_the_users_of_a_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, secret = tmp_path / "site.toml", tmp_path / "password"
    site.write_text(f'schema = "site/0"\nstation = "a"\nstorage = "{tmp_path}/storage"\n')
    secret.write_text(WORDS + "\n")
    at = ["--site", str(site)]

    assert main(["console", "user", "add", "keller", "--role", "qc", "--password-file", str(secret), *at]) == 0
    assert main(["console", "user", "role", "keller", "--role", "service", *at]) == 0
    assert main(["console", "user", "password", "keller", "--password-file", str(secret), *at]) == 0
    capsys.readouterr()
    assert main(["console", "user", "list", "--json", *at]) == 0
    assert [(each["user"], each["role"]) for each in json.loads(capsys.readouterr().out)["users"]] == [
        ("keller", "service")
    ]
    assert main(["console", "user", "remove", "keller", *at]) == 0
    assert main(["console", "user", "remove", "keller", *at]) == MissingError.exit_code
    assert main(["console", "user", "add", "weber", "--role", "qc", *at]) == UsageError.exit_code


async def test_who_has_the_password_signs_in_and_the_log_has_a_line_without_it(tmp_path: Path) -> None:
    add_account(tmp_path / USERS_FILE, "keller", Role.TECHNOLOGIST, WORDS)
    here = room(tmp_path)

    assert await signed(here, "keller", "wrong password") == 403
    assert await signed(here, WORDS, WORDS) == 403
    assert await signed(here, "keller", WORDS) == 200
    lines = here.notes.of("sign-in")
    assert [(line["user"], line["result"]) for line in lines] == [
        ("keller", "refused"), ("somebody", "refused"), ("keller", "done"),
    ]  # fmt: skip
    assert WORDS not in str(here.notes.lines)


async def test_the_cookie_is_kept_from_scripts_and_other_sites(tmp_path: Path) -> None:
    here = room(tmp_path)
    link = here.gateway.sessions.link("root", Role.SERVICE, 0)

    answer = await here.browser().post("/api/v1/session", json={"link": link})
    again = await here.browser().post("/api/v1/session", json={"link": link})

    cookie = answer.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=strict" in cookie, again.status_code) == (True, True, 403)
    assert "used" in again.json()["detail"]


def test_a_link_is_good_for_ten_minutes() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    link = sessions.link("root", Role.SERVICE, 0)
    clock.now_s += LINK_S + 1.0

    with pytest.raises(AccessError, match="ten minutes"):
        sessions.by_link(link)


def test_wrong_passwords_cost_time_for_the_user_and_for_the_address() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(4):
        throttle.check("keller", "a")
        throttle.wrong("keller", "a")
    with pytest.raises(BusyError, match="try again in 1 s"):
        throttle.check("keller", "b")
    throttle.check("weber", "a")
    clock.now_s += 1.0
    throttle.check("keller", "a")
    for _ in range(20):
        throttle.wrong("keller", "a")
    with pytest.raises(BusyError, match="try again in 60 s"):
        throttle.check("weber", "a")
    throttle.right("keller", "a")
    throttle.check("keller", "a")


def test_wrong_passwords_of_very_many_users_take_no_more_memory() -> None:
    throttle = Throttle(Clock())
    for number in range(5000):
        throttle.wrong(f"user-{number}", "a")

    assert len(throttle._tries) == 2000
    with pytest.raises(BusyError):
        throttle.check("x", "a")


async def test_sessions_and_control_survive_a_restart_of_the_daemon(tmp_path: Path) -> None:
    add_account(tmp_path / USERS_FILE, "keller", Role.TECHNOLOGIST, WORDS)
    before = room(tmp_path)
    await before.gateway.people.begin()
    browser = before.browser()
    await browser.post("/api/v1/session", json={"user": "keller", "password": WORDS})
    await browser.post("/api/v1/control", json={"action": "take"})
    await before.gateway.people.keep()
    cookie = browser.cookies[before.gateway.cookie]

    after = room(tmp_path)
    await after.gateway.people.begin()
    who = (await after.browser(cookie).get("/api/v1/session")).json()
    control = (await after.browser(cookie).get("/api/v1/control")).json()

    assert (who["user"], who["role"], control["holder"]["user"]) == ("keller", "technologist", "keller")
    file = tmp_path / SESSIONS_FILE
    assert (file.stat().st_mode & 0o777, cookie in file.read_text()) == (0o600, False)


async def test_a_shift_is_counted_over_a_restart_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(clock)
    sessions.begin("keller", Role.QC, uid=1)
    save(tmp_path / "x", content_of(sessions, None, wall=lambda: 5000.0))
    left = {}
    for wall_s in (5000.0 + IDLE_S - 10.0, 5000.0 + IDLE_S + 10.0, 100.0):
        later = Sessions(Clock())
        restore(tmp_path / "x", later, wall=lambda now_s=wall_s: now_s)
        later.tidy()
        left[wall_s] = len(later.going_on())

    assert list(left.values()) == [1, 0, 1]


async def test_a_session_file_that_is_broken_signs_everybody_out_and_no_more(tmp_path: Path) -> None:
    here = room(tmp_path)
    save(tmp_path / SESSIONS_FILE, {"schema": "console-sessions/0", "sessions": {"a": {}}, "holder": None})

    await here.gateway.people.begin()

    assert (await here.browser().get("/api/v1/session")).json()["signed_in"] is False


async def test_a_user_who_is_removed_or_has_another_role_or_password_feels_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / USERS_FILE
    for name in ("keller", "weber", "meier"):
        add_account(path, name, Role.QC, WORDS)
    here = room(tmp_path)
    people = here.gateway.people
    await people.begin()
    browsers = {}
    for name in ("keller", "weber", "meier"):
        browsers[name] = here.browser(await people.by_password(name, WORDS, "a"))

    remove_account(path, "keller")
    change_account(path, "weber", role=Role.VIEWER)
    change_account(path, "meier", password=OTHER_WORDS)
    await people._look()
    told = {name: (await browser.get("/api/v1/session")).json() for name, browser in browsers.items()}

    assert [told[name]["signed_in"] for name in browsers] == [False, True, False]
    assert told["weber"]["role"] == "viewer"
    assert "removed" in told["keller"]["ended"]
    assert [(line["what"], line["new"]) for line in here.notes.of("console-user")[3:]] == [
        ("keller", None), ("meier", "qc"), ("weber", "viewer"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "roles"),
    [
        (lambda path: remove_account(path, "keller"), []),
        (lambda path: change_account(path, "keller", password=OTHER_WORDS), []),
        (lambda path: change_account(path, "keller", role=Role.VIEWER), [Role.VIEWER]),
    ],
)
async def test_what_changes_while_a_password_is_looked_at_holds_for_the_session_that_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], roles: list[Role]
) -> None:
    path = tmp_path / USERS_FILE
    add_account(path, "keller", Role.QC, WORDS)
    here = room(tmp_path)
    people = here.gateway.people
    await people.begin()
    looked = people._hashing.call_within

    async def slowly(*asked: Any) -> Any:
        right = await looked(*asked)
        change(path)
        await people._look()
        return right

    monkeypatch.setattr(people._hashing, "call_within", slowly)
    with suppress(AccessError):
        await people.by_password("keller", WORDS, "a")

    assert [each.role for each in here.gateway.sessions.going_on()] == roles


async def test_users_stay_as_they_were_where_their_file_is_broken(tmp_path: Path) -> None:
    path = tmp_path / USERS_FILE
    add_account(path, "keller", Role.QC, WORDS)
    here = room(tmp_path)
    await here.gateway.people.begin()
    path.write_text("{")

    await here.gateway.people._look()

    assert await here.gateway.people.by_password("keller", WORDS, "a")


async def test_a_user_of_the_host_has_the_role_that_the_site_gives_now(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in("service-man", Role.SERVICE)
    await here.gateway.people.keep()
    ROLES["service-man"] = Role.VIEWER

    after = room(tmp_path)
    await after.gateway.people.begin()

    cookie = browser.cookies[here.gateway.cookie]
    assert (await after.browser(cookie).get("/api/v1/session")).json()["role"] == "viewer"


async def test_the_oldest_session_ends_where_there_are_too_many() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    cookies = []
    for number in range(201):
        clock.now_s += 1.0
        cookies.append(sessions.begin(f"user-{number}", Role.VIEWER, uid=1))

    assert (sessions.find(cookies[0]), len(sessions.going_on())) == (None, 200)
    assert sessions.find(cookies[-1]) is not None
