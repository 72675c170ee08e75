// Which alarm comes first, and what a group of interlocks amounts to. Pure.

const RANK = /** @type {Record<string, number>} */ ({ high: 0, medium: 1, low: 2 });
export const PRIORITIES = /** @type {const} */ (["high", "medium", "low"]);

/**
 * The most important first, then what nobody has acknowledged, then the newest.
 * @param {Record<string, any>} alarms
 * @returns {any[]}
 */
export function ordered(alarms) {
  return Object.values(alarms).sort(
    (a, b) =>
      RANK[a.priority] - RANK[b.priority] ||
      Number(a.acknowledged_by !== null) - Number(b.acknowledged_by !== null) ||
      (a.since_utc < b.since_utc ? 1 : a.since_utc > b.since_utc ? -1 : 0),
  );
}

/**
 * @param {any[]} alarms
 * @returns {Record<"high" | "medium" | "low", number>}
 */
export function counted(alarms) {
  const counts = { high: 0, medium: 0, low: 0 };
  for (const each of alarms) counts[/** @type {"high" | "medium" | "low"} */ (each.priority)] += 1;
  return counts;
}

/**
 * How the alarm is shown: it flashes until somebody has acknowledged it; a low one never does.
 * @param {{priority: string, acknowledged_by: string | null}} alarm
 */
export function flashing(alarm) {
  return alarm.acknowledged_by === null && alarm.priority !== "low" ? `flash-${alarm.priority}` : "";
}

const ORDER = ["emergency_stop", "collision_pad", "drive_power", "watchdog", "service_cover", "temperature", "room_door"];

/**
 * The chain of a command: a link for each kind that guards it, as bad as its worst contact.
 * @param {{device: string, kind: string, head: string | null, state: string, guards: string[]}[]} interlocks
 * @param {string} command
 * @param {string | null} [head]  only of this head, and those of no head
 * @returns {{kind: string, state: "closed" | "open" | "unknown", closed: number, all: number, places: string[]}[]}
 */
export function chain(interlocks, command, head) {
  const guards = interlocks.filter(
    (each) => each.guards.includes(command) && (head === undefined || each.head === null || each.head === head),
  );
  return ORDER.filter((kind) => guards.some((each) => each.kind === kind)).map((kind) => {
    const of = guards.filter((each) => each.kind === kind);
    const bad = of.filter((each) => each.state !== "closed");
    const state = bad.some((each) => each.state === "open") ? "open" : bad.length ? "unknown" : "closed";
    return { kind, state, closed: of.length - bad.length, all: of.length, places: bad.map((each) => each.device) };
  });
}

const KINDS = new Set(ORDER.slice(0, -1));

/**
 * The interlocks among readings: the contacts, by kind, that are open or of which nobody knows. The door is none.
 * @param {Record<string, any>} readings
 * @returns {{any: boolean, open: string[], unknown: string[]}}
 */
export function fromReadings(readings) {
  const of = Object.values(readings).filter((each) => KINDS.has(each.name) && (typeof each.value === "boolean" || each.value === null));
  const named = (/** @type {(each: any) => boolean} */ which) => [...new Set(of.filter(which).map((each) => each.name))];
  return {
    any: of.length > 0,
    open: named((each) => each.quality === "out_of_limits" && each.value === false),
    unknown: named((each) => each.quality === "stale" || each.quality === "comm_fail" || each.value === null),
  };
}
