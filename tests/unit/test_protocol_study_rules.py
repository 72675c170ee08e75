"""What studies add to protocols is refused in one sentence each: gates, beginnings, ends, roles, sessions, ranges."""

import pytest
from support_protocols import SWEEP, camera, made, planar, region, said, spect, sweep

from acquisition_protocols.picture_rules import MOST_PIXELS
from daq.pipeline.seriesrule import MOST_CELLS

ECG = 'gate = {{ trigger = "ecg", bins = 16, framing = "percent"{0} }}'
TURN = '{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg"}'
ROTATION = 'sweep = { axis = "gantry", from = "0 deg", to = "360 deg", speed = "0.5 deg/s", views = 60 }'
TWO = '{{ count = 2, axis = "gantry", from = "0 deg", step = "6 deg", also = {{ {0} }} }}'
TOLERANT = """[tolerances]
angle = "0.5 deg"
rejected_beats = "20 %"
drift = "8 mm"
live = "80 %"
position = "2 mm"
[instrument]
head_separation = "90 deg"
"""
EARLY, LATE = 'after_injection = ["1 min", "10 min"]', 'after_injection = ["2 h", "5 h"]'
BACKED = 'stop.time = "9 s"\nstop.host = "1 min"'
GIVEN = '[requirements]\nadministration = "before_start"\n'


def interval(shortest: str, longest: str) -> str:
    return ECG.format(f', interval = ["{shortest}", "{longest}"]')


def gated(gate: str = ECG.format(""), *, stop: str = 'stop.time = "10 s"') -> str:
    return planar(gate, stop=stop, kind="gated")


def dynamic(zero: str, *, stop: str = 'stop.host = "1 min"') -> str:
    return planar(f'phases = [{{ frames = 5, frame = "2 s" }}]\nframe_zero = {zero}', stop=stop, kind="dynamic")


def steps(*each: str, top: str = "", kind: str = "static") -> str:
    """Return a protocol of several static views, each with its own lines."""
    made_of = "".join(
        f'[[steps]]\nname = "s{number}"\nview = "ANT"\n{lines}\n' for number, lines in enumerate(each, start=1)
    )
    return camera(made_of, top=top, kind=kind)


TEN_S = 'stop.time = "10 s"'
TRANSMISSION = 'role = "transmission"\nwindows = ["peak"]\n' + TEN_S


@pytest.mark.parametrize(
    "text",
    [
        gated(), gated(interval("600 ms", "1.2 s")), gated(ECG.format(', tolerance = "20 %", learn = 5')),
        gated(stop='stop.beats = 300\nstop.host = "20 min"'), spect(TURN, more=ECG.format("")),
        dynamic('{ by = "count_rate", rate = "5 kcps", over = "500 ms" }'),
        dynamic('{ by = "count_rate", rate = "5 kcps" }'),
        gated(ECG.format("") + '\nframe_zero = { by = "gate" }', stop='stop.time = "9 s"\nstop.host = "1 min"'),
        planar(stop=region("-50 mm", "-5 cm", "50 mm", "50 mm")),
        steps(TEN_S, 'stop.as_step = "s1"'), steps('stop.manual = true', 'stop.as_step = "s1"\nstop.host = "1 h"'),
        steps(TEN_S, TRANSMISSION), steps(TEN_S, TEN_S, f"session = 2\n{TEN_S}"),
        steps(f'{EARLY}\n{TEN_S}', f'{LATE}\n{TEN_S}', top=GIVEN),
        sweep(SWEEP.replace('"10 cm/min"', '"10 cm/min", speed_range = ["10 cm/min", "12 cm/min"]')),
        camera(f'[[steps]]\nname = "turn"\n{ROTATION}\nstop.host = "13 min"\n', kind="spect"),
        spect(TWO.format('front_radius = ["20 cm", "21 cm"]')),
        spect(TURN, more=ECG.format("")).replace("[instrument]", TOLERANT),
    ],
)  # fmt: skip
def test_a_sound_study_has_nothing_said_about_it(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # gates
        (planar(ECG.format("")),
         'steps[0].gate = given: only with kind = "gated" or "spect"; this step is static'),
        (planar(stop='stop.beats = 300\nstop.host = "1 h"'),
         "steps[0].stop.beats = 300: only a step with a gate has beats"),
        (gated(ECG.format(', tolerance = "120 %"')),
         "steps[0].gate.tolerance = 120 %: of the mean interval: above 100 % nothing is too short"),
        (gated(interval("1.2 s", "0.6 s")), "steps[0].gate.interval = 1.2 s: must be below the longest, 0.6 s"),
        (gated(interval("600 ms", "1200 s")),
         "steps[0].gate.interval = 1200 s: is 1200 s; one heart beat takes 0.2 to 3 s"),
        (gated(interval("600 us", "1.2 s")),
         "steps[0].gate.interval = 600 us: is 0.0006 s; one heart beat takes 0.2 to 3 s"),
        (gated(ECG.format(', tolerance = "20 %", interval = ["600 ms", "1.2 s"]')),
         "steps[0].gate.interval = given: has either interval or tolerance, not both"),
        (gated(ECG.format(', interval = ["600 ms", "1.2 s"], learn = 4')),
         "steps[0].gate.learn = 4: with interval no mean is learned"),
        (gated(stop="stop.beats = 300"),
         "steps[0].stop.beats = 300: warning: beats that never come would never end it: add time or host as a "
         "backstop"),
        # pictures
        (planar('phases = [{ frames = 10000, frame = "1 s" }]\nimage.matrix = [256, 256]', stop="", kind="dynamic"),
         "steps[0].image.matrix = 256 x 256 in 10,000 frames: with 2 heads and 1 windows 1,310,720,000 pixels; "
         "pictures of a step have at most 268,435,456: fewer frames, windows or pixels"),
        (spect(TURN, more=ECG.format("") + "\nimage.matrix = [512, 512]"),
         "steps[0].image.matrix = 512 x 512 in 960 frames: with 2 heads and 1 windows 503,316,480 pixels; pictures of "
         "a step have at most 268,435,456: fewer frames, windows or pixels"),
        # the beginning of frames
        (dynamic('{ by = "count_rate" }'),
         "steps[0].frame_zero.rate = absent: the count rate that tells the arrival, e.g. \"20 kcps\""),
        (dynamic('{ by = "count_rate", rate = "5 kcps", window = "tracer" }'),
         "steps[0].frame_zero.window = 'tracer': no such energy window; there are all, peak"),
        (dynamic('{ by = "count_rate", rate = "5 kcps" }', stop=""),
         "steps[0].frame_zero.by = 'count_rate': what never arrives would never end it: give stop.host"),
        (dynamic('{ by = "gate" }'), "steps[0].frame_zero.by = 'gate': only a step with a gate has triggers"),
        (planar('frame_zero = { by = "count_rate", rate = "5 kcps" }', stop=BACKED),
         "steps[0].frame_zero.by = 'count_rate': only a dynamic step waits for a bolus; this one is static"),
        # ends
        (planar(stop=region("50 mm", "-5 cm", "-50 mm", "50 mm")),
         "steps[0].stop.counts.region = 50 mm: x from must be below x to = -50 mm"),
        (planar(stop=region("-50 mm", "-5 deg", "50 mm", "50 mm")),
         "steps[0].stop.counts.region = -5 deg: a side of a region is a length, in mm or cm from the middle"),
        (sweep(stop=region("-50 mm", "-5 cm", "50 mm", "50 mm").replace("1 min", "1 h")),
         "steps[0].stop.counts.region = given: the bed moves: what lies in this part of the detector changes"),
        (steps(TEN_S, 'stop.as_step = "s3"', TEN_S),
         "steps[1].stop.as_step = 's3': no such step comes before it in this session; there are s1"),
        (steps(TEN_S, 'session = 2\nstop.as_step = "s1"'),
         "steps[1].stop.as_step = 's1': no such step comes before it in this session; there are none"),
        (steps(TEN_S, f'stop.as_step = "s1"\n{TEN_S}'),
         "steps[1].stop.time = given: 's1' tells the time of both views of the pair"),
        (steps(f'{TEN_S}\nstop.host = "20 min"', 'stop.as_step = "s1"\nstop.host = "10 min"'),
         "steps[1].stop.host = 10 min: a backstop comes last; 's1' may take 20 min"),
        # roles, sessions, times after the injection
        (steps(TEN_S, 'role = "transmission"\n' + TEN_S),
         "steps[1].windows = absent: a transmission names the windows of its source: the others see the patient"),
        (steps(TRANSMISSION), "steps[0].role = 'transmission': there is no emission that it could be laid over"),
        (steps(TEN_S, f'role = "in_vivo"\n{TEN_S}'),
         "steps[1].role = 'in_vivo': a gamma_camera does not measure this"),
        (steps(f'role = "neck"\n{TEN_S}', f'role = "syringe"\n{TEN_S}'),
         "steps[0].role = 'neck': warning: no step has the role thigh: the uptake is (neck - thigh) / "
         "(syringe - residual)"),
        (steps(f'role = "residual"\n{TEN_S}'),
         "steps[0].role = 'residual': warning: no step has the role syringe: what is left of a syringe that was "
         "counted full"),
        (steps(TEN_S, f"session = 3\n{TEN_S}"), "steps[1].session = 3: sessions count from 1 without a gap"),
        (steps(f'{EARLY}\n{TEN_S}'),
         "steps[0].after_injection = given: nobody knows when it was: requirements.administration is none"),
        (steps(f'after_injection = ["10 min", "1 min"]\n{TEN_S}', top=GIVEN),
         "steps[0].after_injection = 10 min: must be before the latest, 1 min"),
        (steps(f'{LATE}\n{TEN_S}', f'after_injection = ["5 min", "1 h"]\n{TEN_S}', top=GIVEN),
         "steps[1].after_injection = 1 h: step 's1', which comes before it, is not before 2 h"),
        # sweeps and rotations
        (sweep(SWEEP.replace('"10 cm/min"', '"10 cm/min", speed_range = ["4 cm/min", "8 cm/min"]')),
         "steps[0].sweep.speed = 10 cm/min: speed_range says 4 cm/min to 8 cm/min"),
        (sweep(SWEEP.replace('"10 cm/min"', '"10 cm/min", speed_range = ["12 cm/min", "8 cm/min"]')),
         "steps[0].sweep.speed_range = 12 cm/min: must not be above the fastest, 8 cm/min"),
        (sweep(SWEEP.replace('"10 cm/min"', '"10 cm/min", speed_range = ["10 cm/min", "12 cm/s"]')),
         "steps[0].sweep.speed_range = 12 cm/s: is 720 cm/min; a whole-body sweep is 4 to 30 cm/min (bone with Tc-99m "
         "usually 10 to 15)"),
        (sweep(SWEEP.replace('"10 cm/min"', '"10 cm/min", views = 60')),
         "steps[0].sweep.views = 60: only of a rotation of SPECT; this step is whole_body"),
        (camera(f'[[steps]]\nname = "a"\n{ROTATION.replace(", views = 60", "")}\nstop.host = "13 min"\n', kind="spect"),
         "steps[0].sweep.views = absent: say into how many projections of equal angle the rotation is divided"),
        (camera(f'[[steps]]\nname = "a"\n{SWEEP}\nstop.host = "13 min"\n', kind="spect"),
         "steps[0].sweep.from = 0 mm: SPECT turns the heads: from, to and speed are angles"),
        (camera(f'[[steps]]\nname = "a"\n{ROTATION.replace("360", "370")}\nstop.host = "13 min"\n', kind="spect"),
         "steps[0].sweep.to = 370 deg: warning: from 0 deg it is more than a turn: angles are seen twice"),
        (spect(TURN.replace("6 deg", "6.1 deg")),
         "steps[0].repeat.step = 6.1 deg: warning: 60 stops go more than a turn round: angles are seen twice"),
        (spect(TURN.replace("0 deg", "0 mm").replace("6 deg", "6 mm")),
         "steps[0].repeat.step = 6 mm: SPECT turns the heads: from and step are angles"),
        (spect(TURN.replace("}", ', also = { front_radius = ["20 cm", "21 cm"] } }')),
         "steps[0].repeat.also.front_radius = 2 positions: one for each of 60 repetitions"),
        (spect(TWO.format('bed = ["20 cm", "2 deg"]')),
         "steps[0].repeat.also.bed = lengths and angles: an axis is set in one of them"),
        (spect(TWO.format('bed = ["20 cm", "21 cm"]'), more='set.bed = "0 mm"'),
         "steps[0].repeat.also.bed = given: also set otherwise: it is not known where it is to stand"),
        # tolerances and heads
        (planar().replace("[instrument]", '[tolerances]\nspeed = "5 %"\n[instrument]'),
         "tolerances.speed = 5 %: no step sweeps: it judges nothing"),
        (planar().replace("[instrument]", '[tolerances]\nposition = "5 deg"\n[instrument]'),
         "tolerances.position = 5 deg: is angle; wanted is length"),
        (planar().replace("[instrument]", '[tolerances]\nlive = "120 %"\n[instrument]'),
         "tolerances.live = 120 %: a share of what was asked is at most 100 %"),
        (planar().replace("[instrument]", '[tolerances]\nangle = "-1 deg"\n[instrument]'),
         "tolerances.angle = -1 deg: must be above zero"),
        (planar().replace("heads = 2", 'heads = 1\nhead_separation = "90 deg"'),
         "instrument.head_separation = 90 deg: only of a gamma camera with instrument.heads = 2 or more"),
        (planar().replace("heads = 2", 'heads = 2\nhead_separation = "270 deg"'),
         "instrument.head_separation = 270 deg: the angle between two heads, the shorter way, e.g. \"180 deg\" or "
         '"90 deg"'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_in_a_study_is_said_in_one_sentence(text: str, sentence: str) -> None:
    assert said(text) == [sentence]


def test_pictures_are_refused_where_framing_would_refuse_them() -> None:
    assert MOST_PIXELS == MOST_CELLS


def test_ten_thousand_small_frames_are_taken() -> None:
    frames = 'phases = [{ frames = 10000, frame = "100 ms" }]\nimage.matrix = [64, 64]'

    assert said(planar(frames, stop="", kind="dynamic")) == []


def test_a_radius_of_its_own_belongs_to_each_angle() -> None:
    also = 'also = { front_radius = ["20 cm", "21 cm"] }'
    both = made(spect(f'{{ count = 2, axis = "gantry", from = "0 deg", step = "6 deg", {also} }}')).steps

    assert [step.positions for step in both] == [
        {"gantry": 0.0, "front_radius": 200.0}, {"gantry": 6.0, "front_radius": 210.0},
    ]  # fmt: skip


def test_a_session_has_its_own_steps() -> None:
    protocol = made(steps(TEN_S, f"session = 2\n{TEN_S}", f"session = 2\n{TEN_S}"))

    assert [step.name for step in protocol.of_session(2).steps] == ["s2", "s3"]
