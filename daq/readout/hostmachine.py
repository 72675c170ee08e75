"""What the machine itself limits: cores, memory, quotas, priorities, clock, and the software on it.

Kernel files are read below `root`, `/` by default. What a file does not say is unknown, never an error.
"""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import daq
from daq.model.host import HostFinding, Verdict
from daq.readout.hostgroups import NO_LIMIT, cpu_quota_cores, kernel_text, memory_limit_bytes
from daq.storage.hostclock import clock_health

CORES = 2
WANT_BYTES = 2 << 30
LEAST_BYTES = 768 << 20
"""Ring, buffers, compiled code: what a readout takes at least."""
RING_BYTES = 256 << 20
WANT_FILES = 1024
LEAST_FILES = 64
CLOCK_ERROR_US = 100_000
_GOOD_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "xen", "arch_sys_counter")
_CLOCK_SOURCE = "sys/devices/system/clocksource/clocksource0/current_clocksource"
_PACKAGES = ("numpy", "numba", "pyarrow")
_SERVICE = "in a systemd service: "


def machine_findings(root: Path = Path("/")) -> list[HostFinding]:
    """Return cores, memory, quotas, limits of the process, clock, versions."""
    memory = _memory_table(root)
    return [
        _cores(len(os.sched_getaffinity(0))),
        _quota(root),
        _memory(memory),
        _memory_limit(root),
        _swap(memory),
        _open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        _locked_memory(resource.getrlimit(resource.RLIMIT_MEMLOCK)[0], memory),
        _real_time(allowed=real_time_allowed()),
        _clock_source(root),
        _clock_set(),
        _kernel_cache(),
        _versions(),
    ]


def _cores(count: int) -> HostFinding:
    good = count >= CORES
    mend = "" if good else "receiving and processing share one core: let the process run on more (taskset, cpuset)"
    return HostFinding(
        "cores", "cores", str(count), f"{CORES}", "good" if good else "limits", mend, {"cores": count}
    )  # fmt: skip


def _quota(root: Path) -> HostFinding:
    cores = cpu_quota_cores(root)
    good = cores is None or cores >= CORES
    value = "none" if cores is None else f"{cores:g} cores"
    mend = "" if good else f"{_SERVICE}CPUQuota={CORES}00% or none; in a container: --cpus {CORES}"
    return HostFinding(
        "cpu_quota", "CPU quota", value, f"none, or {CORES} cores", "good" if good else "limits", mend,
        {"quota_cores": cores},
    )  # fmt: skip


def _memory(table: dict[str, int]) -> HostFinding:
    free = table.get("MemAvailable")
    return _bytes_finding(
        "memory", "free memory", free, "close other programs, or add memory", {"total_bytes": table.get("MemTotal")}
    )


def _memory_limit(root: Path) -> HostFinding:
    limit = memory_limit_bytes(root)
    if limit is None:
        return HostFinding("memory_limit", "memory limit", "none", "none", "good", "", {"memory_limit_bytes": None})
    return _bytes_finding("memory_limit", "memory limit", limit, f"{_SERVICE}MemoryMax={WANT_BYTES >> 30}G or none", {})


def _bytes_finding(key: str, what: str, size: int | None, mend: str, more: dict[str, int | None]) -> HostFinding:
    known = size if size is not None else WANT_BYTES
    verdict: Verdict = "good" if known >= WANT_BYTES else "limits" if known >= LEAST_BYTES else "bad"
    value = "unknown" if size is None else f"{size / (1 << 30):.1f} GiB"
    return HostFinding(
        key, what, value, f"{WANT_BYTES >> 30} GiB", verdict, "" if verdict == "good" else mend,
        {f"{key}_bytes": size, **more}, impossible=known < LEAST_BYTES // 2,
    )  # fmt: skip


def _swap(table: dict[str, int]) -> HostFinding:
    total = table.get("SwapTotal", 0)
    used = total - table.get("SwapFree", total)
    mend = "sysctl -w vm.swappiness=1, or add memory: a buffer that was swapped out stops the receiving" if used else ""
    value = "none" if not total else f"{used / (1 << 20):.0f} of {total / (1 << 20):.0f} MiB used"
    return HostFinding(
        "swap", "swap", value, "not used", "limits" if used else "good", mend,
        {"swap_bytes": total, "swap_used_bytes": used},
    )  # fmt: skip


def _open_files(limit: int) -> HostFinding:
    limit = NO_LIMIT if limit == resource.RLIM_INFINITY else limit
    verdict: Verdict = "good" if limit >= WANT_FILES else "limits" if limit >= LEAST_FILES else "bad"
    mend = "" if verdict == "good" else f"ulimit -n {WANT_FILES}; {_SERVICE}LimitNOFILE={WANT_FILES}"
    return HostFinding(
        "open_files", "open files", _limit_text(limit), f"{WANT_FILES:,}", verdict, mend,
        {"limit": None if limit == NO_LIMIT else limit},
    )  # fmt: skip


def _locked_memory(limit: int, table: dict[str, int]) -> HostFinding:
    limit = NO_LIMIT if limit == resource.RLIM_INFINITY else limit
    good = limit >= RING_BYTES or not table.get("SwapTotal")
    mend = "" if good else f"ulimit -l {RING_BYTES >> 10}; {_SERVICE}LimitMEMLOCK={RING_BYTES >> 20}M"
    value = _limit_text(limit) + ("" if limit == NO_LIMIT else " bytes")
    return HostFinding(
        "locked_memory", "lockable memory", value, f"{RING_BYTES:,} bytes, or no swap", "good" if good else "limits",
        mend, {"limit_bytes": None if limit == NO_LIMIT else limit},
    )  # fmt: skip


def _limit_text(limit: int) -> str:
    return "unlimited" if limit == NO_LIMIT else f"{limit:,}"


def _real_time(*, allowed: bool) -> HostFinding:
    value = "allowed" if allowed else "not allowed"
    mend = f"ulimit -r 10 (limits.conf: rtprio 10); {_SERVICE}LimitRTPRIO=10, or CAP_SYS_NICE"
    return HostFinding(
        "real_time", "SCHED_FIFO", value, "allowed", "good" if allowed else "limits", "" if allowed else mend,
        {"allowed": allowed},
    )  # fmt: skip


def real_time_allowed() -> bool:
    """Return True when a thread of this process may have real-time priority. Tried in a thread that ends at once."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            answers.append(False)
        else:
            answers.append(True)

    asking = threading.Thread(target=ask, name="doctor-real-time")
    asking.start()
    asking.join()
    return answers == [True]


def _clock_source(root: Path) -> HostFinding:
    name = kernel_text(root / _CLOCK_SOURCE)
    good = not name or name in _GOOD_CLOCKS
    mend = (
        "" if good else "reading the time is a slow call: boot with tsc=reliable where the processor's clock is sound"
    )
    return HostFinding(
        "clock_source", "clock source", name or "unknown", "tsc or kvm-clock", "good" if good else "limits", mend,
        {"clock_source": name or None},
    )  # fmt: skip


def _clock_set() -> HostFinding:
    health = clock_health()
    synchronised, error_us = health["synchronised"], health["error_us"]
    good = synchronised is not False and (error_us is None or error_us <= CLOCK_ERROR_US or not synchronised)
    value = "unknown" if synchronised is None else "synchronised" if synchronised else "not synchronised"
    bound = f", to {error_us / 1000:.1f} ms" if synchronised and error_us is not None else ""
    mend = "timedatectl set-ntp true, or run chrony: times of day in manifests are only as good as the host's clock"
    return HostFinding(
        "clock_set", "host clock", value + bound, f"synchronised, to {CLOCK_ERROR_US // 1000} ms",
        "good" if good else "limits", "" if good else mend, {"synchronised": synchronised, "error_us": error_us},
    )  # fmt: skip


def _kernel_cache() -> HostFinding:
    from daq.model.kernel import cache_directory  # numba comes with it

    folder = cache_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            trouble = ""
    except OSError as why:
        trouble = why.strerror or str(why)
    value = f"{folder}: {trouble}" if trouble else str(folder)
    mend = "set XDG_CACHE_HOME to a folder of this user: without it everything is compiled anew at each start"
    return HostFinding(
        "kernel_cache", "compiled code", value, "a writable folder", "limits" if trouble else "good",
        mend if trouble else "", {"path": str(folder), "writable": not trouble},
    )  # fmt: skip


def _versions() -> HostFinding:
    found: dict[str, str | None] = {
        "scandaq": daq.__version__, "python": platform.python_version(), "kernel": platform.release()
    }  # fmt: skip
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    absent = [name for name, number in found.items() if number is None]
    value = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    mend = f"install {', '.join(absent)}" if absent else ""
    return HostFinding(
        "versions", "software", value, "all there", "bad" if absent else "good", mend, found, impossible=bool(absent)
    )


def _memory_table(root: Path) -> dict[str, int]:
    """Return `/proc/meminfo` in bytes."""
    table = {}
    for line in kernel_text(root / "proc/meminfo").splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdigit():  # noqa: PLR2004
            table[words[0].rstrip(":")] = int(words[1]) * 1024
    return table
