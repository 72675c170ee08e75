"""Files that mean harm, of vendors, manifests and profiles: a sentence and its exit code, never a traceback."""

from __future__ import annotations

import json
import random
import shutil
import struct
import time
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_cli import call, petlink_file, started
from support_cli import done as ended
from support_hostile import MEMORY_BYTES, PROFILE, in_a_sentence, peak_bytes

from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST
from device_profiles.load import profile_path

FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\x01",
    "three bytes": b"abc",
    "text": b"# a readme of a thousand lines\n" * 1000,
    "zip": b"PK\x03\x04" + bytes(5000),
    "random": random.Random(5).randbytes(100_000),
    "all ones": b"\xff" * 100_000,
    "huge claim": struct.pack("<Q", 2**63) * 1000,
    "an Arrow stream that claims 2 GiB": b"\xff\xff\xff\xff" + struct.pack("<I", 2**31 - 8) + bytes(64),
    "only a SAFIR preamble": b"SAFIR CListModeData".ljust(32, b"\0"),
    "half a SAFIR preamble": b"SAFIR CList",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("profile", [PROFILE, "safir64", "singles64", "head-xye64"])
def test_a_foreign_file_is_imported_whole_or_refused_in_a_sentence(
    tmp_path: Path, profile: str, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)

    made = call("listmode", "import", "--profile", profile, tmp_path / "file", "--out", tmp_path / "run", "--json")

    in_a_sentence(made)
    assert made.code in (0, 3)
    assert (tmp_path / "run").exists() == (made.code == 0)


def test_a_file_of_the_wrong_profile_is_refused_unless_forced(recorded_data: Path, tmp_path: Path) -> None:
    mmr, safir = recorded_data / "siemens-mmr/small_listmode_file.l", recorded_data / "safir/point_5.clm.safir"

    as_safir = call("listmode", "import", "--profile", "safir64", mmr, "--out", tmp_path / "a")
    as_mmr = call("listmode", "import", "--profile", PROFILE, safir, "--out", tmp_path / "b")
    forced = call("listmode", "import", "--profile", PROFILE, safir, "--out", tmp_path / "c", "--force", "--json")

    assert as_safir.code == 3
    assert "the profile says" in as_safir.err
    assert as_mmr.code == 3, as_mmr.out
    assert forced.code == 0
    assert forced.json["ledger"]["balanced"] is True


@pytest.mark.parametrize(("name", "code"), [("nothing", 4), (".", 3), ("/dev/zero", 3), ("x" * 300, 3)])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, code: int) -> None:
    made = call("listmode", "import", "--profile", PROFILE, tmp_path / name, "--out", tmp_path / "run")

    in_a_sentence(made)
    assert made.code == code


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    petlink_file(folder / "words.l")
    made = call("listmode", "import", "--profile", PROFILE, folder / "words.l", "--out", folder / "run")
    assert made.code == 0, made.err
    return folder / "run"


def with_manifest(recording: Path, out: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy the recording with a manifest that was changed, its checksum put right: a liar, not an accident."""
    shutil.copytree(recording, out)
    content = json.loads((out / MANIFEST).read_text())
    change(content)
    content.pop("crc32", None)
    text = json.dumps({**content, "crc32": "00000000"}, indent=1).encode() + b"\n"
    crc = b"%08x" % zlib.crc32(text)
    (out / MANIFEST).write_bytes(text.replace(b'"crc32": "00000000"', b'"crc32": "' + crc + b'"'))
    return out


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], int]] = {
    "another major version": (lambda m: m.update(format="2.0"), 3),
    "no version": (lambda m: m.pop("format"), 3),
    "a later minor version": (lambda m: m.update(format="1.9", something_new=[1]), 0),
    "no layout": (lambda m: m["profile"].pop("layout"), 3),
    "no profile": (lambda m: m.update(profile={}), 3),
    "a layout of another kind": (lambda m: m["profile"].update(layout={"word_bits": 32}), 3),
    "no time": (lambda m: m.update(time={}), 3),
    "an unknown framing": (lambda m: m["time"].update(framing="carrier pigeon"), 3),
    "a stop that is none": (lambda m: m.update(stop="when I say so"), 3),
    "a clock that does not tick": (lambda m: m["profile"]["clock"].update(tick_ps="0"), 3),
    "a segment elsewhere": (lambda m: m["segments"][0].update(file="../../etc/passwd"), 3),
    "huge rows": (lambda m: m["segments"][0].update(rows=10**18), 6),
    "no segments": (lambda m: m.update(segments=[]), 6),
}


@pytest.mark.parametrize(("change", "code"), LIES.values(), ids=LIES.keys())
def test_a_manifest_that_lies_is_found_out_or_refused(
    recording: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], code: int
) -> None:
    liar = with_manifest(recording, tmp_path / "run", change)

    replayed = call("listmode", "replay", liar, "--json")
    rewritten = call("listmode", "replay", liar, "--out", tmp_path / "out", "--json")

    in_a_sentence(replayed)
    in_a_sentence(rewritten)
    assert replayed.code == code or (code == 6 and replayed.code in (0, 3)), replayed.err


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_of_a_manifest_may_be_anything(
    recording: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just([{}])
    )
    content = json.loads((recording / MANIFEST).read_text())
    where = content
    key = data.draw(st.sampled_from(sorted(where)))
    while isinstance(where[key], dict) and where[key] and data.draw(st.booleans()):
        where = where[key]
        key = data.draw(st.sampled_from(sorted(where)))
    where[key] = data.draw(values)
    liar = with_manifest(recording, tmp_path_factory.mktemp("liar") / "run", lambda m: m.update(content))

    for command in ("info", "verify", "replay"):
        in_a_sentence(call("listmode", command, liar, "--json"))


def toml_of(value: Any) -> str:
    """Return a value as TOML, inline all the way down."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_of(item) for item in value) + "]"
    return json.dumps(value)


ODD = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70).filter(lambda n: -(2**63) <= n < 2**63), st.text(max_size=6),
    st.sampled_from(["", "63:0", "0:63", "99:98", "3125/0", "1e9", [], {}, -1, 0, 10**18, 2**62, [[]], "prompt"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([PROFILE, "singles64", "safir64"]))
def test_a_profile_with_any_value_changed_works_or_is_refused_by_key(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    folder = tmp_path_factory.mktemp("profile")
    petlink_file(folder / "words.l", milliseconds=2)
    content = tomllib.loads(profile_path(name).read_text())
    where = content
    key = data.draw(st.sampled_from(sorted(where)))
    while isinstance(where[key], dict) and where[key] and data.draw(st.integers(0, 4)):
        where = where[key]
        key = data.draw(st.sampled_from(sorted(where)))
    where[key] = data.draw(ODD)
    (folder / "profile.toml").write_text("\n".join(f"{json.dumps(k)} = {toml_of(v)}" for k, v in content.items()))

    made = call(
        "listmode",
        "import",
        "--profile",
        folder / "profile.toml",
        folder / "words.l",
        "--out",
        folder / "run",
        "--json",
    )

    in_a_sentence(made)
    assert made.code in (0, 3)
    if made.code == 0:
        assert made.json["ledger"]["balanced"] is True


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), junk=st.binary(max_size=8), at=st.integers(0, 3000))
def test_a_profile_file_that_is_cut_or_damaged_is_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("profile")
    text = profile_path("singles64").read_bytes()
    text = text[:at] + junk + text[at:]
    (folder / "profile.toml").write_bytes(text[: max(len(text) - cut, 0)] if cut % 3 else text)
    petlink_file(folder / "words.l", milliseconds=2)

    in_a_sentence(
        call("listmode", "import", "--profile", folder / "profile.toml", folder / "words.l", "--out", folder / "run")
    )


def test_a_profile_that_promises_an_endless_preamble_reads_no_more_than_the_file(tmp_path: Path) -> None:
    text = (
        profile_path(PROFILE)
        .read_text()
        .replace("word_bits = 32", "word_bits = 32\npreamble_bytes = 1000000000000000000")
    )
    (tmp_path / "profile.toml").write_text(text)
    petlink_file(tmp_path / "words.l")

    made = call(
        "listmode", "import", "--profile", tmp_path / "profile.toml", tmp_path / "words.l", "--out", tmp_path / "run"
    )

    in_a_sentence(made)
    assert made.code == 3


def test_memory_of_an_import_does_not_grow_with_the_file(tmp_path: Path) -> None:
    petlink_file(tmp_path / "one.l", milliseconds=100, each=1000)
    (tmp_path / "many.l").write_bytes((tmp_path / "one.l").read_bytes() * 200)
    assert (tmp_path / "many.l").stat().st_size > 80_000_000
    arguments = ("listmode", "import", "--profile", PROFILE, tmp_path / "many.l", "--out", tmp_path / "run", "--json")

    peak = 0
    with started(*arguments) as process:
        while process.poll() is None:
            try:
                peak = max(peak, peak_bytes(process.pid))
            except (OSError, StopIteration):
                break
            time.sleep(0.02)
        made = ended(process)

    assert made.code == 0, made.err
    assert made.json["rows"]["coincidences"] == 20_000_000
    assert load_manifest(tmp_path / "run").state == "sealed"
    assert 50 << 20 < peak < MEMORY_BYTES
