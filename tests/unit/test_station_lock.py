"""One daemon per station; its places, found without checking the site file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MissingError, ProfileError, RefusedError
from daq.services.stationlock import LOCK, only_daemon
from device_profiles.places import local_socket
from device_profiles.site import load_site

SITE = 'schema = "site/0"\nstation = "test"\n'


@pytest.mark.slow
def test_a_second_daemon_is_told_who_the_first_is(tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    with only_daemon(state):
        told = json.loads((state / LOCK).read_bytes())
        with pytest.raises(RefusedError) as refused, only_daemon(state):
            pass

    assert told["pid"] == os.getpid()
    assert f"(process {os.getpid()}, since {told['since_utc']})" in str(refused.value)
    assert str(state / LOCK) in str(refused.value)


def test_what_a_dead_daemon_has_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"pid": 1, "since_utc": "2026-11-22T00:00:00.000Z"}\n' + "x" * 100)

    with only_daemon(tmp_path):
        assert json.loads((tmp_path / LOCK).read_bytes())["pid"] == os.getpid()
    with only_daemon(tmp_path):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"pid": "x"}', b"x" * 5000])
def test_a_lock_that_says_nothing_is_a_lock(tmp_path: Path, content: bytes) -> None:
    with only_daemon(tmp_path):
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(RefusedError, match="this station has a daemon already; its lock is"), only_daemon(tmp_path):
            pass


def test_a_lock_that_is_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to("elsewhere")

    with pytest.raises(MissingError), only_daemon(tmp_path):
        pass


def test_a_state_folder_that_cannot_be_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RefusedError, match=r"state folder .* cannot be made"), only_daemon(tmp_path / "file" / "state"):
        pass


texts = st.sampled_from(["rel", "rel/deep", "../up", "/abs/place", "."])
maybe = st.none() | texts


@given(st.tuples(texts, maybe, maybe), st.dictionaries(st.sampled_from(["STORAGE", "STATE", "SOCKET"]), texts))
def test_the_socket_is_where_the_checked_site_has_it(
    tmp_path_factory: pytest.TempPathFactory, given_: tuple[str, str | None, str | None], variables: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("site")
    keys = zip(("storage", "state", "socket"), given_, strict=True)
    (folder / "site.toml").write_text(
        SITE + "".join(f'{key} = "{value}"\n' for key, value in keys if value is not None)
    )
    environment = {f"SCANDAQ_{key}": value for key, value in variables.items()}

    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        checked = load_site(folder / "site.toml").socket

    assert local_socket(folder / "site.toml", environment) == checked


def test_a_mistake_elsewhere_in_the_site_file_keeps_nobody_from_the_socket(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('socket = "control"\nstoarge = 7\n')

    assert local_socket(site, {}) == tmp_path / "control"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("socket = 7", "socket = 7: must be a path"), ("x = [", "not TOML"), ('station = "a"', "names neither socket"),
        ("\0", "not TOML"), ("state = true", "must be a path"),
    ],
)  # fmt: skip
def test_a_site_that_has_no_socket_is_refused_in_words(tmp_path: Path, text: str, why: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text(text)

    with pytest.raises(ProfileError, match=why):
        local_socket(site, {})


def test_a_site_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        local_socket(tmp_path / "site.toml", {})
    with pytest.raises(ProfileError, match="cannot be read"):
        local_socket(tmp_path, {})
