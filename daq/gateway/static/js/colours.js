// Colour tables, and which colour a count has. Pure.

/** @typedef {"inverse" | "grey" | "hot" | "violet"} ColoursName */

/** @type {ColoursName[]} */
export const COLOURS = ["inverse", "grey", "hot", "violet"];

/**
 * Colours at equal distances, dark to bright, of the tables that are not grey. In each the brightness grows all the way,
 * so that more never looks like less.
 * @type {Record<string, number[][]>}
 */
const POINTS = {
  hot: [[0, 0, 0], [110, 0, 0], [210, 30, 0], [255, 110, 0], [255, 190, 20], [255, 245, 130], [255, 255, 255]],
  violet: [[48, 8, 72], [64, 60, 128], [48, 104, 140], [30, 146, 138], [72, 186, 108], [160, 216, 60], [250, 232, 40]],
};

/** @type {Map<string, Uint32Array>} */
const made = new Map();

/**
 * Return 256 colours as pixels of an ImageData (bytes red, green, blue, opaque).
 * @param {ColoursName} name
 * @returns {Uint32Array}
 */
export function table(name) {
  let found = made.get(name);
  if (!found) {
    const bytes = new Uint8Array(1024);
    for (let at = 0; at < 256; at += 1) bytes.set([...colour(name, at / 255), 255], 4 * at);
    found = new Uint32Array(bytes.buffer);
    made.set(name, found);
  }
  return found;
}

/** @param {ColoursName} name @param {number} share  0 to 1 */
function colour(name, share) {
  const points = POINTS[name];
  if (!points) {
    const grey = Math.round(255 * (name === "inverse" ? 1 - share : share));
    return [grey, grey, grey];
  }
  const place = share * (points.length - 1);
  const low = Math.min(Math.floor(place), points.length - 2);
  return points[low].map((value, band) => Math.round(value + (points[low + 1][band] - value) * (place - low)));
}

/**
 * Return the most in any pixel that is not masked.
 * @param {ArrayLike<number>} values
 * @param {Uint8Array | null} [mask]  1 where a pixel is masked
 */
export function mostOf(values, mask = null) {
  let most = 0;
  for (let at = 0; at < values.length; at += 1) if (values[at] > most && !mask?.[at]) most = values[at];
  return most;
}

/**
 * Paint values into the pixels of an ImageData: none has the first colour, `upper` and more the last.
 * @param {ArrayLike<number>} values
 * @param {Uint32Array} pixels  as long as `values`
 * @param {{colours: Uint32Array, upper: number, log?: boolean, unit?: number, mask?: Uint8Array | null, masked?: number}} how
 * `unit`: what one count is in `values`, for the logarithm; `masked`: the pixel in place of what is masked.
 */
export function paint(values, pixels, { colours, upper, log = false, unit = 1, mask = null, masked = 0xff808080 }) {
  const last = colours.length - 1;
  const top = upper > 0 ? upper : 1;
  if (log) {
    const factor = last / Math.log1p(top / unit);
    for (let at = 0; at < values.length; at += 1) pixels[at] = colours[Math.min(last, Math.log1p(values[at] / unit) * factor + 0.5) | 0];
  } else {
    const factor = last / top;
    for (let at = 0; at < values.length; at += 1) pixels[at] = colours[Math.min(last, values[at] * factor + 0.5) | 0];
  }
  if (mask) for (let at = 0; at < values.length; at += 1) if (mask[at]) pixels[at] = masked;
}
