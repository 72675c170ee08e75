// What the set-up card sends, and why its button cannot be pressed. Pure but for the texts.
import { t } from "../../strings.js";

/** @typedef {{protocol: string, orientation: string, session: number, views: string[]}} Choice  `views`: names of steps that are taken; none: all. */

/**
 * What is chosen before anybody chooses: what is left of an exam that ended early, a late view, what another screen chose,
 * else what is proposed, in the session that comes next.
 * @param {any} told @param {{late?: boolean, protocol?: string}} [how] @returns {Choice}
 */
export function chosenFor(told, { late = false, protocol: preset = "" } = {}) {
  if (preset) return { protocol: preset, orientation: "", session: 1, views: [] };
  if (late) return lateFor(told);
  const left = told.status === "ended early" ? told.progress : null;
  if (left) return { protocol: left.protocol, orientation: "", session: left.session, views: left.left };
  const done = told.runs.filter((/** @type {any} */ run) => run.outcome === "completed");
  const before = done.at(-1);
  const protocol = before && isLater(told, before) ? before.protocol : (told.protocol ?? "");
  return { protocol, orientation: "", session: before && isLater(told, before) ? before.session + 1 : 1, views: [] };
}

/** A late view that stands still: of the protocol of the exam where it has one, else of the first that has and is of the same nuclide. @param {any} told @returns {Choice} */
function lateFor(told) {
  const before = told.runs.at(-1)?.protocol;
  const still = told.fitting.filter((/** @type {any} */ each) => each.still?.length > 0);
  const first = still.find((/** @type {any} */ each) => each.id === before) ?? still.find((/** @type {any} */ each) => each.nuclide === told.nuclide && each.kind === "static") ?? still[0];
  if (!first) return { protocol: told.protocol ?? "", orientation: "", session: 1, views: [] };
  const [view] = first.still;
  const session = Object.entries(first.parts).find(([, parts]) => Object.values(/** @type {any} */ (parts)).flat().includes(view))?.[0] ?? "1";
  return { protocol: first.id, orientation: "", session: Number(session), views: [view] };
}

/** The views of the session that is chosen, by name with their steps. @param {any} told @param {Choice} choice @returns {[string, string[]][]} */
export function viewsOf(told, choice) {
  const protocol = told.fitting.find((/** @type {any} */ each) => each.id === choice.protocol);
  return Object.entries(protocol?.parts?.[choice.session] ?? {});
}

/** The choice with a view put in or taken out; all of them is said as none. @param {any} told @param {Choice} choice @param {string} name @returns {Choice} */
export function turned(told, choice, name) {
  const views = viewsOf(told, choice);
  const all = views.flatMap(([, steps]) => steps);
  const now = new Set(choice.views.length ? choice.views : all);
  const steps = views.find(([each]) => each === name)?.[1] ?? [];
  const there = steps.every((step) => now.has(step));
  for (const step of steps) there ? now.delete(step) : now.add(step);
  if (!now.size) return { ...choice }; // something has to be taken: another object, so that the box is drawn as it is
  return { ...choice, views: now.size === all.length ? [] : all.filter((step) => now.has(step)) };
}

/** True where the protocol of a run has a session after it. @param {any} told @param {any} run */
function isLater(told, run) {
  const protocol = told.fitting.find((/** @type {any} */ each) => each.id === run.protocol);
  return Boolean(protocol?.sessions.includes(run.session + 1));
}

/**
 * Why it cannot be armed, in words; empty where it can.
 * @param {{choice: Choice, items: any[], overridden: string[], looking: boolean, connected: boolean, problem: any}} given
 */
export function blocking({ choice, items, overridden, looking, connected, problem }) {
  if (!choice.protocol) return t("setup.blockedProtocol");
  if (!connected) return t("setup.blockedOffline");
  if (problem) return problem.message;
  if (looking) return t("setup.blockedLooking");
  const refused = items.filter((item) => item.state === "refused");
  if (refused.length) return refused.map((item) => item.sentence).join("; ");
  const missing = items.filter((item) => item.state === "missing" && !overridden.includes(item.name));
  return missing.length ? t("setup.blockedReason", { names: missing.map((item) => itemName(item.name)).join(", ") }) : "";
}

/**
 * The arguments of `prepare`, and of `rehearse` without what is overridden.
 * @param {string} entry @param {Choice} choice @param {string[]} overridden @param {string} reason @param {boolean} wristband
 */
export function prepareArgs(entry, choice, overridden, reason, wristband) {
  const why = reason.trim();
  const overrides = Object.fromEntries(overridden.filter((name) => name !== "draft").map((name) => [name, why]));
  return {
    entry, protocol: choice.protocol, session: choice.session, overrides, identity_confirmed: wristband ? "wristband" : "asked",
    ...(overridden.includes("draft") ? { draft_reason: why } : {}),
    ...(choice.views.length ? { views: choice.views } : {}),
    ...(choice.orientation ? { patient_orientation: choice.orientation } : {}),
  };
}

/** @param {any} told @param {boolean} wristband */
export function armWords(told, wristband) {
  if (told.identity.temporary) return t("setup.armTemporary");
  if (told.origin === "phantom") return t("setup.armPhantom");
  return t(wristband ? "setup.armWristband" : "setup.arm");
}

const NAMED = ["station", "entry", "study", "protocol", "draft", "collimator", "qc", "high-voltage", "energy-calibration", "calibrations", "administration",
  "administration-doubt", "identity", "orientation", "views", "interlocks", "axes", "enable", "bed", "disk", "uptake"];

/** The name of an item for people; one that the catalogue does not have (a calibration's own) as it is. @param {string} name */
export function itemName(name) {
  return NAMED.includes(name) ? t(`setup.items.${name}`) : name.replace(/-/g, " ").replace(/^./, (first) => first.toUpperCase());
}
