import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daq.cli import config, profile
from daq.errors import MissingError, ProfileError
from device_profiles.load import shipped_profiles

ROOT = Path(__file__).parents[2]
HEAD = shipped_profiles()["head-xye64"].read_text()


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    nouns = parser.add_subparsers()
    profile.add_parser(nouns)
    config.add_parser(nouns)
    args = parser.parse_args(words)
    code: int = args.run(args)
    return code


def test_list_names_instruments_and_scanners(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "list", "--json") == 0

    listed = json.loads(capsys.readouterr().out)
    assert "siemens-petlink32" in [row["id"] for row in listed["profiles"]]
    assert "siemens-mmr" in [row["id"] for row in listed["scanners"]]


def test_list_prints_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "list") == 0

    assert "safir64" in capsys.readouterr().out


def test_show_json_is_the_profile_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "show", "safir64", "--json") == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == "instrument-profile/1"
    assert shown["layout"]["preamble_bytes"] == 32
    assert len(shown["sha256"]) == 64


def test_show_draws_the_bits_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "show", "siemens-petlink32") == 0

    shown = capsys.readouterr().out
    assert all(text in shown for text in ("bed_horizontal", "31:24", "19:0", "0.01"))


def test_show_says_when_an_event_is_late_and_when_a_clock_jumped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "show", "singles64") == 0

    assert "late beyond 0.1 s, jumped beyond 10 s" in capsys.readouterr().out


def test_show_of_an_unknown_name_is_refused_with_close_names() -> None:
    with pytest.raises(MissingError, match="did you mean safir64"):
        run("profile", "show", "safir6")
    with pytest.raises(MissingError, match="no instrument or control profile 'caen-n147'; did you mean caen-n1470"):
        run("profile", "show", "caen-n147")


def test_show_of_a_scanner_says_what_it_is() -> None:
    with pytest.raises(MissingError, match="siemens-mmr is a scanner profile"):
        run("profile", "show", "siemens-mmr")


def test_lint_of_sound_files_says_ok(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "lint", "siemens-petlink32", "siemens-mmr", "dual-head") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["ok", "ok", "ok"]


def test_lint_prints_file_key_value_reason_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace('bits = "29:20"', 'bits = "30:20"').replace('"63:62" = 0b10', '"63" = 0'))

    assert run("profile", "lint", str(path)) == ProfileError.exit_code

    lines = capsys.readouterr().out.splitlines()
    field, tag = "layout.kinds.single.fields.energy.bits = '30:20'", 'layout.kinds.cardiac_trigger.tag = { "63" = 0b0 }'
    assert lines[0] == f"{path}: {field}: overlaps fields.time.bits = 59:30 in bit 30"
    assert lines[1].startswith(f"{path}: {tag}: ambiguous with single")
    assert lines[-1] == f"{path}: REFUSED, 2 errors, 1 warning"


def test_lint_with_only_warnings_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace('datagram_framing = "native"', 'datagram_framing = "none"'))

    assert run("profile", "lint", str(path)) == 0

    out = capsys.readouterr().out
    assert "warning: bare datagrams carry no numbers" in out
    assert out.endswith("ok, 1 warning\n")


def test_lint_json_has_stable_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace("word_bits = 64", "word_bits = 65"))

    assert run("profile", "lint", "--json", str(path), "safir64") == 3

    said = json.loads(capsys.readouterr().out)
    assert (said["errors"], said["warnings"], said["missing"]) == (1, 0, [])
    first, second = said["files"]
    assert (first["file"], first["schema"], first["errors"]) == (str(path), "instrument-profile/1", 1)
    (finding,) = first["findings"]
    assert (finding["key"], finding["value"], finding["severity"]) == ("layout.word_bits", "65", "error")
    assert second["findings"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "not TOML: "),
        (
            "a = 1",
            "schema = absent: this build knows instrument-profile/1, control-profile/1, scanner-profile/0, site/0",
        ),
        ('schema = "protocol/1"', "schema = 'protocol/1': this build knows"),
        ("schema = 1", "schema = 1: this build knows"),
    ],
)
def test_lint_of_anything_else_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)

    assert run("profile", "lint", str(path)) == 3

    assert f"{path}: {said}" in capsys.readouterr().out


def test_lint_of_a_missing_file_still_checks_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "lint", str(tmp_path / "none.toml"), "safir64") == MissingError.exit_code

    out = capsys.readouterr().out
    assert "none.toml: no such file" in out
    assert out.endswith("safir64.toml: ok\n")


def test_config_show_prints_the_site_with_the_environment_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    path.write_text('schema = "site/0"\nstation = "lab"\nstorage = "data"\n')
    monkeypatch.setenv("SCANDAQ_STATION", "other")

    assert run("config", "show", "--site", str(path), "--json") == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["station"], shown["storage"]) == ("other", str(tmp_path / "data"))


def test_config_show_names_controllers_and_what_is_on_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "show", "--site", str(ROOT / "docs" / "how-to" / "stations" / "gamma-probe.toml")) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["meter", "keithley-2400", "tcp://127.0.0.1:14721", "any"] in lines
    assert ["housing", "interlocks", "profile", "contacts", "1"] in lines


def test_the_noun_modules_import_nothing_slow() -> None:
    slow = "numpy numba pydantic pyarrow rich device_profiles"
    code = f"import sys, daq.cli.profile, daq.cli.config; print([m for m in '{slow}'.split() if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["--help"], ["profile", "show", "./accents.toml"], ["profile", "lint", "ü.toml"]]
)
def test_a_terminal_without_utf8_shows_what_it_can(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "accents.toml").write_text(HEAD.replace('title = "', 'title = "Détecteur µ: '))
    (tmp_path / "ü.toml").write_text(HEAD)
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    shown = subprocess.run(
        [sys.executable, "-m", "daq", *arguments], cwd=tmp_path, env=environment, capture_output=True, check=False
    )

    assert (shown.returncode, shown.stderr) == (0, b"")


def test_json_stays_json_in_a_terminal_without_utf8(tmp_path: Path) -> None:
    (tmp_path / "accents.toml").write_text(HEAD.replace('title = "', 'title = "Détecteur µ: '))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "daq", "profile", "show", "./accents.toml", "--json"]

    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)

    assert json.loads(shown.stdout)["title"].startswith("Détecteur µ: ")


def test_a_closed_stdout_is_no_traceback() -> None:
    command = f"{sys.executable} -m daq profile list >&-"

    closed = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)

    assert (closed.returncode, closed.stderr) == (0, b"")


def test_control_characters_of_a_profile_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "red.toml"
    path.write_text(HEAD.replace('title = "', 'title = "\\u001b[31m'))

    assert run("profile", "show", str(path)) == 0

    shown = capsys.readouterr().out
    assert "?[31mGamma" in shown
    assert "\x1b" not in shown


def test_a_profile_without_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", "lint", "/dev/zero") == ProfileError.exit_code

    assert "a profile has at most 4194304 bytes" in capsys.readouterr().out
