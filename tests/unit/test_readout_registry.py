"""Runtime directories: whose they are, which readout lives, and who clears up when."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pytest
from support_registry import WHO, held_runtime, only_place

from daq.errors import MissingError, RefusedError
from daq.readout import registry
from daq.readout.control import ControlServer
from daq.readout.parent import ReadoutProcess
from daq.readout.plan import CONTROL, LAST_STATUS, LOG
from daq.readout.registry import LOCK, find, follow, hold, running, runtime_directory, stale, sweep, tidy


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return only_place(tmp_path, monkeypatch)


@pytest.fixture
def held(place: Path) -> Iterator[tuple[Path, BinaryIO]]:
    with held_runtime() as held:
        yield held


def grow_old(runtime: Path) -> None:
    for path in (*runtime.iterdir(), runtime):
        os.utime(path, (0, 0))


# Where they are


def test_runtime_directories_are_ours_alone_and_all_different(place: Path) -> None:
    one, two = runtime_directory(), runtime_directory()

    assert one.parent == two.parent == place
    assert one != two
    assert {path.stat().st_mode & 0o777 for path in (place, one, two)} == {0o700}


def places(given: str | None) -> list[str]:
    """Return the folders that a fresh process would look into."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    environment |= {} if given is None else {"XDG_RUNTIME_DIR": given}
    program = "from daq.readout.registry import _places; print(*_places(), sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return shown.stdout.splitlines()


@pytest.mark.slow
def test_the_session_comes_first_and_what_cannot_be_used_is_passed_over(tmp_path: Path) -> None:
    fallback = f"/tmp/scandaq-{os.geteuid()}"  # noqa: S108
    deep = tmp_path / ("long" * 30)
    deep.mkdir()

    assert places(str(tmp_path))[:2] == [f"{tmp_path}/scandaq", fallback]
    for useless in (None, "", "relative/path", str(tmp_path / "missing"), str(deep)):
        assert places(useless)[0] == fallback


def test_a_socket_fits_into_the_longest_folder_that_is_taken(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    root = Path(tempfile.gettempdir())
    longest = root / ("x" * (107 - len(f"{root}//scandaq/12345678/control")))
    longest.mkdir()
    try:
        assert registry._usable(longest)
        assert not registry._usable(longest.with_name(longest.name + "y"))
        monkeypatch.setattr(registry, "_places", lambda: [longest / "scandaq"])
        runtime = runtime_directory()
        ControlServer(runtime / CONTROL, lambda request: request).close()
        runtime.rmdir()
        runtime.parent.rmdir()
    finally:
        longest.rmdir()


def test_a_folder_that_cannot_be_made_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(registry, "_places", lambda: [tmp_path / "file" / "scandaq", place])
    assert runtime_directory().parent == place

    monkeypatch.setattr(registry, "_places", lambda: [tmp_path / "file" / "scandaq", tmp_path / "file"])
    with pytest.raises(RefusedError, match="file/scandaq: Not a directory"):
        runtime_directory()


def test_a_folder_that_somebody_else_may_have_a_hand_in_is_refused(place: Path, tmp_path: Path) -> None:
    place.mkdir(mode=0o755)
    place.chmod(0o755)
    with pytest.raises(RefusedError, match="mode 0755 lets others in"):
        runtime_directory()

    place.rmdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="a symbolic link"):
        runtime_directory()
    assert running() == stale() == []


def test_a_folder_of_somebody_else_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(mode=0o700)
    owner = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: 4711)

    with pytest.raises(RefusedError, match=f"belongs to user {owner}, not to 4711"):
        runtime_directory()
    assert running() == []


# Who lives


def test_a_readout_is_found_as_long_as_it_holds_its_lock(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held

    (found,) = running()
    assert (found.runtime, found.alive, found.pid) == (runtime, True, os.getpid())
    assert (found.acquisition_id, found.directory) == ("run-1", "/data/run-1")
    assert (
        str(found)
        == f"the readout (process {os.getpid()}) records run-1 in /data/run-1; it answers at {runtime}/control"
    )
    assert stale() == []

    lock.close()
    (gone,) = stale()
    assert running() == []
    assert (gone.runtime, gone.alive, gone.acquisition_id) == (runtime, False, "run-1")
    assert str(gone).endswith(f"which was to record run-1 in /data/run-1, is gone; what it left is in {runtime}")


def test_a_readout_is_not_told_by_a_process_that_has_its_number(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    lock.close()

    assert find(runtime).pid == os.getpid()  # which lives, and is somebody else
    assert not find(runtime).alive


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[1]\n", b'{"pid": "x", "directory": 5}\n', b'{"pid": 1', b"[" * 9999]
)
def test_a_lock_that_says_nothing_of_use_is_still_a_lock(held: tuple[Path, BinaryIO], content: bytes) -> None:
    runtime, _ = held
    (runtime / LOCK).write_bytes(content)

    (found,) = running()
    assert (found.pid, found.acquisition_id, found.directory) == (None, None, None)
    assert "a readout records something" in str(found)


def test_one_directory_has_one_readout(held: tuple[Path, BinaryIO], monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, _ = held
    monkeypatch.setattr("daq.readout.locks._PATIENCE_S", 0.1)

    with pytest.raises(RefusedError, match="belongs to a readout that is running"):
        hold(runtime, **WHO)


def test_who_looks_at_a_lock_does_not_keep_it_from_being_taken(place: Path) -> None:
    runtime, ended = runtime_directory(), threading.Event()
    (runtime / LOCK).touch()

    def look() -> None:
        while not ended.is_set():
            registry.held(runtime)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(50):
            hold(runtime, **WHO).close()
    finally:
        ended.set()
        for looker in lookers:
            looker.join(10.0)


def test_an_inherited_lock_must_be_the_one_of_the_directory(place: Path, tmp_path: Path) -> None:
    runtime = runtime_directory()
    lock = registry.take(runtime)
    with hold(runtime, **WHO, inherited=os.dup(lock.fileno())):
        lock.close()
        assert find(runtime).alive
    assert not find(runtime).alive

    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    with pytest.raises(RefusedError, match="is not the lock of"):
        hold(runtime, **WHO, inherited=other)


def test_a_lock_lives_on_in_the_process_that_inherits_it(place: Path) -> None:
    runtime = runtime_directory()
    with registry.take(runtime) as lock:
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    assert find(runtime).alive

    child.kill()
    child.communicate()
    assert not find(runtime).alive


# Who clears up


def test_what_nobody_follows_is_removed_and_what_somebody_follows_stays(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held
    with ExitStack() as followers:
        for _ in range(2):
            followers.enter_context(follow(runtime))
        assert not tidy(runtime)
        assert (runtime / LOCK).exists()

    assert tidy(runtime)
    assert not runtime.exists()
    assert tidy(runtime)


def test_what_we_did_not_put_there_stays(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held
    (runtime / "precious").write_text("data")

    assert not tidy(runtime)
    assert (runtime / "precious").read_text() == "data"


def test_who_comes_too_late_is_told_so(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held
    tidy(runtime)

    with pytest.raises(MissingError):
        follow(runtime)
    with pytest.raises(MissingError):
        find(runtime)
    runtime.mkdir(0o700)  # removed but for the folder itself
    with pytest.raises(MissingError, match="has ended and left nothing behind"):
        ReadoutProcess.adopt(runtime)


def test_a_follower_never_follows_what_is_being_removed(place: Path) -> None:
    """Whoever gets to follow finds the readout's last words, however the two race."""
    problems: list[str] = []

    def adopt(runtime: Path) -> None:
        try:
            with follow(runtime):
                if not (runtime / LAST_STATUS).exists():
                    problems.append("followed a directory without a last status")
        except MissingError:
            pass

    for _ in range(100):
        runtime = runtime_directory()
        hold(runtime, **WHO).close()
        (runtime / LAST_STATUS).write_text("{}")
        threads = [threading.Thread(target=adopt, args=(runtime,)), threading.Thread(target=tidy, args=(runtime,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        if runtime.exists() and not tidy(runtime):
            problems.append(f"{runtime} stays")

    assert problems == []
    assert list(place.iterdir()) == []


def test_a_sweep_takes_what_is_dead_and_old_and_nothing_else(held: tuple[Path, BinaryIO]) -> None:
    alive, _ = held
    old, followed, young, never_started = (runtime_directory() for _ in range(4))
    for runtime in (old, followed, young):
        hold(runtime, **WHO).close()
        (runtime / LOG).write_text("Traceback")
    with follow(followed):
        for runtime in (alive, old, followed, never_started):
            grow_old(runtime)

        assert sorted(sweep(60.0)) == sorted([old, never_started])
    assert {found.runtime for found in (*running(), *stale())} == {alive, followed, young}

    grow_old(young)
    grow_old(followed)
    runtime = runtime_directory()  # which sweeps what is a week old
    assert {found.runtime for found in (*running(), *stale())} == {alive, runtime}


def test_a_log_that_was_written_to_lately_is_not_old(place: Path) -> None:
    runtime = runtime_directory()
    hold(runtime, **WHO).close()
    (runtime / LOG).write_text("")
    grow_old(runtime)
    os.utime(runtime / LOG)

    assert sweep(60.0) == []
