// What the room display shows in figures, and where a touch lies. Pure.

/**
 * What is left of a view: counts where it ends on counts, and the time that will take.
 * @param {any} status
 * @param {any} progress  of this step, or null
 * @returns {{value: number | null, left: number | null, seconds: number | null}}
 */
export function figureOf(status, progress) {
  if (!progress) return { value: null, left: null, seconds: null };
  const { counts, fraction, remaining_s: seconds } = progress;
  const value = counts?.prompts || counts?.singles || counts?.events || 0;
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
