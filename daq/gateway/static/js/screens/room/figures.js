// What the room display shows in figures, and where a touch lies. Pure.
import { counted } from "../acquire/flow.js";

const OVER = ["waiting", "completed", "interrupted", "aborted", "fault", "ready"];
const COMES = ["preparing", "armed", "positioning", "waiting"];

/** Nothing is left of a view that has ended. @param {any} status */
export function isOver(status) {
  return OVER.includes(status?.state);
}

/** Which view there is to name: the one that records, the one that comes, or none. @param {any} status @returns {"ofView" | "nextView" | ""} */
export function viewOf(status) {
  if (!status?.step_name) return "";
  if (["acquiring", "paused"].includes(status.state)) return "ofView";
  return COMES.includes(status.state) ? "nextView" : ""; // then the name is that of what comes
}

/**
 * What is left of a view: counts where it ends on counts, as the console counts them, and the time that will take.
 * @param {any} status
 * @param {any} progress  of this step, or null
 * @param {any} [step]  as the verb `acquisition` tells it
 * @returns {{value: number | null, left: number | null, seconds: number | null}}
 */
export function figureOf(status, progress, step = null) {
  if (!progress) return { value: null, left: null, seconds: null };
  const { fraction, remaining_s: seconds } = progress;
  const counts = (isOver(status) ? step?.counted : null) ?? progress.counts;
  const known = counted(step, counts);
  const value = (known.of === "window" ? known.value : null) ?? (counts?.prompts || counts?.singles || counts?.events || 0);
  if (isOver(status)) return { value, left: null, seconds: null };
  if (known.of === "window" && known.limit !== null) return { value, left: Math.max(0, known.limit - value), seconds: seconds ?? null };
  const byCounts = typeof fraction === "number" && fraction > 0 && seconds === null;
  return { value, left: byCounts ? Math.max(0, value / fraction - value) : null, seconds: seconds ?? null };
}

/**
 * Where a touch lies on a head, mm from the middle of the picture: x to the right, y upwards, as it is seen.
 * @param {number} right  0 to 1 from the left edge
 * @param {number} down  0 to 1 from the upper edge
 * @param {{shape: number[], about: any}} part
 */
export function markAt(right, down, part) {
  const [rows, columns] = part.shape.slice(-2);
  const pixel = part.about.pixel_mm ?? 1;
  return { x: (right - 0.5) * columns * pixel, y: (0.5 - down) * rows * pixel };
}
