"""Every fault over real sockets: what the readout has in its ledger is what the simulator says it did.

Three simulators serve all tests; each test changes their faults over the control socket and takes one run.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_cli import call
from support_faults import found
from support_readout import Running, plan_of, running, until
from support_simulators import Simulator, refused, simulator, truth_of

from daq.storage.listing import load_manifest
from device_profiles.load import load_profile

FRONT_ENDS = {
    "crystals": ("--profile", "singles64", "--rate", "150000", "--seconds", "0.4"),
    "heads": ("--profile", "head-xye64", "--rate", "40000", "--seconds", "0.5", "--sources", "2"),
    "ring": ("--profile", "safir64", "--rate", "80000", "--seconds", "0.4"),
}


class FaultSocket:
    """The control socket of the faults, as a program uses it."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r")

    def ask(self, request: object) -> dict[str, Any]:
        text = request if isinstance(request, str) else json.dumps(request)
        self._socket.sendall(text.encode() + b"\n")
        return dict(json.loads(self._lines.readline()))

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class FrontEnd:
    """A simulator with its truth file and its control socket."""

    def __init__(self, server: Simulator, truth: Path, profile: str) -> None:
        self.server = server
        self.profile = load_profile(profile)
        self._truth = truth
        self._runs = 0

    def ask(self, request: object) -> dict[str, Any]:
        control = FaultSocket(self.server.ready["faults"])
        answer = control.ask(request)
        control.close()
        return answer

    @contextmanager
    def recording(self, folder: Path, wire: str, *, stall_s: float = 5.0) -> Iterator[Running]:
        plan = plan_of(folder, self.server.ready[wire], profile=self.profile, stall_s=stall_s)
        with running(plan) as readout:
            yield readout

    def next_truth(self) -> dict[str, Any]:
        self._runs = self._runs + 1
        return truth_of(self._truth, run=self._runs)


@contextmanager
def front_end(folder: Path, *options: object) -> Iterator[FrontEnd]:
    truth = folder / "truth.json"
    with simulator("poisson", *options, "--truth", truth) as server:
        yield FrontEnd(server, truth, str(options[1]))


@pytest.fixture(scope="module")
def front_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FrontEnd]]:
    folder = tmp_path_factory.mktemp("simulators")
    for name in FRONT_ENDS:
        (folder / name).mkdir()
    with (
        front_end(folder / "crystals", *FRONT_ENDS["crystals"]) as crystals,
        front_end(folder / "heads", *FRONT_ENDS["heads"]) as heads,
        front_end(folder / "ring", *FRONT_ENDS["ring"]) as ring,
    ):
        yield {"crystals": crystals, "heads": heads, "ring": ring}


def recorded(device: FrontEnd, folder: Path, wire: str, *faults: str) -> dict[str, Any]:
    """Record a run with faults; return its truth, after it was found in the ledger."""
    for fault in faults:
        assert device.ask({"add": fault})["added"] == fault
    with device.recording(folder, wire) as readout:
        assert readout.finish() == 0
    truth = device.next_truth()
    device.ask({"clear": True})
    manifest = load_manifest(folder / "run")
    assert manifest.ledger is not None
    assert manifest.ledger.socket.kernel_drops == 0
    assert found(manifest.ledger.model_dump(mode="json")) == truth["expected"]
    assert truth["faults"] == list(faults)
    return truth


@pytest.mark.parametrize(
    ("name", "fault", "figure"),
    [
        ("crystals", "loss:share=0.1", "dropped_packets"),
        ("crystals", "loss:burst=20,every=100", "dropped_packets"),
        ("crystals", "duplicate:share=0.2,within=30", "duplicated_packets"),
        ("crystals", "reorder:share=0.3,by=50", "delayed_packets"),
        ("crystals", "truncate:share=0.3", "cut_words"),
        ("crystals", "garbage:share=0.5", "garbage_datagrams"),
        ("crystals", "restart:at_s=0.2,for_s=0.1", "restarts"),
        ("ring", "corrupt:share=0.01", "corrupted_words"),
        ("heads", "outage:at_s=0.1,for_s=0.2,source=1", "dropped_packets"),
    ],
)
def test_what_a_fault_does_to_datagrams_stands_in_the_ledger(
    front_ends: dict[str, FrontEnd], tmp_path: Path, name: str, fault: str, figure: str
) -> None:
    truth = recorded(front_ends[name], tmp_path, "udp", fault)

    assert truth["injected"][figure] > 0


@pytest.mark.parametrize(
    "fault",
    [
        "pause:at_s=0.2,for_s=0.3,source=1",
        "burst:at_s=0.1,for_s=0.3",
        "jump:at_s=0.2,ticks=1000000,source=1",
        "jump:at_s=0.2,by_s=-20",
        "late:at_s=0.2,source=1",
    ],
)
def test_what_is_sent_otherwise_but_whole_is_received_whole(
    front_ends: dict[str, FrontEnd], tmp_path: Path, fault: str
) -> None:
    truth = recorded(front_ends["heads"], tmp_path, "udp", fault)

    sources = truth["expected"]["sources"]
    assert [(source["gap"], source["basis"]) for source in sources] == [(0, "counter")] * 2
    assert [source["received"] for source in sources] == [source["words"] for source in truth["sources"]]


def test_a_source_that_falls_silent_says_no_end(front_ends: dict[str, FrontEnd], tmp_path: Path) -> None:
    device = front_ends["heads"]
    device.ask({"add": "silent:at_s=0.2,source=1"})

    with device.recording(tmp_path, "udp", stall_s=1.0) as readout:
        readout.finish()
    truth = device.next_truth()
    device.ask({"clear": True})

    manifest = load_manifest(tmp_path / "run")
    assert manifest.ended_by == "stalled"
    assert manifest.ledger is not None
    assert found(manifest.ledger.model_dump(mode="json")) == truth["expected"]
    still, silent = truth["expected"]["sources"]
    assert (still["gap"], silent["gap"]) == (0, 0)
    assert silent["received"] < still["received"] / 2


def test_faults_add_up(front_ends: dict[str, FrontEnd], tmp_path: Path) -> None:
    truth = recorded(
        front_ends["heads"], tmp_path, "udp",
        "loss:share=0.1", "duplicate:share=0.2,within=5", "reorder:share=0.2,by=20", "truncate:share=0.1",
        "garbage:share=0.1", "corrupt:share=0.01", "restart:at_s=0.4,for_s=0.05,source=1", "late:at_s=0.1,source=0",
        "pause:at_s=0.3,for_s=0.1",
    )  # fmt: skip

    assert min(truth["injected"][key] for key in ("dropped_words", "duplicated_words", "cut_words")) > 0


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("corrupt:share=0.01", 0),
        ("pause:at_s=0.1,for_s=0.3", 0),
        ("burst:at_s=0.1,for_s=0.2", 0),
        ("jump:at_s=0.2,by_s=5", 0),
        ("truncate:at_s=0.2", 1),
    ],
)
def test_faults_of_a_stream_stand_in_the_ledger(
    front_ends: dict[str, FrontEnd], tmp_path: Path, fault: str, more: int
) -> None:
    truth = recorded(front_ends["ring"], tmp_path, "tcp", fault)

    (source,) = truth["expected"]["sources"]
    assert source["basis"] == "stream"
    assert source["received"] == truth["words"] + more
    assert source["malformed"] == truth["injected"]["corrupted_words"] + more
    assert truth["trouble"] == ("a fault cut the connection" if more else None)


def test_faults_come_and_go_while_a_run_is_sent(tmp_path: Path) -> None:
    options = ("--profile", "head-xye64", "--rate", "40000", "--seconds", "1.2", "--sources", "2")
    with front_end(tmp_path, *options) as device, device.recording(tmp_path, "udp") as readout:
        until(lambda: readout.readout.status().get("words_received", 0) > 5_000, "words without faults")
        answers = [device.ask({"add": "loss:share=0.3"}), device.ask({"add": "garbage:share=0.1"})]
        until(lambda: readout.readout.status()["words_missing"] > 1_000, "words lost")
        answers += [device.ask({"clear": True}), device.ask({"list": True})]
        assert readout.finish() == 0
        truth = device.next_truth()

    assert answers == [
        {"added": "loss:share=0.3", "faults": ["loss:share=0.3"]},
        {"added": "garbage:share=0.1", "faults": ["loss:share=0.3", "garbage:share=0.1"]},
        {"cleared": 2, "faults": []},
        {"faults": []},
    ]
    ledger = load_manifest(tmp_path / "run").ledger
    assert ledger is not None
    assert found(ledger.model_dump(mode="json")) == truth["expected"]
    assert 1_000 < truth["injected"]["dropped_words"] < truth["words"] / 3
    assert sum(source["sent"] for source in truth["expected"]["sources"]) == truth["words"]


def test_the_command_line_gives_faults_and_daq_record_finds_them(tmp_path: Path) -> None:
    given = ("--fault", "loss:share=0.2", "--fault", "truncate:share=0.1", "--fault-seed", "5", "--start-ticks=-250000")
    options = ("--profile", "head-xye64", "--rate", "40000", "--seconds", "0.5")
    with front_end(tmp_path, *options, *given) as device:
        made = call(
            "record", "--profile", "head-xye64", "--source", device.server.ready["udp"], "--out", tmp_path / "run",
            "--json",
        )  # fmt: skip
        truth = device.next_truth()

    assert made.code == 0, made.err
    assert device.server.ready["tcp"] is None  # no stream can have these faults
    assert found(made.json["ledger"]) == truth["expected"]
    assert (truth["faults"], truth["fault_seed"]) == (["loss:share=0.2", "truncate:share=0.1"], 5)
    assert truth["start_ticks"] == -250_000
    wrap_ps = (1 << 30) * 1_000_000
    assert truth["sources"][0]["first_time_ps"] < wrap_ps < truth["sources"][0]["last_time_ps"]


def test_requests_without_sense_are_answered_in_words(front_ends: dict[str, FrontEnd]) -> None:
    device = front_ends["heads"]
    control = FaultSocket(device.server.ready["faults"])
    asked = [
        "nonsense", "[1, 2]", '{"add": 3}', '{"clear": false}', '{"add": "loss:share=2"}', '{"add": "explode:share=1"}',
        '{"add": "silent:at_s=1,source=9"}', '{"add": "truncate:at_s=1"}', '{"list": true}',
    ]  # fmt: skip

    answers = [control.ask(text) for text in asked]
    control.close()

    assert [list(answer) for answer in answers] == [["error"]] * 8 + [["faults"]]
    assert answers[0]["error"] == "not one JSON object on one line"
    assert "share must be a share above 0, at most 1, not '2'" in answers[4]["error"]
    assert answers[5]["error"].startswith("fault 'explode:share=1': kinds are loss, duplicate,")
    assert "the sources are 0, 1" in answers[6]["error"]
    assert "datagrams are cut by share" in answers[7]["error"]


def test_a_connection_that_cannot_have_the_faults_is_refused(tmp_path: Path) -> None:
    with front_end(tmp_path, *FRONT_ENDS["ring"]) as device:
        device.ask({"add": "loss:share=0.1"})
        with socket.create_connection(device.server.address("tcp"), timeout=10) as connection:
            heard = connection.recv(100)
        code, errors = device.server.terminate()

    assert heard == b""
    assert code == 0
    assert "refused: fault 'loss:share=0.1': a TCP connection delivers every byte once and in order" in errors


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fault", "loss"], "needs share or burst and every"),
        (["--fault", "loss:share=0.1,burst=3"], "needs share or burst and every"),
        (["--fault", "burst:at_s=1,for_s=1", "--speed", "max"], "flat out everything is one burst"),
        (["--fault", "corrupt:share=0.1"], "every word of the layout means something"),
        (["--fault", "jump:at_s=1,ticks=5"], "take 0 or 16777216"),
        (["--fault", "jump:at_s=1,by_s=1e6"], "at most 72057.6 s"),
        (["--fault", "truncate:at_s=1", "--fault", "loss:share=0.1"], "a TCP connection delivers every byte once"),
        (["--fault", "truncate:at_s=1", "--to", "127.0.0.1:9"], "at_s and after cut a TCP connection"),
        (["--fault", "silent:at_s=1,source=3"], "the sources are 0"),
        (["--start-ticks", "3"], "take 0 or 16777216"),
        (["--start-ticks", "x"], "'x' is not a whole number"),
        (["--fault-seed", "-1"], "'-1' is not a whole number"),
    ],
)
def test_faults_without_sense_are_refused_in_a_sentence(options: list[str], sentence: str) -> None:
    code, errors = refused("poisson", "--profile", "singles64", "--rate", "100000", *options)

    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors
