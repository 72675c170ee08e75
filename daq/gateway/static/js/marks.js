// Marks that a person puts into the recording: at a moment, or at a place of a picture. They are kept for this page.
import { command } from "./api.js";
import { counting, placeOf } from "./marktext.js";
import { personalStore, useStore } from "./store.js";
import { t } from "./strings.js";

/** @typedef {{text: string, picture: string, x: number, y: number}} Mark  `picture`: see `pictureOf`; empty for one of a moment alone */
/** @typedef {{run: string | null, next: string, made: Mark[]}} Marks */

const marks = personalStore(/** @type {Marks} */ ({ run: null, next: t("acquire.marks.first"), made: [] }));

/** @template S @param {(value: Marks) => S} select @returns {S} */
export function useMarks(select) {
  return useStore(marks, select);
}

/** Marks are of one run: in another one they are gone. @param {string | null} run */
export function marksAreOf(run) {
  if (marks.get().run !== run) marks.set({ run, next: t("acquire.marks.first"), made: [] });
}

/** @param {string} next */
export function nameNext(next) {
  marks.set((old) => ({ ...old, next }));
}

/** Put a mark of this moment into the recording. */
export async function markNow() {
  await put({ picture: "", x: 0, y: 0 }, "");
}

/**
 * Put a mark of a place into the recording.
 * @param {{picture: string, x: number, y: number}} at  shares of the picture
 * @param {{columns: number, rows: number, pixelMm: number, head: string, view: string}} seen
 */
export async function markPlace(at, seen) {
  const { xMm, yMm } = placeOf(at, seen);
  await put(at, t("acquire.marks.place", { across: Math.abs(xMm).toFixed(1), side: t(`acquire.marks.${xMm < 0 ? "left" : "right"}`), up: Math.abs(yMm).toFixed(1), way: t(`acquire.marks.${yMm < 0 ? "down" : "up"}`), view: seen.view, head: seen.head }));
}

/** @param {{picture: string, x: number, y: number}} at @param {string} place */
async function put(at, place) {
  const { run, next: named } = marks.get();
  const text = named.trim() || t("acquire.marks.first");
  const next = counting(text);
  marks.set((old) => ({ ...old, next })); // at once: a second press while this one is on its way is another mark
  try {
    await command("mark", { run: run ?? undefined, text: place ? `${text}: ${place}` : text });
  } catch (problem) {
    marks.set((old) => (old.run === run && old.next === next ? { ...old, next: named } : old));
    throw problem;
  }
  marks.set((old) => (old.run === run ? { ...old, made: [...old.made, { ...at, text }] } : old));
}
