"""A patient's identity is in one file, and nowhere else: no print, log, message, audit line or pickle shows it."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import logging
import pickle
import stat
import traceback
import unicodedata
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from daq.errors import FormatError, MissingError, RefusedError, ScandaqError
from daq.model.patient import PatientIdentity, PatientRef, is_opaque_key, opaque_key
from daq.model.station import Actor, Alarm, RunDocument, payload
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.storage.auditlook import audit_files
from daq.storage.files import StorageFiles
from daq.storage.manifest import Manifest, dump_manifest
from daq.storage.patientfile import (
    PATIENT_FILE,
    Patient,
    new_administration_key,
    new_patient_ref,
    read_patient,
    write_patient,
)
from daq.storage.verify import verify

ANNA, OTTO = Actor("anna", "local"), Actor("otto", "local")
JANE: dict[str, Any] = {
    "name": "Doe^Jane Q", "patient_id": "MRN-4711", "issuer": "example.org", "birth_date": date(1970, 5, 17),
    "sex": "female", "other_ids": ("X-99",), "accession_number": "ACC-0815",
}  # fmt: skip
REF = PatientRef("p-" + "a" * 26)
LETTERS = st.text(st.characters(categories=("Lu", "Ll", "Lo")), min_size=2, max_size=20)
NAMES = st.builds(lambda family, given_name: f"{family}^{given_name}", LETTERS, LETTERS)
NUMBERS = st.from_regex(r"[A-Z]{2}[0-9]{4,8}", fullmatch=True)


def jane(**other: Any) -> PatientIdentity:
    return PatientIdentity(**{**JANE, **other})


def says(text: str, name: str, number: str) -> list[str]:
    """Return what of the identity stands in a text, whatever its case."""
    folded = unicodedata.normalize("NFC", text).casefold()
    wanted = (*name.split("^"), number)
    return [word for word in wanted if unicodedata.normalize("NFC", word).casefold() in folded]


def test_a_reference_is_random_and_says_nothing() -> None:
    one, other = new_patient_ref(), new_patient_ref()

    assert one != other
    assert is_opaque_key(one.key)
    assert str(one) == one.key
    assert one.key.startswith("p-")
    assert new_administration_key().startswith("a-")


@pytest.mark.parametrize(
    "text", ["Doe^Jane", "", "p-short", "p-" + "A" * 26, "a-" + "a" * 26, "p-" + "a" * 26 + "\n", 5]
)
def test_nothing_but_a_key_can_be_a_reference_and_the_refusal_does_not_repeat_it(text: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        PatientRef(text)

    assert not text or str(text) not in str(refused.value)


def test_a_key_needs_all_of_its_randomness() -> None:
    with pytest.raises(RefusedError, match="16 random bytes"):
        opaque_key("p", b"short")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", " "), ("name", "Doe\x00"), ("name", "X" * 400), ("name", None), ("patient_id", ""),
        ("patient_id", "4" * 65), ("issuer", "a\nb"), ("birth_date", date(1700, 1, 1)), ("birth_date", "1970-05-17"),
        ("sex", "F"), ("other_ids", ("a",) * 21), ("other_ids", ("",)), ("name", "Doe\ud800"),
        ("accession_number", "4" * 17), ("accession_number", "a\\b"), ("accession_number", 7),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_its_value_is_not(field: str, value: Any) -> None:
    with pytest.raises(RefusedError, match=f"patient {field}") as refused:
        jane(**{field: value})

    assert "Doe" not in str(refused.value)
    assert "400" in str(refused.value) or "X" * 10 not in str(refused.value)


WAYS: dict[str, Callable[[PatientIdentity], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda identity: f"{identity} {identity:>200} {identity!r} {identity!s} {identity!a}",
    "percent": lambda identity: "%s %r" % (identity, identity),  # noqa: UP031 - what loggers do
    "json default": lambda identity: json.dumps({"patient": identity}, default=str),
    "list": lambda identity: repr([identity, {"a": identity}, (identity,)]),
    "patient": lambda identity: repr(Patient.new(identity, ANNA, REF)),
    "asdict": lambda identity: repr(asdict(Patient.new(identity, ANNA, REF))),
    "copy": lambda identity: repr([copy.copy(identity), copy.deepcopy(identity)]),
    "dir": lambda identity: repr(dir(identity)),
    "payload": lambda identity: repr(payload(RunDocument("run", "start", {"patient": identity}))),
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None)
@given(name=NAMES, number=NUMBERS)
def test_no_way_of_printing_shows_it(way: str, name: str, number: str) -> None:
    shown = WAYS[way](jane(name=name, patient_id=number))
    nobody = WAYS[way](jane(name="Qqqq^Xxxx", patient_id="ZZ00000"))

    assert set(says(shown, name, number)) <= set(says(nobody, name, number))


def test_it_cannot_be_put_into_json_pickled_or_changed() -> None:
    identity = jane()

    with pytest.raises(TypeError):
        json.dumps({"patient": identity})
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(identity)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Patient.new(identity, ANNA))
    with pytest.raises(AttributeError, match="frozen"):
        identity.name = "Other"
    with pytest.raises(TypeError):
        vars(identity)


def test_a_log_with_a_traceback_does_not_show_it() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger("patient-test")
    log.addHandler(handler)
    log.propagate = False
    identity = jane(name="Quimby^Xenia")
    try:
        write_patient(Path("/nonexistent"), Patient.new(identity, ANNA))
    except ScandaqError as why:
        log.exception("patient %s %r %s", identity, identity, Patient.new(identity, ANNA))
        local = "".join(traceback.TracebackException.from_exception(why, capture_locals=True).format())
    log.removeHandler(handler)

    assert says(written.getvalue() + local, "Quimby^Xenia", JANE["patient_id"]) == []
    assert "0815" not in written.getvalue() + local + identity.redact("order ACC-0815")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=NAMES, number=NUMBERS, before=st.text(max_size=30), spelling=st.sampled_from(["NFC", "NFD"]))
def test_what_people_type_about_a_patient_does_not_get_into_the_audit_log(
    tmp_path_factory: pytest.TempPathFactory, name: str, number: str, before: str, spelling: Any
) -> None:
    family, given_name = name.split("^")
    assume(not says(before + "[patient] seen at", name, number))
    typed = unicodedata.normalize(spelling, f"{before} {given_name} {family} ({number}) {name.upper()} seen at")
    assume(len(unicodedata.normalize("NFC", name.upper())) == len(unicodedata.normalize("NFC", name)))
    assume(unicodedata.normalize("NFC", name.upper()).casefold() == unicodedata.normalize("NFC", name).casefold())
    folder = tmp_path_factory.mktemp("audit")
    identity = jane(name=name, patient_id=number)

    async def write() -> None:
        audit = Audit(folder, "boot", "")
        audit.keep_out(identity)
        new: Any = identity
        assert await audit.write(ANNA, "start", typed, result="refused", reason=typed, error=typed, new=new, old=typed)
        assert await audit.close() == 0

    asyncio.run(write())
    *_, line = audit_files(folder)[0].read_text().splitlines()
    told = json.loads(line)
    shown = " ".join(str(told[key]) for key in ("object", "reason", "error", "old", "new"))
    assert [word for word in says(shown, name, number) if word.casefold() not in "<patientidentity>"] == []
    assert "[patient]" in shown


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Doe came late", "[patient] came late"),
        ("JANE DOE, born 17.05.1970", "[patient] [patient], born [patient]"),
        ("mrn-4711/19700517", "[patient]/[patient]"),
        ("1970-05-17 05/17/1970", "[patient] [patient]"),
        ("does not jump; Q stays, so do 4711 and X-99a", "does not jump; Q stays, so do 4711 and [patient]a"),
        ("", ""),
    ],
)
def test_names_numbers_and_birth_dates_are_redacted(text: str, redacted: str) -> None:
    assert jane().redact(text) == redacted


async def test_an_alarm_and_the_manifest_have_room_for_the_key_alone() -> None:
    patient = Patient.new(jane(), ANNA)
    manifest = Manifest(
        acquisition_id="x", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[],
        patient_reference=patient.ref.key,
    )  # fmt: skip
    alarm = Alarms(Bus()).raise_("x", "y", priority="low", text=f"{patient} {patient.identity}", guidance="g")

    assert patient.ref.key in dump_manifest(manifest).decode()
    assert isinstance(alarm, Alarm)
    assert says(json.dumps(payload(alarm)), JANE["name"], JANE["patient_id"]) == []


def test_the_file_is_for_the_daemon_alone_and_outside_of_the_seal(tmp_path: Path, sealed: Path) -> None:
    before = verify(sealed)
    write_patient(sealed, Patient.new(jane(), ANNA))

    mode = (sealed / PATIENT_FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert verify(sealed).verdict == before.verdict == "ok"
    assert sorted(path.name for path in sealed.iterdir() if "patient" in path.name) == [PATIENT_FILE]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    import shutil

    golden = Path(__file__).parent.parent / "golden" / "listmode-1.0"
    return Path(shutil.copytree(golden, tmp_path / "acquisition"))


@settings(max_examples=40, deadline=None)
@given(name=NAMES, number=NUMBERS, born=st.dates(date(1850, 1, 1)), temporary=st.booleans())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, number: str, born: date, *, temporary: bool
) -> None:
    folder = tmp_path_factory.mktemp("patient")
    patient = Patient.new(jane(name=name, patient_id=number, birth_date=born, temporary=temporary), ANNA)

    write_patient(folder, patient)

    assert read_patient(folder) == patient


def test_a_wrong_identity_is_corrected_by_one_and_countersigned_by_another(tmp_path: Path) -> None:
    wrong = Patient.new(jane(name="Roe^Rick", temporary=True), ANNA)
    right = wrong.corrected(jane(), ANNA, "took the wrong line of the worklist")
    write_patient(tmp_path, right)

    found = read_patient(tmp_path)
    assert found.to_countersign
    assert found.ref == wrong.ref
    assert (found.identity, found.corrections[0].before) == (jane(), wrong.identity)
    with pytest.raises(RefusedError, match="another person"):
        found.countersigned(ANNA)
    done = found.countersigned(OTTO)
    assert not done.to_countersign
    assert done.corrections[0].countersigned_by == "otto"
    with pytest.raises(RefusedError, match="no correction"):
        done.countersigned(OTTO)
    with pytest.raises(RefusedError, match="reason"):
        done.corrected(jane(), ANNA, " ")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"Doe^Jane", b"[]", b"{}", b'{"schema": "patient/2"}', b'{"schema": "patient/1", "key": "Doe^Jane"}',
        b'{"schema":"patient/1","key":"p-aaaaaaaaaaaaaaaaaaaaaaaaaa","identity":{"name":"Doe^Jane"},"corrections":[]}',
        b"[" * 100_000,
    ],
    ids=range(8),
)  # fmt: skip
def test_a_file_of_garbage_is_refused_without_repeating_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PATIENT_FILE).write_bytes(content)

    try:
        read_patient(tmp_path)
    except FormatError as why:
        told = "".join(traceback.TracebackException.from_exception(why, capture_locals=True).format())

    assert "FormatError" in told
    assert "Doe" not in told.replace(repr(content), "")


def test_where_there_is_no_file_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"patient\.json"):
        read_patient(tmp_path)


def test_a_disk_that_refuses_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Patient.new(jane(), ANNA)
    write_patient(tmp_path, patient)

    def refuse(self: StorageFiles, path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", lambda _: refuse(StorageFiles(), tmp_path))
    with pytest.raises(ScandaqError, match="cannot be written: Input/output error"):
        write_patient(tmp_path, patient.corrected(jane(name="Roe^Rick"), ANNA, "slip"))

    assert read_patient(tmp_path) == patient
    assert [path.name for path in tmp_path.iterdir()] == [PATIENT_FILE]
