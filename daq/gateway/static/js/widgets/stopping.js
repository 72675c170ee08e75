// STOP ALL MOTION: one press, never asked about, never waiting for anything; then what stands, and what is not known to.
import { html, useEffect, useState } from "../preact.js";
import { Problem, request } from "../api.js";
import { live, onStopped, say } from "../live.js";
import { stationNow } from "../stationclock.js";
import { store, useStore } from "../store.js";
import { t } from "../strings.js";
import { isLate, told, wordsOf } from "./stopwords.js";

const AGAIN_MS = 1_000;
const WITHIN_MS = 2_500;
const MOST_TRIES = 10;
const SOON_MS = 500;
const SHOWN_MS = 15_000;

/** @type {ReturnType<typeof store<import("./stopwords.js").Stop | null>>} */
const last = store(/** @type {import("./stopwords.js").Stop | null} */ (null));
let turn = 0;

/**
 * Stop every axis. It goes out on both ways to the station at once, and again each second until one answers: neither
 * a slow request nor a lost socket may hold it up. Whoever pressed is told at once where it cannot have got through.
 */
export function stopMotion() {
  turn += 1;
  const mine = turn;
  const lost = live.get().heardAtMs !== null && !live.get().connected;
  last.set({ at: new Date(stationNow()), sentMs: performance.now(), lost, triesMs: MOST_TRIES * AGAIN_MS, report: null, problem: "" });
  for (let tries = 0; tries < MOST_TRIES; tries += 1) setTimeout(() => waits(mine) && (say({ type: "stop-motion", number: mine }), void send(mine)), tries * AGAIN_MS);
}

/** @param {number} mine */
function waits(mine) {
  return mine === turn && !last.get()?.report;
}

/** Keep what the station says of a stop: the first answer, by whichever way it came. @param {any} report */
function heard(report) {
  const nowMs = performance.now();
  last.set((old) => (old && !old.report ? { ...old, at: new Date(stationNow()), afterMs: nowMs - old.sentMs, report, problem: "" } : old));
}

/** A try that nobody answered in time may have got through all the same; one that found no station has not. @param {any} problem */
function wentWrong(problem) {
  if (problem instanceof Problem && problem.kind === "DeadlineError" && problem.status === 0) return { problem: "" };
  const unreached = problem instanceof Problem && problem.kind === "UnreachableError" && problem.status === 0;
  return unreached ? { lost: true, problem: problem.message } : { lost: false, problem: problem instanceof Error ? problem.message : String(problem) };
}

onStopped((number, report) => number === turn && heard(report));

/** @param {number} mine */
async function send(mine) {
  try {
    const answer = await request("POST", "/api/v1/commands/stop-motion", {}, { "Idempotency-Key": crypto.randomUUID() }, WITHIN_MS);
    if (waits(mine)) heard(answer.stopped);
  } catch (problem) {
    if (waits(mine)) last.set((old) => old && { ...old, ...wentWrong(problem) });
  }
}

/** The button. It acts when it is pressed, not when it is let go, and never waits for an answer before the next press. */
export function StopButton() {
  const [downMs, setDownMs] = useState(-Infinity);
  const down = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    setDownMs(event.timeStamp);
    stopMotion();
  };
  const click = (/** @type {MouseEvent} */ event) => {
    if (event.timeStamp - downMs > SOON_MS || event.detail === 0) stopMotion();
  };
  return html`<button type="button" class="stop-motion" aria-keyshortcuts="F12" title=${t("stopping.hint")} onPointerDown=${down} onClick=${click}>${t("stopping.button")}</button>`;
}

/** F12, or Esc twice, stop every axis on every screen. */
export function useStopKeys() {
  useEffect(() => {
    const pressed = keys();
    const heard = (/** @type {KeyboardEvent} */ event) => {
      if (!pressed(event)) return;
      event.preventDefault();
      stopMotion();
    };
    addEventListener("keydown", heard, { capture: true });
    return () => removeEventListener("keydown", heard, { capture: true });
  }, []);
}

const TWICE_MS = 600;

/** Return what tells of a key whether it stops: F12, or the second Esc within 0.6 s. */
export function keys() {
  let escapedMs = -Infinity;
  return (/** @type {{key: string, timeStamp: number, repeat: boolean}} */ { key, timeStamp, repeat }) => {
    if (repeat) return false;
    if (key === "F12") return true;
    if (key !== "Escape") return false;
    const twice = timeStamp - escapedMs < TWICE_MS;
    escapedMs = twice ? -Infinity : timeStamp;
    return twice;
  };
}

/** What became of the last stop: on every screen, until somebody puts it away, who cannot before it is known. */
export function StopReport() {
  const stop = useStore(last, (value) => value);
  const [, setTurn] = useState(0);
  useEffect(() => {
    if (!stop?.report?.ok || isLate(stop)) return undefined;
    const timer = setTimeout(() => last.set(null), SHOWN_MS); // all is well: it does not stand in the way for long
    return () => clearTimeout(timer);
  }, [stop]);
  useEffect(() => {
    if (!stop || stop.report) return undefined;
    const timer = setInterval(() => setTurn((/** @type {number} */ old) => old + 1), 250);
    return () => clearInterval(timer);
  }, [stop]);
  if (!stop) return html`<div role="alert"></div>`;
  const { level, key, given } = told(stop, performance.now());
  return html`<div class="stop-report" role="alert"><div class=${`notice ${level}`}>
    <div class="stop-words"><strong>${t(key, wordsOf(given))}</strong>${stop.report && html`<span>${t("stopping.again")}</span>`}</div>
    ${(stop.report || key === "stopping.givenUp") && html`<button type="button" onClick=${() => last.set(null)}>${t("stopping.putAway")}</button>`}
  </div></div>`;
}
