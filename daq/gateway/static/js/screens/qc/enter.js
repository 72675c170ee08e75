// A test that a person enters: check lists, a dose calibrator ...; what is asked comes from the test itself.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, sentence, tell, useAsked, Waiting } from "../../ui.js";
import { entered, isUnit, levelOf, unreadable, valued } from "../../qcwords.js";

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
  const [wrong, setWrong] = useState("");
  const given = row.asks.filter((/** @type {any} */ each) => (values[each.name] ?? "").trim());
  const answers = row.asks.every((/** @type {any} */ each) => each.unit === "");
  const may = mayAs(who, "qc");
  const why = !may ? t("qc.fewer", { role: "qc" }) : answers && given.length < row.asks.length ? t("qc.enter.missing") : given.length === 0 ? t("qc.enter.nothing") : row.asks.some((/** @type {any} */ each) => unreadable(values[each.name] ?? "", each.unit)) ? t("qc.enter.wrong") : "";
  const save = async () => {
    const entries = Object.fromEntries(given.map((/** @type {any} */ each) => [each.name, entered(values[each.name], each.unit)]));
    const others = Object.fromEntries(Object.entries(more).filter(([, value]) => value.trim() !== ""));
    try {
      const answer = await command("qc-enter", { test: row.test, entries, ...others });
      tell(t("qc.enter.done", { level: t(`qc.levels.${levelOf(answer.result.body.level).key}`) }), "good");
      go("qc", "result", answer.result.id);
    } catch (problem) {
      setWrong(sentence(problem));
    }
  };
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setValues({ ...values, [name]: value });
  return html`<${Card} title=${t("qc.enter.title", { title: row.title })}>
    <div class="stack qc-form">
      ${row.asks.map((/** @type {any} */ each) => each.unit === ""
        ? html`<fieldset key=${each.name} class="qc-answer"><legend>${each.about || each.name}</legend>${["yes", "no"].map((answer) => html`<label key=${answer}><input type="radio" name=${each.name} value=${answer} checked=${values[each.name] === answer} onChange=${() => set(each.name)(answer)} /><span>${t(`qc.enter.${answer}`)}</span></label>`)}</fieldset>`
        : html`<${Field} key=${each.name} label=${each.name.replaceAll("_", " ")} hint=${hint(each, values[each.name] ?? "")} value=${values[each.name] ?? ""} onInput=${set(each.name)} maxlength="200" wrong=${unreadable(values[each.name] ?? "", each.unit) ? t("qc.enter.unreadable", { unit: each.unit }) : ""} />`)}
      ${!answers && html`<p class="quiet">${t("qc.enter.some")}</p>`}
      ${sources.length > 0 && html`<${Field} label=${t("qc.enter.source")} value=${more.source} onInput=${(/** @type {string} */ source) => setMore({ ...more, source })} options=${[{ value: "", label: t("qc.enter.noSource") }, ...sources.map((each) => ({ value: each.serial, label: `${each.serial}, ${each.nuclide}` }))]} />`}
      <${Field} label=${t("qc.enter.performed")} hint=${t("qc.enter.performedHint")} value=${more.performed} onInput=${(/** @type {string} */ performed) => setMore({ ...more, performed })} />
      <${Field} label=${t("qc.enter.comment")} value=${more.comment} onInput=${(/** @type {string} */ comment) => setMore({ ...more, comment })} maxlength="500" />
    </div>
    ${wrong && html`<${Notice} level="medium" role="alert"><span>${wrong}</span><//>`}
    <div class="actions"><p class="quiet">${why}</p><${Button} kind="primary" disabled=${why !== ""} why=${why} onPress=${save}>${t("qc.enter.save")}<//></div>
  <//>`;
}

/** What is asked; of a number as it will be entered, so that nobody mistakes a comma. @param {any} each @param {string} text */
function hint(each, text) {
  const value = entered(text, each.unit);
  if (isUnit(each.unit) && value !== "" && !unreadable(text, each.unit)) return t("qc.enter.reads", { value: typeof value === "number" ? valued(value, each.unit) : String(value) });
  return isUnit(each.unit) ? t("qc.enter.unit", { unit: each.unit === "1" ? t("qc.enter.plain") : each.unit }) : each.unit;
}
