// What is said beside live pictures that are not, or not only, of what counts: before the start, between views, in a pause. Pure.

/** @typedef {"nothing" | "positioning" | "counting" | "aside" | null | undefined} FramePhase  as the readout says it; none of an older one */

const BETWEEN = ["waiting", "positioning"];
const BEFORE = ["preparing", "armed", ""];

/**
 * Return a key of the texts of pictures, empty where there is nothing to be said.
 * @param {FramePhase} phase
 * @param {{what: string, state?: string, cps?: number | null}} shown  `cps`: all that comes in a second, null where it is not known
 */
export function phaseNote(phase, { what, state = "", cps = null }) {
  if ((phase === "nothing" || phase === "positioning") && !BEFORE.includes(state)) return state === "acquiring" ? "begins" : "";
  if (phase === "nothing") return "beginsWithStart";
  if (phase === "positioning") return what === "counts" ? "nothingCounted" : cps === 0 ? "positioningSilent" : "positioning";
  if (phase !== "aside" || what === "counts") return "";
  if (state === "paused") return "asidePaused";
  return BETWEEN.includes(state) ? "asideBetween" : "";
}

/** Whether the energies of now are shown, not those of a view. @param {FramePhase} phase @param {boolean} between  nobody looks at a view that has ended */
export function energiesOfNow(phase, between) {
  return phase === "positioning" || (phase === "aside" && between);
}

/**
 * The peaks that do not lie in the middle half of their window, by more than three of their errors: the rule of the readout.
 * @param {{head: number, window: string, kev: number, error_kev: number | null}[]} peaks
 * @param {{name: string, lower_kev: number, upper_kev: number}[]} windows
 */
export function besideMiddle(peaks, windows) {
  return peaks.filter(({ window, kev, error_kev: error }) => {
    const found = windows.find((each) => each.name === window);
    if (!found) return false;
    const quarter = (found.upper_kev - found.lower_kev) / 4;
    return Math.abs(kev - (found.lower_kev + found.upper_kev) / 2) > quarter + 3 * (error ?? 0);
  });
}

/** All that comes in a second, of what the readout tells of rates; null where that is not known. @param {any} rates */
export function comesCps(rates) {
  const each = Object.values(rates?.rates_cps ?? {}).filter((value) => typeof value === "number");
  return each.length ? each.reduce((sum, value) => sum + value, 0) : null;
}
