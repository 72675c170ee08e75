// What another machine hands over: the record of the CT, the look at CT and emission over each other.
import { html, useEffect, useState } from "../../preact.js";
import { command } from "../../api.js";
import { timeOfDay } from "../../format.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice } from "../../ui.js";
import { FIELDS, handOversNow, keptOf, recordOf } from "./ctrecord.js";

const MOST_CHARACTERS = 16_384;

/** @typedef {{each: any, acquisition: any, mayAct: boolean, again: () => Promise<any>}} Given */

/** @param {{acquisition: any, phase: string, mayAct: boolean, again: () => Promise<any>}} given */
export function HandOvers({ acquisition, phase, mayAct, again }) {
  const now = handOversNow(acquisition, phase);
  if (now.length === 0) return null;
  return html`${phase === "handover" && html`<h2>${t("acquire.handOver.beforeLeaving")}</h2>`}${now.map((/** @type {any} */ each) => html`<${One} key=${each.name} ...${{ each, acquisition, mayAct, again }} />`)}`;
}

/** @param {Given} given */
function One(given) {
  const { each } = given;
  const [changing, setChanging] = useState(false);
  const done = each.confirmed;
  useEffect(() => setChanging(false), [done?.at_utc]);
  return html`<${Card} class="hand-over" title=${each.name}>
    ${each.instruction && html`<p>${each.instruction}</p>`}
    ${done && html`<div class="spread"><span role="status"><span aria-hidden="true">✓</span> ${t("acquire.handOver.done", { by: done.by, at: timeOfDay(done.at_utc) })}</span>
      ${!changing && html`<${Button} label=${t("acquire.handOver.changeOf", { name: each.name })} onPress=${() => setChanging(true)}>${t("acquire.handOver.change")}<//>`}</div>`}
    ${(!done || changing) && (each.what === "overlay_check" ? html`<${Overlay} ...${given} />` : html`<${CtRecord} ...${given} />`)}<//>`;
}

/** CT and emission were looked at over each other. @param {Given} given */
function Overlay({ each, acquisition, mayAct, again }) {
  const [note, setNote] = useState("");
  const say = (/** @type {"aligned" | "accepted"} */ overlay) => command("hand-over", { run: acquisition.run, name: each.name, record: { overlay, note: note.trim() } }).then(again);
  const why = mayAct ? "" : t("acquire.why.notAllowed");
  return html`<${Field} label=${t("acquire.handOver.note")} value=${note} onInput=${setNote} maxlength="500" dir="auto" />
    <div class="row"><${Button} disabled=${!mayAct || !note.trim()} why=${why || (note.trim() ? "" : t("acquire.handOver.noteFirst"))} onPress=${() => say("accepted")}>${t("acquire.handOver.accepted")}<//>
      <${Button} kind="primary" disabled=${!mayAct} why=${why} onPress=${() => say("aligned")}>${t("acquire.handOver.aligned")}<//></div>
    <p class="quiet small">${t("acquire.handOver.then")}</p>`;
}

/** The record of the CT, as a file of its console, or typed. @param {Given} given */
function CtRecord({ each, acquisition, mayAct, again }) {
  const [file, setFile] = useState({ name: "", text: "", wrong: "" });
  const why = mayAct ? "" : t("acquire.why.notAllowed");
  const read = async (/** @type {any} */ event) => {
    const chosen = event.target.files?.[0];
    if (!chosen) return setFile({ name: "", text: "", wrong: "" });
    const text = chosen.size > MOST_CHARACTERS ? "" : await chosen.text();
    event.target.value = ""; // the same file, corrected since, is read again
    setFile({ name: chosen.name, text, wrong: text.trim() ? "" : t("acquire.handOver.fileWrong", { most: MOST_CHARACTERS / 1024 }) });
  };
  const confirm = (/** @type {any} */ told) => command("hand-over", { run: acquisition.run, name: each.name, ...told }).then(again);
  return html`<label class="field"><span>${t("acquire.handOver.file")}</span><input type="file" accept=".toml,.json" onChange=${read} />
      ${file.wrong && html`<span class="wrong" role="alert">${file.wrong}</span>`}</label>
    ${file.text && html`<p class="quiet small">${file.name}</p><pre class="hand-over-text" tabindex="0" role="region" aria-label=${file.name}>${file.text}</pre>
      <${Button} kind="primary" disabled=${!mayAct} why=${why} onPress=${() => confirm({ text: file.text })}>${t("acquire.handOver.confirm")}<//>`}
    ${!file.text && html`<details><summary>${t("acquire.handOver.byHand")}</summary><${Typed} acquisition=${acquisition} why=${why} confirm=${confirm} /></details>`}`;
}

/** @param {{acquisition: any, why: string, confirm: (told: any) => Promise<any>}} given */
function Typed({ acquisition, why, confirm }) {
  const energy = acquisition.windows.find((/** @type {any} */ each) => each.line_kev)?.line_kev ?? "";
  const [typed, setTyped] = useState(() => ({ orientation: acquisition.patient_orientation ?? "HFS", contrast: "none", arms: "up", breathing: "shallow", emission_energy_kev: String(energy), ...kept(energy) }));
  const [shown, setShown] = useState(/** @type {string[]} */ ([]));
  const wrong = shown.filter((key) => recordOf(typed).wrong.includes(key));
  const done = async () => {
    const { record, wrong: missing } = recordOf(typed);
    setShown(missing);
    if (missing.length) return;
    await confirm({ record });
    keep(energy, typed);
  };
  return html`<div class="hand-over-fields">${FIELDS.map((field) => html`<div key=${field.key} class=${field.wide ? "wide" : ""}><${Field} label=${t(`acquire.handOver.fields.${field.key}`)} type=${field.kind === "date" ? "date" : "text"} rows=${field.kind === "points" ? 4 : undefined}
      inputmode=${field.kind === "number" ? "text" : undefined} hint=${field.kind === "points" ? t("acquire.handOver.points") : ""} wrong=${wrong.includes(field.key) ? t("acquire.handOver.missing") : ""}
      options=${field.options?.map((value) => ({ value, label: t(`acquire.handOver.values.${value}`) }))} value=${/** @type {any} */ (typed)[field.key]} onInput=${(/** @type {string} */ value) => setTyped((/** @type {any} */ old) => ({ ...old, [field.key]: value }))} maxlength="2000" /></div>`)}</div>
    ${wrong.length > 0 && html`<${Notice} role="alert">${t("acquire.handOver.incomplete", { count: wrong.length })}<//>`}
    <${Button} kind="primary" disabled=${why !== ""} why=${why} onPress=${done}>${t("acquire.handOver.confirm")}<//>`;
}

/** What was the same for the patient before, at this console; nothing of a patient. @param {any} energy @returns {Record<string, string>} */
function kept(energy) {
  try {
    return JSON.parse(localStorage.getItem(`scandaq.ct.${energy}`) ?? "{}");
  } catch {
    return {}; // proposals alone: what cannot be read is typed
  }
}

/** @param {any} energy @param {Record<string, string>} typed */
function keep(energy, typed) {
  localStorage.setItem(`scandaq.ct.${energy}`, JSON.stringify(keptOf(typed)));
}
