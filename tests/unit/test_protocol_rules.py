"""Every refusal of a protocol file has its sentence: key, value, reason, limit."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_protocols import HEAD, SOURCES, SWEEP, camera, judged, pet, planar, said, spect, sweep

from acquisition_protocols.load import load_protocol, shipped
from daq.errors import ProfileError

COUNTS = 'stop.counts = {{ counter = "{0}", limit = "1 kcounts", window = "{1}", head = "{2}" }}\nstop.host = "1 min"'


def counts(counter: str = "singles", window: str = "peak", head: str = "both") -> str:
    return COUNTS.format(counter, window, head)


FLOOD = 'stop.counts = { counter = "singles", limit = "5 Mcounts", window = "peak", head = "both" }\nstop.host = "1 h"'
MINIMUM = 'minimum_counts = { counter = "singles", limit = "1 Mcounts", window = "peak", head = "both"'
TWO = '[[steps]]\nname = "a"\nview = "ANT"\nstop.time = "1 s"\n'


@pytest.mark.parametrize(
    "text",
    [
        planar(), planar(stop=counts(head="view")), planar(stop=counts("events", "all")),
        planar(stop="stop.manual = true"),
        planar(view='views = ["ANT", "POST"]'), planar('region = "knees"'), planar('region = "knee"\nlaterality = "L"'),
        sweep(), spect('{ count = 60, axis = "gantry", from = "354 deg", step = "-6 deg" }'), pet(),
        planar('phases = [{ frames = 5, frame = "2 s" }]', kind="dynamic"),
        planar('gate = { trigger = "ecg", bins = 16, framing = "percent" }', kind="gated"),
        pet(top='coincidence = { half_window = "2.25 ns", delay = "100 ns" }\n'),
        pet('[[steps]]\nname = "a"\nstop.time = "10 s"\nsweep = { axis = "bed", from = "0 mm", to = "9 mm", '
            'speed = "1 mm/s" }\n'),
        planar('pause = "gap_marked"'), planar('minimum_counts = { counter = "singles", limit = "5 counts", '
               'window = "peak", head = "both", expected_rate = "1 kcps" }'),
    ],
)  # fmt: skip
def test_a_sound_protocol_has_nothing_said_about_it(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # quantities
        (sweep(SWEEP.replace('"10 cm/min"', "10")), 'steps[0].sweep.speed = 10: has no unit; write e.g. "10 cm/min"'),
        (sweep(SWEEP.replace("10 cm/min", "10 cm")),
         "steps[0].sweep.speed = '10 cm': cm measures length; wanted is speed or angular speed, e.g. \"10 cm/min\""),
        (planar(stop="stop.time = 10"), 'steps[0].stop.time = 10: has no unit; write e.g. "20 s"'),
        # keys and types
        (planar("zzz = 1"), "steps[0].zzz = 1: unknown key"),
        (planar(view='veiw = "ANT"'), "steps[0].veiw = 'ANT': unknown key; did you mean view, views?"),
        (camera(TWO).replace("protocol/1", "protocol/2"),
         "schema = 'acquisition-protocol/2': another schema or version; wanted is 'acquisition-protocol/1'"),
        (camera(TWO).replace('"mine"', '"other"'),
         "id = 'other': the file is named mine.toml: a protocol's file is named by its id, other.toml"),
        # the published slip, and bounds of a sweep
        (sweep(SWEEP.replace("10 cm/min", "10 cm/s")),
         "steps[0].sweep.speed = 10 cm/s: is 600 cm/min; a whole-body sweep is 4 to 30 cm/min (bone with Tc-99m "
         "usually 10 to 15)"),
        (sweep(SWEEP.replace("10 cm/min", "3.9 cm/min"), stop='stop.host = "20 min"'),
         "steps[0].sweep.speed = 3.9 cm/min: is 3.9 cm/min; a whole-body sweep is 4 to 30 cm/min (bone with Tc-99m "
         "usually 10 to 15)"),
        (sweep(SWEEP.replace("10 cm/min", "3 deg/s")),
         "steps[0].sweep.speed = 3 deg/s: is angular speed; an axis that is set in length needs speed"),
        (sweep(SWEEP.replace("600 mm", "0 cm")), "steps[0].sweep.to = 0 cm: the sweep ends where it begins"),
        (sweep(SWEEP.replace("600 mm", "60 deg")), "steps[0].sweep.to = 60 deg: from = 0 mm is length, to is angle"),
        (sweep(SWEEP.replace("mm", "deg").replace("cm/min", "deg/s")),
         "steps[0].sweep.from = 0 deg: a whole-body sweep goes along the bed, in mm or cm"),
        (sweep(stop='stop.time = "5 min"'),
         "steps[0].stop.time = 5 min: the sweep takes 360 s at 10 cm/min: its end would be missing"),
        (sweep(stop='stop.host = "5 min"'),
         "steps[0].stop.host = 5 min: the sweep takes 360 s at 10 cm/min: its end would be missing"),
        (sweep(stop=""),
         "steps[0].stop = absent: nothing ends this step should the axis never arrive: give host, longer than the "
         "sweep takes"),
        (sweep(more='set.bed = "0 mm"'),
         "steps[0].sweep.axis = 'bed': also set to 0 mm; a sweep says itself where it begins"),
        (planar(SWEEP, stop='stop.host = "10 min"'), "steps[0].sweep = given: a static step does not move"),
        (planar(kind="whole_body"), "steps[0].sweep = absent: a whole-body step moves: give axis, from, to and speed"),
        # repetitions
        (camera('[[steps]]\nname = "a"\nstop.time = "1 s"\n', kind="spect"),
         "steps[0].repeat = absent: SPECT turns the heads: give repeat (step and shoot) or sweep"),
        (spect('{ count = 60, axis = "gantry", from = "0 deg", step = "0 deg" }'),
         "steps[0].repeat.step = 0 deg: all repetitions would be at the same place"),
        (spect('{ count = 60, axis = "gantry", from = "0 deg", step = "6 mm" }'),
         "steps[0].repeat.step = 6 mm: from = 0 deg is angle, step is length"),
        (spect('{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg" }', more='set.gantry = "0 deg"'),
         "steps[0].repeat.axis = 'gantry': also set to 0 deg; a repetition says itself where it begins"),
        (spect('{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg" }', more=SWEEP.replace("600", "6")),
         "steps[0].repeat = given: a step either repeats at standstill or sweeps, not both"),
        (camera("".join(f'[[steps]]\nname = "s{i}"\nstop.time = "1 s"\nrepeat = {{ count = 1000, axis = "gantry", '
                        'from = "0 deg", step = "0.1 deg" }\n' for i in range(3)), kind="spect"),
         "steps = 3000 steps with all repetitions: at most 2000"),
        # what ends a step
        (planar(stop=""), "steps[0].stop = absent: nothing ends this step: give counts, time, or manual = true"),
        (planar(stop='stop.time = "10 s"\nstop.host = "9 s"'),
         "steps[0].stop.host = 9 s: a backstop comes last; the step itself takes 10 s"),
        # counts
        (planar(stop=counts("prompts")),
         "steps[0].stop.counts.counter = 'prompts': a gamma_camera has no coincidences; it counts singles or events"),
        (planar(stop=counts(window="scatter")),
         "steps[0].stop.counts.window = 'scatter': no such energy window; there are all, peak"),
        (planar(stop=counts(head="both")).replace("heads = 2", "heads = 1"),
         "steps[0].stop.counts.head = 'both': instrument.heads = 1: with one head it is \"view\" or \"sum\""),
        (planar(stop=counts(head="sum")),
         "steps[0].stop.counts.head = 'sum': warning: 2 heads record, and each view gets a part "
         'of these counts: "view" or "both" counts of a head'),
        (planar(stop=FLOOD.replace("both", "view").replace("5 M", "10 M"), view="", kind="qc_flood"),
         "steps[0].stop.counts.head = 'view': the step has neither view nor views: \"either\", \"both\" or \"sum\""),
        (pet(f'[[steps]]\nname = "a"\n{counts("prompts", "all", "either")}\n'),
         "steps[0].stop.counts.head = 'either': a pet has no heads to tell apart: \"sum\""),
        (planar(MINIMUM + ' }', stop=counts()),
         "steps[0].minimum_counts.limit = 1 Mcounts: the step ends at 1 kcounts: never reached"),
        (planar(MINIMUM + ', expected_rate = "2 kcps" }'),
         "steps[0].minimum_counts.limit = 1 Mcounts: at 2 kcps, 10 s give 20,000 counts"),
        # views
        (planar(view=""),
         "steps[0].view = absent: a planar step says what it sees: one of ANT, POST, LLAT, RLAT, LAO, RAO, LPO, RPO, "
         "CC, MLO"),
        (planar(view='view = "ANT"\nviews = ["ANT", "POST"]'),
         "steps[0].views = given: has either view or views, one for each head, not both"),
        (planar(view='views = ["ANT", "POST", "LLAT"]'),
         "steps[0].views = ['ANT', 'POST', 'LLAT']: more views than instrument.heads = 2"),
        (spect('{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg" }', more='view = "ANT"'),
         "steps[0].view = 'ANT': only of planar steps; this one is spect"),
        (planar(view='view = "CC"'), 'steps[0].laterality = absent: view CC is of one side of the body: "L" or "R"'),
        (planar('region = "hand"'), 'steps[0].laterality = absent: region hand is of one side of the body: "L" or "R"'),
        (planar(view='view = "FRONT"'),
         "steps[0].view = 'FRONT': input should be 'ANT', 'POST', 'LLAT', 'RLAT', 'LAO', 'RAO', 'LPO', 'RPO', 'CC' "
         "or 'MLO'"),
        # kinds
        (planar(kind="dynamic"),
         "steps[0].phases = absent: a dynamic step says its frames: [[steps.phases]] with frames and frame"),
        (planar('phases = [{ frames = 5, frame = "2 s" }]'),
         "steps[0].phases = given: only a dynamic step has frames; this one is static"),
        (planar('phases = [{ frames = 6, frame = "2 s" }]', kind="dynamic"),
         "steps[0].stop.time = 10 s: its frames take 12 s: the last of them would be missing"),
        (planar(kind="gated"), "steps[0].gate = absent: a gated step says its trigger and bins"),
        (planar('gate = { trigger = "ecg", bins = 16, framing = "time" }'),
         "steps[0].gate = given: only with kind = \"gated\" or \"spect\"; this step is static"),
        (planar('pause = "time_runs"'), "steps[0].pause = 'time_runs': the pause of a static step means gap_marked"),
        (planar(kind="pet", view=""),
         "kind = 'pet': modality gamma_camera does dynamic, gated, qc_flood, spect, static, whole_body"),
        (camera(TWO + TWO), "steps[1].name = 'a': names a step twice"),
        (planar('windows = ["scatter"]'), "steps[0].windows[0] = 'scatter': no such energy window; there are peak"),
        # windows, nuclide
        (camera(TWO).replace('width = "20 %"', ""), "windows.peak = as stated: needs peak and width"),
        (camera(TWO).replace('width = "20 %"', 'width = "20 %"\nlower = "1 keV"'),
         "windows.peak = as stated: has either peak and width (offset), or lower and upper, not both"),
        (camera(TWO).replace('peak = "140.5 keV"\nwidth = "20 %"', 'lower = "154 keV"'),
         "windows.peak = as stated: needs lower and upper, or peak and width"),
        (camera(TWO, top='recorded = { lower = "40 keV", upper = "150 keV" }\n'),
         "windows.peak = as stated: is 126.45 to 154.55 keV; only 40 to 150 keV is recorded"),
        (camera(TWO, top='recorded = { lower = "150 keV", upper = "40 keV" }\n'),
         "recorded.lower = 150 keV: must be below upper = 40 keV"),
        (camera(TWO, top='radionuclide = "Tc99m"\n'),
         "radionuclide = 'Tc99m': not in the nuclide table; did you mean Tc-99m?"),
        (camera(TWO, top='radionuclide = "Co-57"\n').replace("140.5", "150"),
         "windows.peak.peak = 150 keV: warning: no line of Co-57 is within 3 %; it has 122.061, 136.474 keV"),
        (pet(top='store = "windowed"\n'), "store = 'windowed': there is no energy window: nothing would be stored"),
        # coincidence
        (camera(TWO, top='coincidence = { half_window = "2 ns" }\n'),
         "coincidence = given: modality gamma_camera pairs no singles"),
        (pet(top='coincidence = { half_window = "2.25 ns", delay = "4.5 ns" }\n'),
         "coincidence.delay = 4.5 ns: must be above twice half_window = 2.25 ns: "
         "true pairs would be counted as delayed ones"),
        # warnings
        (planar(stop='stop.counts = { counter = "singles", limit = "5 counts", window = "all", head = "sum" }'),
         "steps[0].stop.counts = 5 counts: warning: counts that never come would never end it: add time or host as a "
         "backstop"),
        (planar('phases = [{ frames = 4, frame = "2 s" }]', kind="dynamic"),
         "steps[0].stop.time = 10 s: warning: its frames take 8 s: what comes after is in no frame"),
        (planar(stop=FLOOD, view="", kind="qc_flood"),
         "steps[0].stop.counts.limit = 5 Mcounts: warning: a daily flood has 10 to 20 Mcounts a head: with fewer, "
         "noise alone comes near the limit"),
        (planar(stop=FLOOD.replace("both", "sum"), view="", kind="qc_flood"),
         "steps[0].stop.counts.limit = 5 Mcounts: warning: a daily flood has 10 to 20 Mcounts a head, 20,000,000 for "
         "2 heads together: "
         "with fewer, noise alone comes near the limit"),
        (planar(view="", kind="qc_flood").replace("[windows",
         '[requirements]\nadministration = "before_start"\n[windows'),
         "requirements.administration = 'before_start': a flood is taken of a source, without a patient"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_one_sentence(text: str, sentence: str) -> None:
    assert said(text) == [sentence]


def test_an_offset_alone_is_no_window() -> None:
    text = camera(TWO).replace('peak = "140.5 keV"\nwidth = "20 %"', 'offset = "3 %"')

    assert said(text) == ["windows.peak = as stated: needs peak and width"]


def test_seventeen_windows_are_one_too_many() -> None:
    more = "".join(f'[windows.w{i}]\nlower = "{i + 1} keV"\nupper = "{i + 2} keV"\n' for i in range(16))

    assert said(camera(more + TWO)) == ["windows = 17 windows: 17 energy windows; at most 16 fit the mask"]


def test_a_parameter_without_a_source_is_named_with_what_to_add() -> None:
    text = planar().replace('"*" =', '"steps.a.view" =')

    found = said(text)

    assert (
        "steps[0].stop.time = '10 s': has no source; add to [sources] e.g. "
        '"steps.a.stop" = "where it comes from"' in found
    )
    assert {sentence.split(" = ")[0] for sentence in found} == {
        "instrument.heads", "windows.peak.peak", "windows.peak.width", "steps[0].stop.time",
    }  # fmt: skip


def test_a_source_of_nothing_is_refused() -> None:
    text = planar() + '"steps.b" = "Example hospital"\n'

    assert said(text) == ["sources.\"steps.b\" = 'Example hospital': is a source of nothing: no parameter begins so"]


def test_every_problem_is_said_at_once() -> None:
    text = planar('pause = "time_runs"\nregion = "knee"', stop="")

    assert len(said(text)) == 3


def test_a_date_where_a_text_is_wanted_is_refused() -> None:
    assert said(planar(stop="stop.time = 2026-11-22")) == [
        "steps[0].stop.time = 2026-11-22: a date; write it as text, in quotes"
    ]


TEXTS = [path.read_text() for path in shipped().values()]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_a_damaged_protocol_is_refused_in_words_or_read(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(TEXTS)).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.sampled_from(lines))
        lines[at] = data.draw(st.sampled_from(["", other, lines[at].replace('"', ""), lines[at].replace("0", "-1")]))

    with suppress(ProfileError):
        judged("\n".join(lines))


VALUES = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(-3, 10**19), st.booleans(), st.sampled_from(["10 s", "3 mm", "1 deg"])),
    lambda below: st.one_of(st.lists(below, max_size=2), st.dictionaries(st.sampled_from(["axis", "to", "x"]), below)),
    max_leaves=4,
)
KEYS = st.sampled_from(["set", "sweep", "repeat", "stop", "gate", "phases", "image", "windows", "view", "kind", "name"])


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else "?" for c in value) + '"'
    return str(value).lower()


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_anything_in_a_step_is_read_or_refused_in_words(step: dict[str, object]) -> None:
    lines = "".join(f"{key} = {toml(value)}\n" for key, value in step.items())
    text = HEAD.format(kind="static", modality="gamma_camera") + f"[[steps]]\n{lines}" + SOURCES

    with suppress(ProfileError):
        judged(text)


def test_a_protocol_with_errors_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(sweep(SWEEP.replace("10 cm/min", "10 cm/s")))

    with pytest.raises(ProfileError, match="is 600 cm/min; a whole-body sweep is 4 to 30 cm/min"):
        load_protocol(path)
