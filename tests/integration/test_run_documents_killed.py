"""The documents of a run whose daemon is killed again and again, and on a disk that is really full."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support_disk import fill
from support_documents import RUN, Recorder, begun, check_run, fields, progress, reading

from daq.errors import StorageFailedError
from daq.model.rundocument import RunComposer
from daq.storage.runrecord import RUN_FILE, read_run

KILLS = 12
ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 30.0


def live_and_die(directory: Path, boot: str, life_s: float) -> None:
    command = [sys.executable, str(Path(__file__).with_name("documents_victim.py")), str(directory), boot]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"alive\n"
        time.sleep(life_s)
        victim.kill()


async def test_a_run_is_one_valid_run_however_often_its_daemon_is_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    begun(tmp_path)

    for number in range(KILLS):
        await asyncio.to_thread(live_and_die, tmp_path, f"boot-{number}", chance.uniform(0.0, 0.3))
        with (tmp_path / RUN_FILE).open("ab") as file:  # torn, as by a loss of power
            file.truncate(max(file.tell() - chance.randrange(200), 0))
    with Recorder().run(tmp_path, start_fields=fields(boot="last")) as run:
        await run.resume()
        await run.close("abort", "killed too often")

    record = read_run(tmp_path)
    check_run(record.documents)
    assert record.documents[0][1]["uid"] == RunComposer(RUN).run_uid
    assert 0 < record.skipped <= KILLS


async def speak_until_troubled(recorder: Recorder) -> None:
    async with asyncio.timeout(DEADLINE_S):
        number = 0
        while not recorder.troubles:
            number += 1
            recorder.say(reading(float(number), name=f"channel {number % 300}"))
            await asyncio.sleep(0.001)


@pytest.mark.system
async def test_a_disk_that_is_really_full_is_told_and_the_run_is_whole_once_there_is_room(small_disk: Path) -> None:
    directory = begun(small_disk / "run")
    recorder = Recorder()
    with recorder.run(directory) as run:
        run.open()
        recorder.say(progress(0.0))
        ballast = fill(small_disk)
        await speak_until_troubled(recorder)
        ballast.unlink()

        sha256 = await run.close("success", "events")

    assert sha256 is not None
    assert "No space left" in (recorder.troubles[0] or "")
    record = read_run(directory)
    assert (record.documents, record.skipped) == (recorder.documents, 0)
    check_run(record.documents)


@pytest.mark.system
async def test_a_disk_that_stays_full_ends_the_documents_with_an_error(small_disk: Path) -> None:
    directory = begun(small_disk / "run")
    recorder = Recorder()
    with recorder.run(directory) as run:
        run.open()
        fill(small_disk)
        await speak_until_troubled(recorder)

        with pytest.raises(StorageFailedError, match="could not be written"):
            await run.close("success", "events")
