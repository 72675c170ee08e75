"""Runtime directories: whose they are, which readout lives, and who clears up when."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import pytest
from support_readout import plan_of

from daq.errors import DeadlineError, MissingError, RefusedError, UnexpectedError
from daq.readout import parent, registry
from daq.readout.control import ControlServer
from daq.readout.parent import ReadoutProcess
from daq.readout.plan import CONTROL, LAST_STATUS, LOG, PLAN
from daq.readout.registry import FOLLOWED, LOCK, find, follow, hold, running, runtime_directory, stale, sweep, tidy


class Who(TypedDict):
    acquisition_id: str
    directory: str


WHO: Who = {"acquisition_id": "run-1", "directory": "/data/run-1"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runtime directories of these tests are, and nowhere else."""
    (tmp_path / "session").mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    place = tmp_path / "session" / "scandaq"
    monkeypatch.setattr(registry, "_places", lambda: [place])
    return place


@pytest.fixture
def held(place: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A runtime directory, its lock held by this process as by a readout."""
    runtime = runtime_directory()
    with hold(runtime, **WHO) as lock:
        yield runtime, lock


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


# The parent's side, without a readout


def launched(tmp_path: Path, runtime: Path) -> ReadoutProcess:
    return ReadoutProcess.launch(plan_of(tmp_path, "udp://@127.0.0.1:9"), runtime)


def test_a_readout_that_cannot_be_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtime_directory()
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))

    with pytest.raises(UnexpectedError, match="cannot be started: No such file"):
        launched(tmp_path, runtime)

    assert not runtime.exists()


def test_a_directory_is_not_launched_into_twice(
    held: tuple[Path, BinaryIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = held
    monkeypatch.setattr("daq.readout.locks._PATIENCE_S", 0.1)

    with pytest.raises(RefusedError, match="belongs to a readout that is running"):
        launched(tmp_path, runtime)

    assert not (runtime / PLAN).exists()
    assert find(runtime).alive


@pytest.mark.parametrize(
    ("status", "why", "stays"),
    [
        ('{"state": "failed", "error": "nobody there", "exit_code": 5}', "^nobody there$", False),
        ('{"state": "failed", "error": "a fault", "exit_code": 1}', "^a fault; its log is .*/readout.log$", True),
        ("", r"^the readout \(process \d+\) is gone: line 6 \| .* \| line 10; what it left is in", True),
        ("{", "is gone: line 6", True),
    ],
)
def test_an_adopted_end_is_told_by_what_was_left(
    held: tuple[Path, BinaryIO], status: str, why: str, stays: bool
) -> None:
    runtime, lock = held
    (runtime / LOG).write_text("".join(f"line {n}\n" for n in range(1, 11)))
    adopted = ReadoutProcess.adopt(runtime)
    assert adopted.running()
    assert adopted.status() == {"state": "starting"}
    with pytest.raises(DeadlineError, match=r"did not end within 0\.1 s"):
        adopted.result(deadline_s=0.1)

    (runtime / LAST_STATUS).write_text(status)
    lock.close()

    assert not adopted.running()
    assert adopted.status()["exit_code"] in (1, 5)
    for _ in range(2):  # asked again, it says the same again
        with pytest.raises(Exception, match=why):
            adopted.result()
    assert runtime.exists() == stays


def test_a_readout_that_never_answers_is_given_up_on(
    held: tuple[Path, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = held
    monkeypatch.setattr(parent, "_START_S", -1.0)

    with (
        closing(ReadoutProcess.adopt(runtime)) as adopted,
        pytest.raises(DeadlineError, match=f"its log is in {runtime}"),
    ):
        adopted.status()


def test_two_followers_both_get_the_result_and_the_last_one_clears_up(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    one, two = ReadoutProcess.adopt(runtime), ReadoutProcess.adopt(runtime)
    (runtime / LAST_STATUS).write_text('{"state": "hashed", "error": null, "exit_code": 0}')
    lock.close()

    assert one.result()["state"] == "hashed"
    assert runtime.exists()
    assert two.result()["state"] == "hashed"
    assert not runtime.exists()
    assert one.result() == two.result()


def test_whoever_follows_no_longer_leaves_nothing_behind_a_good_end(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    early, late = ReadoutProcess.adopt(runtime), ReadoutProcess.adopt(runtime)
    early.close()
    assert runtime.exists()

    (runtime / LAST_STATUS).write_text('{"state": "hashed", "error": null, "exit_code": 0}')
    lock.close()
    late.close()

    assert not runtime.exists()


def test_stopping_one_that_is_gone_hits_no_process_that_has_its_number(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    bystander = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    registry.sign(lock, pid=bystander.pid, **WHO)
    adopted = ReadoutProcess.adopt(runtime)
    lock.close()

    adopted.stop()
    adopted.stop(by="test")
    adopted.close()
    time.sleep(0.1)
    assert bystander.poll() is None

    bystander.kill()
    bystander.communicate()


def test_one_that_has_not_said_which_process_it_is_cannot_be_stopped_and_that_is_said(
    held: tuple[Path, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, lock = held
    registry.sign(lock, pid=None, **WHO)
    monkeypatch.setattr(parent, "_SIGNED_S", 0.1)

    with closing(ReadoutProcess.adopt(runtime)) as adopted, pytest.raises(DeadlineError, match="not stopped"):
        adopted.stop()


def test_every_command_goes_out_as_the_request_it_is(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held
    heard: list[dict[str, Any]] = []

    def handle(request: dict[str, Any]) -> dict[str, Any]:
        heard.append(request)
        if request["do"] == "pause":
            raise MissingError("there is nothing to pause")
        return {"bytes": "0a0b"} if request["do"] == "exchange" else {"state": "recording"}

    with closing(ControlServer(runtime / CONTROL, handle)), closing(ReadoutProcess.adopt(runtime)) as readout:
        assert readout.start() == {"state": "recording"}
        readout.attend(2.0)
        readout.step("prompts=1000", "time=20s", name="angle 12")
        readout.step(name="sweep", moving=True, last=True)
        readout.end_step(by="the bed has arrived", completed=True)
        readout.motion_lost("the bed stands still")
        with pytest.raises(MissingError, match="nothing to pause"):
            readout.pause()
        readout.resume()
        readout.mark("patient moved")
        readout.mark("trigger", monotonic_ns=123)
        reply = readout.exchange(b"\xa0\x01", offset=1, mask=b"\xff", value=b"\x0b", deadline_s=0.5)
        with pytest.raises(RefusedError, match="no descriptor"):
            readout.snapshot()
        readout.stop(by="interlock")

    match = {"offset": 1, "mask": "ff", "value": "0b"}
    assert reply == b"\x0a\x0b"
    assert heard == [
        {"do": "start"},
        {"do": "attend", "within_s": 2.0},
        {"do": "step", "stop": ["prompts=1000", "time=20s"], "name": "angle 12", "moving": False, "last": False},
        {"do": "step", "stop": [], "name": "sweep", "moving": True, "last": True},
        {"do": "end_step", "by": "the bed has arrived", "completed": True},
        {"do": "motion_lost", "text": "the bed stands still"},
        {"do": "pause"},
        {"do": "resume"},
        {"do": "mark", "text": "patient moved"},
        {"do": "mark", "text": "trigger", "monotonic_ns": 123},
        {"do": "exchange", "bytes": "a001", "match": match, "deadline_s": 0.5},
        {"do": "snapshot"},
        {"do": "stop", "by": "interlock"},
    ]


def test_the_file_that_followers_lock_is_there_from_the_start(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held

    assert sorted(path.name for path in runtime.iterdir()) == sorted([LOCK, FOLLOWED])
