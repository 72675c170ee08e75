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
 * @property {StopReport | null} report
 * @property {string} problem  why the last try failed
 */

const SILENT_MS = 1_000;

/**
 * @param {Stop} stop
 * @param {number} nowMs
 * @returns {{level: "" | "good" | "high" | "medium", key: string, given: Record<string, string | number>}}
 */
export function told(stop, nowMs) {
  const time = stop.at.toLocaleTimeString("en-GB", { hour12: false });
  const { report, problem } = stop;
  if (!report) {
    if (problem) return { level: "high", key: "stopping.failed", given: { why: problem } };
    const waitedMs = nowMs - stop.sentMs;
    if (waitedMs < SILENT_MS) return { level: "medium", key: "stopping.sent", given: { time } };
    return { level: "high", key: "stopping.silent", given: { seconds: Math.floor(waitedMs / 1000) } };
  }
  const doubtful = report.axes.filter((each) => !each.stands).map((each) => each.axis);
  if (doubtful.length || !report.stands) return { level: "high", key: "stopping.doubtful", given: { axes: doubtful.join(", ") || report.text } };
  if (report.axes.length === 0) return { level: "good", key: "stopping.noAxes", given: { time } };
  if (!report.ok) return { level: "medium", key: "stopping.late", given: { why: report.text } };
  const axes = report.axes.map((each) => each.axis).join(", ");
  return { level: "good", key: "stopping.stopped", given: { time, axes, seconds: (report.halted_s ?? 0).toFixed(2) } };
}

/**
 * Axes as people call them.
 * @param {Record<string, string | number>} given
 */
export function wordsOf(given) {
  return typeof given.axes === "string" ? { ...given, axes: given.axes.replaceAll("_", " ") } : given;
}
