"""The pages on MQTT tell the truth: the how-to's certificates, settings and access list are tried as they stand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support_mqtt import Mosquitto, mosquitto, station, until
from support_pages import ROOT, blocks

from daq.model.station import Actor, Role
from daq.model.verbs import ALWAYS, VERBS
from daq.services.status_mqtt.commands import LATEST_S, MOST_BYTES
from daq.services.status_mqtt.messages import KINDS

HOW_TO = (ROOT / "docs" / "how-to" / "secure-the-broker.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "mqtt.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return [block.text for block in blocks(HOW_TO) if block.language == language]


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-ec", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def secured(folder: Path) -> Mosquitto:
    """Follow the page, with this host in the place of the broker's; return the broker."""
    certificates, try_it = fenced("sh")
    conf, rules = fenced("text")
    certificates = certificates.replace("broker.example.org", "localhost").replace("rsa:3072", "rsa:2048")
    station_lines = "\n".join(line for line in certificates.splitlines() if "cam1-station" in line)
    assert station_lines.count("\n") == 1, try_it
    for script in (certificates, *(station_lines.replace("cam1-station", user) for user in ("tech", "dashboard"))):
        done = shell(folder, script)
        assert done.returncode == 0, done.stderr
    (folder / "scandaq.acl").write_text(rules)
    for secret in (folder / "scandaq.acl", folder / "cam1-station.key"):
        secret.chmod(0o600)
    conf = conf.replace("/etc/mosquitto/certs/", f"{folder}/").replace("/etc/mosquitto/", f"{folder}/")
    broker = Mosquitto(folder, anonymous=False, listener=("",))
    lines = [line for line in conf.splitlines() if not line.startswith("per_listener")]
    kept = [line for line in broker._config.read_text().splitlines() if line.startswith(("log_dest", "user"))]
    broker._config.write_text("\n".join([*lines, *kept]).replace("listener 8883", f"listener {broker.port}") + "\n")
    return broker


@pytest.mark.system
async def test_the_how_to_makes_a_broker_that_is_safe_as_it_says(tmp_path: Path) -> None:
    broker = secured(tmp_path)
    asked: list[tuple[str, Actor]] = []

    async def command(verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        asked.append((verb, actor))
        return {"args": args}

    right, wrong = fenced("sh")[1].replace("broker.example.org -p 8883", f"localhost -p {broker.port}").splitlines()
    login = "--cafile ca.crt --cert dashboard.crt --key dashboard.key"
    watch = f"mosquitto_sub {login} -h localhost -p {broker.port} -C 1 -W 5"
    try:
        broker.start(probe=False)
        async with station(
            broker.port, broker=f"mqtts://localhost:{broker.port}", ca_file=tmp_path / "ca.crt", home_assistant=True,
            cert_file=tmp_path / "cam1-station.crt", key_file=tmp_path / "cam1-station.key", commands=("pause",),
            command=command, role_of=lambda _: Role.TECHNOLOGIST,
        ) as here:  # fmt: skip
            here.state("ready")
            here.reading()
            await until(lambda: here.mqtt.figures.acknowledged >= 4)
            refused = shell(tmp_path, wrong)
            done = shell(tmp_path, right)
            await until(lambda: bool(asked))
            seen = shell(tmp_path, f"{watch} -t nm/v1/cam1/state")
            unseen = shell(tmp_path, f"{watch} -t 'nm/v1/cam1/reply/#' -W 1")

            assert here.mqtt.figures.refused == 0
    finally:
        broker.kill()

    assert done.returncode == 0
    assert "Not authorized" in refused.stderr
    assert asked == [("stop-motion", Actor("tech", "mqtt", Role.TECHNOLOGIST))]
    assert '"state":"ready"' in seen.stdout
    assert unseen.stdout == ""


@pytest.mark.system
async def test_a_stranger_without_a_certificate_gets_nothing(tmp_path: Path) -> None:
    broker = secured(tmp_path)
    try:
        broker.start(probe=False)
        done = shell(tmp_path, f"mosquitto_sub --cafile ca.crt -h localhost -p {broker.port} -t '#' -C 1 -W 2")
    finally:
        broker.kill()

    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.system
async def test_the_plain_broker_of_other_tests_is_the_one_that_lets_strangers_in(tmp_path: Path) -> None:
    """The counter-proof of the test above."""
    with mosquitto(tmp_path) as broker:
        done = shell(tmp_path, f"mosquitto_pub -h 127.0.0.1 -p {broker.port} -t x -m y")

    assert done.returncode == 0


def test_the_page_names_every_topic_and_whether_it_is_retained() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (\S+)", REFERENCE, flags=re.MULTILINE)
    retained = dict(rows)

    for kind in KINDS.values():
        address = re.sub(r"{(\w+)}", r"<\1>", kind.address)
        assert retained[address] == ("yes" if kind.retain else "no"), address


def test_the_page_states_the_limits_that_hold() -> None:
    assert f"{MOST_BYTES:,} bytes" in REFERENCE
    assert f"at most {LATEST_S:g} s ahead" in REFERENCE
    assert [verb for verb in ALWAYS if f"`{verb}`" not in REFERENCE] == []
    assert set(ALWAYS) <= set(VERBS)
