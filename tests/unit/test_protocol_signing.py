"""A protocol is a draft until it is signed, and again after any change; no signature is ever lost."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquisition_protocols.load import LoadedProtocol, load_protocol, read, shipped
from acquisition_protocols.signing import Signature, read_signature, sign, signature_path
from daq.errors import RefusedError

NAME = "demo-two-steps"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a site's copy of a shipped protocol."""
    path = tmp_path / f"{NAME}.toml"
    path.write_bytes(read(shipped()[NAME]))
    return path


def signed(path: Path, *, by: str = "A. Physicist", meaning: str = "approved for adults") -> Signature:
    loaded = load_protocol(path)
    return sign(path, loaded.protocol.id, loaded.sha256, by=by, meaning=meaning)


def state(path: Path) -> tuple[str, str]:
    loaded = load_protocol(path)
    return loaded.state, loaded.state_reason


def test_a_copy_is_a_draft_until_somebody_signs_it(copy: Path) -> None:
    assert state(copy) == ("draft", "draft: nobody has signed it")

    signature = signed(copy)

    loaded = load_protocol(copy)
    assert (loaded.state, loaded.signature) == ("signed", signature)
    assert loaded.state_reason == f"signed by A. Physicist on {signature.at_utc}: approved for adults"


def test_a_signature_is_a_file_of_its_own_beside_the_protocol(copy: Path) -> None:
    before = copy.read_bytes()
    signature = signed(copy)

    assert copy.read_bytes() == before
    written = json.loads((copy.parent / f"{NAME}.signature.json").read_text())
    assert written == {"schema": "protocol-signature/1", "id": NAME, **asdict(signature), "earlier": []}
    assert [path.name for path in copy.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("change", [b"\n", b"# a comment\n"])
def test_after_any_change_it_is_a_draft_again_and_says_so(copy: Path, change: bytes) -> None:
    signature = signed(copy)
    copy.write_bytes(copy.read_bytes() + change)

    assert state(copy) == ("draft", f"draft again: changed after it was signed by A. Physicist on {signature.at_utc}")


def test_what_is_changed_back_is_signed_again(copy: Path) -> None:
    signed(copy)
    text = copy.read_bytes()
    copy.write_bytes(text + b"\n")
    copy.write_bytes(text)

    assert state(copy)[0] == "signed"


def test_a_signature_of_another_protocol_counts_for_nothing(copy: Path) -> None:
    signature = signed(copy)
    path = signature_path(copy)
    path.write_text(path.read_text().replace(NAME, "other"))

    assert state(copy) == ("draft", f"draft: the signature of A. Physicist on {signature.at_utc} is of protocol other")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("{", "[", "is no signature: file: Invalid JSON"),
        ('"by": "A. Physicist"', '"by": ""', "is no signature: by: String should have at least 1 character"),
        ('"by": "A. Physicist"', '"by": 7', "is no signature: by: Input should be a valid string"),
        ('"earlier"', '"eralier"', "is no signature: eralier: Extra inputs are not permitted"),
        ("protocol-signature/1", "protocol-signature/2", "is no signature: schema: Input should be"),
    ],
)
def test_a_damaged_signature_makes_a_draft_and_says_why(copy: Path, old: str, new: str, why: str) -> None:
    signed(copy)
    path = signature_path(copy)
    path.write_text(path.read_text().replace(old, new))

    kind, reason = state(copy)
    assert kind == "draft"
    assert f"draft: {NAME}.signature.json {why}" in reason


def test_a_signature_that_cannot_be_read_makes_a_draft(copy: Path) -> None:
    signature_path(copy).mkdir()

    assert state(copy)[1].endswith("cannot be read (Is a directory)")


def test_a_new_signature_keeps_those_before_it(copy: Path) -> None:
    first = signed(copy)
    copy.write_bytes(copy.read_bytes() + b"\n")
    second = signed(copy, by="B. Physicist", meaning="window checked")
    third = signed(copy)

    found = read_signature(copy)
    assert found is not None
    assert found.value() == third
    assert [old.value() for old in found.earlier] == [second, first]


@pytest.mark.parametrize(
    ("by", "meaning"), [("", "approved"), ("   ", "approved"), ("A. Physicist", ""), ("A\nB", "x")]
)
def test_a_signature_without_a_name_or_a_meaning_is_refused(copy: Path, by: str, meaning: str) -> None:
    with pytest.raises(RefusedError, match="signature: "):
        signed(copy, by=by, meaning=meaning)

    assert not signature_path(copy).exists()


def test_a_damaged_signature_is_not_written_over(copy: Path) -> None:
    signature_path(copy).write_text("{")

    with pytest.raises(RefusedError, match="is no signature"):
        signed(copy)
    assert signature_path(copy).read_text() == "{"


def test_a_folder_that_cannot_be_written_is_a_sentence(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(RefusedError, match=r"signature\.json cannot be written: No space left on device"):
        signed(copy)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_for_a_signature_are_a_draft_with_a_reason(copy: Path, content: bytes) -> None:
    signature_path(copy).write_bytes(content)
    loaded: LoadedProtocol = load_protocol(copy)

    assert loaded.state == "draft"
    with suppress(RefusedError):
        read_signature(copy)
