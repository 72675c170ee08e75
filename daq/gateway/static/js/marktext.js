// How marks are written. Pure.

/** `Node 1` becomes `Node 2`. @param {string} text */
export function counting(text) {
  return text.replace(/(\d+)\s*$/, (number) => String(Number(number) + 1));
}

/**
 * The picture that a mark is of: what a head saw of one view of one run. Between views, live, the patient lies elsewhere already.
 * @param {any} status @param {number | string} head @param {string} what  "scope" for what is seen now, else what was counted
 */
export function pictureOf(status, head, what) {
  const between = what === "scope" && status?.state === "waiting" ? " after" : "";
  return `${status?.run ?? ""}/${status?.step ?? 0}${between}/${head}`;
}

/**
 * Where a point of a picture is from its middle, in mm as it is seen: to the right and upwards are positive.
 * @param {{x: number, y: number}} point  shares of the picture from its upper left corner
 * @param {{columns: number, rows: number, pixelMm: number}} picture
 */
export function placeOf(point, { columns, rows, pixelMm }) {
  const mm = (/** @type {number} */ value) => Math.round(value * 10) / 10 + 0; // no negative nought
  return { xMm: mm((point.x - 0.5) * columns * pixelMm), yMm: mm((0.5 - point.y) * rows * pixelMm) };
}
