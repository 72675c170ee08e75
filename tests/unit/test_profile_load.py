import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import MissingError, ProfileError
from device_profiles.load import check_profile, list_profiles, load_profile, shipped_profiles
from device_profiles.reading import MAX_BYTES
from device_profiles.schema import InstrumentProfile

SHIPPED = {name: path.read_text() for name, path in shipped_profiles().items()}
HEAD = SHIPPED["head-xye64"]


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def with_line(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_named_by_its_file_and_gives_no_finding(name: str) -> None:
    profile, found = check_profile(shipped_profiles()[name])

    assert found == []
    assert profile is not None
    assert profile.id == name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_survives_being_stored_as_json(name: str) -> None:
    profile = load_profile(name)

    stored = json.dumps(profile.model_dump(mode="json"))
    again = InstrumentProfile.model_validate_json(stored)

    assert again == profile
    assert again.sha256 == profile.sha256
    assert list(again.layout.kinds) == list(profile.layout.kinds)
    assert json.loads(stored)["schema"] == "instrument-profile/1"


def test_a_file_given_by_path_is_the_same_profile_as_by_id(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_text(f"# a comment changes nothing\n{HEAD}")

    assert load_profile(str(path)).sha256 == load_profile("head-xye64").sha256


def test_one_changed_number_changes_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(with_line(HEAD, "scale = 0.5", "scale = 0.25"))

    assert load_profile(path).sha256 != load_profile("head-xye64").sha256


def test_the_list_is_ordered_by_id_and_holds_the_vendor_layouts() -> None:
    names = [listed.profile.id for listed in list_profiles()]

    assert names == sorted(names)
    assert {"siemens-petlink32", "safir64", "head-xye64", "singles64"} <= set(names)


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(
        MissingError, match=r"no instrument profile 'siemens-petlnk32'; did you mean siemens-petlink32\?"
    ):
        load_profile("siemens-petlnk32")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"none\.toml: no such file"):
        load_profile(tmp_path / "none.toml")


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("counting_unit", "countingunit", "countingunit = 'word': unknown key; did you mean counting_unit"),
        ("word_bits = 64", "word_bits = 63", "layout.word_bits = 63: input should be 8, 16, 24, 32, 40, 48, 56 or 64"),
        (
            'bits = "61:60"\nunit = "1"',
            'bits = "61:60"',
            "layout.kinds.single.fields.head.unit = absent: required: every field states",
        ),
        (
            'bits = "61:60"',
            'bits = "61-60"',
            "layout.kinds.single.fields.head.bits = '61-60': string should match pattern",
        ),
        (
            '"63:62" = 0b01',
            '"63:62" = -1',
            'layout.kinds.single.tag."63:62" = -1: input should be greater than or equal to 0',
        ),
        ('"63:62" = 0b01', '"top" = 1', "layout.kinds.single.tag.top = 'top': string should match pattern"),
        ('tick_ps = "1000000"', "tick_ps = 1e6", "clock.tick_ps = 1000000.0: a rational as text or integer"),
        ('tick_ps = "1000000"', 'tick_ps = "1/0"', "clock.tick_ps = '1/0': must be a number above zero"),
        (
            'tick_ps = "1000000"',
            'tick_ps = "1e999999999"',
            "clock.tick_ps = '1e999999999': must be a number above zero",
        ),
        ("scale = 0.5", "scale = nan", "layout.kinds.single.fields.energy.scale = nan: must be a finite number"),
        ("heads = 4", "heads = 99999999999999999999", "detector.heads = ...: an integer past 64 bits"),
        ('vendor = "scandaq"', "vendor = 2026-11-22", "vendor = 2026-11-22: a date; write it as text, in quotes"),
        (
            'schema = "instrument-profile/1"',
            'schema = "instrument-profile/2"',
            "schema = 'instrument-profile/2': another schema or version; wanted is 'instrument-profile/1'",
        ),
        ('id = "head-xye64"', 'id = "Head 64"', "id = 'Head 64': string should match pattern"),
        ('kinds = ["file", "tcp", "udp"]', "kinds = []", "transport.kinds = []: tuple should have at least 1 item"),
        ('datagram_framing = "native"\n', "", "transport.datagram_framing = absent: required with udp"),
        ('"file", "tcp", "udp"', '"file"', "transport.datagram_framing = 'native': only with udp; kinds: file"),
        (
            '"file", "tcp", "udp"',
            '"file", "udp", "udp"',
            "transport.kinds = ['file', 'udp', 'udp']: names a transport twice",
        ),
        (
            "rate_max_words_per_s = 2e6",
            "rate_max_words_per_s = 0",
            "transport.rate_max_words_per_s = 0: input should be greater than 0",
        ),
        (
            "energy_min_kev = 40",
            "energy_min_kev = 600",
            "detector.energy_min_kev = 600.0: must be below energy_max_kev = 511.5",
        ),
        (
            "heads = 4",
            "coincidence_half_window_ps = 2000",
            "detector.coincidence_half_window_ps = 2000: says nothing about modality gamma_camera",
        ),
        (
            "heads = 4",
            "energy_resolution_percent = 10",
            "detector.energy_resolution_percent = 10.0: a resolution is stated at an energy",
        ),
        (
            "[detector]",
            "[order]\nmax_disorder_ps = 60_000_000_000_001\n[detector]",
            "order.max_disorder_ps = 60000000000001: input should be less than or equal to 60000000000000",
        ),
        (
            "[detector]",
            "[order]\nmax_step_ps = 99_000_000_000\n[detector]",
            "order.max_step_ps = 99000000000: must not be below max_disorder_ps = 100000000000",
        ),
        (
            "[detector]",
            "[order]\nmax_disorder_ps = 0\nmax_step_ps = 999_999\n[detector]",
            "order.max_step_ps = 999999: below clock.precision_ps = 1000000: every step of the clock would count",
        ),
        ('mark = "cardiac_trigger"', 'mark = "heart"', "layout.kinds.cardiac_trigger.mark = 'heart': input should be"),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_and_reason(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refused(tmp_path, with_line(HEAD, old, new))


def test_a_gamma_camera_yields_no_coincidences(tmp_path: Path) -> None:
    text = with_line(SHIPPED["safir64"], 'modality = "pet"', 'modality = "gamma_camera"')

    assert "layout.kinds.prompt.yields = 'prompt': no coincidences in modality gamma_camera" in refused(tmp_path, text)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    text = with_line(with_line(HEAD, "word_bits = 64", "word_bits = 7"), 'unit = "us"', 'unitt = "us"')

    message = refused(tmp_path, text)

    assert message.startswith("3 problems\n")
    assert "layout.word_bits = 7" in message
    assert "layout.kinds.single.fields.time.unitt = 'us': unknown key; did you mean unit" in message
    assert "layout.kinds.single.fields.time.unit = absent" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = ", "not TOML: Invalid value (at end of document)"),
        ("a = 1\nb = [1\nc", "not TOML: Unclosed array (at line 3, column 1)"),
        ("a = 1\na = 2\nb = 1", "not TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"a = 1\nb = '\xff'", "not UTF-8 text (line 2)"),
        ("a = " + "[" * 5000, "not TOML: nested too deep"),
        ("a = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("a = 0x" + "f" * 5000, "a = ...: an integer past 64 bits"),
        ("a = " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("a = '" + "x" * MAX_BYTES + "'", "a profile has at most 4194304"),
        ("", "required key is missing"),
    ],
)
def test_what_is_no_profile_at_all_is_refused_in_a_sentence(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_warning_does_not_stop_a_profile_from_loading(tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text(with_line(HEAD, 'datagram_framing = "native"', 'datagram_framing = "none"'))

    _, found = check_profile(path)

    assert [(f.key, f.severity) for f in found] == [("transport.datagram_framing", "warning")]
    assert load_profile(path).transport.datagram_framing == "none"


def test_missing_camera_facts_and_a_wrong_count_of_detectors_are_warnings(tmp_path: Path) -> None:
    camera, ring = tmp_path / "camera.toml", tmp_path / "ring.toml"
    camera.write_text(with_line(HEAD, "heads = 4\n", ""))
    ring.write_text(with_line(SHIPPED["singles64"], "detector_count = 16384", "detector_count = 100"))

    assert [(f.key, f.severity) for f in check_profile(camera)[1]] == [("detector.heads", "warning")]
    assert [(f.key, f.severity) for f in check_profile(ring)[1]] == [("detector.detector_count", "warning")]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("max_disorder_ps = 999_999", "below clock.precision_ps = 1000000: whatever comes after another source's step"),
        (
            "max_disorder_ps = 9_000_000_000_000",
            "holds 18000000 events at rate_max_words_per_s; beyond 6291456 the oldest go before their time",
        ),
    ],
)
def test_a_disorder_that_clock_or_memory_cannot_keep_is_a_warning(tmp_path: Path, limits: str, said: str) -> None:
    path = tmp_path / "order.toml"
    path.write_text(with_line(HEAD, "[detector]", f"[order]\n{limits}\n[detector]"))

    _, found = check_profile(path)

    assert [(f.key, f.severity) for f in found] == [("order.max_disorder_ps", "warning")]
    assert said in found[0].reason


def test_a_profile_that_says_nothing_of_order_gets_100_ms_and_10_s() -> None:
    order = load_profile("head-xye64").order

    assert (order.max_disorder_ps, order.max_step_ps) == (100 * 10**9, 10 * 10**12)


SCRAPS = st.one_of(
    st.sampled_from(
        ["[", "]", "{", "}", '"', "'", "=", "\n", "#", "\\", "nan", "inf", "-1", "0", "1e400", "true", "''"]
    ),
    st.sampled_from(
        ["99999999999999999999", "1979-05-27", '"9:99"', '"99"', "[[a]]", "layout", "\x00", "é", '"\\ud7ff"']
    ),
    st.text(max_size=6),
    st.integers().map(str),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_shipped_profile_gives_anything_but_a_profile_or_a_refusal(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = data.draw(st.sampled_from(sorted(SHIPPED.values())))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(SCRAPS) + text[end:]
    path = tmp_path_factory.getbasetemp() / "mutated.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    loaded, said = loaded_or_said(path)

    assert (loaded is None) == bool(said)
    assert not said or said.startswith(f"{path}: ")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["0:0", "1", "time"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_value_of_another_type_slips_through_or_crashes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = load_profile(data.draw(st.sampled_from(sorted(SHIPPED)))).model_dump(mode="json", exclude_none=True)
    table: Any = tables
    key = data.draw(st.sampled_from(sorted(table)))
    while isinstance(table[key], dict) and table[key] and data.draw(st.booleans()):
        table = table[key]
        key = data.draw(st.sampled_from(sorted(table)))
    table[key] = data.draw(VALUES)
    path = tmp_path_factory.getbasetemp() / "values.toml"
    path.write_bytes(as_toml(tables).encode("utf-8", "surrogatepass"))

    loaded, said = loaded_or_said(path)

    assert (loaded is None) == bool(said)


def loaded_or_said(path: Path) -> tuple[InstrumentProfile | None, str]:
    try:
        return load_profile(path), ""
    except ProfileError as why:
        return None, str(why)


def as_toml(tables: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in tables.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return '"none"' if value is None else json.dumps(value)
