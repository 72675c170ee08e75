// What stands beside the transport: how long an armed acquisition waits, the injection, marks, the motion enable.
import { html, useEffect, useState } from "../../preact.js";
import { command } from "../../api.js";
import { clock, timeOfDay } from "../../format.js";
import { useLive } from "../../live.js";
import { markNow, marksAreOf, nameNext, useMarks } from "../../marks.js";
import { setView, useView } from "../../pictureview.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell } from "../../ui.js";
import { armedFor } from "./flow.js";

const SOON_S = 120;
const SIGNS = /** @type {Record<string, string>} */ ({ off: "○", held: "●", spent: "◌", latched: "◉" });

/** Draw again each so many milliseconds. @param {number} everyMs */
function useTurn(everyMs) {
  const [, turn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => turn((/** @type {number} */ old) => old + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}

/** @param {{acquisition: any, atMs: number, again: () => Promise<any>, mayAct: boolean}} given */
export function Arming({ acquisition, atMs, again, mayAct }) {
  useTurn(1000);
  const left = armedFor(acquisition, atMs, performance.now());
  if (left === null) return null;
  const soon = left <= Math.min(SOON_S, acquisition.arming_s / 2);
  return html`<${Card} class="arming"><div class="spread"><span>${t("acquire.arming.waits")}</span><span class="number" aria-live="off"><strong>${clock(left)}</strong></span>
      <${Button} disabled=${!mayAct} onPress=${() => command("renew-arming", { run: acquisition.run }).then(again)}>${t("acquire.arming.renew")}<//></div>
    ${soon && html`<${Notice} level="low" role="alert">${t("acquire.arming.soon")}<//>`}<//>`;
}

/** @param {{acquisition: any, again: () => Promise<any>, mayAct: boolean}} given */
export function Injection({ acquisition, again, mayAct }) {
  if (acquisition.administration === "none") return null;
  if (acquisition.injected_at) return html`<${Card} class="injection"><div class="spread"><span class="quiet">${t("acquire.injected")}</span><strong class="number">${timeOfDay(acquisition.injected_at)}</strong></div><//>`;
  const inject = async () => {
    const told = await command("injected-now", { run: acquisition.run });
    tell(t("acquire.injectionNoted", { time: timeOfDay(told.injected_at) }), "good");
    await again();
  };
  return html`<${Card} class="injection"><div class="spread"><span>${t("acquire.notInjected")}</span><${Button} disabled=${!mayAct} onPress=${inject}>${t("acquire.injectedNow")}<//></div><//>`;
}

/** A mark a press; what it says is kept for the next one, counted on. @param {{run: string, mayAct: boolean}} given */
export function Marks({ run, mayAct }) {
  const { next, made } = useMarks((value) => value);
  const places = useView((view) => view.tool === "mark");
  useEffect(() => marksAreOf(run), [run]);
  useEffect(() => () => setView({ tool: "" }), []);
  return html`<${Card} class="marks"><div class="mark-row"><${Field} label=${t("acquire.marks.text")} value=${next} onInput=${nameNext} maxlength="200" />
    <${Button} disabled=${!mayAct} onPress=${markNow}>${t("acquire.marks.mark")}<//></div>
    <div class="row tight">${/** @type {const} */ (["first", "contour"]).map((each) => html`<button type="button" onClick=${() => nameNext(t(`acquire.marks.${each}`))}>${t(`acquire.marks.${each}`)}</button>`)}
      <button type="button" aria-pressed=${places} disabled=${!mayAct} onClick=${() => setView({ tool: places ? "" : "mark", zoom: 1 })}>${t("acquire.marks.onPicture")}</button></div>
    ${places && html`<p class="quiet small">${t("pictures.markHint")}</p>`}
    ${made.length > 0 && html`<p class="quiet small" role="status">${t("acquire.marks.made", { marks: made.slice(-4).map((/** @type {any} */ each) => each.text).join(", ") })}</p>`}<//>`;
}

/** The enable of motion, as the room has it: shown where something moves, or has to. @param {{step: any, status: any}} given */
export function Enable({ step, status }) {
  const enable = useLive((live) => live.readings["motion enable"]);
  if (!enable || !step || (!step.moving && step.positions.length === 0)) return null;
  const value = String(enable.value ?? "off");
  const needed = ["preparing", "positioning", "armed", "waiting"].includes(status.state) || step.moving;
  if (!needed) return null;
  return html`<${Card} class="enable-state"><div class="spread"><span>${t("acquire.enable.name")}</span><strong><span aria-hidden="true">${SIGNS[value] ?? ""}</span> ${t(`acquire.enable.${value}`)}</strong></div>
    ${step.moving && value !== "latched" && status.state !== "acquiring" && html`<p class="quiet small">${t("acquire.enable.latchNeeded")}</p>`}<//>`;
}
