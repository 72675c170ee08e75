"""A catalogue that runs, and the wait for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from daq.services.catalogue.service import Catalogue, CatalogueBounds

DEADLINE_S = 30.0
QUICK = CatalogueBounds(call_s=5.0, wait_s=2.0, retry_s=0.05, retry_most_s=0.1)


@asynccontextmanager
async def catalogue_at(url: str, storage: Path | None = None, **other: Any) -> AsyncIterator[Catalogue]:
    made = Catalogue(url, storage=storage, station="one", bounds=other.pop("bounds", QUICK), **other)
    task = asyncio.create_task(made.run(), name="catalogue")
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        made._database.close()


async def until(is_so: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.02)
