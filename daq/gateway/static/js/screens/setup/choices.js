// Which protocol, which session of it, and how the patient lies, with a picture of that.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Button, Card, Field } from "../../ui.js";
import { Figure } from "./figure.js";
import { turned, viewsOf } from "./reckoning.js";

const ORIENTATIONS = ["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"];

/** @param {{told: any, choice: import("./reckoning.js").Choice, setChoice: (choice: any) => void, orientation: string | undefined}} given */
export function Choices({ told, choice, setChoice, orientation }) {
  const protocol = told.fitting.find((/** @type {any} */ each) => each.id === choice.protocol);
  const lies = choice.orientation || orientation || protocol?.orientation || "HFS";
  return html`<${Card} class="choices"><div class="stack">
    <${ProtocolField} told=${told} choice=${choice} setChoice=${setChoice} />
    ${protocol?.sessions.length > 1 && html`<${Field} label=${t("setup.session")} value=${String(choice.session)}
      options=${protocol.sessions.map((/** @type {number} */ session) => ({ value: String(session), label: t("setup.sessionOf", { session, sessions: protocol.sessions.length }) }))}
      onInput=${(/** @type {string} */ session) => setChoice({ ...choice, session: Number(session), views: [] })} />`}
    <${Views} told=${told} choice=${choice} setChoice=${setChoice} />
    ${choice.protocol && html`<${Lies} lies=${lies} choice=${choice} setChoice=${setChoice} />`}
  </div><//>`;
}

/** Which views are taken, where there are several. @param {{told: any, choice: import("./reckoning.js").Choice, setChoice: (choice: any) => void}} given */
function Views({ told, choice, setChoice }) {
  const views = viewsOf(told, choice);
  if (views.length < 2) return null;
  const taken = (/** @type {string[]} */ steps) => !choice.views.length || steps.every((step) => choice.views.includes(step));
  return html`<fieldset class="row views"><legend>${t("setup.views")}</legend>${views.map(([name, steps]) => html`<label class="row" key=${name}><input type="checkbox" checked=${taken(steps)}
    onChange=${() => setChoice(turned(told, choice, name))} />${name}</label>`)}</fieldset>`;
}

/** @param {{told: any, choice: any, setChoice: (choice: any) => void}} given */
function ProtocolField({ told, choice, setChoice }) {
  const label = (/** @type {any} */ each) => `${each.title}${each.signed ? "" : ` (${t("setup.draft")})`}`;
  const own = told.fitting.filter((/** @type {any} */ each) => each.own);
  const shipped = told.fitting.filter((/** @type {any} */ each) => !each.own);
  const known = told.fitting.some((/** @type {any} */ each) => each.id === choice.protocol);
  const group = (/** @type {string} */ title, /** @type {any[]} */ list) =>
    list.length > 0 && html`<optgroup label=${title}>${list.map((each) => html`<option value=${each.id} selected=${each.id === choice.protocol}>${label(each)}</option>`)}</optgroup>`;
  const chosen = (/** @type {any} */ event) => setChoice({ protocol: event.target.value, orientation: "", session: 1, views: [] });
  return html`<label class="field"><span>${t("setup.protocol")}</span>
    <select value=${choice.protocol} onChange=${chosen}>
      ${!choice.protocol && html`<option value="">${t("setup.chooseProtocol")}</option>`}
      ${choice.protocol && !known && html`<option value=${choice.protocol} selected>${choice.protocol}</option>`}
      ${group(t("setup.own"), own)}${group(t("setup.shipped"), shipped)}
    </select>
    <small class="quiet">${told.protocol === choice.protocol || !choice.protocol ? t("setup.proposal", { why: told.proposal }) : ""}</small></label>`;
}

/** @param {{lies: string, choice: any, setChoice: (choice: any) => void}} given */
function Lies({ lies, choice, setChoice }) {
  const [open, setOpen] = useState(false);
  const take = (/** @type {string} */ orientation) => {
    setChoice({ ...choice, orientation });
    setOpen(false);
  };
  if (!open) {
    return html`<div class="row lies"><${Figure} orientation=${lies} /><span class="grow"><strong>${t(`setup.orientations.${lies}`)}</strong>
      ${!choice.orientation && html`<br /><small class="quiet">${t("setup.asProtocol")}</small>`}</span>
      <${Button} onPress=${() => setOpen(true)}>${t("setup.orientation")}<//></div>`;
  }
  return html`<div role="radiogroup" aria-label=${t("setup.orientation")} class="orientations">${ORIENTATIONS.map(
    (each) => html`<button type="button" key=${each} role="radio" aria-checked=${each === lies} onClick=${() => take(each)}><${Figure} orientation=${each} /><span>${t(`setup.orientations.${each}`)}</span></button>`,
  )}</div>`;
}
