// The time of the station: the clock of a browser may be wrong, and what is told here is told by the station's.

/** @type {number | null} */
let atZeroMs = null;

/**
 * Hear what time it is at the station.
 * @param {number} timeS  Unix time in seconds, as it was sent @param {number} [heardMs]  when it came, by performance.now()
 */
export function heardTime(timeS, heardMs = performance.now()) {
  if (Number.isFinite(timeS)) atZeroMs = timeS * 1000 - heardMs;
}

/** Return the time at the station in milliseconds; before it was heard, the time here. @param {number} [nowMs] */
export function stationNow(nowMs = performance.now()) {
  return atZeroMs === null ? Date.now() : atZeroMs + nowMs;
}
