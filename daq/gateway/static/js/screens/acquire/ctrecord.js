// The record of a CT as a person states it: its fields, and what was typed as the station takes it. Pure.

const ORIENTATIONS = ["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"];

/** @typedef {{key: string, kind: "text" | "number" | "date" | "choice" | "points", options?: string[], kept?: boolean, wide?: boolean, optional?: boolean}} RecordField
 * `kept`: the same for the next patient, as a rule; it is proposed again */

/** @type {RecordField[]} */
export const FIELDS = [
  { key: "frame_of_reference_uid", kind: "text", wide: true },
  { key: "ct_series_uid", kind: "text", wide: true },
  { key: "orientation", kind: "choice", options: ORIENTATIONS },
  { key: "arms", kind: "choice", options: ["up", "down", "one_up"], kept: true },
  { key: "breathing", kind: "choice", options: ["free", "shallow", "breath_hold_expiration", "breath_hold_inspiration", "gated"], kept: true },
  { key: "contrast", kind: "choice", options: ["none", "intravenous", "oral", "both"] },
  { key: "table_height_mm", kind: "number" },
  { key: "table_traverse_mm", kind: "number" },
  { key: "table_sag_mm", kind: "number", kept: true },
  { key: "kvp", kind: "number", kept: true },
  { key: "registration_id", kind: "text", kept: true },
  { key: "registration_date", kind: "date", kept: true },
  { key: "emission_energy_kev", kind: "number" },
  { key: "hu_to_mu_per_cm", kind: "points", wide: true, kept: true },
  { key: "note", kind: "text", wide: true, optional: true },
];

/** A number as people write it, with a point or a comma; null for what is none. @param {string} text */
export function numberOf(text) {
  const plain = text.trim().replace(",", ".").replace(/^\u2212/, "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : null;
}

/** Points of a conversion, one in each line: HU and µ per cm. Null for what is none. @param {string} text @returns {number[][] | null} */
export function pointsOf(text) {
  const lines = text.split(/[\n;]/).map((line) => line.trim()).filter((line) => line);
  const points = lines.map((line) => line.split(/[\s:]+/).map(numberOf));
  return points.length > 1 && points.every((point) => point.length === 2 && !point.includes(null)) ? /** @type {number[][]} */ (points) : null;
}

/**
 * What was typed, as the station takes it; `wrong` names the fields that are missing or cannot be read.
 * @param {Record<string, string>} typed
 * @returns {{record: Record<string, any>, wrong: string[]}}
 */
export function recordOf(typed) {
  /** @type {Record<string, any>} */
  const record = {};
  const wrong = [];
  for (const { key, kind, optional } of FIELDS) {
    const text = (typed[key] ?? "").trim();
    if (!text && optional) continue;
    const value = kind === "number" ? numberOf(text) : kind === "points" ? pointsOf(text) : text || null;
    if (value === null) wrong.push(key);
    else record[key] = value;
  }
  return { record, wrong };
}

/** What is proposed for the next patient. @param {Record<string, string>} typed */
export function keptOf(typed) {
  return Object.fromEntries(FIELDS.filter((field) => field.kept && typed[field.key]).map((field) => [field.key, typed[field.key]]));
}

/**
 * What is handed over that concerns people now: the CT until it is confirmed, the look at both after the last view.
 * @param {any} acquisition @param {string} phase
 */
export function handOversNow(acquisition, phase) {
  const last = phase === "handover";
  const before = ["preparing", "armed", "running", "paused", "review", "next"].includes(phase);
  return (acquisition?.hand_overs ?? []).filter((/** @type {any} */ each) => (each.before === null ? last : last || before));
}

/** Whether a view must not begin yet. @param {any} acquisition @param {any} next  the step that a start begins */
export function waitsForHandOver(acquisition, next) {
  return Boolean(next) && (acquisition?.hand_overs ?? []).some((/** @type {any} */ each) => each.before === next.name && !each.confirmed);
}
