// Which bed position is done, which is now, which comes next; what is left; which frame runs. Pure.

/**
 * @typedef {{number: number, name: string, became: "done" | "now" | "moving" | "next" | "waits", share: number, placeMm: number | null, tookS: number | null, beganUtc: string | null, prompts: number | null}} Bed
 */

/**
 * @param {any[]} steps  of the acquisition
 * @param {any} status
 * @param {any} progress  of this run, or null
 * @returns {Bed[]}
 */
export function bedsOf(steps, status, progress) {
  const state = status?.state ?? "";
  const step = status?.step ?? 0;
  const runs = ["acquiring", "paused"].includes(state);
  const moves = state === "positioning";
  return steps.map((each) => {
    const now = runs && each.number === step;
    const done = !now && (each.state === "done" || (each.number <= step && !now));
    const first = each.number === step + 1;
    const became = done ? "done" : now ? "now" : first && moves ? "moving" : first ? "next" : "waits";
    const mine = now && progress?.step === each.number ? progress : null;
    return {
      number: each.number, name: each.name, became,
      share: done ? 1 : (mine?.fraction ?? 0),
      placeMm: bedPlace(each.positions), tookS: mine ? (mine.step_s ?? null) : (each.took_s ?? null), beganUtc: each.began_utc ?? null,
      prompts: mine ? (mine.counts?.prompts ?? null) : (each.counted?.prompts ?? null),
    };
  });
}

/** @param {any} positions  as the verb `acquisition` tells them: of axes, with their unit */
function bedPlace(positions) {
  const found = (Array.isArray(positions) ? positions : []).find((each) => each?.axis === "bed");
  return typeof found?.value === "number" ? found.value : typeof found?.position === "number" ? found.position : null;
}

/**
 * What is left of a step: prompts where it ends on counts, else seconds.
 * @param {any} step
 * @param {any} status
 * @param {any} progress
 * @returns {{prompts: number | null, seconds: number | null}}
 */
export function remaining(step, status, progress) {
  const mine = progress && progress.step === status?.step ? progress : null;
  const limit = step?.counts?.limit ?? null;
  if (limit !== null) return { prompts: Math.max(0, limit - (mine?.counts?.prompts ?? 0)), seconds: null };
  return { prompts: null, seconds: mine?.remaining_s ?? (status?.state === "armed" ? (step?.duration_s ?? null) : null) };
}

/**
 * Which frame of a dynamic step runs.
 * @param {{frames: number, frame_s: number}[]} phases
 * @param {number | null} seconds  of the step
 * @returns {{frame: number | null, all: number}}
 */
export function frameNow(phases, seconds) {
  const all = phases.reduce((sum, each) => sum + each.frames, 0);
  if (seconds === null || seconds === undefined) return { frame: null, all };
  let before = 0;
  let begin = 0;
  for (const { frames, frame_s: length } of phases) {
    const within = Math.floor((seconds - begin) / length);
    if (within < frames) return { frame: before + within + 1, all };
    before += frames;
    begin += frames * length;
  }
  return { frame: all, all };
}

/** The sum of a part of an array. @param {ArrayLike<number>} values @param {number} from @param {number} to */
export function sum(values, from = 0, to = values.length) {
  let total = 0;
  for (let at = from; at < to; at += 1) total += values[at];
  return total;
}

/** Where the most is. @param {ArrayLike<number>} values */
export function highest(values) {
  let found = 0;
  for (let at = 1; at < values.length; at += 1) if (values[at] > values[found]) found = at;
  return found;
}

/** Numbers of modules that have counted nothing, where others have. @param {ArrayLike<number>} values */
export function silent(values) {
  const found = [];
  if (sum(values) > 0) for (let at = 0; at < values.length; at += 1) if (values[at] === 0) found.push(at);
  return found;
}
