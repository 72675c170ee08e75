// What the screen knows: the acquisition as the station tells it, and small pictures of views that were seen to end here.
import { useEffect } from "../../preact.js";
import { ask } from "../../api.js";
import { live, useLive } from "../../live.js";
import { frames } from "../../liveframes.js";
import { store, useStore } from "../../store.js";
import { paint, mostOf, table } from "../../colours.js";

/** @typedef {{told: any, atMs: number, problem: any, of: string}} Known */

const known = store(/** @type {Known} */ ({ told: null, atMs: 0, problem: null, of: "" }));
const thumbnails = store(/** @type {Record<string, string[]>} */ ({}));
const MOST = 40;
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

/** Keep small pictures of the step so far, so that there are some when it has ended. @param {string | null} run @param {number} step */
export function useThumbnails(run, step) {
  useEffect(() => {
    if (!run || !step) return undefined;
    const timer = setInterval(() => keep(run, step), 1000);
    return () => {
      clearInterval(timer);
    };
  }, [run, step]);
  return useStore(thumbnails, (value) => value);
}

/** @param {string} run @param {number} step */
function keep(run, step) {
  const part = frames.get().parts.counts;
  if (!part || part.about.step !== step || frames.get().run !== run || live.get().status?.run !== run) return;
  const made = Object.values(part.arrays).map(small);
  thumbnails.set((old) => {
    const next = { ...old, [`${run}/${step}`]: made };
    return Object.fromEntries(Object.entries(next).slice(-MOST));
  });
}

/** @param {import("../../frame.js").Part} part */
function small(part) {
  const [rows, columns] = part.shape;
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  const image = context.createImageData(columns, rows);
  paint(part.values, new Uint32Array(image.data.buffer), { colours: table("inverse"), upper: mostOf(part.values, null), log: false, unit: 1 / (part.about.scale ?? 1), mask: null });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}
