"""The accounts of FERS-5200 boards in events, and a recorded stream imported, verified, replayed, given back."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from support_fers import PROFILE, Event, framed, packets_of, profile, spectrum, words_of

from daq import composition
from daq.composition.processing import Asked, asked_of
from daq.composition.sorting import Said
from daq.errors import MismatchError, RefusedError
from daq.model.ledger import SourceLedger
from daq.storage.accounts import Accounts
from daq.storage.exportfile import HashingFile
from daq.storage.importing import import_file
from daq.storage.kernels import load_decoder
from daq.storage.manifest import Manifest
from daq.storage.rawexport import write_raw
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare
from daq.storage.verify import verify

SERVICE = Event(0x2F, 0, 10_000, [1 << 24 | 1 << 12 | 2553, 543210, 123, 977, 5 | 133 << 16])
LYING = spectrum(4, 4000).new(says=3)
STREAM = spectrum(2, 2000).new() + SERVICE.new() + LYING + spectrum(5, 5000).new() + Event(0x05, 6, 6000).new()
CUT = spectrum(6, 7000).new()[:90]
HEADER = b"$$$$$$$FERSRAWDATAHEADER$$$$$$$\0" + (16).to_bytes(8, "little") + b"of board"


def account_of(stream: bytes, source: int = 0) -> tuple[SourceLedger, Accounts]:
    made = profile()
    words, accounts = words_of(made.layout, stream, source)
    decoder = load_decoder(made.layout, made.clock)
    carry = decoder.start(imported=True)
    decoder.decode(words, carry)
    ledger = accounts.ledger(carry.counts, decoder.counters, durable=None, kernel_drops=0)
    (entry,) = ledger.sources
    return entry, accounts


def test_every_event_is_accounted_for_by_its_cause() -> None:
    entry, _ = account_of(STREAM + CUT, source=1)

    assert (entry.source, entry.basis, entry.sent, entry.gap) == (1, "stream", 6, 0)
    assert (entry.received, entry.recorded, entry.malformed) == (6, 3, 3), "one lies, one is unknown, one is cut"
    assert entry.balanced


def test_rows_that_were_cut_otherwise_give_the_same_account() -> None:
    layout = profile().layout
    accounts = [Accounts.of(layout, "stream", "event") for _ in range(2)]
    accounts[0].account(packets_of(framed(layout, STREAM + CUT)))
    for row in framed(layout, STREAM + CUT, range(0, len(STREAM), 50)):
        accounts[1].account(packets_of([row]))

    assert accounts[0].received.tolist() == accounts[1].received.tolist() == [6]


def test_rows_of_a_recording_that_hold_no_whole_events_are_accounted_for() -> None:
    """Nobody has to cut rows as we do."""
    layout = profile().layout
    accounts = Accounts.of(layout, "stream", "event")
    accounted = accounts.account(packets_of([(0, b"abc" + spectrum(1, 1).new() + LYING), (0, b"")]))

    assert accounts.received.tolist() == [3]
    assert accounts.figures.truncated.tolist() == [2]
    assert accounted.runs() == [(0, 3, 164)]


def test_an_account_can_go_on_in_two_ways() -> None:
    _, accounts = account_of(STREAM)
    twin = deepcopy(accounts)
    twin.account(packets_of(framed(profile().layout, STREAM)))

    assert (accounts.received.tolist(), twin.received.tolist()) == ([5], [10])


def imported(tmp_path: Path, stream: bytes, *, scanner: str | None = "fers-compact-camera") -> Path:
    made = profile()
    file, out = tmp_path / "run.0.frd", tmp_path / "out"
    file.write_bytes(stream)
    manifest: Manifest = composition.new_manifest(made, identity="x", source="s", stop="end")
    processing = asked_of(made, manifest, Asked(Said(scanner=scanner)))
    import_file(file, out, manifest, made.layout, made.clock, order=made.order, processing=processing)
    return out


def test_a_recorded_stream_is_imported_replayed_and_given_back_byte_for_byte(tmp_path: Path) -> None:
    many = b"".join(spectrum(number, number * 12_500, 200).new() for number in range(2000))
    stream = HEADER + many + LYING + SERVICE.new() + CUT
    out = imported(tmp_path, stream)

    assert verify(out).verdict == "ok"
    with open_listmode(out) as recording:
        assert recording.rows("singles") == 2000
        assert recording.manifest.words_by_kind["spectroscopy"] == 2000
        assert recording.manifest.ledger is not None
        assert (recording.manifest.ledger.unit, recording.manifest.ledger.balanced) == ("event", True)
        assert compare(recording).equal
        with (tmp_path / "back").open("wb") as file:
            write_raw(recording, HashingFile(file))
    assert (tmp_path / "back").read_bytes() == stream


def test_amplitudes_without_a_head_that_they_are_of_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="name a scanner with its heads"):
        imported(tmp_path, STREAM, scanner=None)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="bytes are no events of the profile"):
        imported(tmp_path, bytes(range(256)) * 400)
    with pytest.raises(MismatchError, match="hold no event"):
        imported(tmp_path, CUT)


def test_the_shipped_profile_is_that_of_the_tests() -> None:
    assert profile().id == PROFILE
