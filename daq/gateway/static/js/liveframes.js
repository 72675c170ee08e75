// Live pictures: asks for what the screen shows, keeps of each part the newest, tells the station what is painted.
import { useEffect, useState } from "./preact.js";
import { decode } from "./frame.js";
import { kept, NO_FRAMES, ofRun, united } from "./frameparts.js";
import { live, onFrame, say, useLive } from "./live.js";
import { store, useStore } from "./store.js";

/** @typedef {import("./frameparts.js").Frames} Frames @typedef {import("./frameparts.js").Want} Want */

export const frames = store(NO_FRAMES);

/** @type {Map<object, Want>} */
const wants = new Map();
let asked = "";

/** Say what all that is shown wants together, where that has changed. */
function ask() {
  const want = united([...wants.values()]);
  const text = JSON.stringify(want);
  if (text === asked || !live.get().connected) return;
  asked = text;
  say(want);
}

let wasConnected = false;
live.watch(() => {
  const connected = live.get().connected;
  if (connected && !wasConnected) {
    asked = JSON.stringify(united([])); // a new connection wants nothing yet
    ask();
  }
  wasConnected = connected;
});

onFrame((bytes) => {
  let frame;
  try {
    frame = decode(bytes);
  } catch (problem) {
    frames.set((old) => ({ ...old, problem: problem instanceof Error ? problem.message : String(problem) }));
    return;
  }
  frames.set((old) => kept(old, frame, performance.now()));
  requestAnimationFrame(() => say({ type: "ack", seq: frame.number })); // not before it can be painted: a hidden page is sent no more
});

/**
 * Say what a component shows, while it is there: `what` of scope, counts, spectrum, energy, rates, study, ring, probe.
 * Of several components the largest `size` and `hz` count, and `persistence` and `window` of the last.
 * @param {Want} want
 */
export function useWanted(want) {
  const text = JSON.stringify(want);
  useEffect(() => {
    const mine = {};
    wants.set(mine, want);
    ask();
    return () => {
      wants.delete(mine);
      ask();
    };
  }, [text]);
}

/**
 * Return what `select` finds in the newest frames, and draw again when that changes. Of another acquisition than the
 * station has now nothing is found: whoever is prepared never sees pictures of whoever was before.
 * @template S
 * @param {(value: Frames) => S} select
 * @returns {S}
 */
export function useFrame(select) {
  const run = useLive((value) => value.status?.run ?? null);
  return useStore(frames, (value) => select(ofRun(value, run)));
}

/**
 * Return how old the figures of a part are in whole seconds, and whether they are too old to look fresh; again each
 * half second, also when nothing comes.
 * @param {"looks" | "study"} [group]
 */
export function useAge(group = "looks") {
  const [, turn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => turn((old) => old + 1), 500);
    return () => clearInterval(timer);
  }, []);
  const found = useFrame((value) => value.fresh[group]);
  return found ? { ...found, ageS: found.ageS === null ? null : found.ageS + (performance.now() - found.atMs) / 1000 } : null;
}
