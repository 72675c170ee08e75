"""Topics: one level for one name, whatever the name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.topics import Topics, level, user_level

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TOPICS = Topics("cam1")


@given(NAMES)
def test_a_name_is_one_level_without_anything_that_mqtt_gives_a_meaning(name: str) -> None:
    text = level(name)

    assert text
    assert text.isascii()
    assert not set("+#/\0 $") & set(text)


@given(NAMES, NAMES)
def test_two_names_never_share_a_topic(one: str, other: str) -> None:
    assert (TOPICS.reading(one, "x") == TOPICS.reading(other, "x")) == (one == other)


@pytest.mark.parametrize("name", ["", "x" * 201, "é" * 40])
def test_a_name_that_is_empty_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="cannot be a level of a topic"):
        level(name)


@pytest.mark.parametrize("user", ["", "a/b", "a+", "#", "x" * 201, "a\0b"])
def test_a_user_that_cannot_be_a_level_is_refused(user: str) -> None:
    with pytest.raises(RefusedError, match="cannot be a level"):
        user_level(user)


@pytest.mark.parametrize("user", ["tech", "CN=Jane Doe", "jörg", "%u", "a%2Fb"])
def test_a_user_is_written_as_the_broker_knows_it(user: str) -> None:
    topic = TOPICS.command(user, "start")

    assert topic == f"nm/v1/cam1/cmd/{user}/start"
    assert TOPICS.user_and_verb(topic) == (user, "start")
    assert TOPICS.reply(user, "1") == f"nm/v1/cam1/reply/{user}/1"
    assert TOPICS.reply(user, "1").startswith(TOPICS.replies_of(user))


@pytest.mark.parametrize(
    "topic",
    [
        "nm/v1/cam1/state", "nm/v1/cam2/cmd/tech/start", "nm/v1/cam1/cmd/tech", "nm/v1/cam1/cmd/tech/start/now",
        "nm/v1/cam1/cmd//start", "nm/v1/cam1/cmd/tech/", "nm/v1/cam1/cmdx/tech/start", "", "/",
    ],
)  # fmt: skip
def test_what_is_no_command_of_this_scanner_is_none(topic: str) -> None:
    assert TOPICS.user_and_verb(topic) is None


def test_the_tree_is_the_documented_one() -> None:
    assert [
        TOPICS.availability, TOPICS.state, TOPICS.describe, TOPICS.reading("hv", "vmon"), TOPICS.alarm("bed", "pad"),
        TOPICS.progress("r1"), TOPICS.ledger("r1"), TOPICS.document("r1"), TOPICS.every_command,
    ] == [
        "nm/v1/cam1/availability", "nm/v1/cam1/state", "nm/v1/cam1/describe", "nm/v1/cam1/readings/hv/vmon",
        "nm/v1/cam1/alarm/bed/pad", "nm/v1/cam1/run/r1/progress", "nm/v1/cam1/run/r1/ledger",
        "nm/v1/cam1/run/r1/document", "nm/v1/cam1/cmd/+/+",
    ]  # fmt: skip
