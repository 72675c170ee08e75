"""What a PET protocol may say of recording, pairing, bed positions and hand-overs, and what is made of it."""

from __future__ import annotations

import pytest
from support_protocols import camera, judged, made, pet, said

from acquisition_protocols.rules import check
from daq.errors import RefusedError
from daq.model.coincidence import Policy
from daq.model.finding import errors
from daq.model.protocol import Step, Store
from device_profiles.load import load_profile

WINDOW = '[windows.photopeak]\nlower = "425 keV"\nupper = "650 keV"\n\n'
BEDS = '[[steps]]\nname = "bed"\nrepeat = {{ count = 3, axis = "bed", from = "900 mm", step = "-195 mm"{more} }}\n'
PAIRS = '[coincidence]\nhalf_window = "2.25 ns"\n\n'
WHOLE = ', overlap = "25 %", first = "pelvis"'
STEP = '[[steps]]\nname = "bed"\nstop.time = "10 s"\n'
CT = '[[steps]]\nname = "ct"\nkind = "hand_over"\nhand_over = "ct_attenuation"\ninstruction = "Do it."\n'
LOOK = '[[steps]]\nname = "look"\nkind = "hand_over"\nhand_over = "overlay_check"\n'


def beds(more: str = WHOLE) -> str:
    return BEDS.format(more=more) + 'stop.time = "10 s"\n'


def paired(more: str = "", *, store: str = "") -> str:
    return pet(top=f'{store}{WINDOW}[coincidence]\nhalf_window = "2.25 ns"\n{more}\n')


@pytest.mark.parametrize(
    ("store", "kept"),
    [
        ("", Store(raw=True, singles="all", pairs=True)),
        ('store = "all"\n', Store(raw=True, singles="all", pairs=True)),
        ('store = "windowed"\n', Store(raw=False, singles="windowed", pairs=True)),
        ('store = { singles = "none" }\n', Store(raw=True, singles="none", pairs=True)),
        ("store = { raw = true, pairs = false }\n", Store(raw=True, singles="all", pairs=False)),
    ],
)
def test_what_is_recorded_is_said_in_a_word_or_in_a_table(store: str, kept: Store) -> None:
    assert made(paired(store=store)).store == kept


def test_a_camera_stores_no_pairs() -> None:
    assert not made(camera('[[steps]]\nname = "a"\nview = "ANT"\nstop.time = "1 s"\n')).store.pairs


def test_pairing_is_as_the_file_says() -> None:
    pairs = made(
        paired('policy = "keepIfOnlyOneGood"\nminimum_sector_difference = 3\nmax_ring_difference = 5')
    ).coincidence

    assert pairs is not None
    assert (pairs.policy, pairs.windows) == (Policy.KEEP_IF_ONLY_ONE_GOOD, ("photopeak",))
    assert str(pairs) == (
        "±2.25 ns (4.5 ns full), keepIfOnlyOneGood, of photopeak, at least 3 sectors apart, at most 5 rings apart"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (paired(store='store = { raw = false, singles = "none", pairs = false }\n'),
         "store = nothing: nothing would be recorded: raw, singles or pairs"),
        (paired(store='store = { raw = false, singles = "none" }\n'),
         "store.singles = 'none': warning: pairs alone: they can never be sorted again with other settings, and "
         "overload loses them for good"),
        (pet(top='store = { singles = "windowed" }\n'),
         "store = a table: there is no energy window: nothing would be stored"),
        (paired('windows = ["peak"]'),
         "coincidence.windows[0] = 'peak': no such energy window; there are photopeak"),
        (paired('delay = "11 ms"'), "coincidence.delay = 11 ms: at most 10000 us: what lies within is held in memory"),
        (pet(beds("")).replace("step = ", 'first = "pelvis", step = '),
         "steps[0].repeat.overlap = absent: warning: say how much of the field of view two bed positions share"),
        (pet(beds(', overlap = "25 %", first = "head"')),
         "steps[0].repeat.first = 'head': warning: the bladder fills meanwhile: usual is the pelvis first"),
        (pet(CT + STEP),
         "steps[0].hand_over = 'ct_attenuation': no overlay_check: the overlay of CT and emission is checked before "
         "the patient leaves"),
        (pet(CT + LOOK + STEP),
         "steps[1].hand_over = 'overlay_check': comes after the CT and the first step that records: before them there "
         "is nothing to lay over"),
        (pet(CT + STEP + LOOK + CT.replace("ct", "ct2", 1)),
         "steps[3].hand_over = 'ct_attenuation': a second one: a run has one map of attenuation"),
        (pet(CT + 'stop.time = "1 s"\n' + STEP + LOOK),
         "steps[0].stop = given: a hand-over records nothing of ours and moves nothing"),
        (pet(STEP + 'hand_over = "overlay_check"\n'),
         "steps[0].hand_over = 'overlay_check': only with kind = \"hand_over\""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_one_sentence(text: str, sentence: str) -> None:
    assert said(text) == [sentence]


def test_an_unknown_policy_is_told_those_that_there_are() -> None:
    (finding,) = said(paired('policy = "takeAll"'))

    assert "'takeAllGoods'" in finding


def test_a_dynamic_study_that_starts_late_is_warned_of() -> None:
    text = pet(
        '[[steps]]\nname = "a"\nphases = [{ frames = 6, frame = "10 s" }]\n', kind="dynamic",
        top='requirements.administration = "before_start"\n',
    )  # fmt: skip

    assert [str(finding).partition(": ")[0] for finding in judged(text)[1]] == [
        "requirements.administration = 'before_start'"
    ]
    assert judged(text.replace("before_start", "follows"))[1] == []


def test_a_hand_over_is_of_the_step_after_it_and_counts_as_none() -> None:
    protocol = made(pet(CT + beds() + LOOK))

    assert [step.name for step in protocol.steps] == ["bed 1/3", "bed 2/3", "bed 3/3"]
    assert [[each.name for each in step.before] for step in protocol.steps] == [["ct"], [], []]
    assert [(each.name, each.what, each.key) for each in protocol.after] == [("look", "overlay_check", "steps[2]")]
    assert [str(each) for each in protocol.hand_overs] == ["ct: Do it.", "look"]


def test_bed_positions_that_do_not_begin_with_the_pelvis_are_warned_of() -> None:
    (absent,), (head,) = (judged(pet(beds(f', overlap = "25 %"{first}')))[1] for first in ("", ', first = "head"'))

    assert [finding.severity for finding in (absent, head)] == ["warning", "warning"]
    assert "before the bladder fills" in str(absent)
    assert "usual is the pelvis first" in str(head)


def test_every_bed_position_but_the_first_says_what_it_shares_with_the_one_before() -> None:
    steps = made(pet(beds())).steps

    assert [step.overlap_percent for step in steps] == [None, 25, 25]
    assert [step.positions for step in steps] == [{"bed": 900}, {"bed": 705}, {"bed": 510}]


COUNTED = """[[steps]]
name = "a"
stop.host = "1 min"
stop.counts = {{ counter = "{counter}", limit = "1 kcounts", window = "{window}", head = "sum" }}
"""


def counted(counter: str, window: str = "photopeak", *, pairing: str = "") -> Step:
    other = '[windows.compton]\nlower = "200 keV"\nupper = "425 keV"\n\n'
    top = f'{WINDOW}{other}[coincidence]\nhalf_window = "2.25 ns"\n{pairing}\n'
    return made(pet(COUNTED.format(counter=counter, window=window), top=top)).steps[0]


def test_pairs_in_the_only_window_that_is_paired_can_be_counted() -> None:
    only = 'windows = ["photopeak"]'

    assert counted("prompts", pairing=only).stop_limits() == ["prompts=1000", "host=60000000000000ps"]
    assert counted("coincidences", pairing=only).stop_limits()[0] == "coincidences=1000"
    assert counted("singles", pairing=only).stop_limits()[0] == "singles[photopeak]=1000"
    for refused in (counted("prompts"), counted("prompts", "compton", pairing=only)):
        with pytest.raises(RefusedError, match="prompts in the window that alone is paired"):
            refused.stop_limits()


def test_a_front_end_that_pairs_itself_cannot_count_in_a_window() -> None:
    protocol = made(pet(COUNTED.format(counter="prompts", window="photopeak"), top=f"{WINDOW}{PAIRS}"))
    found = [str(finding) for finding in errors(check(protocol, None, load_profile("siemens-petlink32")))]

    assert found == [
        "steps[0].stop.counts.window = 'photopeak': instrument siemens-petlink32 pairs singles itself, and does not "
        "say in which window: 'all'"
    ]
    assert errors(check(protocol, None, load_profile("singles64"))) == []
