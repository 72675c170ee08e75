// A hold-to-run button: what it begins goes on while it is pressed, by pointer or key, and is stopped at every way out.
import { html, useEffect, useRef, useState } from "../preact.js";
import { Problem } from "../api.js";
import { live, say } from "../live.js";
import { tell } from "../ui.js";
import { stopMotion } from "./stopping.js";

const KEYS = [" ", "Enter"];
const RENEW_MS = 250;
const REFUSED = [403, 409, 422, 423];

/**
 * @param {{begin: () => Promise<any>, disabled?: boolean, why?: string, children?: any}} given
 * `begin` asks for the movement, and resolves when it has ended by itself.
 */
export function HoldButton({ begin, disabled = false, why = "", children }) {
  const [held, setHeld] = useState(false);
  const holding = useRef(false);
  const letGo = useRef(() => {});
  letGo.current = () => {
    if (!holding.current) return;
    holding.current = false;
    setHeld(false);
    stopMotion();
  };
  const press = async () => {
    if (disabled || holding.current) return;
    holding.current = true;
    setHeld(true);
    say({ type: "holding" }); // the station stops what moves where it does not hear this again within a second
    const renewing = setInterval(() => holding.current && say({ type: "holding" }), RENEW_MS);
    try {
      await begin();
      if (holding.current) say({ type: "let-go" });
      holding.current = false; // it has arrived: there is nothing left to stop
    } catch (problem) {
      if (holding.current) {
        tell(problem);
        if (problem instanceof Problem && REFUSED.includes(problem.status)) {
          holding.current = false; // nothing has begun
          say({ type: "let-go" });
        } else letGo.current();
      }
    } finally {
      clearInterval(renewing);
      setHeld(false);
    }
  };
  useEffect(() => {
    const end = () => letGo.current();
    const hidden = () => document.hidden && end();
    const lost = live.watch(() => !live.get().connected && end());
    for (const name of ["blur", "pagehide", "pointerup", "pointercancel", "hashchange"]) addEventListener(name, end);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      end(); // a button that goes away is let go
      lost();
      for (const name of ["blur", "pagehide", "pointerup", "pointercancel", "hashchange"]) removeEventListener(name, end);
      document.removeEventListener("visibilitychange", hidden);
    };
  }, []);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (!KEYS.includes(event.key)) return;
    event.preventDefault();
    if (!event.repeat) void press();
  };
  const keyUp = (/** @type {KeyboardEvent} */ event) => KEYS.includes(event.key) && letGo.current();
  const down = (/** @type {PointerEvent} */ event) => event.button === 0 && void press();
  const end = () => letGo.current();
  return html`<button type="button" class=${`hold ${held ? "held" : ""}`} aria-pressed=${held} aria-disabled=${disabled || undefined} title=${why || undefined}
    onPointerDown=${down} onPointerLeave=${end} onBlur=${end} onKeyDown=${keyDown} onKeyUp=${keyUp} onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}>
    <span class="hold-sign" aria-hidden="true">${held ? "●" : "○"}</span>${children}</button>`;
}
