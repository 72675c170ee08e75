from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MissingError, ProfileError
from device_profiles.places import ENV_SITE, find_site
from device_profiles.site import as_json, load_site, why_no_endpoint

SITE = """
schema = "site/0"
station = "petlab"
storage = "data"
scanner = "siemens-mmr"
[instruments.ring]
profile = "siemens-petlink32"
url = "udp://192.0.2.10:4000"
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def test_a_site_says_what_is_plugged_in_where(site_file: Path) -> None:
    site = load_site(site_file)

    assert site.station == "petlab"
    assert site.storage == site_file.parent / "data"
    assert site.instruments["ring"].url == "udp://192.0.2.10:4000"
    assert as_json(site)["schema"] == "site/0"


def test_the_environment_overrides_one_value_and_leaves_the_rest(
    site_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANDAQ_INSTRUMENTS__RING__URL", "tcp://127.0.0.1:4001")
    monkeypatch.setenv("SCANDAQ_STORAGE", "/srv/data")

    site = load_site(site_file)

    assert site.instruments["ring"].url == "tcp://127.0.0.1:4001"
    assert site.instruments["ring"].profile == "siemens-petlink32"
    assert site.storage == Path("/srv/data")


def test_variables_without_our_prefix_are_not_read(site_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION", "other")
    monkeypatch.setenv("SCHEMA", "other")

    assert load_site(site_file).station == "petlab"


def test_a_wrong_value_from_the_environment_names_its_variable(
    site_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANDAQ_INSTRUMENTS__RING__URL", "tcp://127.0.0.1")

    with pytest.raises(ProfileError, match=r"instruments.ring.url = .* \(set by SCANDAQ_INSTRUMENTS__RING__URL\)"):
        load_site(site_file)


def test_a_variable_that_cannot_be_read_is_a_sentence(site_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANDAQ_INSTRUMENTS", "{")

    with pytest.raises(ProfileError, match='error parsing value for field "instruments"'):
        load_site(site_file)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('schema = "site/0"', 'schema = "site/1"', "schema = 'site/1': must be 'site/0'"),
        ('schema = "site/0"', "", "schema = absent: must be 'site/0'"),
        ('station = "petlab"', "", "station = absent: required key is missing"),
        ('station = "petlab"', 'station = ""', "station = '': string should have at least 1 character"),
        (
            'station = "petlab"',
            'sation = "petlab"\nstation = "x"',
            "sation = 'petlab': unknown key; did you mean station",
        ),
        ("storage = ", "storage = 5 #", "storage = 5: input is not a valid path"),
        ('"siemens-petlink32"', '"siemens"', "instruments.ring.profile = 'siemens': no instrument profile"),
        ('"siemens-mmr"', '"mmr"', "scanner = 'mmr': no scanner profile"),
        ("udp://192.0.2.10:4000", "http://example.org:80", "must begin with udp://, tcp:// or file:///"),
        ("udp://192.0.2.10:4000", "udp://192.0.2.10", "must name a host and a port of 1 to 65535"),
    ],
)
def test_a_wrong_site_is_refused_with_key_value_and_reason(site_file: Path, old: str, new: str, said: str) -> None:
    assert old in SITE
    site_file.write_text(SITE.replace(old, new, 1))

    with pytest.raises(ProfileError) as caught:
        load_site(site_file)

    assert str(caught.value).startswith(f"{site_file}: ")
    assert said in str(caught.value)


def test_a_transport_that_the_profile_does_not_know_is_refused(site_file: Path) -> None:
    from device_profiles.load import shipped_profiles

    only_files = shipped_profiles()["safir64"].read_text().replace('"file", "tcp", "udp"', '"file"')
    (site_file.parent / "own.toml").write_text(only_files.replace('datagram_framing = "native"\n', ""))
    site_file.write_text(SITE.replace("siemens-petlink32", "own.toml"))

    with pytest.raises(ProfileError, match=r"instruments\.ring\.url = .*: the profile safir64 knows file"):
        load_site(site_file)


@pytest.mark.parametrize(
    "url",
    ["udp://192.0.2.1:4000", "udp://@127.0.0.1:4000", "tcp://example.org:9000", "tcp://[::1]:9000", "file:///data/a.l"],
)
def test_an_endpoint_is_accepted(url: str) -> None:
    assert why_no_endpoint(url) is None


@pytest.mark.parametrize(
    "url",
    ["", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:65536", "tcp://host:x", "tcp://@host:1", "udp://a@host:1",
     "udp://host:1/path", "tcp://host:1?a", "file://host/a", "file:a", "/data/a.l", "tcp://[::1:1"],
)  # fmt: skip
def test_anything_else_is_no_endpoint(url: str) -> None:
    assert why_no_endpoint(url)


@given(st.text())
def test_no_text_breaks_the_check_of_an_endpoint(text: str) -> None:
    assert why_no_endpoint(f"udp://{text}") is None or why_no_endpoint(f"udp://{text}")


def test_the_site_file_is_looked_for_in_order(tmp_path: Path) -> None:
    own = tmp_path / "scandaq/site.toml"
    own.parent.mkdir()
    own.write_text(SITE)
    config = {"XDG_CONFIG_HOME": str(tmp_path)}

    assert find_site("given.toml", {ENV_SITE: "named.toml"}) == Path("given.toml")
    assert find_site(None, {ENV_SITE: "named.toml", **config}) == Path("named.toml")
    assert find_site(None, config) == own


def test_no_site_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        MissingError, match=rf"give --site FILE or set SCANDAQ_SITE; looked for {tmp_path}/scandaq/site.toml"
    ):
        find_site(None, {"XDG_CONFIG_HOME": str(tmp_path)})
