"""Who gets into a broker: passwords, certificates, access lists, and what is said of those refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support_mqtt import LONG_S, certificates, listening, mosquitto, station, until

pytestmark = pytest.mark.system


async def test_a_wrong_password_is_said_and_a_corrected_file_is_enough(tmp_path: Path) -> None:
    hashed = tmp_path / "passwords"
    hashed.write_text("")
    _mosquitto_passwd(hashed, "station", "right")
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    with mosquitto(tmp_path, f"password_file {hashed}", anonymous=False) as broker:
        async with station(broker.port, user="station", password_file=secret) as here:
            await until(lambda: "refused" in here.board.raised)
            text = here.board.raised["refused"]
            secret.write_text("right\n")
            await here.connected()

            assert "refuses us" in text
            assert "wrong" not in text
            assert "refused" not in here.board.raised


async def test_a_password_file_that_is_missing_is_said(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port, user="station", password_file=tmp_path / "none") as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)

            assert str(tmp_path / "none") in here.mqtt._why_not


async def test_what_the_access_list_forbids_is_said(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite nm/v1/cam1/availability\ntopic readwrite nm/v1/cam1/readings/#\n")
    rules.chmod(0o700)
    with mosquitto(tmp_path, f"acl_file {rules}") as broker:
        async with station(broker.port) as here, listening(broker.port) as ear:
            here.state("ready")
            here.reading()
            await until(lambda: "refused" in here.board.raised)
            await ear.hears("nm/v1/cam1/readings/hv/vmon")

            assert here.mqtt.figures.refused >= 1
            assert "nm/v1/cam1/state" in here.board.raised["refused"]
            assert "Not authorized" in here.board.raised["refused"]
            assert here.mqtt.figures.connected


async def test_tls_with_an_authority_that_is_not_trusted_is_refused_in_words(tmp_path: Path) -> None:
    ours = certificates(tmp_path / "ours", "localhost")
    others = certificates(tmp_path / "others", ca="other")
    tls = (f"cafile {ours}/ca.crt", f"certfile {ours}/localhost.crt", f"keyfile {ours}/localhost.key")
    with mosquitto(tmp_path, listener=tls) as broker:
        url = f"mqtts://localhost:{broker.port}"
        async with station(broker.port, broker=url, ca_file=others / "other.crt") as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)

            assert "certificate verify failed" in here.mqtt._why_not
        async with station(broker.port, broker=url, ca_file=ours / "ca.crt") as here:
            await here.connected()


async def test_plain_text_to_a_broker_of_tls_is_no_connection(tmp_path: Path) -> None:
    ours = certificates(tmp_path / "ours", "localhost")
    tls = (f"certfile {ours}/localhost.crt", f"keyfile {ours}/localhost.key")
    with mosquitto(tmp_path, listener=tls) as broker:
        async with station(broker.port) as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)


async def test_a_certificate_may_be_all_the_login_there_is(tmp_path: Path) -> None:
    ours = certificates(tmp_path / "ours", "localhost", "cam1-station")
    rules = tmp_path / "acl"
    rules.write_text("user cam1-station\ntopic readwrite nm/v1/cam1/#\n")
    rules.chmod(0o700)
    tls = (f"cafile {ours}/ca.crt", f"certfile {ours}/localhost.crt", f"keyfile {ours}/localhost.key",
           "require_certificate true", "use_identity_as_username true")  # fmt: skip
    with mosquitto(tmp_path, f"acl_file {rules}", anonymous=False, listener=tls) as broker:
        login = {
            "ca_file": ours / "ca.crt",
            "cert_file": ours / "cam1-station.crt",
            "key_file": ours / "cam1-station.key",
        }
        async with station(broker.port, broker=f"mqtts://localhost:{broker.port}", **login) as here:
            here.state("ready")
            await here.connected()
            await until(lambda: here.mqtt.figures.acknowledged >= 2)

            assert here.mqtt.figures.refused == 0
        without = {"ca_file": ours / "ca.crt"}
        async with station(broker.port, broker=f"mqtts://localhost:{broker.port}", **without) as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)


def _mosquitto_passwd(file: Path, user: str, password: str) -> None:
    subprocess.run(["mosquitto_passwd", "-b", str(file), user, password], check=True, timeout=LONG_S)  # noqa: S607
    file.chmod(0o700)
