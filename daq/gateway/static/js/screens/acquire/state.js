// What the screen knows: the acquisition as the station tells it, and the small pictures that it keeps of its views.
import { useEffect } from "../../preact.js";
import { ask, request } from "../../api.js";
import { live, useLive } from "../../live.js";
import { personalStore, useStore } from "../../store.js";

/** @typedef {{told: any, atMs: number, problem: any, of: string}} Known */

const known = personalStore(/** @type {Known} */ ({ told: null, atMs: 0, problem: null, of: "" }));
const thumbnails = personalStore(/** @type {Record<string, string[]>} */ ({}));
let turn = 0;

/** Ask anew; what comes late is dropped where something newer was asked for. @param {string} of */
async function lookAgain(of) {
  turn += 1;
  const mine = turn;
  try {
    const told = await ask("acquisition");
    if (mine === turn) known.set({ told, atMs: performance.now(), problem: null, of });
  } catch (problem) {
    if (mine === turn) known.set((old) => ({ ...old, problem }));
  }
}

/**
 * Return the acquisition, asked for again whenever state or step change, or the connection comes back.
 * @returns {Known & {again: () => Promise<void>}}
 */
export function useAcquisition() {
  const of = useLive((now) => `${now.connected} ${now.status?.run} ${now.status?.state} ${now.status?.since_utc} ${now.status?.step} ${now.status?.detail} ${now.revisions.acquisition} ${now.readings["patient on_bed"]?.value}`);
  const connected = useLive((now) => now.connected);
  useEffect(() => {
    if (connected) void lookAgain(of);
  }, [of, connected]);
  const value = useStore(known, (each) => each);
  return { ...value, again: () => lookAgain(of) };
}

/**
 * The small pictures of the views of a run, as the station keeps them: their addresses by `run/step`. @param {string | null} run
 * @returns {Record<string, string[]>}
 */
export function useThumbnails(run) {
  const of = useLive((now) => `${now.connected} ${now.status?.step} ${now.status?.state} ${now.revisions.views}`);
  useEffect(() => {
    if (run && live.get().connected) void lookAtPictures(run);
  }, [run, of]);
  return useStore(thumbnails, (value) => value);
}

/** @param {string} run */
async function lookAtPictures(run) {
  const place = `/api/v1/files/views/${encodeURIComponent(run)}`;
  try {
    const { steps } = await request("GET", place);
    if (live.get().status?.run !== run) return; // another one came meanwhile
    const made = Object.entries(steps).map(([step, { pictures, changed }]) => [`${run}/${step}`, Array.from({ length: pictures }, (_, at) => `${place}/${step}-${at}.png?${changed}`)]);
    thumbnails.set(Object.fromEntries(made));
  } catch (problem) {
    console.warn("no pictures of the views", problem); // they are asked for again with the next view
  }
}
