// The checklist, filled by the station; and what is used in spite of something missing, by name and reason.
import { html } from "../../preact.js";
import { timeOfDay } from "../../format.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Waiting } from "../../ui.js";
import { itemName } from "./reckoning.js";

/** @type {Record<string, string>} */
const SHAPES = { ok: "✓", warning: "!", missing: "?", refused: "✕" };
/** @type {Record<string, number>} */
const URGENT = { refused: 0, missing: 1, warning: 2, ok: 3 };

/** @param {{rehearsal: any, chosen: boolean}} given */
export function Checklist({ rehearsal, chosen }) {
  const told = rehearsal.value;
  const items = [...(told?.items ?? [])].sort((one, other) => URGENT[one.state] - URGENT[other.state]);
  return html`<${Card} class="checklist">
    <div class="spread"><h2>${t("setup.checklist")}</h2>
      ${chosen && html`<span class="row"><small class="quiet">${told ? t("setup.lookedAt", { time: timeOfDay(rehearsal.atMs) }) : ""}</small><${Button} kind="plain" onPress=${rehearsal.again}>${t("setup.look")}<//></span>`}</div>
    ${!chosen && html`<p class="quiet">${t("setup.chooseProtocol")}</p>`}
    ${chosen && html`<${Waiting} of=${{ loading: !told && !rehearsal.problem, problem: rehearsal.problem, again: rehearsal.again }} />`}
    <ul>${items.map((item) => html`<li key=${item.name + item.sentence} class=${item.state}>
      <span class="shape" aria-hidden="true">${SHAPES[item.state]}</span>
      <span class="word">${t(`setup.states.${item.state}`)}</span>
      <span><strong>${itemName(item.name)}</strong> <span class="said">${item.sentence}</span></span></li>`)}</ul>
  <//>`;
}

/** @param {{names: string[], spite: string[] | null, setSpite: (names: string[]) => void, reason: string, setReason: (reason: string) => void}} given */
export function Overrides({ names, spite, setSpite, reason, setReason }) {
  const taken = spite ?? names;
  const turned = (/** @type {string} */ name) => setSpite(taken.includes(name) ? taken.filter((each) => each !== name) : [...taken, name]);
  return html`<${Card} title=${t("setup.overrideTitle")}><div class="stack">
    <p class="quiet">${t("setup.overrideHint")}</p>
    ${names.map((name) => html`<label class="row" key=${name}><input type="checkbox" checked=${taken.includes(name)} onChange=${() => turned(name)} />${t("setup.override", { name: itemName(name) })}</label>`)}
    <${Field} label=${t("setup.overrideReason")} value=${reason} onInput=${setReason} maxlength="200" dir="auto" />
  </div><//>`;
}
