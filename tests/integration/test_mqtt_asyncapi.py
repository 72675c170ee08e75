"""The AsyncAPI document: read by AsyncAPI's own parser, and every live message fits it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from support_mqtt import AT, asking, listening, mosquitto, station

from daq.model.station import (
    Actor,
    Alarm,
    Description,
    Progress,
    QcStatus,
    Reading,
    Role,
    RunDocument,
    RunLedger,
    StationStatus,
)

pytestmark = pytest.mark.system
HERE = Path(__file__).parent / "asyncapi"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "asyncapi.json"


@pytest.fixture(scope="session")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install AsyncAPI's parser, as locked, and return the script that calls it."""
    place = tmp_path_factory.mktemp("asyncapi")
    for file in HERE.iterdir():
        if file.is_file():
            shutil.copy(file, place)
    why = install(place)
    if why:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return place / "check.mjs"


def install(place: Path) -> str:
    """Return why the parser cannot be installed, or nothing."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing: apt-get install npm"
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode == 0:
        return ""
    unreachable = re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network", done.stderr)
    assert unreachable, done.stderr[-3000:]
    return "npm reaches no registry to install AsyncAPI's parser from: run where it does, or set npm's registry"


def parse(parser: Path, text: str) -> dict[str, Any]:
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run([node, str(parser)], input=text, capture_output=True, text=True, timeout=100, check=True)
    return dict(json.loads(done.stdout))


def test_the_parser_of_asyncapi_finds_nothing_wrong(parser: Path) -> None:
    said = parse(parser, DOCUMENT.read_text(encoding="utf-8"))

    assert (said["valid"], said["version"]) == (True, "3.0.0")
    assert [found for found in said["found"] if found["severity"] <= 1] == []


def test_the_parser_finds_what_is_wrong(parser: Path) -> None:
    broken = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    broken["operations"]["sayState"]["channel"]["$ref"] = "#/channels/nowhere"
    broken["components"]["messages"]["state"]["payload"]["type"] = "objekt"

    said = parse(parser, json.dumps(broken))

    assert not said["valid"]
    assert {found["path"].split(".")[0] for found in said["found"] if found["severity"] == 0} >= {
        "operations",
        "components",
    }


def of_address(document: dict[str, Any], topic: str) -> tuple[str, dict[str, Any]]:
    """Return the channel of a topic."""
    for name, channel in document["channels"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(channel["address"]))
        if re.fullmatch(pattern, topic):
            return name, channel
    raise AssertionError(f"{topic} is in no channel")


def problems(document: dict[str, Any], topic: str, payload: bytes) -> tuple[str, list[str]]:
    """Return the channel of a message and, for the kind of message that fits it best, what is wrong."""
    name, channel = of_address(document, topic)
    best: list[str] | None = None
    for kind in channel["messages"]:
        message = document["components"]["messages"][kind]
        plain = message.get("contentType") == "text/plain"
        try:
            value = payload.decode() if plain else json.loads(payload)
        except ValueError as why:
            found = [str(why)]
        else:
            checker = Draft202012Validator(message["payload"], format_checker=FormatChecker())
            found = [error.message for error in checker.iter_errors(value)]
        best = found if best is None or len(found) < len(best) else best
    return name, best or []


async def test_every_kind_of_live_message_fits_the_document(tmp_path: Path) -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))

    async def command(verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        return {"verb": verb, "args": args, "actor": actor.user}

    alarm = Alarm("bed/1", "pad hit", "high", "pad hit", "free the patient", AT)
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port, "#") as ear:
            async with station(
                broker.port, home_assistant=True, commands=("start",), trust_users=True, command=command,
                role_of=lambda _: Role.TECHNOLOGIST,
            ) as here:  # fmt: skip
                for said in (
                    Description(
                        "s", "cam1", {"scandaq": "1"}, {"ring": {"profile": "x"}}, {"hv": {"ability": "high_voltage"}}
                    ),
                    StationStatus("ready", AT),
                    StationStatus("acquiring", AT, "r1", "bone", 1, 2, "flow", "x", ("pause", "stop"), simulated=True),
                    Progress("r1", 1.5, 1, 2, {"Tc99m": 7}, 8, 3.5, 1.0, 0, 0, 100, 0.5, 9.0),
                    Progress("r2", 1.0, 1, 1),
                    Reading("hv", "vmon", 812.4, "V", "good", AT, {"high": 900.0}),
                    Reading("hv", "vmon", None, "V", "comm_fail", AT),
                    Reading("door", "closed", value=True, unit="", quality="good", read_utc=AT),
                    Reading("hv", "status", "RAMP", "", "stale", AT),
                    Reading("hv", "count", 7, "1", "out_of_limits", AT),
                    QcStatus("flood", "Daily flood", "never", "", None, None, None, True, "Daily flood: never done"),
                    QcStatus("flood", "Daily flood", "valid", "in limits", AT, AT, "r-1", True, "due tomorrow"),
                    alarm,
                    RunLedger("r1", {"sources": [{"sent": 4, "received": 4}], "balanced": None}),
                    RunDocument("r1", "start", {"uid": "u", "time": 1.0}),
                ):
                    here.bus.announce(said)
                here.bus.announce(Alarm("bed/1", "pad hit", "high", "", "", AT, active=False, acknowledged_by="lee"))
                await here.connected()
                await ear.client.publish("nm/v1/cam1/cmd/tech/start", asking("a1"), qos=1)
                await ear.hears("nm/v1/cam1/reply/tech/a1", lambda said: said["result"] == "done")
                await ear.client.publish("nm/v1/cam1/cmd/tech/start", b"junk", qos=1)
                await ear.hears("nm/v1/cam1/reply/tech/-")
                here.bus.announce(alarm)
                await ear.hears("nm/v1/cam1/readings/hv/count")
                await ear.hears("homeassistant/device/scandaq-cam1/config")
            await ear.hears("nm/v1/cam1/availability", lambda said: said == "offline")

    ours = [message for message in ear.messages if message.payload != b"junk"]
    checked = [problems(document, message.topic.value, bytes(message.payload)) for message in ours]
    assert [wrong for wrong in checked if wrong[1]] == []
    assert {name for name, _ in checked} == set(document["channels"])


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"seq": 0}', b'{"state": 3}', b'{"state": "ready", "patient": "Doe"}'], ids=str
)
def test_what_does_not_fit_is_found(payload: bytes) -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))

    name, wrong = problems(document, "nm/v1/cam1/state", payload)

    assert name == "state"
    assert wrong
