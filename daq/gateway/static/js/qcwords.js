// How results of quality control are said: signs of levels, numbers with units, days. Pure.

/** Sign and tone of a level: the word always stands beside them. Colours are those of the alarm that a level rings. */
const LEVELS = /** @type {Record<string, {sign: string, tone: "" | "good" | "medium" | "low", key: string}>} */ ({
  "in limits": { sign: "✓", tone: "good", key: "inLimits" },
  action: { sign: "▲", tone: "low", key: "action" },
  suspension: { sign: "■", tone: "medium", key: "suspension" },
  "not evaluable": { sign: "?", tone: "", key: "notEvaluable" },
  "not judged": { sign: "–", tone: "", key: "notJudged" },
});

/** @param {string | null | undefined} level */
export function levelOf(level) {
  return LEVELS[level ?? ""] ?? { sign: "·", tone: "", key: "none" };
}

/**
 * A number with four digits, without an exponent where that can be read.
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2);
  if (size >= 1e4) return Math.round(value).toLocaleString("en-GB");
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return String(Number(value.toFixed(Math.min(digits, 8))));
}

/**
 * A number with its unit; of plain numbers none.
 * @param {number | null | undefined} value
 * @param {string} unit
 */
export function valued(value, unit) {
  const text = number(value);
  if (!text || !unit || unit === "1") return text;
  return `${text} ${unit.startsWith("1/") ? `per ${unit.slice(2)}` : unit}`;
}

/**
 * The bounds of a limit that the value itself is held against, each with its level, lowest first.
 * @param {any} limit
 * @returns {{level: string, side: "below" | "above", at: number}[]}
 */
export function bounds(limit) {
  if (!limit || (limit.of ?? "value") !== "value") return [];
  const found = /** @type {{level: string, side: "below" | "above", at: number}[]} */ ([]);
  for (const level of ["action", "suspension"]) {
    for (const side of /** @type {("below" | "above")[]} */ (["below", "above"])) {
      const at = limit[level]?.[side];
      if (typeof at === "number") found.push({ level, side, at });
    }
  }
  return found.sort((one, other) => one.at - other.at);
}

/**
 * The range that a gauge shows: value, noise and all bounds, with room; from 0 where nothing is below it.
 * @param {number} value
 * @param {number | null} noise
 * @param {any} limit
 * @returns {[number, number]}
 */
export function gaugeRange(value, noise, limit) {
  const edges = bounds(limit).map((each) => each.at);
  const shown = [value, ...edges, ...(noise === null ? [] : [noise])];
  const least = Math.min(0, ...shown);
  const most = Math.max(0, ...shown);
  const room = 0.08 * (most - least || 1);
  return [least < 0 ? least - room : 0, most + room];
}

/** A day or time of a document as people at this host read it. @param {string | null | undefined} utc */
export function when(utc) {
  if (!utc) return "";
  const at = new Date(utc);
  return `${dayText(at)} ${clockText(at)}`;
}

/** @param {Date} at */
export function dayText(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** @param {Date} at */
export function clockText(at) {
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}

/** What each head has counted in the first window that it tells of, lowest head first. @param {Record<string, number>} counts */
export function heads(counts) {
  const found = /** @type {Map<string, number>} */ (new Map());
  for (const [name, count] of Object.entries(counts)) {
    const head = /^singles\[.*\]@(\d+)$/.exec(name)?.[1];
    if (head !== undefined && !found.has(head)) found.set(head, count);
  }
  return [...found].map(([head, count]) => ({ head, count })).sort((one, other) => Number(one.head) - Number(other.head));
}

/** Whether an entry of a test is a number in a unit, and not something that is described. @param {string} unit */
export function isUnit(unit) {
  return unit !== "" && !/[ ;,]|^times?$|^names?$/.test(unit);
}

const NUMBER = /^([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*([A-Za-zµ°%][A-Za-z/%]*)?$/i;

/**
 * Numbers of a text, with semicolons between, each with the unit that it has or that is asked; null where one is none.
 * @param {string} text @param {string} unit
 * @returns {{value: number, unit: string}[] | null}
 */
function quantities(text, unit) {
  const found = text.split(";").map((part) => NUMBER.exec(part.trim()));
  const told = found.map((each) => ({ value: Number((each?.[1] ?? "").replace(",", ".")), unit: each?.[2] ?? unit }));
  return found.every(Boolean) && told.every(({ value }) => Number.isFinite(value)) ? told : null;
}

/** Whether something was typed where a number in a unit is asked, and no number can be read. @param {string} text @param {string} unit */
export function unreadable(text, unit) {
  return isUnit(unit) && text.trim() !== "" && quantities(text, unit) === null;
}

/**
 * What a person typed for an entry of a test: yes and no; a plain number, by a point or a comma, as a number; others each
 * with its unit; all else as it was typed, for the station to read or to refuse in words.
 * @param {string} text
 * @param {string} unit
 * @returns {string | number | boolean}
 */
export function entered(text, unit) {
  const plain = text.trim();
  if (unit === "" && (plain === "yes" || plain === "no")) return plain === "yes";
  const told = isUnit(unit) && plain ? quantities(plain, unit) : null;
  if (!told) return plain;
  if (told.length === 1 && !NUMBER.exec(plain)?.[2]) return told[0].value;
  return told.map((each) => `${each.value}${each.unit === "1" ? "" : ` ${each.unit}`}`).join("; ");
}

/** What stands against a result first, else its worst figure. @param {any} row */
export function worst(row) {
  const order = ["in limits", "not judged", "not evaluable", "action", "suspension"];
  const figures = [...(row?.figures ?? [])];
  return figures.sort((one, other) => order.indexOf(other.level) - order.indexOf(one.level))[0] ?? null;
}

/** Who signed it, in words that a list has room for. @param {any} row */
export function signedBy(row) {
  return (row?.signatures ?? []).map((/** @type {any} */ each) => `${each.by} (${each.meaning})${each.holds ? "" : " BROKEN"}`).join(", ");
}

/** Why something was allowed in spite of quality control, by whom and when. @param {{reason: string, by: string, at_utc: string}} spite */
export function spiteWords(spite) {
  return `${spite.reason} (${spite.by}, ${when(spite.at_utc)})`;
}

/**
 * How the day begins: what is to be done first. Failed before due before never; what is not asked for is none.
 * @param {any[]} due rows of `qc-due`
 */
export function firstDue(due) {
  return due.find((each) => each.asked && each.next.startsWith("daq qc run")) ?? null;
}

/**
 * What the chip in the header says of all tests: none of them done, something wrong, or when the last was done.
 * @param {any[]} tests  of the live news
 * @returns {{kind: "none" | "failed" | "action" | "due" | "ok", count: number, at: string | null}}
 */
export function standing(tests) {
  const failed = tests.filter((each) => each.state === "failed");
  if (failed.length) return { kind: "failed", count: failed.length, at: null };
  const due = tests.filter(isDue);
  if (due.length) return { kind: "due", count: due.length, at: null };
  const action = tests.filter((each) => each.level === "action");
  if (action.length) return { kind: "action", count: action.length, at: null };
  const done = tests.map((each) => each.performed_utc).filter(Boolean).sort();
  return done.length ? { kind: "ok", count: 0, at: done[done.length - 1] } : { kind: "none", count: 0, at: null };
}

/** Tests that want somebody: failed, or due. @param {any[]} tests */
export function wanting(tests) {
  return tests.filter((each) => each.state === "failed" || isDue(each)).length;
}

/** A test on demand that was never done is not asked for. @param {any} each */
function isDue(each) {
  return ["due", "overdue", "after-service"].includes(each.state) || (each.state === "never" && !each.text.startsWith("on demand"));
}
