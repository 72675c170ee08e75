"""A daemon that does nothing but write the documents of a run, to be killed. Resumes what is there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support_documents import Recorder, fields, progress, reading


async def live(directory: Path, boot: str) -> None:
    recorder = Recorder()
    with recorder.run(directory, start_fields=fields(boot=boot)) as run:
        await run.resume()
        print("alive", flush=True)
        for number in range(1_000_000):
            recorder.say(reading(float(number), name=f"channel {number % 400}"), progress(number / 100))
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2]))
