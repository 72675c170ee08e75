// A test that a person enters: check lists, a dose calibrator ...; what is asked comes from the test itself.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { entered, levelOf } from "../../qcwords.js";

/** @param {{name?: string}} given  the test */
export function Enter({ name = "" }) {
  const asked = useAsked(() => Promise.all([ask("qc-due", { test: name }), ask("qc-sources")]), [name]);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const [due, register] = asked.value;
  const row = due.tests[0];
  if (!row.asks.length) return html`<${Notice}><span>${t("qc.enter.notEntered", { next: row.next })}</span><//>`;
  return html`<${Form} row=${row} sources=${register.sources.filter((/** @type {any} */ each) => !each.gone)} />`;
}

/** @param {{row: any, sources: any[]}} given */
function Form({ row, sources }) {
  const who = useSession();
  const [values, setValues] = useState(/** @type {Record<string, string>} */ ({}));
  const [more, setMore] = useState({ source: "", performed: "", comment: "" });
  const missing = row.asks.filter((/** @type {any} */ each) => !(values[each.name] ?? "").trim());
  const may = mayAs(who, "qc");
  const save = async () => {
    const entries = Object.fromEntries(row.asks.map((/** @type {any} */ each) => [each.name, entered(values[each.name], each.unit)]));
    const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value.trim() !== ""));
    const answer = await command("qc-enter", { test: row.test, entries, ...given });
    tell(t("qc.enter.done", { level: t(`qc.levels.${levelOf(answer.result.body.level).key}`) }), "good");
    go("qc", "result", answer.result.id);
  };
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setValues({ ...values, [name]: value });
  return html`<${Card} title=${t("qc.enter.title", { title: row.title })}>
    <div class="stack qc-form">
      ${row.asks.map((/** @type {any} */ each) => each.unit === ""
        ? html`<fieldset key=${each.name} class="qc-answer"><legend>${each.about || each.name}</legend>${["yes", "no"].map((answer) => html`<label key=${answer}><input type="radio" name=${each.name} value=${answer} checked=${values[each.name] === answer} onChange=${() => set(each.name)(answer)} /><span>${t(`qc.enter.${answer}`)}</span></label>`)}</fieldset>`
        : html`<${Field} key=${each.name} label=${each.name.replaceAll("_", " ")} hint=${t("qc.enter.unit", { unit: each.unit })} value=${values[each.name] ?? ""} onInput=${set(each.name)} inputmode="decimal" />`)}
      ${sources.length > 0 && html`<${Field} label=${t("qc.enter.source")} value=${more.source} onInput=${(/** @type {string} */ source) => setMore({ ...more, source })} options=${[{ value: "", label: t("qc.enter.noSource") }, ...sources.map((each) => ({ value: each.serial, label: `${each.serial}, ${each.nuclide}` }))]} />`}
      <${Field} label=${t("qc.enter.performed")} hint=${t("qc.enter.performedHint")} value=${more.performed} onInput=${(/** @type {string} */ performed) => setMore({ ...more, performed })} />
      <${Field} label=${t("qc.enter.comment")} value=${more.comment} onInput=${(/** @type {string} */ comment) => setMore({ ...more, comment })} maxlength="500" />
    </div>
    <div class="actions">${!may && html`<p class="quiet">${t("qc.fewer", { role: "qc" })}</p>`}<${Button} kind="primary" disabled=${!may || missing.length > 0} why=${missing.length ? t("qc.enter.missing") : ""} onPress=${save}>${t("qc.enter.save")}<//></div>
  <//>`;
}
