// Start, pause, resume, stop, next view: each in its own place, with its own key, and never with another meaning.
import { html, useEffect, useRef } from "../../preact.js";
import { command } from "../../api.js";
import { t } from "../../strings.js";
import { Button, decide, tell } from "../../ui.js";
import { counts } from "../../format.js";
import { live } from "../../live.js";

const KEYS = /** @type {const} */ ({ next: "F2", pause: "F4", resume: "F7", start: "F8", stop: "F9" });
/** @typedef {keyof typeof KEYS} Deed */

/**
 * @param {{possible: Record<Deed, import("./flow.js").Possible>, onNext: () => Promise<any>, step: any, status: any}} given
 */
export function Transport({ possible, onNext, step, status }) {
  const of = { run: status?.run ?? undefined }; // what is shown, whatever the station has by now: a page may be old
  const deeds = /** @type {Record<Deed, () => Promise<any>>} */ ({
    start: () => command("start", of),
    pause: () => command("pause", of).then(paused),
    resume: () => command("resume", of),
    stop: () => stopAsked(step, status),
    next: onNext,
  });
  useKeys(possible, deeds);
  const button = (/** @type {Deed} */ deed, /** @type {any} */ sign, kind = "") => html`<${Button} kind=${kind} class=${`${kind} deed-${deed}`} disabled=${!possible[deed].on} keys=${KEYS[deed]}
    why=${possible[deed].why ? t(`acquire.why.${possible[deed].why}`) : ""} onPress=${deeds[deed]}>
    <span aria-hidden="true">${sign}</span><span>${t(`acquire.deeds.${deed}`)}</span><kbd aria-hidden="true">${KEYS[deed]}</kbd><//>`;
  return html`<div class="transport" role="group" aria-label=${t("acquire.transport")}>
    ${button("pause", "❚❚")}${button("resume", "▷")}${button("stop", "■")}${button("next", "→")}${button("start", "▶", "primary")}
  </div>`;
}

/** A pause means something else for each kind; the station says what. @param {any} answer */
function paused(answer) {
  if (answer?.meaning) tell(t("acquire.pauseMeans", { meaning: answer.meaning }), "");
}

/** @param {any} step @param {any} status */
async function stopAsked(step, status) {
  const begun = (status?.step ?? 0) > 0;
  const taken = await decide({
    title: t(begun ? "acquire.stop.title" : "acquire.stop.titleArmed"),
    body: html`<${WhatStops} step=${step} begun=${begun} />`,
    holds: () => sameStep(live.get().status, status),
    changed: t("acquire.stop.changed"),
    choices: [
      { key: "keep", label: t(begun ? "acquire.stop.keepAcquiring" : "acquire.stop.keepArmed"), safe: true },
      ...(begun && status.step < status.steps && status.state === "acquiring" && !step?.moving ? [{ key: "view", label: t("acquire.stop.endView") }] : []),
      { key: "stop", label: t(begun ? "acquire.stop.stopAndKeep" : "acquire.stop.disarm"), kind: "primary" },
    ],
  });
  const of = { run: status?.run ?? undefined };
  if (taken === "stop") await command("stop", of);
  if (taken === "view") await command("end-step", of);
}

/** Whether it is still the same step of the same run that would be stopped. @param {any} now @param {any} asked */
function sameStep(now, asked) {
  return now?.run === asked?.run && (now?.step ?? 0) === (asked?.step ?? 0);
}

/** @param {{step: any, begun: boolean}} given */
function WhatStops({ step, begun }) {
  const progress = live.get().progress;
  if (!begun) return html`<p>${t("acquire.stop.nothingYet")}</p>`;
  return html`<p>${t("acquire.stop.what", { name: step?.name ?? "", events: counts(progress?.recorded_events ?? null) })}</p>`;
}

/** Keys do what the buttons do, and nothing while something is asked. @param {Record<Deed, import("./flow.js").Possible>} possible @param {Record<Deed, () => Promise<any>>} deeds */
function useKeys(possible, deeds) {
  const now = useRef({ possible, deeds });
  now.current = { possible, deeds };
  const busy = useRef(/** @type {Set<string>} */ (new Set())); // by deed: a stop never waits for a start
  useEffect(() => {
    const pressed = async (/** @type {KeyboardEvent} */ event) => {
      const deed = /** @type {Deed | undefined} */ (Object.keys(KEYS).find((each) => KEYS[/** @type {Deed} */ (each)] === event.key));
      if (!deed || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      if (event.repeat || busy.current.has(deed)) return;
      const { possible: can, deeds: todo } = now.current;
      if (!can[deed].on) {
        tell(t(`acquire.why.${can[deed].why}`), "");
        return;
      }
      busy.current.add(deed);
      try {
        await todo[deed]();
      } catch (problem) {
        tell(problem);
      } finally {
        setTimeout(() => busy.current.delete(deed), 200);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
