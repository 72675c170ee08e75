// How a stop is told: which axes stand, which are not known to, and for how long nobody has answered. Pure.

/**
 * @typedef {object} StopReport
 * @property {boolean} ok
 * @property {boolean} stands
 * @property {number | null} halted_s
 * @property {string} text
 * @property {{axis: string, stands: boolean, error: string}[]} axes
 */

/**
 * @typedef {object} Stop
 * @property {Date} at  by the station's clock: when it was pressed; with a report, when that came
 * @property {number} sentMs  by performance.now()
 * @property {boolean} [lost]  there is no connection by which it could have got through
 * @property {number} [triesMs]  so long it is tried again
 * @property {number} [afterMs]  with a report: how long after the press that came
 * @property {StopReport | null} report
 * @property {string} problem  why the last try failed
 */

const SILENT_MS = 1_000;
const LATE_MS = 2_000;

/** True where the answer came so late that somebody has to know. @param {Stop} stop */
export function isLate(stop) {
  return Boolean(stop.report) && (stop.afterMs ?? 0) > LATE_MS;
}

/**
 * Nobody has answered: for certain not reached, or not known to be; and whether it is still tried.
 * @param {Stop} stop @param {number} waitedMs @param {string} time
 * @returns {{level: "high" | "medium", key: string, given: Record<string, string | number>}}
 */
function unanswered(stop, waitedMs, time) {
  const seconds = Math.floor(waitedMs / 1000);
  if (waitedMs > (stop.triesMs ?? Infinity) + LATE_MS) return { level: "high", key: "stopping.givenUp", given: { time, tries: Math.round((stop.triesMs ?? 0) / 1000) } };
  if (stop.lost) return { level: "high", key: "stopping.unreached", given: {} };
  if (stop.problem) return { level: "high", key: "stopping.failed", given: { why: stop.problem } };
  if (waitedMs < SILENT_MS) return { level: "medium", key: "stopping.sent", given: { time } };
  return { level: "high", key: "stopping.silent", given: { seconds } };
}

/**
 * @param {Stop} stop
 * @param {number} nowMs
 * @returns {{level: "" | "good" | "high" | "medium", key: string, given: Record<string, string | number>}}
 */
export function told(stop, nowMs) {
  const time = stop.at.toLocaleTimeString("en-GB", { hour12: false });
  const { report } = stop;
  if (!report) return unanswered(stop, nowMs - stop.sentMs, time);
  const doubtful = report.axes.filter((each) => !each.stands).map((each) => each.axis);
  if (doubtful.length || !report.stands) return { level: "high", key: "stopping.doubtful", given: { axes: doubtful.join(", ") || report.text } };
  if (report.axes.length === 0) return { level: "good", key: "stopping.noAxes", given: { time } };
  if (!report.ok) return { level: "medium", key: "stopping.late", given: { why: report.text } };
  const axes = report.axes.map((each) => each.axis).join(", ");
  if (isLate(stop)) return { level: "medium", key: "stopping.reachedLate", given: { time, axes, late: Math.round((stop.afterMs ?? 0) / 1000) } };
  return { level: "good", key: "stopping.stopped", given: { time, axes, seconds: (report.halted_s ?? 0).toFixed(2) } };
}

/**
 * Axes as people call them.
 * @param {Record<string, string | number>} given
 */
export function wordsOf(given) {
  return typeof given.axes === "string" ? { ...given, axes: given.axes.replaceAll("_", " ") } : given;
}
