// The parts of the form about the whole protocol: identity, requirements, windows, recording, tolerances, sources.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Button, Field, Notice } from "../../ui.js";
import { at, dotted, freeName, isTable, usualWindow, withWindowNamed } from "./document.js";
import * as fields from "./fields.js";
import { Choice, FormField, offered, Quantity, unitsOf, wrongAt } from "./inputs.js";

/** @param {{form: import("./inputs.js").Form, of: import("./fields.js").FieldOf[], base?: import("./document.js").Part[]}} given */
export function Fields({ form, of, base }) {
  return html`<div class="form-grid">${of.map((each) => html`<${FormField} key=${each.path.join(".")} form=${form} of=${each} base=${base} />`)}</div>`;
}

/** @param {{form: import("./inputs.js").Form}} given */
function Identity({ form }) {
  return html`<${Fields} form=${form} of=${fields.IDENTITY} />`;
}

/** @param {{form: import("./inputs.js").Form}} given */
function Requirements({ form }) {
  return html`<${Fields} form=${form} of=${fields.REQUIREMENTS} />
    <${Needs} form=${form} path=${["requirements", "qc"]} title=${t("protocols.edit.qcNeeded")} offered=${offered(form, "tests")} />
    <${Needs} form=${form} path=${["requirements", "calibrations"]} title=${t("protocols.edit.calibrationsNeeded")} offered=${[]} />
    <h3>${t("protocols.edit.instrument")}</h3><${Fields} form=${form} of=${fields.INSTRUMENT} />
    ${(form.document.kind === "qc_flood" || form.document.qc) && html`<h3>${t("protocols.edit.qc")}</h3><${Fields} form=${form} of=${fields.QC} />`}`;
}

/**
 * Tests or calibrations that must have been done, each with its greatest age.
 * @param {{form: import("./inputs.js").Form, path: string[], title: string, offered: string[]}} given
 */
function Needs({ form, path, title, offered: names }) {
  const needs = at(form.document, path) ?? [];
  const rows = Array.isArray(needs) ? needs : [];
  const add = () => form.change([...path, rows.length], { name: names.find((name) => rows.every((/** @type {any} */ need) => need.name !== name)) ?? "", maximum_age: "24 h" });
  return html`<fieldset class="form-rows"><legend>${title}</legend>
    ${rows.map((/** @type {any} */ need, /** @type {number} */ index) => html`<div class="form-row" key=${index}>
      ${names.length
        ? html`<${Choice} label=${t("protocols.edit.name")} value=${need.name} must words=${names} set=${(/** @type {any} */ next) => form.change([...path, index, "name"], next ?? "")} />`
        : html`<${Field} label=${t("protocols.edit.name")} value=${need.name} onInput=${(/** @type {string} */ next) => form.change([...path, index, "name"], next)} />`}
      <${Quantity} label=${t("protocols.edit.maximumAge")} value=${need.maximum_age} units=${unitsOf(form, ["time"])} first="h" set=${(/** @type {any} */ next) => form.change([...path, index, "maximum_age"], next)} />
      <${Button} onPress=${() => form.change(path, without(rows, index))} label=${t("protocols.edit.removeNamed", { name: need.name })}>${t("protocols.edit.remove")}<//>
      <${Wrong} form=${form} path=${[...path, index]} />
    </div>`)}
    <${Button} onPress=${add}>${t("protocols.edit.addNeed", { what: title })}<//></fieldset>`;
}

/** @param {any[]} rows @param {number} index */
function without(rows, index) {
  const rest = rows.filter((_, number) => number !== index);
  return rest.length ? rest : undefined;
}

/** @param {{form: import("./inputs.js").Form, path: import("./document.js").Part[]}} given */
export function Wrong({ form, path }) {
  const found = wrongAt(form, path);
  return found.length ? html`<p class="wrong form-wide" id=${`at-${dotted(path)}`}>${found.map((each) => each.reason).join(" ")}</p>` : null;
}

/** @param {{form: import("./inputs.js").Form}} given */
function Windows({ form }) {
  const windows = form.document.windows ?? {};
  const names = Object.keys(windows);
  const nuclide = form.about.nuclides.find((/** @type {any} */ each) => each.name === form.document.radionuclide);
  const add = (/** @type {any} */ usual) => {
    const name = freeName(names.includes("photopeak") || !usual ? "window" : "photopeak", names);
    form.change(["windows", name], usual ? usualWindow(usual) : { peak: "140.5 keV", width: "20 %" });
  };
  return html`
    ${names.map((name, index) => html`<${Window} key=${index} form=${form} name=${name} />`)}
    <div class="row">
      <${Button} onPress=${() => add(null)}>${t("protocols.edit.addWindow")}<//>
      ${(nuclide?.windows ?? []).map((/** @type {any} */ usual) => html`<${Button} onPress=${() => add(usual)} why=${usual.source}>${t("protocols.edit.addUsual", { nuclide: nuclide.name, window: Object.values(usualWindow(usual)).join(", ") })}<//>`)}
    </div>
    ${nuclide?.windows.some((/** @type {any} */ usual) => usual.draft) && html`<p class="quiet">${t("protocols.edit.usualDraft")}</p>`}
    <h3>${t("protocols.edit.recorded")}</h3><${Fields} form=${form} of=${fields.RECORDED} />`;
}

/** @param {{form: import("./inputs.js").Form, name: string}} given */
function Window({ form, name }) {
  const window = form.document.windows[name];
  const byPeak = !("lower" in window || "upper" in window);
  const turn = (/** @type {string} */ how) => form.change(["windows", name], how === "peak" ? { peak: "140.5 keV", width: "20 %" } : { lower: "126 keV", upper: "154 keV" });
  const rename = (/** @type {string} */ next) => {
    if (next && !Object.hasOwn(form.document.windows, next)) form.change([], withWindowNamed(form.document, name, next));
  };
  return html`<fieldset class="form-rows"><legend>${t("protocols.edit.window", { name })}</legend>
    <div class="form-grid">
      <${Field} label=${t("protocols.edit.name")} value=${name} onInput=${rename} />
      <${Field} label=${t("protocols.edit.how")} value=${byPeak ? "peak" : "range"} onInput=${turn} options=${["peak", "range"].map((each) => ({ value: each, label: t(`protocols.edit.by.${each}`) }))} />
    </div>
    <${Fields} form=${form} of=${byPeak ? fields.WINDOW_BY_PEAK : fields.WINDOW_BY_RANGE} base=${["windows", name]} />
    <${Button} onPress=${() => form.change(["windows", name], undefined)} label=${t("protocols.edit.removeNamed", { name })}>${t("protocols.edit.remove")}<//>
    <${WholeWrong} form=${form} place=${`windows.${name}`} /></fieldset>`;
}

/** What is wrong with a table as a whole. @param {{form: import("./inputs.js").Form, place: string}} given */
function WholeWrong({ form, place }) {
  const found = form.findings.filter((each) => each.key === place);
  return found.length ? html`<p class="wrong" id=${`at-${place}`}>${found.map((each) => each.reason).join(" ")}</p>` : null;
}

/** @param {{form: import("./inputs.js").Form}} given */
function Recording({ form }) {
  const store = form.document.store;
  const how = store === undefined ? "" : isTable(store) ? "table" : String(store);
  const options = ["", "all", "windowed", "table"].map((each) => ({ value: each, label: t(`protocols.edit.store.${each || "none"}`) }));
  const turn = (/** @type {string} */ next) => form.change(["store"], next === "" ? undefined : next === "table" ? { raw: true, singles: "all" } : next);
  const pairs = form.document.coincidence;
  return html`<div class="form-grid"><${Field} label=${t("protocols.edit.stored")} value=${how} options=${options} onInput=${turn} hint=${form.about.hints["ProtocolFile.store"]} /></div>
    ${how === "table" && html`<${Fields} form=${form} of=${fields.STORE} />`}
    ${(form.document.modality === "pet" || pairs) && html`<h3>${t("protocols.edit.coincidence")}</h3>`}
    ${pairs
      ? html`<${Fields} form=${form} of=${fields.COINCIDENCE} /><${Button} onPress=${() => form.change(["coincidence"], undefined)}>${t("protocols.edit.removeCoincidence")}<//>`
      : form.document.modality === "pet" && html`<${Button} onPress=${() => form.change(["coincidence"], { half_window: "2.25 ns" })}>${t("protocols.edit.addCoincidence")}<//>`}`;
}

/** @param {{form: import("./inputs.js").Form}} given */
function Tolerances({ form }) {
  return html`<p class="quiet">${form.about.hints.TolerancesFile ?? ""}</p><${Fields} form=${form} of=${fields.TOLERANCES} />`;
}

/** Where the numbers come from: a text for each key, or the beginning of keys. @param {{form: import("./inputs.js").Form}} given */
function Sources({ form }) {
  const sources = Object.entries(form.document.sources ?? {});
  const [key, setKey] = useState("");
  const lacking = [...new Set(form.findings.map((each) => /add to \[sources\] e\.g\. "([^"]+)"/.exec(each.reason)?.[1]).filter(Boolean))];
  const set = (/** @type {string} */ name, /** @type {string | undefined} */ text) => form.change(["sources"], text === undefined ? Object.fromEntries(sources.filter(([each]) => each !== name)) : { ...form.document.sources, [name]: text });
  return html`<p class="quiet">${t("protocols.edit.sourcesAbout")}</p>
    ${lacking.length > 0 && html`<${Notice}><div class="stack"><p>${t("protocols.edit.sourcesLacking")}</p><div class="row">${lacking.map((/** @type {any} */ each) => html`<${Button} onPress=${() => set(each, "")}>${t("protocols.edit.addSource", { key: each })}<//>`)}</div></div><//>`}
    <div class="stack">${sources.map(([name, text]) => html`<div class="form-row sources" key=${name} id=${`at-${dotted(["sources", name])}`}>
      <${Field} label=${name} value=${text} rows=${String(text).length > 90 ? 3 : 1} onInput=${(/** @type {string} */ next) => set(name, next)} wrong=${wrongAt(form, ["sources", name]).map((each) => each.reason).join(" ")} />
      <${Button} onPress=${() => set(name, undefined)} label=${t("protocols.edit.removeNamed", { name })}>${t("protocols.edit.remove")}<//></div>`)}</div>
    <div class="form-row"><${Field} label=${t("protocols.edit.sourceKey")} value=${key} onInput=${setKey} hint=${t("protocols.edit.sourceKeyHint")} />
      <${Button} onPress=${() => { if (key.trim() && !Object.hasOwn(form.document.sources ?? {}, key.trim())) set(key.trim(), ""); setKey(""); }}>${t("protocols.edit.add")}<//></div>`;
}

/** @type {Record<string, any>} */
export const PARTS = { identity: Identity, requirements: Requirements, windows: Windows, recording: Recording, tolerances: Tolerances, sources: Sources };
