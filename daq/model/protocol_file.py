"""`acquisition-protocol/1`: the TOML file of an acquisition protocol. Types and unknown keys are refused here.

Every number with a dimension is a text with its unit (`daq.model.quantity`). What the content must obey beyond types
is in `acquisition_protocols.rules`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from daq.model.coincidence import Policy
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.layout import Name, Strict
from daq.model.processing import StoredSingles
from daq.model.protocol import Head, HeadCounted, PauseMeaning, ProtocolKind
from daq.model.protocol_terms import HandOverKind
from daq.model.quantity import CountsLimit, Energy, LowEnergy, Offset, Percent, Position, Rate, Speed, Time
from daq.model.words import said

MAX_STEPS = 100
MAX_REPEAT = 1000

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
StepName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _/+-]{0,99}$")]
Counter = Literal["events", "singles", "prompts", "delayeds", "coincidences"]

Region = Literal[
    "whole_body", "head", "neck", "thorax", "abdomen", "pelvis", "spine", "torso", "kidneys", "heart", "thyroid",
    "breast", "axilla", "shoulder", "arm", "elbow", "hand", "hip", "leg", "knee", "foot",
    "breasts", "shoulders", "arms", "elbows", "hands", "hips", "legs", "knees", "feet", "extremities",
]  # fmt: skip
"""Body region. Those of one side need a laterality; plurals show both sides."""


Role = Literal[
    "emission", "transmission", "injection_site", "background", "neck", "thigh", "syringe", "residual",
    "pre_void", "post_void", "in_vivo", "ex_vivo", "bed", "quality_control",
]  # fmt: skip
"""What a step measures. A transmission is laid over emission pictures, and never added to them. `bed` is what is left
where a node was taken out."""


class Window(Strict):
    """An energy window: `peak` and full `width` (and `offset`), in per cent of the peak; or `lower` and `upper`."""

    peak: Energy | None = None
    width: Percent | None = None
    offset: Offset | None = None
    lower: LowEnergy | None = None
    upper: Energy | None = None


class RecordedRange(Strict):
    """The range of energies that is recorded, wider than the windows."""

    lower: LowEnergy
    upper: Energy


class CoincidenceFile(Strict):
    """How singles are paired. `half_window` is W of 0 <= t2 - t1 <= W: "2.25 ns" is what people call 4.5 ns full."""

    half_window: Time
    delay: Time | None = None
    timing_resolution: Time | None = None
    """Full width at half maximum of the time difference of two detectors."""
    policy: Policy = Policy.TAKE_ALL_GOODS
    """What happens when a window holds more than one partner."""
    windows: tuple[Name, ...] = ()
    """Singles in any of these windows pair; none said: in any window of the protocol."""
    minimum_sector_difference: NonNegativeInt | None = None
    """In place of the scanner's own."""
    max_ring_difference: NonNegativeInt | None = None
    """Rings that two detectors may be apart along the axis; none said: any."""
    expected_singles_rate: Rate | None = None
    """Singles of all detectors, of every energy: what a recording takes; none said: the highest of the instrument."""


class StoreFile(Strict):
    """What is recorded."""

    raw: bool = True
    """The words as the front end sent them: everything else can be made of them again."""
    singles: StoredSingles = "all"
    pairs: bool | None = None
    """Coincidences; none said: where there are any."""


class Counts(Strict):
    """So many counts, of which counter, in which window (or `all`), of which head."""

    counter: Counter
    limit: CountsLimit
    window: Text
    head: HeadCounted
    expected_rate: Rate | None = None
    """The rate at which exactly these counts come."""
    region: tuple[Position, Position, Position, Position] | None = None
    """Only counts in this part of the detector: x from, y from, x to, y to, as the picture is seen, head up."""


class StopFile(Strict):
    """What ends a step, whichever comes first."""

    counts: Counts | None = None
    time: Time | None = None
    """Detector time."""
    host: Time | None = None
    """Host time, the backstop: ends the step even when the detector is silent."""
    manual: bool = False
    """A person ends it."""
    beats: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """So many accepted beats of a gated step."""
    as_step: StepName | None = None
    """As long as that step took: the second of paired views by the time of the first."""


class FrameZeroFile(Strict):
    """What the frames of a step begin with, while it records already; its time counts from there."""

    by: Literal["count_rate", "gate"]
    """`count_rate`: the arrival of a bolus. `gate`: the first trigger."""
    rate: Rate | None = None
    """At least this, measured over `over`."""
    over: Time | None = None
    window: Text = "all"
    head: Head = "sum"


class SweepFile(Strict):
    """One axis moves at constant speed while the step records."""

    model_config = ConfigDict(serialize_by_alias=True)

    axis: Name
    begin: Position = Field(alias="from")
    end: Position = Field(alias="to")
    speed: Speed
    speed_range: tuple[Speed, Speed] | None = None
    """Slowest and fastest speed that suits the tracer."""
    views: Annotated[int, Field(ge=2, le=MAX_REPEAT)] | None = None
    """Of a rotation: into so many projections of equal angle it is divided."""


class Repeat(Strict):
    """The step is done `count` times; the axis stands at `from`, then `step` further each time."""

    model_config = ConfigDict(serialize_by_alias=True)

    count: Annotated[int, Field(ge=2, le=MAX_REPEAT)]
    axis: Name
    begin: Position = Field(alias="from")
    step: Position
    overlap: Percent | None = None
    """Of bed positions: how much of the axial field of view two neighbours share."""
    first: Literal["pelvis", "head"] | None = None
    """Of bed positions: the end of the body that is acquired first."""
    also: dict[Name, tuple[Position, ...]] = Field(default_factory=dict)
    """Where other axes stand, a position for each repetition: the radius of each angle."""


class PhaseFile(Strict):
    """A run of equal frames of a dynamic study."""

    frames: Annotated[int, Field(ge=1, le=10_000)]
    frame: Time
    """Duration of one frame."""


class GateFile(Strict):
    """Events are sorted by the time since a trigger."""

    trigger: Literal["ecg", "respiration"]
    bins: Annotated[int, Field(ge=2, le=256)]
    framing: Literal["time", "percent"]
    """Bins of fixed time, or of a share of the interval."""
    direction: Literal["forward", "backward"] = "forward"
    tolerance: Percent | None = None
    """Beats whose interval differs by more than this from the mean are dropped."""
    interval: tuple[Time, Time] | None = None
    """Shortest and longest interval that is accepted, in place of `tolerance` about a mean."""
    learn: Annotated[int, Field(ge=1, le=100)] = 10
    """So many intervals at the beginning tell the mean, their median; they are judged by it, too."""
    skip: Annotated[int, Field(ge=0, le=10)] = 0
    """So many beats after a rejected one are rejected as well: the heart has not filled as usual."""


class ImageFile(Strict):
    """The picture that is made of a step."""

    matrix: tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]
    """Columns, rows."""
    zoom: PositiveFloat = 1.0


class StepFile(Strict):
    """One element of the acquisition."""

    name: StepName
    kind: Literal["static", "dynamic", "whole_body", "spect", "gated", "pet", "hand_over"] | None = None
    """Where it differs from the protocol's, e.g. statics after a dynamic. `hand_over` records nothing of ours."""
    hand_over: HandOverKind | None = None
    """What is confirmed."""
    view: View | None = None
    views: tuple[View, ...] = ()
    """In place of `view`: one for each head, in the order of their numbers."""
    laterality: Laterality | None = None
    region: Region | None = None
    start: Literal["automatic", "manual"] = "automatic"
    """`automatic`: as soon as the one before has ended and axes are in position; the first with the acquisition."""
    instruction: Text | None = None
    set: dict[Name, Position] = Field(default_factory=dict)
    """Axis positions to take before it begins."""
    sweep: SweepFile | None = None
    repeat: Repeat | None = None
    phases: tuple[PhaseFile, ...] = ()
    gate: GateFile | None = None
    windows: tuple[Name, ...] = ()
    image: ImageFile | None = None
    stop: StopFile = StopFile()
    minimum_counts: Counts | None = None
    expected_rate: Rate | None = None
    frame_zero: FrameZeroFile | None = None
    role: Role = "emission"
    label: Annotated[str, Field(max_length=64)] | None = None
    session: Annotated[int, Field(ge=1, le=20)] = 1
    """Sessions of one study may be hours apart, with other patients between."""
    after_injection: tuple[Time, Time] | None = None
    """Earliest and latest beginning, after the injection."""
    pause: PauseMeaning | None = None
    """Only to say it: what a pause means follows from the kind."""


class NeedFile(Strict):
    """A QC test or a calibration that must have been done."""

    name: Identifier
    maximum_age: Time | None = None


QcForm = Literal["none", "sheet", "point", "line", "cylinder", "capsule", "phantom"]
"""What a source of quality control is, by its form; `none`: the test is done without one."""


class QcBackgroundFile(Strict):
    """The test of the background that must be in limits before a source comes into the room, and how old it may be."""

    test: Identifier
    maximum_age: Time


class QcFile(Strict):
    """What a protocol of quality control needs beyond a patient's."""

    source: QcForm
    rate: tuple[Rate, Rate] | None = None
    """Lowest and highest rate of one head in the first window; of a ring: of its prompts."""
    background: QcBackgroundFile | None = None


class RequirementsFile(Strict):
    """What must be true before it may start."""

    collimators: tuple[Text, ...] = ()
    qc: tuple[NeedFile, ...] = ()
    calibrations: tuple[NeedFile, ...] = ()
    administration: Literal["none", "before_start", "may_follow", "follows"] = "none"


class Instrument(Strict):
    """What the instrument must be."""

    profiles: tuple[Identifier, ...] = ()
    """Ids of the instrument profiles it is written for; none: any of its modality."""
    heads: PositiveInt | None = None
    """At least so many heads."""
    head_separation: Position | None = None
    """Angle between the first two heads."""


class TolerancesFile(Strict):
    """How far an acquisition may be from what was asked before its verdict says so; none said: not judged by it."""

    speed: Percent | None = None
    """Deviation of the speed of a sweep, at any moment."""
    position: Position | None = None
    """Deviation of an axis along a line where it should stand."""
    angle: Position | None = None
    """Deviation of an angle."""
    exposure: Percent | None = None
    """Share of the full exposure that a row of a sweep needs."""
    rejected_beats: Percent | None = None
    """Share of the beats that may be rejected."""
    live: Percent | None = None
    """Least share of the time in which the detector could take events."""
    drift: Position | None = None
    """How far the patient may have moved between the first and the last projection."""


class ProtocolFile(Strict):
    """One acquisition protocol. `model_dump(mode="json")` has the keys of the TOML file and reads back unchanged."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["acquisition-protocol/1"] = Field(alias="schema")
    id: Identifier
    version: PositiveInt
    title: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(said)]
    kind: ProtocolKind
    modality: Literal["pet", "gamma_camera", "probe"]
    notes: Text | None = None
    radionuclide: Text | None = None
    instrument: Instrument = Instrument()
    requirements: RequirementsFile = RequirementsFile()
    store: Literal["all", "windowed"] | StoreFile = "all"
    """`windowed` stores only events inside a window; windows cannot be moved out of them later."""
    recorded: RecordedRange | None = None
    windows: dict[Name, Window] = Field(default_factory=dict)
    coincidence: CoincidenceFile | None = None
    patient_orientation: PatientOrientation = PatientOrientation.HFS
    tolerances: TolerancesFile = TolerancesFile()
    qc: QcFile | None = None
    """Only of protocols of kind `qc_flood`, which are those of quality control."""
    time_lapse: Annotated[int, Field(ge=2, le=100)] | None = None
    """So many times as fast, on simulated stations alone (`daq.model.protocol_timelapse`)."""
    expected_rate: Rate | None = None
    """Events of all heads and energies that are recorded in a second."""
    steps: Annotated[tuple[StepFile, ...], Field(min_length=1, max_length=MAX_STEPS)]
    sources: dict[str, Text]
    """Key path or prefix -> where the number comes from."""


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the file, for editors that know TOML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ProtocolFile.model_json_schema(by_alias=True)}
