// Arithmetic of energy windows and their edges. Pure.

export const STEP_KEV = 0.5;
export const LONG_STEP_KEV = 5;
const NARROWEST_KEV = 1;
const BEYOND = 1.6;

/** @typedef {{name: string, lower_kev: number, upper_kev: number}} EnergyWindow @typedef {"lower_kev" | "upper_kev"} Edge */

/**
 * Return windows with one edge elsewhere, in steps of half a keV; no window is narrower than 1 keV or leaves `range`.
 * @param {EnergyWindow[]} windows
 * @param {number} at
 * @param {Edge} edge
 * @param {number} kev
 * @param {[number, number]} range
 */
export function moved(windows, at, edge, kev, range) {
  const [least, most] = edgeRange(windows[at], edge, range);
  const stepped = Math.round(kev / STEP_KEV) * STEP_KEV;
  return windows.map((each, place) => (place === at ? { ...each, [edge]: Math.min(Math.max(stepped, least), most) } : each));
}

/** Return between what an edge may be. @param {EnergyWindow} window @param {Edge} edge @param {[number, number]} range @returns {[number, number]} */
export function edgeRange(window, edge, range) {
  return edge === "lower_kev" ? [range[0], window.upper_kev - NARROWEST_KEV] : [window.lower_kev + NARROWEST_KEV, range[1]];
}

/**
 * Return windows with one of them elsewhere, in steps of half a keV from where it is: as wide as it was, and within `range`.
 * @param {EnergyWindow[]} windows @param {number} at @param {number} byKev @param {[number, number]} range
 */
export function shifted(windows, at, byKev, range) {
  const { lower_kev: lower, upper_kev: upper } = windows[at];
  const least = Math.ceil((range[0] - lower) / STEP_KEV);
  const most = Math.floor((range[1] - upper) / STEP_KEV);
  const by = Math.min(Math.max(Math.round(byKev / STEP_KEV), least), most) * STEP_KEV;
  return windows.map((each, place) => (place === at ? { ...each, lower_kev: lower + by, upper_kev: upper + by } : each));
}

/** The windows whose edges are others than before. @param {EnergyWindow[]} before @param {EnergyWindow[]} after */
export function changedOf(before, after) {
  return after.filter((each) => {
    const old = before.find((one) => one.name === each.name);
    return old && (old.lower_kev !== each.lower_kev || old.upper_kev !== each.upper_kev);
  });
}

/** Between where the middle of a window may be. @param {EnergyWindow} window @param {[number, number]} range @returns {[number, number]} */
export function middleRange(window, range) {
  const half = (window.upper_kev - window.lower_kev) / 2;
  return [range[0] + half, range[1] - half];
}

/** Return by how much a key moves an edge, 0 for other keys. @param {string} key @param {boolean} shift */
export function stepOf(key, shift) {
  const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[key] ?? 0;
  return way * (shift ? LONG_STEP_KEV : STEP_KEV);
}

/**
 * Return up to which energy a spectrum is shown: somewhat beyond the highest window, all of it without windows.
 * @param {EnergyWindow[]} windows
 * @param {number} highest
 */
export function shownUntil(windows, highest) {
  return windows.length ? Math.min(highest, BEYOND * Math.max(...windows.map((each) => each.upper_kev))) : highest;
}
