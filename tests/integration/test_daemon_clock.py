"""A wall clock that jumps under daemon and readout: by a library that adds an offset to what the system says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, short_heads, step, sweep

pytestmark = pytest.mark.system

HOUR_S = 3600
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *offset_s;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file >= 0) {
        void *place = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
        if (place != MAP_FAILED) offset_s = place;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) begin();
    int code = real(clock, now);
    if (!code && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_s;
    return code;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (place) *place = exact.tv_sec;
    return exact.tv_sec;
}
"""
PROTOCOLS = (
    protocol("two", step("first", stop='stop.time = "2 s"'), step("second", stop='stop.time = "2 s"')),
    protocol("bed", sweep("whole body", end_mm=15, speed="300 mm/min"), kind="whole_body"),
)


class Clock:
    """The wall clock of the daemon and its readouts."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            if os.environ.get("CI"):
                pytest.fail("cc is missing: apt-get install gcc")
            pytest.skip("a C compiler makes the clock that is set: apt-get install gcc")
        self._file = folder / "offset"
        self.set(0)
        (folder / "clock.c").write_text(SOURCE)
        library = folder / "clock.so"
        words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(folder / "clock.c"), "-ldl"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._file)}

    def set(self, offset_s: int) -> None:
        """Put the clock so far ahead of the true time."""
        data = offset_s.to_bytes(8, "little", signed=True)
        if not self._file.exists():
            self._file.write_bytes(data)
        with self._file.open("r+b") as file:
            file.write(data)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def daemon(tmp_path: Path, url: str, clock: Clock) -> Iterator[Station]:
    with station(tmp_path, url, scanner=short_heads(tmp_path)) as made:
        made.environment |= clock.environment
        made.add(*PROTOCOLS)
        yield made.start()


def test_an_acquisition_is_whole_though_the_clock_jumps_forwards_and_back(daemon: Station, clock: Clock) -> None:
    run = daemon.armed("two")
    clock.set(5 * HOUR_S)
    daemon.until(lambda: len(daemon.readouts()) == 1, "the readout to be there")
    daemon.ask("start")
    daemon.recording()
    clock.set(-3 * HOUR_S)
    daemon.in_step(2)
    clock.set(2 * HOUR_S)

    said = daemon.truth("completed", run)

    assert daemon.fates(run) == [("first", True), ("second", True)]
    assert said[f"run/{run}/ledger"]["ledger"] == daemon.ledger(run)
    assert daemon.alarms() == {}
    daemon.ask("acknowledge")
    assert daemon.daq("audit", "verify", "--site", str(daemon.site)).returncode == 0
    lines = [line for line in daemon.audit_lines() if line["origin"] == "local"]
    monotonic = [line["monotonic_ns"] for line in lines]
    wall_s = [datetime.fromisoformat(line["ts_utc"]).timestamp() for line in lines]
    assert monotonic == sorted(monotonic)
    assert max(wall_s) - min(wall_s) > 2 * HOUR_S
    assert [line["verb"] for line in lines if line["result"] == "asked"] == ["prepare", "start", "acknowledge"]


def test_a_sweep_goes_on_and_a_daemon_is_found_again_though_the_clock_jumps(daemon: Station, clock: Clock) -> None:
    daemon.simulate("enable", "latch")
    run = daemon.acquiring("bed")
    clock.set(24 * HOUR_S)
    daemon.until(lambda: daemon.status()["motion"]["moving"], "the bed to move")
    clock.set(-24 * HOUR_S)

    daemon.truth("completed", run)

    assert daemon.fates(run) == [("whole body", True)]
    clock.set(0)
    again = daemon.acquiring("two")
    clock.set(-HOUR_S)
    daemon.restart().truth("completed", again)
    assert daemon.fates(again) == [("first", True), ("second", True)]
    assert daemon.alarms() == {}
    assert daemon.daq("audit", "verify", "--site", str(daemon.site)).returncode == 0
