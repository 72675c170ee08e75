// Marks that a person puts into the recording: at a moment, or at a place of a picture. They are kept for this page.
import { command } from "./api.js";
import { counting, placeOf } from "./marktext.js";
import { store, useStore } from "./store.js";
import { t } from "./strings.js";

/** @typedef {{text: string, picture: string, x: number, y: number}} Mark  `picture` is empty for one of a moment alone */
/** @typedef {{run: string | null, next: string, made: Mark[]}} Marks */

const marks = store(/** @type {Marks} */ ({ run: null, next: t("acquire.marks.first"), made: [] }));

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
  const text = marks.get().next.trim() || t("acquire.marks.first");
  await command("mark", { text: place ? `${text}: ${place}` : text });
  marks.set((old) => ({ ...old, next: counting(text), made: [...old.made, { ...at, text }] }));
}
