// Service, recalibration, damage: what begins a new normal, and makes tests due.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Field, tell, useAsked, Waiting } from "../../ui.js";
import { when } from "../../qcwords.js";

const WHATS = ["service", "recalibration", "damage", "collimator-change", "software"];

export function Events() {
  const revision = useLive((live) => live.revisions.qc);
  const who = useSession();
  const asked = useAsked(() => Promise.all([ask("qc-events"), ask("qc-due")]), [revision]);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const [{ events }, { tests }] = asked.value;
  return html`<div class="stack">
    <${Card} title=${t("qc.event.title")}>${events.length === 0 ? html`<p class="quiet">${t("qc.event.none")}</p>` : html`<div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.event.title")}><table>
      <thead><tr><th scope="col">${t("qc.event.at")}</th><th scope="col">${t("qc.event.what")}</th><th scope="col">${t("qc.event.text")}</th><th scope="col">${t("qc.event.tests")}</th><th scope="col">${t("qc.event.by")}</th></tr></thead>
      <tbody>${events.map((/** @type {any} */ each) => html`<tr key=${each.id}><td>${when(each.at_utc)}</td><td>${t(`qc.event.whats.${each.what}`)}</td><td>${each.text}</td><td>${each.tests.join(", ")}</td><td>${each.by}</td></tr>`)}</tbody></table></div>`}<//>
    ${mayAs(who, "qc") ? html`<${Add} tests=${tests} onDone=${asked.again} />` : html`<p class="quiet">${t("qc.fewer", { role: "qc" })}: ${t("qc.event.add")}</p>`}
  </div>`;
}

/** @param {{tests: any[], onDone: () => void}} given */
function Add({ tests, onDone }) {
  const [told, setTold] = useState(/** @type {any} */ ({ what: "service", text: "", at: "", tests: [] }));
  const touch = (/** @type {string} */ test) => setTold({ ...told, tests: told.tests.includes(test) ? told.tests.filter((/** @type {string} */ each) => each !== test) : [...told.tests, test] });
  const note = async () => {
    await command("qc-event", { what: told.what, text: told.text.trim(), tests: told.tests, ...(told.at.trim() ? { at: told.at.trim() } : {}) });
    setTold({ what: "service", text: "", at: "", tests: [] });
    tell(t("qc.event.noted"), "good");
    onDone();
  };
  return html`<${Card} title=${t("qc.event.add")}><div class="stack qc-form">
    <${Field} label=${t("qc.event.what")} value=${told.what} onInput=${(/** @type {string} */ what) => setTold({ ...told, what })} options=${WHATS.map((value) => ({ value, label: t(`qc.event.whats.${value}`) }))} />
    <${Field} label=${t("qc.event.text")} value=${told.text} onInput=${(/** @type {string} */ text) => setTold({ ...told, text })} maxlength="200" />
    <${Field} label=${t("qc.event.at")} hint=${t("qc.event.atHint")} value=${told.at} onInput=${(/** @type {string} */ at) => setTold({ ...told, at })} />
    <fieldset class="qc-answer wide"><legend>${t("qc.event.tests")}</legend>${tests.map((each) => html`<label key=${each.test}><input type="checkbox" checked=${told.tests.includes(each.test)} onChange=${() => touch(each.test)} /><span>${each.title}</span></label>`)}</fieldset>
  </div><div class="actions"><${Button} kind="primary" disabled=${!told.text.trim()} onPress=${note}>${t("qc.event.button")}<//></div><//>`;
}
