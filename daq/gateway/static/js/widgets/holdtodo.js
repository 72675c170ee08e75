// A button that is held for a time before it does something: let go earlier, by pointer or key, and nothing happens.
import { html, useEffect, useRef, useState } from "../preact.js";
import { tell } from "../ui.js";

const KEYS = [" ", "Enter"];
const STEP_MS = 50;
const HUNG_MS = 500;

/**
 * @param {{onDone: () => Promise<any>, seconds?: number, disabled?: boolean, why?: string, held?: string, children?: any}} given
 * `held` is what it says meanwhile.
 */
export function HoldToDo({ onDone, seconds = 2, disabled = false, why = "", held = "", children }) {
  const [share, setShare] = useState(0);
  const [busy, setBusy] = useState(false);
  const timer = useRef(/** @type {ReturnType<typeof setInterval> | undefined} */ (undefined));
  const latest = useRef({ onDone, disabled });
  latest.current = { onDone, disabled };
  const end = () => {
    clearInterval(timer.current);
    timer.current = undefined;
    setShare(0);
  };
  const begin = () => {
    if (disabled || busy || timer.current !== undefined) return;
    const beganMs = performance.now();
    let lookedMs = beganMs;
    timer.current = setInterval(async () => {
      const nowMs = performance.now();
      const hung = nowMs - lookedMs > HUNG_MS; // the page hung: whether it was let go meanwhile is not known yet
      lookedMs = nowMs;
      if (latest.current.disabled || hung) return end();
      const now = (nowMs - beganMs) / (seconds * 1000);
      if (now < 1) return setShare(now);
      end();
      setBusy(true);
      await latest.current.onDone().catch(tell);
      setBusy(false);
    }, STEP_MS);
  };
  useEffect(() => {
    const hidden = () => document.hidden && end();
    const names = ["blur", "pagehide", "pointerup", "pointercancel", "hashchange"];
    for (const name of names) addEventListener(name, end);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      end();
      for (const name of names) removeEventListener(name, end);
      document.removeEventListener("visibilitychange", hidden);
    };
  }, []);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (!KEYS.includes(event.key)) return;
    event.preventDefault();
    if (!event.repeat) begin();
  };
  const keyUp = (/** @type {KeyboardEvent} */ event) => KEYS.includes(event.key) && end();
  const down = (/** @type {PointerEvent} */ event) => event.button === 0 && begin();
  return html`<button type="button" class="hold-to-do primary" aria-disabled=${disabled || undefined} aria-busy=${busy || undefined} title=${why || undefined}
    onPointerDown=${down} onPointerLeave=${end} onBlur=${end} onKeyDown=${keyDown} onKeyUp=${keyUp} onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}>
    <span class="hold-share" aria-hidden="true" style=${{ width: `${share * 100}%` }}></span><span class="hold-text">${share > 0 && held ? held : children}</span></button>`;
}
