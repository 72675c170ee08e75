"""`daq listmode export` for scanners' formats: options in words, exit codes, and what is said."""

from pathlib import Path

import pytest
from support_cli import call
from support_exports import pairs, read_petsird, recording


def test_windows_and_bins_are_given_as_people_write_them(tmp_path: Path) -> None:
    directory = recording(tmp_path, pairs(400))
    options = ("--half-window", "2 ns", "--energy-window", "450-600 keV", "--tof-bin", "100 ps", "--energy-bins", 3)

    done = call("listmode", "export", directory, "--to", "petsird", "--out", tmp_path / "out", "--json", *options)

    scanner = read_petsird(tmp_path / "out")[0].scanner
    assert scanner.event_energy_bin_edges[0].edges.tolist() == [450, 500, 550, 600]
    assert scanner.tof_bin_edges[0][0].number_of_bins() == 41
    assert done.json["rows"] + done.json["left_out"]["outside the energy window"] == 400
    assert "rows, outside the energy window" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--half-window", "2"), "--half-window '2': has no unit; write e.g. \"2.25 ns\""),
        (("--half-window", "2.5 keV"), "keV measures energy; wanted is time"),
        (("--tof-bin", "0 ps"), "--tof-bin '0 ps'"),
        (("--energy-window", "650-430 keV"), "--energy-window '650-430 keV': write LOW-HIGH keV"),
        (("--energy-window", "430:650"), "write LOW-HIGH keV"),
        (("--energy-bins", "0"), "must be a whole number above zero"),
        (("--stream", "singles"), "petsird is made of coincidences"),
    ],
)
def test_what_makes_no_sense_is_a_mistake_of_usage(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    directory = recording(tmp_path, pairs(3))

    done = call("listmode", "export", directory, "--to", "petsird", "--out", tmp_path / "out", *options)

    assert (done.code, words in done.err) == (2, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--header", "nowhere.hdr"), 4, "nowhere.hdr: No such file"),
        (("--scanner", "nowhere"), 4, "no scanner profile 'nowhere'"),
        (("--scanner", "safir-virtual"), 3, "was recorded with another ring than that of scanner safir-virtual"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_said(
    tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    directory = recording(tmp_path, pairs(3))

    done = call("listmode", "export", directory, "--to", "root", "--out", tmp_path / "out", *options)

    assert (done.code, words in done.err) == (code, True), done.err


def test_help_and_the_other_exports_load_neither_readers_of_trees_nor_compiled_code(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from daq.cli.main import main\n"
        "try: main(['listmode', 'export', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'uproot', 'awkward', 'petsird', 'numba', 'numpy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert out.stdout.splitlines()[-1] == "[]"
