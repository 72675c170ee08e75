// What the set-up card sends, and why its button cannot be pressed. Pure but for the texts.
import { t } from "../../strings.js";

/** @typedef {{protocol: string, orientation: string, session: number}} Choice */

/**
 * What is chosen before anybody chooses: what is proposed, in the session that comes next.
 * @param {any} told @returns {Choice}
 */
export function chosenFor(told) {
  const done = told.runs.filter((/** @type {any} */ run) => run.outcome === "completed");
  const before = done.at(-1);
  const protocol = before && isLater(told, before) ? before.protocol : (told.protocol ?? "");
  return { protocol, orientation: "", session: before && isLater(told, before) ? before.session + 1 : 1 };
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
