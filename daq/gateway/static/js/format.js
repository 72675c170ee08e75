// Numbers as people read them, always with their unit. Pure. What is not known is written as a dash.

export const NOT_KNOWN = "–";
/** Keeps a number and its unit on one line. */
const GAP = "\u00a0";
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
const HALF_LIFE_S = /** @type {Record<string, number>} */ ({
  "Tc-99m": 21_624, "I-123": 47_583, "I-131": 693_377, "In-111": 242_343, "Tl-201": 262_760, "Ga-67": 281_810,
  "Lu-177": 574_068, "F-18": 6_584, "Co-57": 23_483_520, "Ge-68": 23_410_080,
});

/** @param {any} value @returns {value is number} */
function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** Three digits that count, and the prefix: 999, 1.25 k, 14.6 k, 247 k, 1.50 M. @param {number} value */
function scaled(value) {
  const size = Math.abs(value);
  for (const [factor, prefix] of /** @type {[number, string][]} */ (PREFIXES)) {
    if (size < factor * 0.9995) continue; // what would be written as 1000 k is 1.00 M
    const shown = size / factor;
    const digits = shown >= 99.95 ? 0 : shown >= 9.995 ? 1 : 2;
    return { text: (value / factor).toFixed(digits), prefix };
  }
  return { text: size >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : size >= 9.995 ? value.toFixed(1) : value.toFixed(2), prefix: "" };
}

/** Counts: `247 k`, `1.50 M`, `812`. @param {number | null | undefined} count */
export function counts(count) {
  if (!known(count)) return NOT_KNOWN;
  const { text, prefix } = scaled(Math.round(count));
  return prefix ? `${text}${GAP}${prefix}` : text;
}

/** A rate of counts: `14.6 kcps`, `812 cps`. @param {number | null | undefined} cps */
export function rate(cps) {
  if (!known(cps)) return NOT_KNOWN;
  const { text, prefix } = scaled(cps);
  return `${text}${GAP}${prefix}cps`;
}

/** How long: `00:12`, `12:30`, `1:02:05`. @param {number | null | undefined} seconds */
export function clock(seconds) {
  if (!known(seconds)) return NOT_KNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

/** What is left: an estimate says so, and none is above what it can be. @param {number | null | undefined} seconds */
export function toGo(seconds) {
  return known(seconds) ? `≈${GAP}${clock(Math.ceil(seconds))}` : NOT_KNOWN;
}

/** A length of time in words: `45 s`, `12 min`, `1 h 5 min`. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (!known(seconds)) return NOT_KNOWN;
  if (seconds < 120) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))}${GAP}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) {
    const rest = Math.round(seconds - Math.floor(seconds / 60) * 60);
    return minutes < 10 && rest && rest < 60 ? `${Math.floor(seconds / 60)}${GAP}min ${rest}${GAP}s` : `${minutes}${GAP}min`;
  }
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours}${GAP}h ${minutes % 60}${GAP}min` : `${hours}${GAP}h`;
}

/** @param {any} moment @returns {Date | null} */
function dated(moment) {
  const made = moment === null || moment === undefined || moment === "" ? null : new Date(moment);
  return made && !Number.isNaN(made.getTime()) ? made : null;
}

/** The time of day here, 24 h: `14:05`. @param {string | number | Date | null | undefined} moment */
export function timeOfDay(moment) {
  const made = dated(moment);
  return made ? `${String(made.getHours()).padStart(2, "0")}:${String(made.getMinutes()).padStart(2, "0")}` : NOT_KNOWN;
}

/** The day here: `2026-11-23`. @param {string | number | Date | null | undefined} moment */
export function day(moment) {
  const made = dated(moment);
  if (!made) return NOT_KNOWN;
  return `${made.getFullYear()}-${String(made.getMonth() + 1).padStart(2, "0")}-${String(made.getDate()).padStart(2, "0")}`;
}

/** Day and time; of today the time alone. @param {any} moment @param {Date} [now] */
export function dayTime(moment, now = new Date()) {
  if (!dated(moment)) return NOT_KNOWN;
  return day(moment) === day(now) ? timeOfDay(moment) : `${day(moment)} ${timeOfDay(moment)}`;
}

/** A share as percent: `6.2 %`. @param {number | null | undefined} share  0 to 1 @param {number} [digits] */
export function percent(share, digits = 1) {
  return known(share) ? `${(share * 100).toFixed(digits)}${GAP}%` : NOT_KNOWN;
}

/** A place on an axis: `812 mm`, `0.0°`. @param {number | null | undefined} value @param {string} unit */
export function place(value, unit) {
  if (!known(value)) return NOT_KNOWN;
  if (unit === "deg") return `${value.toFixed(1).replace(/^-0\.0$/, "0.0")}°`;
  return `${value.toFixed(Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0)}${GAP}${unit}`;
}

/** Any number with its unit, with as many digits as say something: `140.6 keV`. @param {any} value @param {string} unit @param {number} [digits] */
export function quantity(value, unit, digits = 1) {
  return known(value) ? `${value.toFixed(digits)}${GAP}${unit}` : NOT_KNOWN;
}

/** An activity: `612 MBq`, `37.0 MBq`. @param {number | null | undefined} mbq */
export function activity(mbq) {
  if (!known(mbq)) return NOT_KNOWN;
  return `${mbq >= 99.95 ? mbq.toFixed(0) : mbq >= 9.995 ? mbq.toFixed(1) : mbq.toFixed(2)}${GAP}MBq`;
}

/**
 * An activity as it is now; null for a nuclide whose half-life is not known here.
 * @param {number} mbq @param {string} nuclide @param {number} sinceS  seconds since it was so much
 */
export function decayed(mbq, nuclide, sinceS) {
  const half = HALF_LIFE_S[nuclide];
  return half && known(mbq) && known(sinceS) ? mbq * 2 ** (-sinceS / half) : null;
}

/** Bytes: `1.2 GB`. @param {number | null | undefined} bytes */
export function bytes(bytes) {
  if (!known(bytes)) return NOT_KNOWN;
  const { text, prefix } = scaled(bytes);
  return `${text}${GAP}${prefix}B`;
}
