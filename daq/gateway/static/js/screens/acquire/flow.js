// Where an acquisition stands, and what a person may do about it now. Pure.

/** @typedef {"none" | "preparing" | "armed" | "running" | "review" | "next" | "handover" | "paused" | "ending" | "after"} Phase */
/** @typedef {{on: boolean, why: string}} Possible  `why` is a key of the texts, empty where it is on. */

const RUNNING = ["acquiring", "positioning"];
const ENDING = ["completing", "interrupting", "aborting", "failing"];
const OVER = ["completed", "interrupted", "aborted", "fault"];

/**
 * @param {any} status  the newest StationStatus
 * @param {any} acquisition  as the verb `acquisition` tells it, null where there is none
 * @returns {Phase}
 */
export function phaseOf(status, acquisition) {
  const state = status?.state;
  if (!status || state === "ready") return "none";
  if (RUNNING.includes(state)) return "running";
  if (ENDING.includes(state)) return "ending";
  if (OVER.includes(state)) return "after";
  if (state !== "waiting") return state === "preparing" || state === "armed" || state === "paused" ? state : "none";
  if (status.step >= status.steps) return "handover";
  return present(status, acquisition)?.accepted ? "next" : "review";
}

/** The step that records, or has recorded last; the first before it begins. @param {any} status @param {any} acquisition */
export function present(status, acquisition) {
  return acquisition?.steps?.[Math.max(0, (status?.step ?? 1) - 1)] ?? null;
}

/** The step that a start begins: the first, or the one after the present. @param {any} status @param {any} acquisition */
export function following(status, acquisition) {
  return acquisition?.steps?.[status?.step ?? 0] ?? null;
}

/**
 * What each button of the transport can do now. A button has one meaning; what it cannot do now it says.
 * `recording`: counts of the step have come; before that a readout that has just begun cannot be held. `handOver`: what
 * another machine hands over is to be confirmed first.
 * @param {Phase} phase @param {any} status @param {{connected: boolean, mayAct: boolean, recording: boolean, handOver?: boolean}} here
 * @returns {Record<"start" | "pause" | "resume" | "stop" | "next", Possible>}
 */
export function transport(phase, status, { connected, mayAct, recording, handOver = false }) {
  const possible = new Set(status?.possible ?? []);
  const no = (/** @type {string} */ why) => ({ on: false, why });
  const general = !connected ? "notConnected" : !mayAct ? "notAllowed" : "";
  const button = (/** @type {boolean} */ on, /** @type {string} */ why) => (general ? no(general) : on ? { on, why: "" } : no(why));
  return {
    start: button(phase !== "review" && possible.has("start") && !handOver, phase === "review" ? "acceptFirst" : handOver ? "handOverFirst" : phase === "preparing" ? "notArmed" : "nothingToStart"),
    pause: button(possible.has("pause") && phase === "running" && recording, phase === "running" ? "justBegun" : "nothingRuns"),
    resume: button(phase === "paused" && possible.has("resume"), "notPaused"),
    stop: connected ? (possible.has("stop") ? { on: true, why: "" } : no("nothingRuns")) : no("notConnected"), // everybody may stop
    next: button(phase === "review", phase === "next" ? "accepted" : "viewRuns"),
  };
}

/**
 * What counts towards the end of a step: how much, of how much, of what. Of heads that must each have it the least counts.
 * @param {any} step @param {Record<string, number> | null | undefined} counts
 * @returns {{value: number | null, limit: number | null, of: "window" | "beats" | "all", window: string, head: string}}
 */
export function counted(step, counts) {
  const all = counts?.singles ?? counts?.events ?? null;
  if (!step) return { value: all, limit: null, of: "all", window: "", head: "" };
  if (step.counts) {
    const { limit, window, head, counter, by_head } = step.counts;
    const heads = by_head.map((/** @type {string} */ name) => counts?.[name]).filter((/** @type {any} */ each) => each !== undefined);
    const value = counts?.[counter] ?? (heads.length === by_head.length && heads.length ? Math.min(...heads) : all);
    return { value, limit, of: "window", window, head };
  }
  if (step.beats) return { value: counts?.beats ?? null, limit: step.beats, of: "beats", window: "", head: "" };
  return { value: all, limit: null, of: "all", window: "", head: "" };
}

/** Steps of one entry of the protocol stand together: 60 angles are one row. @param {any[]} steps */
export function grouped(steps) {
  /** @type {{key: string, name: string, steps: any[]}[]} */
  const groups = [];
  for (const step of steps) {
    const last = groups[groups.length - 1];
    if (last?.key === step.key) last.steps.push(step);
    else groups.push({ key: step.key, name: step.name.replace(/ 1\/\d+$/, ""), steps: [step] });
  }
  return groups;
}

/** Where a group of steps stands. @param {any[]} steps @param {number} now  number of the present step */
export function stands(steps, now) {
  const done = steps.filter((each) => each.state === "done" || each.state === "ended").length;
  if (steps.some((each) => each.state === "present")) return { state: "present", done };
  if (done === steps.length) return { state: steps.some((each) => each.state === "ended") ? "ended" : "done", done };
  if (steps.every((each) => each.state === "left")) return { state: "left", done };
  return { state: done && steps.some((each) => each.number === now) ? "present" : done ? "ended" : "waits", done };
}

/** Seconds that an armed acquisition still waits. @param {any} acquisition @param {number} askedMs @param {number} nowMs */
export function armedFor(acquisition, askedMs, nowMs) {
  return acquisition?.armed_for_s == null ? null : Math.max(0, acquisition.armed_for_s - (nowMs - askedMs) / 1000);
}

/** Which views can be gone on with: they ended early with something, stand still, and a gap does no harm. @param {any} acquisition */
export function continuable(acquisition) {
  return (acquisition?.steps ?? []).filter((/** @type {any} */ step) => step.state === "ended" && step.continuable && (step.live_s !== 0 || step.before));
}

/** The kind of the step that is shown; a protocol may have several. @param {any} step @param {any} acquisition @returns {string} */
export function kindOf(step, acquisition) {
  if (acquisition?.protocol?.modality === "pet") return "pet";
  if (acquisition?.protocol?.modality === "probe") return "probe";
  const kind = step?.kind ?? acquisition?.protocol?.kind ?? "static";
  return kind === "qc_flood" ? "static" : kind;
}

/**
 * What is said where no view can be shown after an acquisition, as a key of the texts. Once a view has begun there is
 * something on disk, also where the readout was lost before it could say so.
 * @param {{step: number}} status
 */
export function withoutViews(status) {
  return status.step > 0 ? "unsealed" : "nothing";
}

/**
 * Which of several takings counts: the one that was chosen last, else the newest.
 * @param {string[]} runs  the newest last @param {any[]} rows  of the study, with their remarks
 */
export function chosenOf(runs, rows) {
  const said = rows.filter((row) => runs.includes(row.id)).flatMap((row) => (row.remarks ?? []).filter((/** @type {any} */ each) => each.what === "counts").map((/** @type {any} */ each) => ({ id: row.id, at: each.at_utc })));
  said.sort((one, other) => (one.at < other.at ? -1 : 1));
  return said.at(-1)?.id ?? runs.at(-1);
}
