"""`daq protocol`: what it prints, what it refuses, with which exit code."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support_protocols import SWEEP, pet, planar, sweep

from acquisition_protocols.load import read, shipped
from daq.cli.main import main
from daq.model.tables import parse_toml

FAST = sweep(SWEEP.replace("10 cm/min", "10 cm/s"))


@pytest.fixture(autouse=True)
def no_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the site of the person who runs the tests out of them."""
    monkeypatch.delenv("SCANDAQ_SITE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def test_list_names_every_shipped_protocol_and_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "list", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)["protocols"]
    assert [row["id"] for row in rows] == sorted(shipped())
    assert {row["state"] for row in rows} == {"draft"}


def test_list_for_people_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "list"]) == 0

    assert "bone-spect" in capsys.readouterr().out


def test_a_broken_file_of_the_site_is_listed_as_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(FAST)

    assert main(["protocol", "list", "--json", "--protocols", str(tmp_path)]) == 0

    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["protocols"]}
    assert rows["mine"]["state"] == "refused"
    assert "a whole-body sweep is 4 to 30 cm/min" in rows["mine"]["state_reason"]


def test_show_says_steps_requirements_estimates_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["protocol", "show", "bone-spect", "--scanner", "dual-head", "--profile", "head-xye64"]
    assert main(arguments) == 0

    out = capsys.readouterr().out
    for text in (
        "stop, 60 times", "gantry 0 to 354 deg", "finish_step", "LEHR", "daily-flood of the last 24 h",
        "duration: about 21 min 58 s", "118 s of moves between steps", "events recorded: unknown", "excerpt read",
    ):  # fmt: skip
        assert text in out


def test_show_says_the_speed_of_a_sweep_as_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "bone-whole-body"]) == 0

    assert "bed 0 to 2350 mm, at 10 cm/min" in capsys.readouterr().out


def test_show_says_half_and_full_width_of_a_coincidence_window(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "fdg-static"]) == 0

    assert "±2.25 ns (4.5 ns full)" in capsys.readouterr().out


def test_show_says_pairing_recording_bed_positions_and_hand_overs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "fdg-pet-ct", "--scanner", "siemens-mmr", "--profile", "singles64"]) == 0

    out = " ".join(capsys.readouterr().out.split())
    for text in (
        "±2.25 ns (4.5 ns full), delayed by 500 ns, takeAllGoods, of photopeak", "raw words, all singles, pairs",
        "425 to 650 keV", "bed, 5 times", "bed 1200 to 420 mm, 25 % overlap, pelvis first", "before bed 1/5",
        "after the last step", "duration: about 10 min", "rows of pairs left out",
    ):  # fmt: skip
        assert text in out


def test_show_json_says_pairing_recording_and_hand_overs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "fdg-pet-ct", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["pairing"]["policy"] == "takeAllGoods"
    assert shown["pairing"]["windows"] == ["photopeak"]
    assert shown["store"] == {"raw": True, "singles": "all", "pairs": True}
    assert [step["hand_overs"] for step in shown["steps"]] == [["CT for attenuation"], [], [], [], []]
    assert shown["hand_overs_at_end"] == ["overlay"]


def test_show_counts_bytes_of_what_is_stored_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = []
    for store in ("raw = true", 'raw = true, singles = "none"', 'raw = false, singles = "none", pairs = true'):
        text = pet(top=f'expected_rate = "1 kcps"\nstore = {{ {store} }}\n')
        (tmp_path / "mine.toml").write_text(text)
        assert main(["protocol", "show", str(tmp_path / "mine.toml"), "--profile", "singles64", "--json"]) == 0
        sizes.append(json.loads(capsys.readouterr().out)["estimate"]["bytes"])

    assert sizes[0] > sizes[1] == 10_000 * 8
    assert sizes[2] == 0


def test_show_tells_bytes_where_all_heads_have_a_shipped_instrument(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--activity", "500MBq", "--after", "3h", "--scanner", "dual-head", "--json"]
    assert main(["protocol", "show", "bone-whole-body", *given]) == 0

    foretold = json.loads(capsys.readouterr().out)["estimate"]
    assert foretold["counts"] > 1_000_000
    assert foretold["bytes"] == foretold["counts"] * (8 + 22)


def test_show_json_has_the_file_the_steps_and_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "bone-spect", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["protocol"] == parse_toml(read(shipped()["bone-spect"]), "")
    assert len(shown["steps"]) == 60
    assert shown["steps"][59]["positions"] == {"gantry": {"value": 354.0, "unit": "deg"}}
    assert shown["estimate"]["duration_s"] == 1200.0
    assert shown["estimate"]["counts"] is None


def test_show_toml_is_the_file_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "daily-flood", "--toml"]) == 0

    assert capsys.readouterr().out.encode() == read(shipped()["daily-flood"])


def test_show_of_an_unknown_name_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "bone-spekt"]) == 4

    assert "did you mean bone-spect" in capsys.readouterr().err


def test_validate_refuses_ten_centimetres_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FAST)

    assert main(["protocol", "validate", str(path)]) == 3

    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{path}: steps[0].sweep.speed = 10 cm/s: is 600 cm/min; a whole-body sweep is 4 to 30 cm/min "
        "(bone with Tc-99m usually 10 to 15)",
        f"{path}: REFUSED, 1 error",
    ]


def test_validate_against_a_scanner_refuses_what_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(planar('set.gantry = "400 deg"'))

    assert main(["protocol", "validate", str(path)]) == 0
    assert main(["protocol", "validate", str(path), "--scanner", "dual-head", "--json"]) == 3

    said = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert (said["errors"], said["warnings"], said["missing"]) == (1, 0, [])
    assert said["files"][0]["findings"][0]["key"] == "steps[0].set.gantry"


def test_validate_of_a_missing_file_still_checks_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "validate", "./none.toml", "demo-two-steps"]) == 4

    out = capsys.readouterr().out
    assert "none.toml: no such file" in out
    assert out.endswith("demo-two-steps.toml: ok\n")


@pytest.mark.parametrize("text", ["a = [", "", "\x00", "schema = 1"])
def test_validate_of_anything_else_is_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)

    assert main(["protocol", "validate", str(path)]) == 3
    assert "REFUSED" in capsys.readouterr().out


def test_sign_makes_a_copy_of_a_shipped_protocol_the_site_s_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "daily-flood.toml"
    path.write_bytes(read(shipped()["daily-flood"]))
    folder = ["--protocols", str(tmp_path), "--json"]

    assert main(["protocol", "sign", "daily-flood", "--by", "A. Physicist", "--meaning", "approved", *folder]) == 0

    signature = result(capsys)
    assert (signature["id"], signature["by"], signature["meaning"]) == ("daily-flood", "A. Physicist", "approved")
    assert signature["file"] == str(tmp_path / "daily-flood.signature.json")
    assert main(["protocol", "list", *folder]) == 0
    rows = json.loads(capsys.readouterr().out)["protocols"]
    assert {row["id"]: row["state"] for row in rows}["daily-flood"] == "signed"


def test_a_shipped_protocol_is_not_signed_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["protocol", "sign", "daily-flood", "--by", "A", "--meaning", "b", "--protocols", str(tmp_path)]

    assert main(arguments) == 3
    assert "copy it first: daq protocol show daily-flood --toml >" in capsys.readouterr().err


def test_without_a_folder_there_is_nothing_to_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "sign", "daily-flood", "--by", "A", "--meaning", "b"]) == 3

    assert "give --protocols DIR" in capsys.readouterr().err


def test_a_protocol_with_errors_is_not_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(FAST)

    assert main(["protocol", "sign", "mine", "--by", "A", "--meaning", "b", "--protocols", str(tmp_path)]) == 3
    assert "4 to 30 cm/min" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.toml"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "list", "--protocols", str(tmp_path / "none")]) == 4

    assert "no such folder" in capsys.readouterr().err


def test_the_site_file_names_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.toml").write_text(planar())
    site = tmp_path / "site.toml"
    site.write_text(f'schema = "site/0"\nstation = "s"\nstorage = "r"\nprotocols = "{tmp_path / "own"}"\n')

    assert main(["protocol", "list", "--json", "--site", str(site)]) == 0

    assert "mine" in [row["id"] for row in json.loads(capsys.readouterr().out)["protocols"]]


def test_the_schema_takes_every_shipped_protocol_and_no_bare_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "schema"]) == 0

    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path in shipped().values():
        assert list(validator.iter_errors(parse_toml(read(path), path.name))) == []
    assert not validator.is_valid(parse_toml(sweep(SWEEP.replace('"10 cm/min"', "10")).encode(), ""))
    assert not validator.is_valid(parse_toml(sweep(SWEEP.replace("10 cm/min", "10 cm/sec")).encode(), ""))
    assert validator.is_valid(parse_toml(sweep().encode(), ""))
