// What of a picture is masked, so that it does not decide the colours. Places are shares of the picture, 0 to 1 from its
// upper left corner: they hold for any size it comes in. Pure.

/** @typedef {{x: number, y: number}} Point @typedef {Point[]} Shape  corners, in order; two of a rectangle */

const FEWEST = 3;

/**
 * Return which pixels lie under a shape: those whose middle does.
 * @param {Shape[]} shapes
 * @param {number} columns
 * @param {number} rows
 * @returns {Uint8Array | null}  1 where masked, row by row from the top; null where nothing is
 */
export function maskOf(shapes, columns, rows) {
  if (!shapes.length) return null;
  const mask = new Uint8Array(columns * rows);
  for (const shape of shapes.map(corners)) {
    for (let row = 0; row < rows; row += 1) {
      const y = (row + 0.5) / rows;
      for (let column = 0; column < columns; column += 1) if (inside(shape, (column + 0.5) / columns, y)) mask[row * columns + column] = 1;
    }
  }
  return mask.includes(1) ? mask : null;
}

/** Return the corners of a shape; a rectangle is named by two that face each other. @param {Shape} shape @returns {Shape} */
export function corners(shape) {
  if (shape.length >= FEWEST) return shape;
  const [a, b] = [shape[0], shape.at(-1) ?? shape[0]];
  return [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
}

/** @param {Shape} shape @param {number} x @param {number} y */
function inside(shape, x, y) {
  let found = false;
  for (let at = 0, before = shape.length - 1; at < shape.length; before = at, at += 1) {
    const [a, b] = [shape[at], shape[before]];
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) found = !found;
  }
  return found;
}
