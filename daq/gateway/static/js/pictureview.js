// How pictures are shown at this place: colours, upper level, logarithm, zoom, masks. It changes no picture.
import { store, useStore } from "./store.js";

const KEPT = "scandaq-pictures";
export const PERSISTENCES_S = [1, 4, 10];
export const ZOOMS = [1, 2, 4];

/**
 * @typedef {object} View
 * @property {import("./colours.js").ColoursName} colours
 * @property {boolean} log
 * @property {number} upper  per cent of the most in a pixel, where colours end
 * @property {number} zoom
 * @property {number} persistence  s
 * @property {"" | "rectangle" | "polygon" | "mark"} tool  what is drawn by pressing on a picture
 * @property {Record<string, import("./masks.js").Shape[]>} masks  by picture
 * @property {string | null} masksOf  the run that they were drawn in
 */

/** @type {View} */
export const USUAL = { colours: "inverse", log: false, upper: 100, zoom: 1, persistence: 4, tool: "", masks: {}, masksOf: null };

/** @returns {View} */
function remembered() {
  try {
    const { colours, log, upper, persistence } = { ...USUAL, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}") };
    return { ...USUAL, colours, log, upper, persistence };
  } catch {
    return USUAL; // nothing kept that can be read: as at a new place
  }
}

const view = store(remembered());

/** @param {Partial<View>} change */
export function setView(change) {
  view.set((old) => ({ ...old, ...change }));
  const { colours, log, upper, persistence } = view.get();
  localStorage.setItem(KEPT, JSON.stringify({ colours, log, upper, persistence }));
}

/** @param {string} picture @param {import("./masks.js").Shape} shape */
export function addMask(picture, shape) {
  view.set((old) => ({ ...old, tool: "", masks: { ...old.masks, [picture]: [...(old.masks[picture] ?? []), shape] } }));
}

/** Remove all masks. */
export function forgetMasks() {
  view.set((old) => (Object.keys(old.masks).length ? { ...old, masks: {} } : old));
}

/** Masks are of where one patient lies: in another run they are gone. @param {string | null} run */
export function masksAreOf(run) {
  if (view.get().masksOf === run) return;
  forgetMasks();
  view.set((old) => ({ ...old, masksOf: run }));
}

/** @template S @param {(value: View) => S} select @returns {S} */
export function useView(select) {
  return useStore(view, select);
}
