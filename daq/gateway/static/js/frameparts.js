// What is kept of the frames that came, and what is asked for. Pure.

/**
 * @typedef {{state: "none" | "live" | "stale" | "closed", ageS: number | null, sequence: number, atMs: number}} Fresh
 * `ageS` at `atMs`, by performance.now().
 * @typedef {{about: any, arrays: Record<string, import("./frame.js").Part>, atMs: number}} Kept
 * @typedef {object} Frames
 * @property {string | null} run  whose figures they are
 * @property {Record<string, Fresh>} fresh  by group: looks, study
 * @property {Record<string, Kept | null>} parts  by name; null where this front end has no such
 * @property {boolean} simulated
 * @property {number} timeS  when the newest frame was made, by the clock of the station
 * @property {string} problem  why there is nothing newer: what came could not be read, or the readout could not; else empty
 * @typedef {object} Want
 * @property {string[]} what
 * @property {number} [size]
 * @property {number} [hz]
 * @property {number[]} [heads]
 * @property {number} [persistence]
 * @property {string} [window]
 */

/** @type {Frames} */
export const NO_FRAMES = { run: null, fresh: {}, parts: {}, simulated: false, timeS: 0, problem: "" };

/** Figures older than this look old; readouts publish ten times a second or more. */
export const OLD_S = 2;

/**
 * Return what is kept with a frame: each part that it brings in place of the old one, the others as they are. Of
 * another run nothing is kept.
 * @param {Frames} old
 * @param {import("./frame.js").Frame} frame
 * @param {number} nowMs
 * @returns {Frames}
 */
export function kept(old, frame, nowMs) {
  if (frame.about.run === null && old.run !== null) return grownOld(old, frame); // the station was restarted and has not found the readout yet
  /** @type {Record<string, Kept | null>} */
  const parts = frame.about.run === old.run ? { ...old.parts } : {};
  for (const [name, about] of Object.entries(frame.about.parts)) {
    parts[name] = about === null ? null : { about, arrays: arraysOf(frame, name), atMs: nowMs };
  }
  const fresh = Object.fromEntries(
    Object.entries(frame.about.fresh).map(([group, each]) => [group, { state: each.state, ageS: each.age_s, sequence: each.sequence, atMs: nowMs }]),
  );
  return { run: frame.about.run, fresh, parts, simulated: frame.simulated, timeS: frame.timeS, problem: frame.about.problem ?? "" };
}

/**
 * Return the frames where they are of this acquisition, or there is none now; of another nothing but what is said of
 * the station.
 * @param {Frames} frames
 * @param {string | null} run
 * @returns {Frames}
 */
export function ofRun(frames, run) {
  if (run === null || frames.run === null || frames.run === run) return frames;
  return { ...NO_FRAMES, simulated: frames.simulated, timeS: frames.timeS, problem: frames.problem };
}

/** What is here is shown further, as old as it is. @param {Frames} old @param {import("./frame.js").Frame} frame @returns {Frames} */
function grownOld(old, frame) {
  const fresh = Object.fromEntries(Object.entries(old.fresh).map(([group, each]) => [group, { ...each, state: /** @type {const} */ ("stale") }]));
  return { ...old, fresh, timeS: frame.timeS, problem: frame.about.problem ?? "" };
}

/** @param {import("./frame.js").Frame} frame @param {string} name */
function arraysOf(frame, name) {
  const begin = `${name}/`;
  return Object.fromEntries(Object.values(frame.parts).filter((each) => each.name.startsWith(begin)).map((each) => [each.name.slice(begin.length), each]));
}

/**
 * Return one want for several: all kinds, the largest size and rate, all heads; persistence and window of the last.
 * @param {Want[]} wants
 */
export function united(wants) {
  const what = [...new Set(wants.flatMap((each) => each.what))].sort();
  const all = wants.some((each) => each.heads === undefined);
  const last = (/** @type {"persistence" | "window"} */ name) => wants.reduce((/** @type {any} */ found, each) => each[name] ?? found, undefined);
  const persistence = last("persistence");
  const window = last("window");
  return {
    type: "want",
    what,
    size: Math.max(16, ...wants.map((each) => each.size ?? 256)),
    hz: Math.max(0.2, ...wants.map((each) => each.hz ?? 20)),
    ...(all || !wants.length ? {} : { heads: [...new Set(wants.flatMap((each) => each.heads ?? []))].sort((a, b) => a - b) }),
    ...(persistence === undefined ? {} : { persistence }),
    ...(window === undefined ? {} : { window }),
  };
}

/**
 * Return whether figures look old: nobody publishes any more, or what is here has not been renewed for long.
 * @param {Fresh | null | undefined} fresh
 * @param {number | null} ageS
 */
export function isOld(fresh, ageS) {
  return !fresh || fresh.state !== "live" || ageS === null || ageS > OLD_S;
}
