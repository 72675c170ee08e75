// Readings as service reads them: value with unit, how old, against which limits. Pure.
import { duration, NOT_KNOWN } from "../../format.js";

/** @param {any} value @param {string} unit */
export function valueText(value, unit) {
  if (value === null || value === undefined) return NOT_KNOWN;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value === "") return "none";
  const [number, of] = scaled(value, unit);
  const text = typeof number === "number" ? String(Number(number.toPrecision(6))) : String(number);
  return of && of !== "1" ? `${text}\u00a0${of.replace("degC", "°C")}` : text; // a unit of 1 is none
}

/** Small currents as people say them. @param {any} value @param {string} unit @returns {[any, string]} */
function scaled(value, unit) {
  if (unit !== "A" || typeof value !== "number" || value === 0 || Math.abs(value) >= 1) return [value, unit];
  return Math.abs(value) < 1e-3 ? [value * 1e6, "µA"] : [value * 1e3, "mA"];
}

/**
 * From where to where a number may be set, as far as the profile says: limits of a value, or what fits into the bits of
 * a register that holds plain numbers.
 * @param {{hard?: [number, number] | null, mask?: number, words?: number, unit?: string}} row
 * @returns {[number, number] | null}
 */
export function range(row) {
  if (row.hard) return row.hard;
  const plain = row.words === 1 && (!row.unit || row.unit === "1");
  if (!row.mask || !plain) return null;
  return [0, row.mask / ((row.mask & -row.mask) >>> 0)];
}

/** What is wrong with a number that is to be set, as a key of the texts. @param {string} typed @param {[number, number] | null} within */
export function wrongNumber(typed, within) {
  const number = Number(typed);
  if (typed.trim() === "") return "";
  if (!Number.isFinite(number)) return "wrongNumber";
  return within && (number < within[0] || number > within[1]) ? "wrongRange" : "";
}

/** @param {Record<string, number>} limits @param {string} unit */
export function limitsText(limits, unit) {
  return Object.entries(limits).map(([name, value]) => `${name.replaceAll("_", " ")} ${valueText(value, unit)}`).join(", ");
}

/** How old a reading is, in seconds; null where that is not known. @param {any} reading @param {number} nowMs */
export function ageS(reading, nowMs) {
  const read = Date.parse(reading?.read_utc ?? "");
  return Number.isNaN(read) ? null : Math.max(0, (nowMs - read) / 1000);
}

/**
 * Which words its age gets, and whether it looks old. The station says what is stale: it tells a value when that
 * changes, so one that was told long ago may be read every second. Without a connection everything is old.
 * @param {any} reading @param {number} nowMs @param {boolean} connected
 */
export function freshness(reading, nowMs, connected) {
  const age = ageS(reading, nowMs);
  if (!reading) return { key: "noReading", stale: true, age: NOT_KNOWN };
  const old = !connected || reading.quality === "stale";
  const key = reading.quality === "comm_fail" ? "commFail" : old ? "stale" : "fresh";
  return { key, stale: key !== "fresh", age: duration(age === null ? null : Math.round(age)) };
}

const HARMLESS = ["neutral", "safe"];
const NUMBERS = ["number", "integer", "mantissa"];

/**
 * What is offered of a value or register: only what the station would take. What reading or writing would clear or
 * take away has verbs of its own, on no screen.
 * @param {{access: string, hazard: string, of: string, type: string, effects: string[]}} row
 */
export function offered(row) {
  const takes = row.effects.includes("fifo") || row.effects.includes("read_clears");
  const clears = row.effects.includes("write_one_clears") || (takes && row.access !== "write");
  const sets = row.access !== "read" && HARMLESS.includes(row.hazard) && row.of === "device" && NUMBERS.includes(row.type);
  return { reads: row.access !== "write" && !takes, sets: sets && !clears };
}

/** What was to be lowered and did not say that it was, each with why. @param {any} told */
export function notLowered(told) {
  const supplies = /** @type {[string, any][]} */ (Object.entries(told?.high_voltage ?? {}));
  return supplies.filter(([, each]) => each.error).map(([name, each]) => `${name}: ${each.error}`);
}

/**
 * What of a raise is wrong, as keys of the texts. `most`: the limit of the supply, where it is known.
 * @param {string} volts @param {string} seconds @param {number} [most]
 */
export function wrongRaise(volts, seconds, most = Infinity) {
  const number = Number(volts);
  return {
    volts: number > most ? "wrongMost" : number > 0 && Number.isFinite(number) ? "" : "wrongVolts",
    seconds: Number(seconds) >= 5 && Number(seconds) <= 600 ? "" : "wrongSeconds",
  };
}
