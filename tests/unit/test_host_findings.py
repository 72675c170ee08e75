"""`daq doctor`: what it finds on hosts of every kind, and what it says to do."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_cli import call

from daq.model.host import HostFinding
from daq.readout import hostlimits, hostmachine
from daq.readout.hostgroups import cpu_quota_cores, memory_limit_bytes
from daq.readout.hostlimits import SocketProbe, network_findings, probe_socket, socket_buffer_verdict
from daq.storage import hostdisk
from daq.storage.files import Buffer, Handle, StorageFiles
from daq.storage.hostdisk import disk_findings, file_system_of, probe_disk

STOCK_BYTES = 212_992
LARGE = SocketProbe(granted_bytes=64 << 20, forced=True, gro=True)


def host(root: Path, files: dict[str, str]) -> Path:
    """Write kernel files below `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


def by_key(findings: list[HostFinding]) -> dict[str, HostFinding]:
    return {finding.key: finding for finding in findings}


def test_the_buffer_of_a_stock_kernel_is_bad_for_a_fast_detector_and_the_sysctl_is_named() -> None:
    finding = socket_buffer_verdict(STOCK_BYTES, 20e6, 8)

    assert finding.verdict == "bad"
    assert "212,992 bytes" in finding.value
    assert "sysctl -w net.core.rmem_max=67108864" in finding.mend
    assert "'net.core.rmem_max = 67108864' > /etc/sysctl.d/60-scandaq.conf" in str(finding)


def test_the_buffer_of_a_stock_kernel_is_good_for_a_gamma_camera() -> None:
    finding = socket_buffer_verdict(STOCK_BYTES, 300e3, 8)

    assert (finding.verdict, finding.mend) == ("good", "")


def test_four_mebibytes_hold_thirty_milliseconds_of_twenty_million_words() -> None:
    finding = socket_buffer_verdict(4 << 20, 20e6, 8)

    assert finding.verdict == "limits"
    assert finding.figures["holds_ms"] == pytest.approx(32.8, abs=0.1)


def test_a_rate_that_needs_more_than_the_usual_buffer_is_told_how_much() -> None:
    finding = socket_buffer_verdict(64 << 20, 200e6, 8)

    assert finding.verdict == "limits"
    assert "net.core.rmem_max=128974848" in finding.mend
    assert socket_buffer_verdict(128_974_848, 200e6, 8).verdict == "good"


@given(st.integers(1, 1 << 31), st.floats(1e3, 1e9), st.integers(1, 8))
def test_a_larger_buffer_is_never_judged_worse_and_what_is_asked_for_is_enough(
    granted: int, rate: float, word_bytes: int
) -> None:
    order = ["bad", "limits", "good"]
    less = socket_buffer_verdict(granted, rate, word_bytes)
    more = socket_buffer_verdict(2 * granted, rate, word_bytes)

    assert order.index(more.verdict) >= order.index(less.verdict)
    if less.mend:
        asked = int(less.mend.split("rmem_max=")[1].split(",")[0])
        assert socket_buffer_verdict(asked, rate, word_bytes).verdict == "good"


def test_a_small_rmem_max_limits_unless_it_can_be_passed_over(tmp_path: Path) -> None:
    root = host(tmp_path, {"proc/sys/net/core/rmem_max": "212992\n"})
    small = SocketProbe(STOCK_BYTES, forced=False, gro=False)

    plain, privileged = (by_key(network_findings(1e6, 8, probe=probe, root=root)) for probe in (small, LARGE))

    assert plain["rmem_max"].verdict == "limits"
    assert "net.core.rmem_max=67108864" in plain["rmem_max"].mend
    assert plain["rcvbuf_force"].verdict == plain["udp_gro"].verdict == "limits"
    assert {finding.verdict for finding in privileged.values()} == {"good"}


def test_a_host_without_sockets_cannot_record(tmp_path: Path) -> None:
    probe = SocketProbe(0, forced=False, gro=False, trouble="Address family not supported by protocol")

    (finding,) = network_findings(1e6, 8, probe=probe, root=tmp_path)

    assert finding.impossible
    assert "Address family" in finding.value


def test_a_real_socket_is_granted_something_and_no_more_than_asked_for() -> None:
    probe = probe_socket(1 << 20)

    assert not probe.trouble
    assert 0 < probe.granted_bytes <= 1 << 20


def test_a_socket_that_cannot_be_opened_is_words_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(hostlimits.socket, "socket", refuse)

    assert probe_socket().trouble == "Too many open files"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/user/job\n",
                "sys/fs/cgroup/user/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
    ids=["no groups", "no quota", "quota", "quota above", "old groups", "old groups, no quota"],
)
def test_the_processor_quota_is_the_smallest_on_the_way_up(
    tmp_path: Path, files: dict[str, str], cores: float | None
) -> None:
    assert cpu_quota_cores(host(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, None),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, 1 << 30),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            None,
        ),
    ],
    ids=["none", "new groups", "old groups, none"],
)
def test_the_memory_limit_is_read_from_either_kind_of_group(
    tmp_path: Path, files: dict[str, str], limit: int | None
) -> None:
    assert memory_limit_bytes(host(tmp_path, files)) == limit


def test_a_small_quota_little_memory_used_swap_and_a_slow_clock_are_each_told_how_to_mend(tmp_path: Path) -> None:
    root = host(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/memory.max": str(1 << 30),
            "proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 1000000 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
        },
    )

    found = by_key(hostmachine.machine_findings(root))

    poor = ("cpu_quota", "memory", "memory_limit", "swap", "clock_source")
    assert [found[key].verdict for key in poor] == ["limits"] * 5
    assert all(found[key].mend for key in poor)
    assert found["cpu_quota"].figures == {"quota_cores": 1.0}
    assert "vm.swappiness" in found["swap"].mend
    assert not any(finding.impossible for finding in found.values())


def test_a_host_with_next_to_no_memory_cannot_record(tmp_path: Path) -> None:
    root = host(tmp_path, {"proc/meminfo": "MemTotal: 262144 kB\nMemAvailable: 131072 kB\n"})

    memory = by_key(hostmachine.machine_findings(root))["memory"]

    assert (memory.verdict, memory.impossible) == ("bad", True)


def test_a_host_that_tells_nothing_is_judged_by_what_can_be_known(tmp_path: Path) -> None:
    found = by_key(hostmachine.machine_findings(tmp_path))

    assert found["memory"].value == "unknown"
    assert found["clock_source"].value == "unknown"
    assert not any(finding.impossible for finding in found.values())


def test_an_unwritable_cache_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    cache = by_key(hostmachine.machine_findings())["kernel_cache"]

    assert cache.verdict == "limits"
    assert "XDG_CACHE_HOME" in cache.mend


def test_asking_for_real_time_leaves_this_thread_as_it_was() -> None:
    before = os.sched_getscheduler(0)

    hostmachine.real_time_allowed()

    assert os.sched_getscheduler(0) == before


def test_the_disk_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = by_key(disk_findings(tmp_path / "recordings" / "deep", 1e6))

    assert list(tmp_path.iterdir()) == []
    assert found["storage_rate"].figures["written_bytes"]
    assert found["storage_free"].figures["path"] == str(tmp_path)
    assert set(found) == {
        "storage_free", "storage_filesystem", "storage_direct", "storage_rate", "storage_sync",
    }  # fmt: skip


def test_a_disk_slower_than_the_data_is_bad_and_one_with_little_to_spare_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostdisk, "probe_disk", lambda *_, **__: hostdisk.DiskProbe(80_000_000, 1.0, direct=True))

    verdicts = [by_key(disk_findings(tmp_path, rate))["storage_rate"].verdict for rate in (100e6, 60e6, 30e6)]

    assert verdicts == ["bad", "limits", "good"]


class FullDisk(StorageFiles):
    """No room left."""

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def free_bytes(self, path: Path) -> int:
        return 1000


def test_a_full_disk_makes_recording_impossible_and_the_probe_is_removed(tmp_path: Path) -> None:
    found = by_key(disk_findings(tmp_path, 1e6, files=FullDisk()))

    assert found["storage_free"].impossible
    assert found["storage_write"].impossible
    assert "No space left" in found["storage_write"].value
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_makes_recording_impossible(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert probe_disk(tmp_path / "file").trouble == "Not a directory"
    assert by_key(disk_findings(tmp_path / "file", 1e6))["storage_write"].impossible


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    root = host(
        tmp_path,
        {"proc/self/mounts": "/dev/a / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\nx /data/my\\040fast tmpfs rw 0 0\n"},
    )

    kinds = [
        file_system_of(Path(place), root) for place in ("/home/a", "/data", "/data/b", "/data/my fast/c", "/database")
    ]

    assert kinds == ["ext4", "nfs4", "nfs4", "tmpfs", "ext4"]


def test_a_network_or_memory_file_system_limits(tmp_path: Path) -> None:
    for kind in ("nfs4", "tmpfs"):
        root = host(tmp_path / kind, {"proc/self/mounts": f"x / {kind} rw 0 0\n"})

        finding = by_key(disk_findings(tmp_path, 1e6, measure=False, root=root))["storage_filesystem"]

        assert (finding.verdict, finding.value) == ("limits", kind)


def test_the_command_prints_a_table_and_says_what_limits(tmp_path: Path) -> None:
    told = call("doctor", "--storage", str(tmp_path), "--no-write", "--rate", "5M")

    assert told.code == 0
    assert "for 5 M words/s of 64 bits" in told.out
    assert "socket buffer" in told.out
    assert "This host can record" in told.out.splitlines()[-1]


def test_the_command_judges_by_a_profile_and_its_json_is_by_key(tmp_path: Path) -> None:
    told = call("doctor", "--storage", str(tmp_path), "--profile", "siemens-petlink32", "--json")

    result = json.loads(told.out)
    assert told.code == 0
    assert (result["recording_possible"], result["word_bytes"]) == (True, 4)
    assert set(result["findings"]["storage_rate"]) == {
        "what", "value", "want", "verdict", "mend", "impossible", "figures",
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_the_command_fails_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = call("doctor", "--storage", str(tmp_path / "file"))

    assert told.code == 6
    assert "Nothing can be recorded on this host: writing to" in told.out.splitlines()[-1]


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", "1e999", "20 M"])
def test_a_rate_that_is_none_is_a_usage_error(rate: str) -> None:
    told = call("doctor", f"--rate={rate}")

    assert told.code == 2
    assert "--rate" in told.err
