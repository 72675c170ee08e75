"""The audit log's chain: whatever is edited, removed, inserted or swapped is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support_audit import fields, lines_in_memory, log_of, own

from daq.errors import MissingError, UsageError
from daq.storage.auditchain import CLOSE, NOTHING_BEFORE, OPEN, Head, Line, chained, parse_line, split_lines, torn
from daq.storage.auditfile import AuditFile
from daq.storage.auditlook import audit_files
from daq.storage.auditverify import last_lines, parse_head, verify_audit

SMALL_FILES = 5000


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A log of three files, as name -> bytes."""
    folder = tmp_path_factory.mktemp("good") / "audit"
    log_of(folder, 20, max_bytes=SMALL_FILES)
    files = {path.name: path.read_bytes() for path in audit_files(folder)}
    assert len(files) == 3
    return files


def placed(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def head_of(files: dict[str, bytes]) -> Head:
    line = parse_line(split_lines(files[max(files)])[0][-1])
    assert isinstance(line, Line)
    return line.head


def test_a_line_names_the_hash_of_the_line_before() -> None:
    (first, second), head = lines_in_memory(["start", "stop"])

    parsed = [parse_line(line.removesuffix(b"\n")) for line in (first, second)]

    assert [line.seq for line in parsed if isinstance(line, Line)] == [1, 2]
    assert parsed[0].previous == NOTHING_BEFORE  # type: ignore[union-attr]
    assert parsed[1].previous == parsed[0].sha256  # type: ignore[union-attr]
    assert parsed[1].head == head  # type: ignore[union-attr]


def test_the_hash_is_that_of_the_bytes_before_it_as_the_page_says() -> None:
    import hashlib

    (line,), head = lines_in_memory(["start"])

    body, _, rest = line.rpartition(b',"sha256":"')
    assert hashlib.sha256(body).hexdigest() == head.sha256 == rest[:64].decode()
    assert rest[64:] == b'"}\n'


def test_text_of_any_language_stays_readable() -> None:
    line, _ = chained(fields("start", reason="Prüfung Ω"), Head())

    assert "Prüfung Ω".encode() in line


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        chained(fields("set", new=value), Head())


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_without_a_traceback(raw: bytes) -> None:
    assert isinstance(parse_line(raw.replace(b"\n", b"")), str)


@pytest.mark.parametrize(
    "content", [[], 5, {"seq": 1}, {"seq": True, "previous": ""}, {"seq": 1, "previous": 2}, {"seq": "1"}]
)
def test_a_line_with_the_right_hash_may_still_be_none(content: object) -> None:
    import hashlib

    body = json.dumps(content).encode()[:-1]
    raw = body + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'

    assert isinstance(parse_line(raw), str)


def test_a_good_log_of_several_files_is_one_chain(tmp_path: Path, good: dict[str, bytes]) -> None:
    report = verify_audit(placed(tmp_path / "audit", good), expect=head_of(good))

    assert report.is_good
    assert (report.first_seq, report.lines) == (1, 25)
    assert report.head == head_of(good)


def test_every_file_but_the_last_ends_with_a_line_that_names_the_next(good: dict[str, bytes]) -> None:
    names = sorted(good)
    ends = [json.loads(split_lines(good[name])[0][-1]) for name in names[:-1]]
    begins = [json.loads(split_lines(good[name])[0][0]) for name in names]

    assert [(line["verb"], line["object"]) for line in ends] == [(CLOSE, name) for name in names[1:]]
    assert [(line["verb"], line["object"]) for line in begins] == [(OPEN, name) for name in ["", *names[:-1]]]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    log = good_bytes(tmp_path_factory)
    name = data.draw(st.sampled_from(sorted(log)))
    place = data.draw(st.integers(0, len(log[name]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != log[name][place]))
    changed = bytearray(log[name])
    changed[place] = byte

    report = verify_audit(placed(folder, {**log, name: bytes(changed)}))

    assert not report.is_good


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_removed_or_inserted_bytes_are_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "cut"
    log = good_bytes(tmp_path_factory)
    name = data.draw(st.sampled_from(sorted(log)))
    start = data.draw(st.integers(0, len(log[name])))
    stop = data.draw(st.integers(start, min(start + 800, len(log[name]))))
    inserted = data.draw(st.binary(max_size=40))
    changed = log[name][:start] + inserted + log[name][stop:]
    assume(changed != log[name])

    report = verify_audit(placed(folder, {**log, name: changed}), expect=head_of(log))

    assert not report.is_good


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_removed_copied_or_moved_line_is_found_where_it_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Also by somebody who leaves every line as it is, so that each is good by itself."""
    folder = tmp_path_factory.getbasetemp() / "lines"
    log = good_bytes(tmp_path_factory)
    name = data.draw(st.sampled_from(sorted(log)))
    lines = split_lines(log[name])[0]
    what = data.draw(st.sampled_from(["removed", "inserted", "reordered"]))
    here = data.draw(st.integers(0, len(lines) - 1))
    changed = list(lines)
    if what == "removed":
        del changed[here]
    elif what == "inserted":
        changed.insert(data.draw(st.integers(0, len(lines))), lines[here])
    else:
        there = data.draw(st.integers(0, len(lines) - 1).filter(lambda other: other != here))
        changed[here], changed[there] = changed[there], changed[here]

    report = verify_audit(
        placed(folder, {**log, name: b"".join(line + b"\n" for line in changed)}), expect=head_of(log)
    )

    assert report.broken is not None
    first = next(i for i, pair in enumerate(zip([*changed, b""], [*lines, b""], strict=False)) if pair[0] != pair[1])
    at_the_end = first == min(len(changed), len(lines)) and what != "inserted"
    assert at_the_end or (report.broken.file, report.broken.line) == (name, first + 1)


_LOG: dict[str, bytes] = {}


def good_bytes(factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same log for every example of hypothesis."""
    if not _LOG:
        folder = factory.mktemp("hypothesis") / "audit"
        log_of(folder, 20, max_bytes=SMALL_FILES)
        _LOG.update({path.name: path.read_bytes() for path in audit_files(folder)})
    return _LOG


def lines_of(folder: Path) -> list[bytes]:
    return split_lines(audit_files(folder)[0].read_bytes())[0]


def rewritten(folder: Path, lines: list[bytes]) -> None:
    audit_files(folder)[0].write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("kind", "line"), [("edited", 4), ("removed", 4), ("inserted", 5), ("reordered", 4), ("truncated", 7)]
)
def test_the_verdict_names_line_and_kind(tmp_path: Path, kind: str, line: int) -> None:
    folder = tmp_path / "audit"
    head = log_of(folder, 6).head
    lines = lines_of(folder)
    made = {
        "edited": [*lines[:3], lines[3].replace(b"anna", b"otto"), *lines[4:]],
        "removed": [*lines[:3], *lines[4:]],
        "inserted": [*lines[:4], lines[2], *lines[4:]],
        "reordered": [*lines[:3], lines[4], lines[3], *lines[5:]],
        "truncated": lines[:-1],
    }
    rewritten(folder, made[kind])

    broken = verify_audit(folder, expect=head).broken

    assert broken is not None
    assert (broken.kind, broken.file, broken.line) == (kind, "audit-00001.jsonl", line)


def test_without_the_head_a_removed_end_cannot_be_found(tmp_path: Path) -> None:
    """The page says so, and why the head should be noted elsewhere."""
    folder = tmp_path / "audit"
    log_of(folder, 6)
    rewritten(folder, lines_of(folder)[:-2])

    assert verify_audit(folder).is_good


def test_a_chain_that_was_written_anew_is_found_by_the_head(tmp_path: Path) -> None:
    folder, other = tmp_path / "audit", tmp_path / "forged"
    head = log_of(folder, 6).head
    forged = AuditFile(other, own)
    for number in range(6):
        forged.append(fields("stop", f"run-{number}"))
    forged.close()

    assert verify_audit(other).is_good
    broken = verify_audit(other, expect=head).broken

    assert broken is not None
    assert (broken.kind, broken.seq) == ("edited", head.seq)


def test_a_line_forged_with_a_right_hash_breaks_the_one_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log_of(folder, 6)
    lines = lines_of(folder)
    before = parse_line(lines[2])
    assert isinstance(before, Line)
    forged, _ = chained(fields("start", "another"), before.head)
    rewritten(folder, [*lines[:3], forged.removesuffix(b"\n"), *lines[4:]])

    broken = verify_audit(folder).broken

    assert broken is not None
    assert (broken.kind, broken.line) == ("edited", 5)


def test_a_missing_file_is_found(tmp_path: Path, good: dict[str, bytes]) -> None:
    names = sorted(good)
    for missing in names[:-1]:
        folder = placed(tmp_path / "audit", {name: data for name, data in good.items() if name != missing})

        broken = verify_audit(folder).broken

        assert broken is not None
        assert broken.kind == "removed"


def test_the_last_file_missing_is_found_since_the_one_before_was_closed(tmp_path: Path, good: dict[str, bytes]) -> None:
    kept = dict(sorted(good.items())[:-1])

    broken = verify_audit(placed(tmp_path / "audit", kept)).broken

    assert broken is not None
    assert (broken.kind, broken.file) == ("truncated", "audit-00003.jsonl")


def test_one_file_alone_is_verified_from_its_first_line(tmp_path: Path, good: dict[str, bytes]) -> None:
    folder = placed(tmp_path / "audit", good)

    reports = [verify_audit(folder / name) for name in sorted(good)]

    assert all(report.is_good for report in reports)
    assert [report.first_seq for report in reports] == [1, *(report.head.seq + 1 for report in reports[:-1])]


def test_a_head_from_before_the_file_is_refused_in_words(tmp_path: Path, good: dict[str, bytes]) -> None:
    folder = placed(tmp_path / "audit", good)

    with pytest.raises(UsageError, match="begins with line"):
        verify_audit(folder / max(good), expect=Head(1, "0" * 64))


def test_a_torn_line_on_record_is_no_break_and_its_bytes_are_guarded(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    log_of(folder, 3)
    tail = b'{"seq":5,"ts'
    with audit_files(folder)[0].open("ab") as file:
        file.write(tail)
    assert not verify_audit(folder).is_good

    log_of(folder, 2)
    report = verify_audit(folder)

    assert report.is_good
    assert report.kept == [f"audit-00001.jsonl: {torn(tail)}"]
    first = audit_files(folder)[0]
    first.write_bytes(first.read_bytes()[:-1])
    assert not verify_audit(folder).is_good


def test_the_last_lines_are_read_over_the_borders_of_files(tmp_path: Path, good: dict[str, bytes]) -> None:
    folder = placed(tmp_path / "audit", good)

    lines = last_lines(folder, 12)

    assert [line.seq for line in lines] == list(range(14, 26))


@pytest.mark.parametrize("call", [verify_audit, lambda place: last_lines(place, 3)])
def test_where_there_is_no_log_it_is_said(tmp_path: Path, call: object) -> None:
    assert callable(call)
    with pytest.raises(MissingError, match="no audit log"):
        call(tmp_path)
    with pytest.raises(MissingError, match="no audit log"):
        call(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    "text", ["", "5", "5:abc", "x:" + "0" * 64, "-1:" + "0" * 64, "²:" + "0" * 64, "5:" + "0" * 65]
)
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="SEQ:HASH"):
        parse_head(text)


def test_a_head_is_read_as_it_is_printed() -> None:
    head = Head(12, "ab" * 32)

    assert parse_head(f" {head}\n") == head
