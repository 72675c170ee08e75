// What the station says, as it says it: one WebSocket, connected again whenever it is lost.
import { store, useStore } from "./store.js";
import { merged } from "./news.js";
import { heardTime } from "./stationclock.js";

/**
 * @typedef {object} Live
 * @property {boolean} connected
 * @property {number | null} heardAtMs  when something was last heard, by performance.now()
 * @property {any} status  the newest StationStatus, null before the first
 * @property {any} progress
 * @property {any} ledger
 * @property {any} description
 * @property {Record<string, any>} readings  by "device name"
 * @property {Record<string, any>} alarms  by "device name"
 * @property {Record<string, any>} qc  by test
 * @property {any} control
 * @property {Record<string, number>} revisions  of lists that are asked for: "worklist", "protocols", "studies" ...
 */

/** @type {Live} */
export const NOTHING = {
  connected: false, heardAtMs: null, status: null, progress: null, ledger: null, description: null,
  readings: {}, alarms: {}, qc: {}, control: null, revisions: {},
};

export const live = store(NOTHING);

const FIRST_MS = 300;
const LONGEST_MS = 5_000;
const SILENT_MS = 6_000;
const NOT_SIGNED_IN = 4401;

/** @type {WebSocket | null} */
let socket = null;
let waitMs = FIRST_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;
/** @type {(() => void) | null} */
let onSignedOut = null;
/** @type {Set<(bytes: ArrayBuffer) => void>} */
const frameListeners = new Set();
/** @type {Set<(number: any, report: any) => void>} */
const stopListeners = new Set();

/**
 * Begin to listen. `signedOut` is called when the station says that nobody is signed in here.
 * @param {() => void} signedOut
 */
export function connect(signedOut) {
  onSignedOut = signedOut;
  if (socket) return;
  const place = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`;
  const opened = new WebSocket(place);
  opened.binaryType = "arraybuffer";
  socket = opened;
  let whole = false;
  opened.onopen = () => {
    waitMs = FIRST_MS;
    live.set((old) => ({ ...old, revisions: {} })); // lists are asked for again: a station that was restarted counts anew
    hear();
  };
  opened.onmessage = (message) => {
    if (socket !== opened) return;
    hear();
    if (message.data instanceof ArrayBuffer) {
      for (const listener of frameListeners) listener(message.data);
      return;
    }
    const told = JSON.parse(message.data);
    if (told.type === "stopped") {
      for (const listener of stopListeners) listener(told.number, told.stopped);
      return;
    }
    heardTime(told.time_s);
    // The first news are all there is, and take the place of what was known: until then that stays, as it does while the
    // connection is lost, for a screen that knew nothing for a moment would forget what somebody has half typed in it.
    const known = whole ? live.get() : NOTHING;
    whole = true;
    live.set({ ...merged(known, told.news ?? []), connected: true, heardAtMs: performance.now() });
  };
  opened.onclose = (event) => lost(opened, event.code);
}

/**
 * Take a socket for lost and connect again. A browser whose network is gone says so only after minutes: whoever has heard
 * nothing for too long does not wait for that.
 * @param {WebSocket} opened
 * @param {number} code
 */
function lost(opened, code) {
  if (socket !== opened) return;
  socket = null;
  clearTimeout(silence);
  opened.close();
  live.set((old) => ({ ...old, connected: false }));
  if (code === NOT_SIGNED_IN) {
    onSignedOut?.();
    return;
  }
  setTimeout(() => connect(onSignedOut ?? (() => undefined)), waitMs);
  waitMs = Math.min(LONGEST_MS, waitMs * 2);
}

/** End it, because somebody signed out. */
export function disconnect() {
  const ended = socket;
  socket = null;
  clearTimeout(silence);
  ended?.close();
  live.set(NOTHING);
}

/**
 * Say something to the station on the socket: what is painted, what is wanted.
 * @param {object} message
 */
export function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/**
 * Hear every binary frame; returns a function that ends it.
 * @param {(bytes: ArrayBuffer) => void} listener
 */
export function onFrame(listener) {
  frameListeners.add(listener);
  return () => void frameListeners.delete(listener);
}

/**
 * Hear what became of every stop that was said on the socket, with the number that was said with it.
 * @param {(number: any, report: any) => void} listener
 */
export function onStopped(listener) {
  stopListeners.add(listener);
}

/** A connection on which nothing comes is none: the station says something every two seconds. */
function hear() {
  clearTimeout(silence);
  silence = setTimeout(() => socket && lost(socket, 0), SILENT_MS);
}

/**
 * Return what `select` finds in what the station says, and draw again when that changes.
 * @template S
 * @param {(value: Live) => S} select
 * @returns {S}
 */
export function useLive(select) {
  return useStore(live, select);
}
