// The fields of the administration record, as they are typed and as the station takes them. Pure.

/** @type {Record<string, string[]>} */
export const CHOICES = {
  route: ["intravenous", "oral", "inhalation", "subcutaneous", "intradermal", "intra-arterial", "intrathecal", "intracavitary", "intraperitoneal", "intra-articular", "other"],
  side: ["left", "right", "both", "midline", "not applicable"],
  pregnancy: ["not applicable", "excluded", "possible", "pregnant", "unknown"],
  breast_feeding: ["not applicable", "no", "yes", "unknown"],
  arms: ["up", "down", "one up", "unknown"],
};
export const FLAGS = ["extravasation", "injection_site_view"];
export const NUMBERS = ["calibrator_offset_s", "weight_kg", "height_m", "glucose_mmol_per_l", "uptake_s", "bed_limit_kg", "voided_ml"];
export const FIELDS = [
  "nuclide", "agent", "lot", "assayed", "assayed_at", "calibrator_id", "calibrator_offset_s", "operator", "route", "site", "side", "injected_at",
  "residual", "residual_at", "weight_kg", "height_m", "glucose_mmol_per_l", "uptake_s", "pregnancy", "breast_feeding", "preparation", "arms",
  "bed_limit_kg", "extravasation", "injection_site_view", "voided_ml",
];
const S_PER_MIN = 60;

/**
 * What stands in the form for what is known; times as the clock of this place shows them.
 * @param {Record<string, any>} known @returns {Record<string, string>}
 */
export function typedFields(known) {
  return Object.fromEntries(FIELDS.map((name) => [name, typedOne(name, known)]));
}

/** @param {string} name @param {Record<string, any>} known */
function typedOne(name, known) {
  const value = name === "assayed" || name === "residual" ? known[`${name}_mbq`] : known[name];
  if (value === null || value === undefined) return "";
  if (name === "assayed" || name === "residual") return `${Number(value.toPrecision(6))} MBq`;
  if (name.endsWith("_at")) return localTime(value);
  return name === "uptake_s" ? String(value / S_PER_MIN) : String(value);
}

/** A time for a field: `2026-11-23 14:05:00`, of this place. @param {string} moment */
export function localTime(moment) {
  const made = new Date(moment);
  if (Number.isNaN(made.getTime())) return "";
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${made.getFullYear()}-${two(made.getMonth() + 1)}-${two(made.getDate())} ${two(made.getHours())}:${two(made.getMinutes())}:${two(made.getSeconds())}`;
}

/**
 * What was changed, as the station takes it; an emptied field is forgotten.
 * @param {Record<string, string>} before @param {Record<string, string>} typed @returns {Record<string, any>}
 */
export function changesOf(before, typed) {
  const changed = FIELDS.filter((name) => typed[name].trim() !== before[name].trim());
  return Object.fromEntries(changed.map((name) => [name, value(name, typed[name].trim())]));
}

/** @param {string} name @param {string} text */
function value(name, text) {
  if (text === "") return null;
  if (FLAGS.includes(name)) return text === "true";
  if (name.endsWith("_at")) return withZone(text);
  if (!NUMBERS.includes(name)) return text;
  const number = Number(text.replace(",", "."));
  return Number.isFinite(number) ? (name === "uptake_s" ? number * S_PER_MIN : number) : text; // the station says what is wrong with it
}

/** A time of this place with its zone; what is none is left as it was typed. @param {string} text */
export function withZone(text) {
  const made = new Date(text);
  if (Number.isNaN(made.getTime())) return text;
  const ahead = -made.getTimezoneOffset();
  const two = (/** @type {number} */ number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${localTime(text).replace(" ", "T")}${ahead < 0 ? "-" : "+"}${two(ahead / 60)}:${two(ahead % 60)}`;
}
