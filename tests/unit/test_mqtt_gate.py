"""Which commands come through, by the clock and by memory; where a broker is and how to log in there."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import AccessError, MissingError, RefusedError, ScandaqError, UsageError
from daq.model.verbs import ALWAYS
from daq.services.bus import Bus
from daq.services.status_mqtt import MqttSettings, StatusMqtt
from daq.services.status_mqtt.commands import Gate, check_list, readable_id
from daq.services.status_mqtt.service import back_off_s
from daq.transports.mqtt_address import BrokerAddress, Login

NOW_S = 1_795_356_300.0
NOW = "2026-11-22T14:05:00Z"


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def command(identifier: str = "1", expires: str = "2026-11-22T14:05:10Z", **more: Any) -> bytes:
    return json.dumps({"id": identifier, "expires": expires, **more}).encode()


def gate(clock: Clock | None = None, **more: Any) -> Gate:
    return Gate(["start", "prepare"], clock=clock or Clock(), **more)


def test_a_command_in_time_comes_through_once() -> None:
    door = gate()

    assert door.check("tech", "start", command(args={"reason": "x"}), retained=False).args == {"reason": "x"}
    with pytest.raises(RefusedError, match="'1' was used before"):
        door.check("tech", "start", command(), retained=False)
    assert door.check("qc", "start", command(), retained=False).id == "1"


def test_an_id_may_come_again_once_it_has_expired_everywhere() -> None:
    clock = Clock()
    door = gate(clock)
    door.check("tech", "start", command(), retained=False)
    clock.now_s += 11

    with pytest.raises(RefusedError, match=r"expired 1\.0 s ago by this host's clock, 2026-11-22T14:05:11Z"):
        door.check("tech", "start", command(), retained=False)
    assert door.check("tech", "start", command(expires="2026-11-22T14:05:20Z"), retained=False)


@pytest.mark.parametrize(
    "expires",
    ["2026-11-22T14:05:10Z", "2026-11-22T14:05:10.250Z", "2026-11-22T15:05:10+01:00", "2026-11-22T09:35:10-04:30"],
)
def test_times_are_taken_in_any_zone(expires: str) -> None:
    assert gate().check("tech", "start", command(expires=expires), retained=False)


@pytest.mark.parametrize(("expires", "why"), [(NOW, "expired"), ("2026-11-22T14:06:01Z", "limit 60 s")])
def test_the_clock_that_decided_is_named(expires: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as refused:
        gate().check("tech", "start", command(expires=expires), retained=False)

    assert "2026-11-22T14:05:00Z; compare the clocks" in str(refused.value)


def test_a_memory_that_is_full_refuses_rather_than_forgets() -> None:
    clock = Clock()
    door = gate(clock, most_remembered=3)
    for number in range(3):
        door.check("tech", "start", command(str(number)), retained=False)
    with pytest.raises(RefusedError, match="no more for now"):
        door.check("tech", "start", command("4"), retained=False)
    clock.now_s += 15

    assert door.check("tech", "start", command("5", "2026-11-22T14:05:30Z"), retained=False)


def test_a_verb_that_the_site_does_not_allow_is_refused_with_those_it_does() -> None:
    with pytest.raises(AccessError, match="abort, lower-voltage, prepare, start, stop, stop-motion"):
        gate().check("tech", "resume", command(), retained=False)


@pytest.mark.parametrize("verb", sorted(ALWAYS))
@pytest.mark.parametrize("payload", [b"", command(expires="1999-01-01T00:00:00Z"), b'{"id": "s", "args": {}}'])
def test_what_stops_comes_through_as_often_as_it_is_said(verb: str, payload: bytes) -> None:
    door = gate()

    assert [door.check("anybody", verb, payload, retained=False).args for _ in range(3)] == [{}, {}, {}]


@given(st.binary(max_size=200))
def test_a_stop_comes_through_whatever_bytes_come_with_it(payload: bytes) -> None:
    assert gate().check("anybody", "stop", payload, retained=False).args == {}


def test_lowering_the_voltage_of_something_unreadable_is_not_guessed() -> None:
    door = gate()

    assert door.check("x", "lower-voltage", b'{"args": {"device": "hv1"}}', retained=False).args == {"device": "hv1"}
    with pytest.raises(UsageError):
        door.check("x", "lower-voltage", b"{hv1", retained=False)


def test_a_reason_given_with_a_stop_is_kept_and_nothing_else() -> None:
    said = b'{"id": "s", "args": {"reason": "unwell", "force": 1}}'

    assert gate().check("x", "stop", said, retained=False).args == {"reason": "unwell"}
    assert gate().check("x", "stop", b'{"args": {"reason": 3}}', retained=False).args == {}


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_nothing_retained_comes_through(verb: str) -> None:
    with pytest.raises(RefusedError, match="retained"):
        gate().check("tech", verb, command(), retained=True)


@pytest.mark.parametrize("key", ["patient", "administration"])
def test_identity_is_refused(key: str) -> None:
    with pytest.raises(RefusedError, match="nothing about a patient"):
        gate().check("tech", "prepare", command(args={key: {"name": "Doe"}}), retained=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "expires", "args", "x"]), below),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=300), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_comes_is_a_command_or_a_refusal_of_ours(payload: bytes) -> None:
    door = gate()
    try:
        found = door.check("tech", "start", payload, retained=False)
    except ScandaqError as why:
        assert len(str(why)) < 400  # noqa: PT017 - any of them, and none too long
        return
    assert set(json.loads(payload)) <= {"id", "expires", "args"}
    assert readable_id(payload) == found.id


@pytest.mark.parametrize("verb", ["fly", "status", ""])
def test_a_list_of_verbs_that_do_not_exist_is_refused(verb: str) -> None:
    with pytest.raises(UsageError, match=r"mqtt\.commands"):
        check_list(["start", verb])


def test_a_service_with_such_a_list_is_not_made() -> None:
    with pytest.raises(UsageError, match=r"mqtt\.commands: fly"):
        StatusMqtt(MqttSettings("mqtt://127.0.0.1", "c", commands=("fly",)), "cam1", Bus())


# Where and who


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker.example.org", BrokerAddress("broker.example.org", 1883)),
        ("mqtts://broker.example.org", BrokerAddress("broker.example.org", 8883, tls=True)),
        ("mqtt://192.0.2.7:1884", BrokerAddress("192.0.2.7", 1884)),
        ("mqtts://[::1]:8884", BrokerAddress("::1", 8884, tls=True)),
    ],
)
def test_addresses(url: str, expected: BrokerAddress) -> None:
    found = BrokerAddress.of(url)

    assert found == expected
    assert BrokerAddress.of(str(found)) == expected


@pytest.mark.parametrize(
    "url",
    ["", "broker", "http://broker", "mqtt://", "mqtt://x:99999", "mqtt://x:y", "mqtt://me:secret@x", "mqtt://x/y"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a broker"):
        MqttSettings(url, "c")


@pytest.mark.parametrize(
    ("settings", "vouched"),
    [
        (MqttSettings("own", "c"), False),
        (MqttSettings("own", "c", user="x"), False),
        (MqttSettings("mqtt://x", "c"), False),
        (MqttSettings("mqtt://x", "c", user="x"), True),
        (MqttSettings("mqtts://x", "c", cert_file=Path("c"), key_file=Path("k")), True),
        (MqttSettings("own", "c", trust_users=True), True),
        (MqttSettings("mqtt://x", "c", user="x", trust_users=False), False),
    ],
)
def test_users_are_vouched_for_where_the_broker_asks_who_we_are(settings: MqttSettings, vouched: bool) -> None:
    assert settings.vouched == vouched


@pytest.mark.parametrize("text", ["secret", "secret\n", "secret\r\n", "pass word\n", "pässword\n"])
def test_a_password_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_text(text, encoding="utf-8", newline="")
    file.chmod(0o600)

    assert Login("c", user="u", password_file=file).password() == text.strip("\r\n")


@pytest.mark.parametrize("raw", [b"", b"\n", b"one\ntwo\n", b"\xff", b"x" * 70_000])
def test_a_file_that_holds_no_password_is_refused_without_showing_it(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(raw)
    file.chmod(0o600)

    with pytest.raises(RefusedError, match="password_file") as why:
        Login("c", user="u", password_file=file).password()
    assert "one" not in str(why.value).replace("one line", "")


def test_a_password_that_everybody_can_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)
    Login("c", user="u", password_file=file).password()

    assert "can be read by every user" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("key", ["password_file", "ca_file"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    login = Login("c", user="u", **{key: tmp_path / "none"})

    with pytest.raises(MissingError, match=str(tmp_path / "none")):
        (login.password if key == "password_file" else login.tls)()


def test_certificates_that_are_none_are_refused_with_their_names(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("no certificate")

    with pytest.raises(RefusedError, match=str(file)):
        Login("c", ca_file=file).tls()


def test_tls_is_at_least_1_2_and_the_name_is_checked() -> None:
    context = Login("c").tls()

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_login_shows_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2")

    assert "hunter2" not in repr(Login("c", user="u", password_file=file))


@given(st.integers(0, 10_000))
def test_attempts_to_connect_come_ever_more_slowly_up_to_a_limit(attempts: int) -> None:
    assert 0.1 <= back_off_s(attempts) <= 15.0
