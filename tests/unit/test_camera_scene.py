"""Options, refusals and words of the camera simulator."""

from __future__ import annotations

import numpy as np
import pytest
from support_scenes import CRYSTAL, LEHR
from support_simulators import refused

from daq.errors import LimitError, MissingError, RefusedError, ScandaqError, UsageError
from device_profiles.scanners import load_scanner
from simulators.camera.command import crystal_of
from simulators.camera.masks import Mask, MaskKind, quadrants, slits
from simulators.camera.materials import crystal_material
from simulators.camera.model import Electronics, Field, Response, Scene, Shape, SimulatedHead, point
from simulators.camera.options import parse_activity, parse_field, parse_mask, parse_settings
from simulators.camera.supply import CameraSupply, scene_as_json
from simulators.camera.tables import head_numbers, lines_of
from simulators.camera.words import kind_of
from simulators.options import instrument
from simulators.pet.model import Medium

HEAD = SimulatedHead(0, CRYSTAL, collimator=LEHR)
FIELD = Field("Tc-99m", 2e7)


def test_activities_masks_and_settings_are_read_from_text() -> None:
    (ball,) = parse_activity("sphere:Tc-99m,mbq=2,radius=8,x=10,y=-20,z=30")
    (low,) = parse_activity("line:I-131,mbq=1,length=100")

    assert (ball.shape, ball.activity_bq, ball.position_mm, ball.size_mm[0]) == (Shape.SPHERE, 2e6, (10, -20, 30), 8)
    assert (low.nuclide, low.size_mm) == ("I-131", (0.0, 0.0, 50.0))
    assert len(parse_activity("spots:Tc-99m,mbq=10")) == 7
    assert parse_mask("slits-x:width=1,pitch=25") == slits("x", width_mm=1, pitch_mm=25)
    assert parse_mask("quadrants:a=4") == quadrants((4.0, 2.5, 3.0, 3.5))
    assert parse_mask("bars-y:width=3") == Mask(MaskKind.BARS, 3.0)
    assert parse_mask(None) == Mask()
    assert parse_field("Ga-67,mbq=5,head=1,distance=2000", Mask()) == Field("Ga-67", 5e6, 1, 2000.0)
    assert parse_settings("--electronics", "dead_time_ps=2e6,paralysable=1", Electronics) == Electronics(
        dead_time_ps=2_000_000, paralysable=True
    )
    assert parse_settings("--response", "gain=1.05", Response).gain == 1.05


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("disc:Tc-99m,mbq=1", "shapes are point, line, sheet"),
        ("sphere:Tc-99m,mbq=1", "radius missing"),
        ("point:Tc-99m,mbq=1,q=3", "'q' is unknown"),
        ("point:Tc-99m,mbq=-1", "must be zero or more"),
        ("point:Xx-1,mbq=1", "Xx-1"),
    ],
)
def test_activities_without_sense_are_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(ScandaqError, match=sentence):
        parse_activity(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wedge:width=1", "masks are slits-x"),
        ("slits-y:pitch=30", "width missing"),
        ("holes:width=40,pitch=30", "wider than its pitch"),
        ("slits-y:width=1,leak=2", "from 0 to 1"),
    ],
)
def test_masks_without_sense_are_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_mask(text)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (
            lambda: Scene((SimulatedHead(0, CRYSTAL),), (point("Tc-99m", 1e6),)),
            RefusedError,
            "head 0 has no collimator",
        ),
        (lambda: Scene((HEAD,), (point("Tc-99m", 1e6, (0, -150, 0)),)), UsageError, "reaches 150 mm towards head 0"),
        (lambda: Scene((HEAD,), (Field("Tc-99m", 1e6, 3),)), UsageError, "there is no such head"),
        (lambda: Scene((HEAD, HEAD), (FIELD,)), UsageError, "each number once"),
        (lambda: Scene((HEAD,), (point("Tc-99m", 1),), Medium(160, 300)), UsageError, "the medium reaches 160 mm"),
        (lambda: Scene((HEAD,), (FIELD,), seconds=0), UsageError, "a scene of 0 s"),
        (lambda: crystal_material("BGO"), MissingError, "knows NaI"),
        (lambda: lines_of("Rb-83"), MissingError, "Rb-83"),
    ],
)
def test_scenes_without_sense_are_refused_in_words(make: object, error: type[ScandaqError], sentence: str) -> None:
    assert callable(make)
    with pytest.raises(error, match=sentence):
        make()


def test_a_collimator_that_photons_pass_is_refused() -> None:
    thin = LEHR.model_copy(update={"length_mm": 5.0})

    with pytest.raises(LimitError, match="do not collimate 364"):
        head_numbers(SimulatedHead(0, CRYSTAL, collimator=thin), 364.489)


@pytest.mark.parametrize(
    ("crystal", "listed"),
    [
        ("NaI(Tl)", ((37, 8.204, 0.0408), (93.31, 0.6524, 0.04225), (171.28, 0.1152, 0.03813), (511, 0.00585, 0.0267))),
        ("CsI(Tl)", ((28, 4.477, 0.04349), (70, 2.225, 0.05), (171.28, 0.1768, 0.04518), (364.489, 0.02161, 0.03624))),
        ("LaBr3(Ce)", ((28, 8.8, 0.05333), (37, 4.008, 0.05686), (93.31, 0.674, 0.05886), (511, 0.00591, 0.0371))),
    ],
)
def test_crystals_attenuate_between_the_energies_of_their_tables_as_the_source_of_these(
    crystal: str, listed: tuple[tuple[float, float, float], ...]
) -> None:
    material = crystal_material(crystal)

    for energy_kev, photo, compton in listed:  # xraylib 4.3.0
        assert material.photo(energy_kev) == pytest.approx(photo, rel=0.01)
        assert material.total(energy_kev) == pytest.approx(photo + compton, rel=0.01)


def test_daughters_emit_for_their_parents() -> None:
    assert lines_of("Ge-68")[:, 0] == pytest.approx([510.999])


def test_only_profiles_with_timed_positions_and_energies_are_served() -> None:
    kind_of(instrument("head-xye64"))
    with pytest.raises(RefusedError, match="singles64: no kind of word is a single with time, x_mm"):
        kind_of(instrument("singles64"))


def test_a_loop_repeats_its_words_with_times_that_go_on_past_the_wrap() -> None:
    scene = Scene((SimulatedHead(0, CRYSTAL),), (FIELD,), seconds=2400.0)
    supply = CameraSupply(instrument("head-xye64"), scene, seed=1, front_ends=((0,),), loop_s=0.5)
    pieces = supply.slices()
    loops = [np.frombuffer(next(pieces)[0].words.tobytes(), "<u8") for _ in range(2200)]
    ticks = [(words >> np.uint64(30)) & np.uint64((1 << 30) - 1) for words in loops]
    rest = ~np.uint64(((1 << 30) - 1) << 30)

    assert supply.repetitions == 4800
    assert np.array_equal(ticks[1], ticks[0] + np.uint64(500_000))
    assert np.array_equal(ticks[2199], (ticks[0] + np.uint64(2199 * 500_000)) % np.uint64(1 << 30))
    assert all(np.array_equal(words & rest, loops[0] & rest) for words in loops[::500])
    assert ticks[0].max() < 500_000


def test_values_beyond_a_field_are_its_last() -> None:
    wild = SimulatedHead(0, CRYSTAL, response=Response(gain=3.9, position_fwhm_mm=600))
    supply = CameraSupply(instrument("head-xye64"), Scene((wild,), (FIELD,), seconds=0.5), seed=1, front_ends=((0,),))
    words = np.concatenate([chunk.words for chunks in supply.slices() for chunk in chunks]).view("<u8")

    energy, x = (words >> np.uint64(20)) & np.uint64(0x3FF), words & np.uint64(0x3FF)
    assert energy.max() == 0x3FF
    assert {511, 512} <= set(x.tolist())


def test_two_front_ends_share_the_heads() -> None:
    scene = Scene((HEAD, SimulatedHead(1, CRYSTAL, 0.0, collimator=LEHR)), (point("Tc-99m", 1e8),), seconds=0.5)
    device = instrument("head-xye64")
    apart = CameraSupply(device, scene, seed=2, front_ends=((0,), (1,)))
    together = CameraSupply(device, scene, seed=2, front_ends=((0, 1),))
    per_source = [np.concatenate([c[i].words for c in apart.slices()]).view("<u8") for i in (0, 1)]
    all_words = np.concatenate([c[0].words for c in together.slices()]).view("<u8")
    heads = (all_words >> np.uint64(60)) & np.uint64(3)

    assert apart.sources == (0, 1)
    assert all(np.array_equal(words, all_words[heads == n]) for n, words in enumerate(per_source))
    assert len(per_source[0]) > 2000


def test_a_scene_is_described_as_json() -> None:
    described = scene_as_json(Scene((HEAD,), (FIELD, point("Tc-99m", 1)), Medium(100, 300)))

    assert described["heads"][0]["collimator"]["hole_mm"] == 1.5
    assert [source["kind"] for source in described["sources"]] == ["field", "source"]
    assert (described["sources"][0]["mask"]["kind"], described["sources"][1]["shape"]) == ("open", "point")
    assert described["medium"]["radius_mm"] == 100


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ([], 2, "nothing decays"),
        (["--field", "Tc-99m,mbq=1", "--head", 7], 4, "has heads 0, 1"),
        (["--activity", "point:Tc-99m,mbq=1", "--collimator", "NONE"], 4, "--collimator NONE: scanner dual-head has"),
        (["--field", "Tc-99m,mbq=1", "--sources", 3], 2, "there are 2 heads"),
        (["--field", "Tc-99m,mbq=1", "--scanner", "reference-ring"], 3, "has no heads"),
        (["--field", "Tc-99m,mbq=9e4", "--loop", 10], 2, "at most 67108864"),
        (["--field", "Tc-99m,mbq=1", "--electronics", "paralysable=2"], 2, "paralysable is 0 or 1"),
        (["--field", "Tc-99m,mbq=1e12"], 2, "photons a second would have to be followed; at most 1e+09"),
    ],
)
def test_the_command_refuses_in_words(options: list[object], code: int, sentence: str) -> None:
    found, errors = refused("camera", "--profile", "head-xye64", *options)

    assert (found, sentence in errors) == (code, True), errors


@pytest.mark.parametrize("scanner", ["fers-dual-head", "fers-compact-camera"])
def test_every_shipped_collimator_collimates_the_photons_that_it_is_made_for(scanner: str) -> None:
    profile = load_scanner(scanner)
    crystal = crystal_of(profile.heads[0])

    assert profile.collimators
    for name, collimator in profile.collimators.items():
        numbers = head_numbers(SimulatedHead(0, crystal, collimator=collimator), collimator.energy_max_kev)
        assert np.all(numbers.table[:, 2] > 0), name
