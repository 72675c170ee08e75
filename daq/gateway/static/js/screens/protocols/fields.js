// Which fields the form has: path, how it is typed, in which units, whose description is its hint. Data alone.

/**
 * @typedef {object} FieldOf
 * @property {string[]} path
 * @property {"text" | "area" | "choice" | "many" | "quantity" | "pair" | "whole" | "number" | "matrix" | "flag" | "nuclide" | "window" | "windows" | "step" | "list"} type
 * @property {string} [label]  its key in the catalogue, where it is not the path
 * @property {string[]} [dims]  dimensions of its units
 * @property {string} [choices]  list of the form that it chooses from
 * @property {string} [hint]  whose description it has
 * @property {boolean} [must]  it cannot be left out
 * @property {string} [first]  the unit that it begins with
 * @property {boolean} [wide]  it takes a row
 */

/** @param {string} path @param {FieldOf["type"]} type @param {Partial<FieldOf>} [more] @returns {FieldOf} */
const field = (path, type, more = {}) => ({ path: path.split("."), type, ...more });
const TIME = { dims: ["time"] };
const SHORT = { ...TIME, first: "ns" };
const RATE = { dims: ["rate"] };
const PERCENT = { dims: ["percent"] };
const ENERGY = { dims: ["energy"] };
const PLACE = { dims: ["length", "angle"] };
const SPEED = { dims: ["speed", "angular speed"] };

export const IDENTITY = [
  field("title", "text", { must: true, wide: true }),
  field("kind", "choice", { choices: "kind", must: true }),
  field("modality", "choice", { choices: "modality", must: true }),
  field("radionuclide", "nuclide"),
  field("patient_orientation", "choice", { choices: "patient_orientation" }),
  field("expected_rate", "quantity", { ...RATE, hint: "ProtocolFile.expected_rate" }),
  field("notes", "area"),
];
export const INSTRUMENT = [
  field("instrument.heads", "whole", { hint: "Instrument.heads" }),
  field("instrument.head_separation", "quantity", { dims: ["angle"], hint: "Instrument.head_separation" }),
  field("instrument.profiles", "many", { choices: "instruments", hint: "Instrument.profiles" }),
];
export const REQUIREMENTS = [
  field("requirements.collimators", "many", { choices: "collimators" }),
  field("requirements.administration", "choice", { choices: "administration" }),
];
export const RECORDED = [
  field("recorded.lower", "quantity", { ...ENERGY, hint: "RecordedRange" }),
  field("recorded.upper", "quantity", ENERGY),
];
export const WINDOW_BY_PEAK = [field("peak", "quantity", ENERGY), field("width", "quantity", PERCENT), field("offset", "quantity", PERCENT)];
export const WINDOW_BY_RANGE = [field("lower", "quantity", ENERGY), field("upper", "quantity", ENERGY)];
export const COINCIDENCE = [
  field("coincidence.half_window", "quantity", { ...SHORT, hint: "CoincidenceFile", must: true }),
  field("coincidence.delay", "quantity", SHORT),
  field("coincidence.timing_resolution", "quantity", { ...SHORT, hint: "CoincidenceFile.timing_resolution" }),
  field("coincidence.policy", "choice", { choices: "policy", hint: "CoincidenceFile.policy" }),
  field("coincidence.windows", "windows", { hint: "CoincidenceFile.windows" }),
  field("coincidence.minimum_sector_difference", "whole", { hint: "CoincidenceFile.minimum_sector_difference" }),
  field("coincidence.max_ring_difference", "whole", { hint: "CoincidenceFile.max_ring_difference" }),
  field("coincidence.expected_singles_rate", "quantity", { ...RATE, hint: "CoincidenceFile.expected_singles_rate" }),
];
export const STORE = [
  field("store.raw", "flag", { hint: "StoreFile.raw" }),
  field("store.singles", "choice", { choices: "singles" }),
  field("store.pairs", "flag", { hint: "StoreFile.pairs" }),
];
export const TOLERANCES = [
  field("tolerances.speed", "quantity", { ...PERCENT, hint: "TolerancesFile.speed" }),
  field("tolerances.position", "quantity", { dims: ["length"], hint: "TolerancesFile.position" }),
  field("tolerances.angle", "quantity", { dims: ["angle"], hint: "TolerancesFile.angle" }),
  field("tolerances.exposure", "quantity", { ...PERCENT, hint: "TolerancesFile.exposure" }),
  field("tolerances.rejected_beats", "quantity", { ...PERCENT, hint: "TolerancesFile.rejected_beats" }),
  field("tolerances.live", "quantity", { ...PERCENT, hint: "TolerancesFile.live" }),
  field("tolerances.drift", "quantity", { dims: ["length"], hint: "TolerancesFile.drift" }),
];
export const QC = [
  field("qc.source", "choice", { choices: "qc_form", must: true }),
  field("qc.rate", "pair", { ...RATE, hint: "QcFile.rate" }),
  field("qc.background.test", "choice", { choices: "tests", hint: "QcBackgroundFile" }),
  field("qc.background.maximum_age", "quantity", TIME),
];

export const STEP = [
  field("view", "choice", { choices: "view" }),
  field("region", "choice", { choices: "region" }),
  field("laterality", "choice", { choices: "laterality" }),
  field("views", "many", { choices: "view", hint: "StepFile.views" }),
  field("start", "choice", { choices: "start", hint: "StepFile.start" }),
  field("label", "text"),
  field("session", "whole", { hint: "StepFile.session" }),
  field("instruction", "area"),
];
export const STEP_MORE = [
  field("kind", "choice", { choices: "step_kind", label: "step_kind", hint: "StepFile.kind" }),
  field("role", "choice", { choices: "role" }),
  field("expected_rate", "quantity", { ...RATE, label: "step_rate" }),
  field("hand_over", "choice", { choices: "hand_over", hint: "StepFile.hand_over" }),
  field("after_injection", "pair", { ...TIME, hint: "StepFile.after_injection" }),
  field("windows", "windows", { label: "step_windows" }),
];
export const IMAGE = [field("image.matrix", "matrix", { hint: "ImageFile.matrix" }), field("image.zoom", "number")];
export const STOP = [
  field("stop.time", "quantity", { ...TIME, hint: "StopFile.time" }),
  field("stop.host", "quantity", { ...TIME, hint: "StopFile.host" }),
  field("stop.beats", "whole", { hint: "StopFile.beats" }),
  field("stop.as_step", "step", { hint: "StopFile.as_step" }),
  field("stop.manual", "flag"),
];
/** @param {string} path */
export const counts = (path) => [
  field(`${path}.limit`, "quantity", { dims: ["counts"], label: "counts_limit", must: true }),
  field(`${path}.counter`, "choice", { choices: "counter", label: "counts_counter", must: true }),
  field(`${path}.window`, "window", { label: "counts_window", must: true }),
  field(`${path}.head`, "choice", { choices: "head", label: "counts_head", must: true }),
  field(`${path}.expected_rate`, "quantity", { ...RATE, label: "counts_rate", hint: "Counts.expected_rate" }),
  field(`${path}.region`, "list", { label: "counts_region", hint: "Counts.region" }),
];

/** Tables that a step may have: what they are begun with, and their fields. */
export const GROUPS = [
  {
    key: "counts", path: ["stop", "counts"], fields: counts("stop.counts"),
    first: { counter: "singles", limit: "500 kcounts", window: "all", head: "sum" },
  },
  {
    key: "sweep", path: ["sweep"], hint: "SweepFile", first: { axis: "bed", from: "0 mm", to: "2000 mm", speed: "10 cm/min" },
    fields: [
      field("sweep.axis", "choice", { choices: "axes", must: true }), field("sweep.from", "quantity", PLACE), field("sweep.to", "quantity", PLACE),
      field("sweep.speed", "quantity", SPEED), field("sweep.speed_range", "pair", { ...SPEED, hint: "SweepFile.speed_range" }),
      field("sweep.views", "whole", { hint: "SweepFile.views" }),
    ],
  },
  {
    key: "repeat", path: ["repeat"], hint: "Repeat", first: { count: 60, axis: "gantry", from: "0 deg", step: "6 deg" },
    fields: [
      field("repeat.count", "whole", { must: true }), field("repeat.axis", "choice", { choices: "axes", must: true }), field("repeat.from", "quantity", PLACE),
      field("repeat.step", "quantity", PLACE), field("repeat.overlap", "quantity", { ...PERCENT, hint: "Repeat.overlap" }),
      field("repeat.first", "choice", { choices: "first", hint: "Repeat.first" }),
    ],
  },
  {
    key: "gate", path: ["gate"], hint: "GateFile", first: { trigger: "ecg", bins: 16, framing: "percent" },
    fields: [
      field("gate.trigger", "choice", { choices: "trigger", must: true }), field("gate.bins", "whole", { must: true }),
      field("gate.framing", "choice", { choices: "framing", hint: "GateFile.framing", must: true }), field("gate.direction", "choice", { choices: "direction" }),
      field("gate.tolerance", "quantity", { ...PERCENT, hint: "GateFile.tolerance" }), field("gate.interval", "pair", { ...TIME, hint: "GateFile.interval" }),
      field("gate.learn", "whole", { hint: "GateFile.learn" }), field("gate.skip", "whole", { hint: "GateFile.skip" }),
    ],
  },
  {
    key: "frame_zero", path: ["frame_zero"], hint: "FrameZeroFile", first: { by: "count_rate", rate: "3 kcps", over: "1 s" },
    fields: [
      field("frame_zero.by", "choice", { choices: "zero_by", hint: "FrameZeroFile.by", must: true }),
      field("frame_zero.rate", "quantity", { ...RATE, hint: "FrameZeroFile.rate" }), field("frame_zero.over", "quantity", TIME),
      field("frame_zero.window", "window"), field("frame_zero.head", "choice", { choices: "zero_head" }),
    ],
  },
  {
    key: "minimum_counts", path: ["minimum_counts"], fields: counts("minimum_counts"),
    first: { counter: "singles", limit: "100 kcounts", window: "all", head: "sum" },
  },
];

/** What the parts of the form are, in order; the steps come between. */
export const PARTS = ["identity", "requirements", "windows", "recording", "tolerances", "sources"];

/** @param {string} key  first key of a finding @returns {string} the part that shows it */
export function partShowing(key) {
  if (key.startsWith("step ")) return key;
  const found = {
    requirements: "requirements", instrument: "requirements", qc: "requirements", windows: "windows", recorded: "windows",
    store: "recording", coincidence: "recording", tolerances: "tolerances", sources: "sources",
  }[key];
  return found ?? "identity";
}
