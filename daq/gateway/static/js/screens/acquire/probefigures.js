// What a probe says, worked out as `daq probe watch` does: dead time, background, cue. Pure.

export const FLOOR = 10;
export const CEILING = 5000;

/**
 * The rate of a window now, corrected for dead time, and net of background.
 * @param {{about: any, arrays: Record<string, any>}} part  `probe` of the live frames
 * @param {string} window
 * @param {number | null} background  per second
 */
export function seen(part, window, background) {
  const { windows, dead_s: dead } = part.about;
  const at = Math.max(0, windows.indexOf(window));
  const rates = part.arrays.rates_per_s.values;
  const errors = part.arrays.rate_errors_per_s.values;
  const alive = 1 - rates[windows.length - 1] * dead; // the last is of all pulses, in a window or not
  const rate = alive > 0 ? rates[at] / alive : NaN;
  return { rate, error: alive > 0 ? errors[at] / alive : NaN, net: Math.max(0, rate - (background ?? 0)) };
}

/** How far the cue is, 0 to 1: by equal ratios between floor and ceiling. @param {number} net */
export function cue(net) {
  if (!(net > FLOOR)) return 0;
  return Math.min(1, Math.log(net / FLOOR) / Math.log(CEILING / FLOOR));
}

/** A rate without its unit: `1840`, `12.4`. @param {number} value */
export function perSecond(value) {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 99.95 ? value.toFixed(0) : value.toFixed(1);
}

/**
 * Steps with their share of the hottest node ex vivo; null where that says nothing: before one, and of the background.
 * @param {any[]} steps
 */
export function shares(steps) {
  const hottest = Math.max(0, ...steps.filter((each) => each.role === "ex_vivo").map((each) => each.net_per_s));
  return steps.map((each) => ({ ...each, share: hottest > 0 && (each.role === "ex_vivo" || each.role === "bed") ? each.net_per_s / hottest : null }));
}

/** The pitch of a click and the time between two. @param {number} level */
export function click(level) {
  return { hz: 220 * 2 ** (3 * level), everyS: 1 / (1 + 9 * level) };
}
