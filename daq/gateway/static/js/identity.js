// How people are written on the screen, and what rows are found by. Pure.

/** @type {Record<string, string>} */
const SEXES = { female: "F", male: "M", other: "O", unknown: "" };

/**
 * A name as DICOM writes it, `Family^Given^Middle`, for people: `FAMILY, Given Middle`. The same name in another writing,
 * after `=`, is shown as well: nothing of a name is left out that could tell two people apart.
 * @param {string | null | undefined} name
 */
export function personName(name) {
  return (name ?? "").split("=").map(writing).filter(Boolean).join(" = ");
}

/** @param {string} name */
function writing(name) {
  const [family = "", ...given] = name.split("^").map((part) => part.trim());
  const others = given.filter(Boolean).join(" ");
  const capital = family.toLocaleUpperCase();
  return others ? `${capital}, ${others}` : capital;
}

/** Sex in a letter, empty where it is not known. @param {string | null | undefined} sex */
export function sexLetter(sex) {
  return SEXES[sex ?? ""] ?? "";
}

/**
 * A text without case and accents, as people type what they look for.
 * @param {string} text
 */
export function folded(text) {
  return text.toLocaleLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
}

/**
 * True where a row holds every word that is looked for.
 * @param {{name: string, patient_id: string, accession_number: string, procedure: string, code?: string}} row
 * @param {string[]} words  folded
 */
export function holds(row, words) {
  if (!words.length) return true;
  const hay = folded(`${row.name.replace(/\^/g, " ")} ${row.patient_id} ${row.accession_number} ${row.procedure} ${row.code ?? ""}`);
  return words.every((word) => hay.includes(word));
}

/**
 * The row that the arrow keys lead to; the ends of the list hold.
 * @param {string[]} keys  of the rows, in order @param {string | null} chosen @param {string} key  of the keyboard
 * @returns {string | null}
 */
export function stepped(keys, chosen, key) {
  if (!keys.length) return null;
  const at = chosen === null ? -1 : keys.indexOf(chosen);
  const last = keys.length - 1;
  if (key === "Home") return keys[0];
  if (key === "End") return keys[last];
  if (key === "ArrowDown") return keys[Math.min(last, at + 1)];
  if (key === "ArrowUp") return keys[at < 0 ? last : Math.max(0, at - 1)];
  return chosen;
}

/**
 * Activity now, MBq, of one that was measured; null without a half-life.
 * @param {{mbq: number, at_utc: string, half_life_s: number | null} | null | undefined} told
 * @param {number} nowMs  by the station's clock
 */
export function activityNow(told, nowMs) {
  if (!told || !told.half_life_s) return null;
  return told.mbq * 2 ** (-(nowMs - Date.parse(told.at_utc)) / 1000 / told.half_life_s);
}

/**
 * Years at a day. @param {string | null | undefined} born  YYYY-MM-DD @param {Date} today
 */
export function age(born, today) {
  if (!born) return null;
  const [year, month, day] = born.split("-").map(Number);
  const years = today.getFullYear() - year - (today.getMonth() + 1 < month || (today.getMonth() + 1 === month && today.getDate() < day) ? 1 : 0);
  return years >= 0 && years < 150 ? years : null;
}

/**
 * What a scanner of wristbands types, or a person: keys that end with Enter. Returns a function that takes keys and returns
 * the whole number when it is there.
 * @param {number} [withinMs]  between two keys; people type slower than scanners
 */
export function scanning(withinMs = 1500) {
  let text = "";
  let lastMs = -Infinity;
  return (/** @type {string} */ key, /** @type {number} */ atMs) => {
    if (atMs - lastMs > withinMs) text = "";
    lastMs = atMs;
    if (key === "Enter") {
      const found = text;
      text = "";
      return found.length >= 3 ? found : null;
    }
    if (key.length === 1) text += key;
    return null;
  };
}
