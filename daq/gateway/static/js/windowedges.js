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
