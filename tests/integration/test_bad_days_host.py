"""Bad days of the host: nowhere to write, a clock that is set, too small a socket buffer, no home, too slow."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support_cli import Done, call, left_in, petlink_file
from support_readout import FrontEnd, free_port, manifest_of, plan_of, pushing, running, until
from support_recording import PETLINK, content, replayed_alike
from support_simulators import ROOT, simulator

from daq.model.kernel import writable_cache
from daq.model.order import OrderRule
from daq.readout.plan import Receive
from daq.storage import derivedmarks
from daq.storage.derive import Derivation
from daq.storage.reader import open_listmode
from daq.storage.verify import verify
from daq.wire.native import Header, encode

HOUR_NS = 3600 * 10**9


def needs_root(*tools: str) -> None:
    """Skip without root or a tool, except in CI, where both must be there."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    why = f"not installed: {', '.join(missing)}: apt-get install e2fsprogs mount" if missing else ""
    if os.geteuid():
        why = "only root may mount, and take rights away: run as root"
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=30)


# Nowhere to write


@contextmanager
def read_only_mount(place: Path) -> Iterator[Path]:
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place)
    try:
        yield place
    finally:
        run("umount", place)


@contextmanager
def immutable_folder(place: Path) -> Iterator[Path]:
    place.mkdir()
    run("chattr", "+i", place)
    try:
        yield place
    finally:
        run("chattr", "-i", place)


@pytest.fixture(params=[read_only_mount, immutable_folder])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in which not even root can make a file."""
    needs_root("mount", "umount", "chattr")
    try:
        with request.param(tmp_path / "unwritable") as place:
            yield place
    except subprocess.CalledProcessError as why:
        if os.environ.get("CI"):
            raise
        reason = why.stderr.decode().strip()
        pytest.skip(
            f"this machine lets not even root mount or freeze a folder (a container?), run on one that does: {reason}"
        )


@pytest.mark.system
def test_a_storage_that_cannot_be_written_is_refused_before_the_front_end_is_asked(
    unwritable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    (tmp_path / "session").mkdir(0o700)
    with socket.create_server(("127.0.0.1", 0)) as front_end:
        front_end.settimeout(0.3)
        url = f"tcp://127.0.0.1:{front_end.getsockname()[1]}"
        made = call("record", "--profile", PETLINK.id, "--source", url, "--storage", unwritable / "store")
        with pytest.raises(TimeoutError):
            front_end.accept()

    assert made.code == 3
    assert re.match(
        rf"daq: {unwritable}/store/\S+ cannot be written: {unwritable} is (on a read-only file system|not this user's)",
        made.err,
    )
    assert left_in(tmp_path / "session") == []


@pytest.mark.system
def test_a_readout_that_cannot_write_says_so_and_asks_nobody(unwritable: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front_end:
        front_end.bind(("127.0.0.1", 0))
        front_end.settimeout(0.3)
        plan = plan_of(tmp_path, f"udp://127.0.0.1:{front_end.getsockname()[1]}")
        with running(plan.model_copy(update={"directory": str(unwritable / "run")})) as run_:
            code = run_.finish()
        with pytest.raises(TimeoutError):
            front_end.recv(100)

    assert code == 3
    assert re.match(rf"{unwritable}/run cannot be (made|written): ", run_.last_status["error"])


@pytest.mark.system
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    needs_root("setpriv")
    folder = tmp_path / "not-ours"
    folder.mkdir(0o555)

    made = without("dac_override", "record", "--profile", PETLINK.id, "--source", "udp://127.0.0.1:9",
                   "--out", folder / "run", temporary=tmp_path)  # fmt: skip

    assert (made.code, made.out) == (3, "")
    assert made.err == f"daq: {folder}/run cannot be written: {folder} is not this user's to write\n"


def without(capability: str, *arguments: object, temporary: Path) -> Done:
    """Run `daq` as a root that lacks one of its powers."""
    command = ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}", sys.executable, "-m", "daq"]
    made = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(temporary)},
    )  # fmt: skip
    return Done(made.returncode, made.stdout, made.stderr)


# The socket's buffer


@pytest.mark.system
def test_a_socket_buffer_that_is_denied_is_said_with_what_mends_it(tmp_path: Path) -> None:
    needs_root("setpriv")
    text = (ROOT / "device_profiles/pet/singles64.toml").read_text()
    profile = tmp_path / "fast.toml"
    profile.write_text(text.replace("rate_max_words_per_s = 2e7", "rate_max_words_per_s = 1e10"))
    granted = int(Path("/proc/sys/net/core/rmem_max").read_text())
    with simulator("poisson", "--profile", "singles64", "--rate", "20000", "--seconds", "0.2") as front_end:
        made = without("net_admin", "record", "--profile", profile, "--source", front_end.ready["udp"], "--json",
                       "--out", tmp_path / "run", temporary=tmp_path)  # fmt: skip

    assert made.code == 0, made.err
    assert made.err.startswith(f"daq: warning: socket buffer {min(granted, 64 << 20):,} bytes, ")
    assert "sysctl -w net.core.rmem_max=" in made.err
    assert made.err.count("\n") == 1
    assert made.json["ledger"]["balanced"] is True


def test_a_socket_buffer_too_small_for_the_rate_is_said_while_armed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}", start_at_once=False)
    plan.receive.rate_words_per_s = 1e11
    with running(plan) as run_:
        until(lambda: run_.readout.status()["state"] == "armed", "armed")
        (warning,) = run_.readout.status()["warnings"]

    assert "100000 M words/s" in warning
    assert "sysctl -w net.core.rmem_max=" in warning


# The clock


def test_a_clock_of_the_host_that_is_set_moves_the_clock_marks_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_ns, now_ns = [0], time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + ahead_ns[0])
    monkeypatch.setattr(derivedmarks, "CLOCK_PERIOD_NS", 50_000_000)
    changes = {"order": OrderRule(), "stall_s": 3.0, "stop": "host=100s"}
    with pushing(tmp_path, **changes) as (run_, front_end):
        for ms in range(120):
            ahead_ns[0] = 0 if ms < 40 else HOUR_NS if ms < 80 else -HOUR_NS
            front_end.time(ms)
            front_end.words(each=20)
            time.sleep(0.01)
        front_end.end()
        code = run_.finish()

    rows = content(tmp_path / "run")
    with open_listmode(tmp_path / "run") as recorded:
        marks = [row for batch in recorded.batches("marks") for row in batch.to_pylist()]
    clock = [(row["value"], int(row["value2"])) for row in marks if row["kind"] == "clock"]
    offsets = [round((utc - host - clock[0][0] + clock[0][1]) / HOUR_NS) for utc, host in clock]
    periods = [later[1] - earlier[1] for earlier, later in pairwise(clock)]
    manifest = manifest_of(run_)
    assert (code, manifest.ended_by) == (0, "end")
    assert offsets == sorted(offsets, key=[0, 1, -1].index)
    assert set(offsets) == {0, 1, -1}
    assert all(50_000_000 <= period < 10**9 for period in periods)
    assert [row["time_ps"] for row in rows["coincidences"]] == [ms * 10**9 for ms in range(120) for _ in range(20)]
    assert manifest.ledger is not None
    assert manifest.ledger.balanced is True
    replayed_alike(tmp_path / "run")


# Datagrams put together by the kernel


def raw_rows(folder: Path) -> list[tuple[Any, ...]]:
    with open_listmode(folder) as recorded:
        rows = [row for batch in recorded.batches("raw") for row in batch.to_pylist()]
    return [tuple(row[name] for name in ("source", "sequence", "flags", "header", "data")) for row in rows]


WORDS = 10 * (29 * (1 + 100 + 364) + 1 + 50 + 182)


def bundles() -> list[list[bytes]]:
    """Return datagrams of several sizes, those of one size in bundles, the last of each shorter."""
    found, first = [], 0
    for each in (1, 100, 364) * 10:
        bundle = []
        for words in [each] * 29 + [max(1, each // 2)]:
            payload = b"".join((0x4000_0000 | n).to_bytes(4, "little") for n in range(first, first + words))
            bundle.append(encode(Header(0, 0, words, first), payload))
            first += words
        found.append(bundle)
    return found


@pytest.mark.parametrize("together", [False, True])
def test_datagrams_put_together_by_the_kernel_are_recorded_as_if_they_came_one_by_one(
    tmp_path: Path, together: bool
) -> None:
    runs = []
    for gro in (False, True):
        (tmp_path / str(gro)).mkdir()
        with pushing(tmp_path / str(gro), receive=Receive(gro=gro), order=OrderRule()) as (run_, front_end):
            for bundle in bundles():
                for datagrams in [bundle] if together else [[datagram] for datagram in bundle]:
                    front_end.bundle(datagrams)
                time.sleep(0.002)
            front_end.sent = WORDS
            front_end.end()
            assert run_.finish() == 0
        replayed_alike(tmp_path / str(gro) / "run")
        runs.append((raw_rows(tmp_path / str(gro) / "run"), content(tmp_path / str(gro) / "run"), manifest_of(run_)))

    (plain_raw, plain, one), (raw, rows, other) = runs
    assert len(raw) == 902
    assert raw == plain_raw
    assert rows["coincidences"] == plain["coincidences"]
    assert [row["kind"] for row in rows["marks"]] == [row["kind"] for row in plain["marks"]]
    assert one.ledger == other.ledger
    assert one.ledger is not None
    assert (one.ledger.balanced, one.ledger.sources[0].recorded) == (True, WORDS)


# No home


def without_home(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing can be kept at home."""
    nowhere = "/dev/null/home"
    return {
        **os.environ,
        "HOME": nowhere,
        "XDG_CACHE_HOME": nowhere,
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
    }


def recorded_by(environment: dict[str, str], source: Path, out: Path) -> Done:
    command = ["record", "--profile", PETLINK.id, "--source", source, "--out", out, "--json"]
    made = subprocess.run(
        [sys.executable, "-m", "daq", *map(str, command)], capture_output=True, text=True, timeout=100, check=False,
        cwd=ROOT, env=environment,
    )  # fmt: skip
    return Done(made.returncode, made.stdout, made.stderr)


def test_without_a_home_compiled_code_is_kept_among_the_temporary_files(tmp_path: Path) -> None:
    petlink_file(tmp_path / "words.l")
    kept, warm = tmp_path / f"scandaq-kernels-{os.geteuid()}", writable_cache()
    kept.mkdir(0o700)
    if warm is not None:  # so that nothing has to be compiled
        shutil.copytree(warm, kept, dirs_exist_ok=True)
        kept.chmod(0o700)

    made = recorded_by(without_home(tmp_path), tmp_path / "words.l", tmp_path / "run")

    assert (made.code, made.err) == (0, "")
    assert made.json["ledger"]["balanced"] is True
    assert verify(tmp_path / "run", sha256=True).verdict == "ok"
    assert any(kept.rglob("*.nbi"))


@pytest.mark.soak
def test_without_any_folder_to_keep_compiled_code_in_recording_works_all_the_same(tmp_path: Path) -> None:
    petlink_file(tmp_path / "words.l")
    (tmp_path / f"scandaq-kernels-{os.geteuid()}").write_text("in the way")

    made = recorded_by(without_home(tmp_path), tmp_path / "words.l", tmp_path / "run")

    assert made.code == 0, made.err
    assert made.json["ledger"]["balanced"] is True


# Too slow


def test_overload_without_raw_sheds_words_of_each_source_counts_them_and_marks_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_of, slow = Derivation.rows, [True]

    def slowly(derivation: Derivation, *arguments: Any, **options: Any) -> Any:
        time.sleep(0.1 if slow[0] else 0.0)
        return rows_of(derivation, *arguments, **options)

    monkeypatch.setattr(Derivation, "rows", slowly)
    with pushing(tmp_path, store_raw=False, order=OrderRule(), buffer_bytes=0) as (run_, front_end):
        other = FrontEnd(front_end.port, source=1)
        other.start()
        while not (shed := run_.readout.recording._shed) or len(shed) < 2:
            front_end.words(each=20)
            other.words(each=10)
            time.sleep(0.002)
        slow[0] = False
        until(lambda: not run_.readout.recording._shedding, "the end of the overload")
        for sender in (front_end, other):
            sender.words()
            sender.end()
        code = run_.finish()
        other.close()

    ledger = manifest_of(run_).ledger
    assert ledger is not None
    rows = content(tmp_path / "run")
    told = [row["text"] for row in rows["marks"] if row["kind"] == "shed"]
    assert code == 0
    assert told[:2] == ["begin", "end"]
    assert told == ["begin", "end"] * (len(told) // 2)
    assert [source.sent for source in ledger.sources] == [front_end.sent, other.sent]
    assert all(source.shed > 0 and source.gap == source.ring_full == source.disk == 0 for source in ledger.sources)
    assert all(source.received == source.recorded + source.shed for source in ledger.sources)
    assert ledger.balanced is True
    assert len(rows["coincidences"]) == sum(source.recorded for source in ledger.sources)
