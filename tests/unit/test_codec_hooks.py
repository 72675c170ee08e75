"""A codec that another package brings: found by its entry point, used like those of the product, refused in words."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from support_conversation import PROFILE, Clock

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import DeadlineError, ProfileError
from daq.model.control import ControlProfile
from daq.wire.control.codecs import codec_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "bring-your-own-codec.md"
_MORE = """

def fails(profile):
    raise ValueError("no such thing")


str = str
"""
_POINTS = """[scandaq.codecs]
reversed = rare_codecs:Reversed
broken = rare_codecs:fails
wrong = rare_codecs:str
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "rare_codecs.py").write_text(code + _MORE)
    about = tmp_path / "rare_codecs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rare-codecs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "rare_codecs", raising=False)


def profile(codec: str) -> ControlProfile:
    said = PROFILE.model_dump(mode="json")
    return ControlProfile.model_validate_json(json.dumps(said | {"framing": said["framing"] | {"codec": codec}}))


class Mirror:
    """A `Link` to an instrument that writes backwards."""

    connection = 1
    dropped_bytes = 0
    is_open = True

    def __init__(self) -> None:
        self.coming = b""

    async def open(self, within_s: float) -> None: ...

    async def close(self) -> None: ...

    async def write(self, data: bytes, within_s: float) -> None:
        asked = data.decode().removesuffix(".")[::-1]
        told = {"BDNAME": "N1470", "BDSNUM": "77", "BDFREL": "1", "VMON": "812"}[asked.rpartition(":")[2]]
        # A full stop ends a reply, so numbers have none.
        self.coming += f"#BD:00,CMD:OK,VAL:{told}"[::-1].encode() + b"."

    async def read(self, within_s: float) -> bytes:
        if not self.coming:
            raise DeadlineError("nothing came")
        return self.waiting()

    def waiting(self) -> bytes:
        here, self.coming = self.coming, b""
        return here


@pytest.mark.usefixtures("installed")
async def test_an_instrument_is_driven_through_the_codec_of_another_package() -> None:
    said = profile("hook:reversed").model_dump(mode="json")
    said["identity"]["ask"] = [said["identity"]["ask"][0]]
    said["identity"]["without_serial"] = True
    clock = Clock()
    mine = ControlProfile.model_validate_json(json.dumps(said))
    session = Session("rare", mine, Mirror(), codec_of(mine), clock=clock, sleep=clock.sleep)

    assert await Instrument(session).read("voltage", "1") == 812.0


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("codec", "said"),
    [
        (
            "hook:missing",
            r"is brought by no installed package; entry points of scandaq\.codecs: broken, reversed, wrong",
        ),
        ("hook:broken", r"the codec hook:broken \(rare_codecs:fails\) cannot be made: no such thing"),
        ("hook:wrong", "rare_codecs:str made a str, which is no codec"),
    ],
)
def test_a_codec_that_is_not_there_or_is_none_is_refused_in_words(codec: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        codec_of(profile(codec))


def test_a_codec_that_nobody_knows_is_refused_where_the_profile_is_read() -> None:
    with pytest.raises(ValueError, match="nor hook:NAME of an installed package"):
        profile("morse")
