// What is in the room now: axes, enable, interlocks, bed. Asked for while somebody looks; more often while axes can move.
import { useEffect } from "../preact.js";
import { ask } from "../api.js";
import { store, useStore } from "../store.js";

const CALM_MS = 1_000;
const MOVING_MS = 250;
const OLD_MS = 3_000;

/**
 * @typedef {object} Interlock
 * @property {string} name
 * @property {string} device
 * @property {string} kind
 * @property {string | null} head
 * @property {"closed" | "open" | "unknown"} state
 * @property {string} trouble
 * @property {string[]} guards
 */

/**
 * @typedef {object} Room
 * @property {"off" | "held" | "spent" | "latched"} enable
 * @property {"confirmed" | "homed" | "lost"} reference
 * @property {boolean} moving
 * @property {string} doing
 * @property {Record<string, {unit: string, position: number | null, moving: boolean | null, homed: boolean | null, fault: string, minimum: number, maximum: number, away: string | null}>} axes
 * @property {Record<string, string>} against  by kind of movement: why it could not begin now
 * @property {Interlock[]} interlocks
 * @property {{occupied: boolean, patient: boolean, stated_by: string, since_utc: string} | null} bed
 * @property {{enable: boolean, axes: string[], collimators: string[], mounts: string[], gates: string[], heads: string[]} | null} by_hand
 */

const known = store(/** @type {{room: Room | null, heardAtMs: number}} */ ({ room: null, heardAtMs: 0 }));
let lookers = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let next;
let asking = false;

/** Ask now. */
export async function lookAgain() {
  if (asking) return;
  asking = true;
  clearTimeout(next);
  try {
    known.set({ room: await ask("room"), heardAtMs: performance.now() });
  } catch {
    known.set((old) => ({ ...old })); // what is shown grows old, and says so
  } finally {
    asking = false;
    if (lookers > 0) next = setTimeout(lookAgain, canMove(known.get().room) ? MOVING_MS : CALM_MS);
  }
}

/**
 * Return what is in the room, and how old that is: 0 while it is fresh.
 * @returns {{room: Room | null, oldS: number}}
 */
export function useRoom() {
  useEffect(() => {
    lookers += 1;
    void lookAgain();
    return () => {
      lookers -= 1;
      if (lookers === 0) clearTimeout(next);
    };
  }, []);
  const { room, heardAtMs } = useStore(known, (value) => value);
  const ageMs = performance.now() - heardAtMs;
  return { room, oldS: room && ageMs > OLD_MS ? Math.round(ageMs / 1000) : 0 };
}

/**
 * Return true while anything moves or could begin to.
 * @param {Room | null} room
 */
export function canMove(room) {
  return room !== null && (room.moving || room.enable === "held" || room.enable === "latched");
}

/**
 * A place with its unit.
 * @param {number | null} position
 * @param {string} unit
 */
export function place(position, unit) {
  if (position === null) return "–";
  return `${position.toFixed(1)} ${unit === "deg" ? "°" : unit}`.replace(" °", "°");
}

/** @param {string} name  An axis as people call it: `head1_radius` becomes `head1 radius`. */
export function called(name) {
  return name.replaceAll("_", " ").replaceAll("-", " ");
}
