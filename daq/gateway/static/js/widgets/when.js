// Times and names of the station as people here read them: 24 hours, the day where it is another one. Pure.

/**
 * @param {string} utc  RFC 3339
 * @param {Date} [now]
 */
export function clock(utc, now = new Date()) {
  const at = new Date(utc);
  if (Number.isNaN(at.getTime())) return utc;
  const time = at.toLocaleTimeString("en-GB", { hour12: false });
  return at.toDateString() === now.toDateString() ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}

/** @param {string} text  Names of parts are words, not identifiers: `emergency_stop` becomes `emergency stop`. */
export function plainly(text) {
  return text.replaceAll(/(\w)_(?=\w)/g, "$1 ");
}
