// Readings as service reads them: value with unit, how old, against which limits. Pure.
import { duration, NOT_KNOWN } from "../../format.js";

/** @param {any} value @param {string} unit */
export function valueText(value, unit) {
  if (value === null || value === undefined) return NOT_KNOWN;
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  return unit ? `${text}\u00a0${unit.replace("degC", "°C")}` : text;
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
 * What of a raise is wrong, as keys of the texts.
 * @param {string} volts @param {string} seconds
 */
export function wrongRaise(volts, seconds) {
  return {
    volts: Number(volts) > 0 && Number.isFinite(Number(volts)) ? "" : "wrongVolts",
    seconds: Number(seconds) >= 5 && Number(seconds) <= 600 ? "" : "wrongSeconds",
  };
}
