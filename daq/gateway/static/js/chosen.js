// The entry of the worklist that is chosen here: the banner shows it while nobody is on the bed. Kept by this page alone.
import { personalStore, useStore } from "./store.js";

const chosen = personalStore(/** @type {string | null} */ (null));

/** Choose an entry by its key, or none. @param {string | null} entry */
export function choose(entry) {
  chosen.set(entry);
}

/** Return the key of the chosen entry, and draw again when it changes. */
export function useChosen() {
  return useStore(chosen, (value) => value);
}
