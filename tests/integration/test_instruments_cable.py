"""The cable of a supply is pulled and plugged in again while a station keeps its instruments known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support_simulators import simulator

from daq.composition.equipment import controllers
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.wiring import Wiring
from daq.errors import ScandaqError
from device_profiles.site import load_site

SITE = """
schema = "site/0"
station = "bench"
storage = "recordings"

[controllers.preamps]
profile = "rigol-dp832"
url = "serial://{name}"
"""
FAST = ("--baud", "115200")


@asynccontextmanager
async def station(folder: Path, name: Path) -> AsyncIterator[Instrument]:
    """Keep the supply known in the background, as a daemon does."""
    (folder / "site.toml").write_text(SITE.format(name=name))
    wiring = Wiring(controllers(load_site(folder / "site.toml"), folder))
    keeping = asyncio.ensure_future(wiring.run())
    try:
        yield wiring.instruments["preamps"]
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await wiring.close()


async def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.05)


async def test_a_supply_that_is_unplugged_is_found_again_under_its_name_and_another_one_is_not(tmp_path: Path) -> None:
    name = tmp_path / "usb-Rigol_DP832-if00"
    async with station(tmp_path, name) as supply:
        with simulator("rigol-dp832", *FAST) as plugged:
            name.symlink_to(plugged.ready["tty"])
            await until(lambda: not supply.session.suspect)
            assert await supply.read("on", "1") == "off"
        name.unlink()
        await until(lambda: bool(supply.session.suspect))
        with pytest.raises(
            ScandaqError, match=r"there is no such line|asked again in|tried again in|hung up|unplugged"
        ):
            await supply.read("on", "1")
        with simulator("rigol-dp832", *FAST) as plugged:
            name.symlink_to(plugged.ready["tty"])
            await until(lambda: not supply.session.suspect)
            assert await supply.read("on", "1") == "off"
            assert supply.session.tally.opened == 2
        name.unlink()
        with simulator("rigol-dp832", "--serial", "DP8C0", *FAST) as swapped:
            name.symlink_to(swapped.ready["tty"])
            await until(lambda: "is gone" in supply.session.suspect)
            with pytest.raises(ScandaqError, match="DP832 DP8C1234567890 is gone, DP832 DP8C0 is there"):
                await supply.read("on", "1")
