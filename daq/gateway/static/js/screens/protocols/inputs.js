// One input for each type of field. What is typed goes into the document at once; what is wrong with it stands below.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Field } from "../../ui.js";
import { at, dotted, isAbout, joined, split, stepNames } from "./document.js";

/**
 * @typedef {object} Form
 * @property {any} document
 * @property {(path: import("./document.js").Part[], value: any) => void} change
 * @property {any[]} findings
 * @property {any} about  what the station told of forms
 */

const AXES = "axes";

/** @param {Form} form @param {string} name @returns {string[]} */
export function offered(form, name) {
  const station = form.about.station;
  if (name === AXES) return station.axes.map((/** @type {any} */ axis) => axis.name);
  if (name === "collimators" || name === "tests") return station[name];
  if (name === "instruments") return form.about.instruments;
  return form.about.choices[name] ?? [];
}

/** @param {Form} form @param {import("./document.js").Part[]} path */
export function wrongAt(form, path) {
  const place = dotted(path);
  return form.findings.filter((each) => isAbout(each.key, place));
}

/**
 * A button that may be pressed as fast as one likes, such as Undo: nothing is lost by pressing it once too often.
 * @param {{onPress: () => void, disabled?: boolean, label?: string, keys?: string, children?: any}} given
 */
export function Quick({ onPress, disabled = false, label, keys, children }) {
  return html`<button type="button" aria-disabled=${disabled || undefined} aria-label=${label} aria-keyshortcuts=${keys} onClick=${() => disabled || onPress()}>${children}</button>`;
}

/** @param {string} word */
export function spoken(word) {
  return word.replaceAll("_", " ");
}

/**
 * @param {{form: Form, of: import("./fields.js").FieldOf, base?: import("./document.js").Part[]}} given
 */
export function FormField({ form, of, base = [] }) {
  const path = [...base, ...of.path];
  const found = wrongAt(form, path);
  const label = t(`protocols.fields.${of.label ?? of.path.join("_")}`);
  const hint = of.hint ? (form.about.hints[of.hint] ?? "") : "";
  const value = at(form.document, path);
  const set = (/** @type {any} */ next) => form.change(path, next);
  const Input = INPUTS[of.type];
  const wrong = found.filter((each) => each.severity === "error").map((each) => each.reason).join(" ");
  const warned = found.filter((each) => each.severity !== "error").map((each) => each.reason).join(" ");
  return html`<div class=${`form-field type-${of.type}${of.wide ? " wide" : ""}`} id=${`at-${dotted(path)}`}>
    <${Input} form=${form} of=${of} value=${value} set=${set} label=${label} wrong=${wrong} />
    ${warned && html`<p class="form-warned">${t("protocols.edit.warned", { reason: warned })}</p>`}
    ${hint && html`<p class="form-hint">${hint}</p>`}
  </div>`;
}

/** @typedef {{form: Form, of: import("./fields.js").FieldOf, value: any, set: (value: any) => void, label: string, wrong: string}} Input */

/** @param {Input} given */
function TextInput({ value, set, label, wrong, of }) {
  const typed = (/** @type {string} */ text) => set(text === "" && !of.must ? undefined : text);
  return html`<${Field} label=${label} value=${value} onInput=${typed} wrong=${wrong} rows=${of.type === "area" ? 3 : undefined} />`;
}

/** @param {Input} given */
function ChoiceInput({ form, of, value, set, label, wrong }) {
  return html`<${Choice} label=${label} value=${value} set=${set} wrong=${wrong} must=${of.must} words=${offered(form, of.choices ?? "")} />`;
}

/** @param {Input} given */
function WindowInput({ form, of, value, set, label, wrong }) {
  return html`<${Choice} label=${label} value=${value} set=${set} wrong=${wrong} must=${of.must} words=${["all", ...Object.keys(form.document.windows ?? {})]} />`;
}

/** @param {Input} given */
function StepInput({ form, value, set, label, wrong }) {
  return html`<${Choice} label=${label} value=${value} set=${set} wrong=${wrong} words=${stepNames(form.document)} />`;
}

/** @param {Input} given */
function NuclideInput({ form, value, set, label, wrong }) {
  return html`<${Choice} label=${label} value=${value} set=${set} wrong=${wrong} words=${form.about.nuclides.map((/** @type {any} */ each) => each.name)} />`;
}

/**
 * A choice that keeps what stands in the file, also where it is none of the choices.
 * @param {{label: string, value: any, set: (value: any) => void, wrong?: string, must?: boolean, words: string[]}} given
 */
export function Choice({ label, value, set, wrong = "", must = false, words }) {
  const told = typeof value === "string" ? value : "";
  const known = told === "" || words.includes(told) ? words : [told, ...words];
  const options = [...(must && told ? [] : [{ value: "", label: t("protocols.edit.notSaid") }]), ...known.map((word) => ({ value: word, label: spoken(word) }))];
  return html`<${Field} label=${label} value=${told} options=${options} wrong=${wrong} onInput=${(/** @type {string} */ next) => set(next === "" ? undefined : next)} />`;
}

/** @param {Input} given */
function ManyInput({ form, of, value, set, label, wrong }) {
  return html`<${Several} label=${label} value=${value} set=${set} wrong=${wrong} words=${offered(form, of.choices ?? "")} />`;
}

/** @param {Input} given */
function WindowsInput({ form, value, set, label, wrong }) {
  return html`<${Several} label=${label} value=${value} set=${set} wrong=${wrong} words=${Object.keys(form.document.windows ?? {})} />`;
}

/** Some of several words, in the order in which they were chosen. @param {{label: string, value: any, set: (value: any) => void, wrong: string, words: string[]}} given */
function Several({ label, value, set, wrong, words }) {
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const turn = (/** @type {string} */ word) => {
    const next = chosen.includes(word) ? chosen.filter((each) => each !== word) : [...chosen, word];
    set(next.length ? next : undefined);
  };
  const all = [...chosen.filter((each) => !words.includes(each)), ...words];
  return html`<fieldset class="form-several"><legend>${label}</legend>
    <div class="row">${all.map((word) => html`<label class="form-check"><input type="checkbox" checked=${chosen.includes(word)} onChange=${() => turn(word)} /><span>${spoken(word)}${chosen.length > 1 && chosen.includes(word) ? ` (${chosen.indexOf(word) + 1})` : ""}</span></label>`)}
    ${all.length === 0 && html`<span class="quiet">${t("protocols.edit.nothingToChoose")}</span>`}</div>
    ${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}</fieldset>`;
}

/** @param {Form} form @param {string[]} dims */
export function unitsOf(form, dims) {
  return dims.flatMap((dim) => form.about.units[dim] ?? []);
}

/** @param {Input} given */
function QuantityInput({ form, of, value, set, label, wrong }) {
  return html`<${Quantity} label=${label} value=${value} set=${set} wrong=${wrong} units=${unitsOf(form, of.dims ?? [])} first=${of.first} />`;
}

/**
 * A number with its unit. The unit that stands in the file stays until another is chosen.
 * @param {{label: string, value: any, set: (value: any) => void, wrong?: string, units: string[], first?: string}} given
 */
export function Quantity({ label, value, set, wrong = "", units, first = USUAL.find((each) => units.includes(each)) ?? units[0] }) {
  const said = split(value);
  const [kept, keep] = useState("");
  const unit = said.unit || kept || first;
  const known = units.includes(unit) ? units : [unit, ...units];
  return html`<div class="form-quantity">
    <${Field} label=${label} value=${said.number} inputmode="decimal" wrong=${wrong} onInput=${(/** @type {string} */ number) => set(joined(number, unit))} />
    ${known.length === 1
      ? html`<span class="form-unit">${unit}</span>`
      : html`<select aria-label=${t("protocols.edit.unitOf", { field: label })} value=${unit} onChange=${(/** @type {any} */ event) => {
          keep(event.target.value);
          if (said.number) set(joined(said.number, event.target.value));
        }}>${known.map((each) => html`<option value=${each} selected=${each === unit}>${each}</option>`)}</select>`}
  </div>`;
}

/** The units that a field begins with. */
const USUAL = ["min", "keV", "%", "kcps", "kcounts", "mm", "deg", "cm/min", "deg/s"];

/** @param {Input} given */
function PairInput({ form, of, value, set, label, wrong }) {
  const [low, high] = Array.isArray(value) ? value : [undefined, undefined];
  const units = unitsOf(form, of.dims ?? []);
  const both = (/** @type {any} */ one, /** @type {any} */ other) => set(one === undefined && other === undefined ? undefined : [one ?? "", other ?? ""]);
  return html`<div class="form-pair">
    <${Quantity} label=${t("protocols.edit.from", { field: label })} value=${low} units=${units} set=${(/** @type {any} */ next) => both(next, high || undefined)} wrong=${wrong} />
    <${Quantity} label=${t("protocols.edit.to", { field: label })} value=${high} units=${units} set=${(/** @type {any} */ next) => both(low || undefined, next)} />
  </div>`;
}

/** A whole number goes into the document as one; anything else as it was typed, so that it can be said what is wrong.
 * @param {string} text */
export function numbered(text) {
  const plain = text.trim();
  if (plain === "") return undefined;
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(plain) ? Number(plain) : plain;
}

/** @param {Input} given */
function NumberInput({ of, value, set, label, wrong }) {
  return html`<${Field} label=${label} value=${value} wrong=${wrong} inputmode=${of.type === "whole" ? "numeric" : "decimal"} onInput=${(/** @type {string} */ text) => set(numbered(text))} />`;
}

/** @param {Input} given */
function MatrixInput({ value, set, label, wrong }) {
  const [columns, rows] = Array.isArray(value) ? value : [undefined, undefined];
  const both = (/** @type {any} */ one, /** @type {any} */ other) => set(one === undefined && other === undefined ? undefined : [one ?? "", other ?? ""]);
  return html`<div class="form-pair">
    <${Field} label=${t("protocols.edit.columns", { field: label })} value=${columns} inputmode="numeric" wrong=${wrong} onInput=${(/** @type {string} */ text) => both(numbered(text), rows)} />
    <${Field} label=${t("protocols.edit.rows", { field: label })} value=${rows} inputmode="numeric" onInput=${(/** @type {string} */ text) => both(columns, numbered(text))} />
  </div>`;
}

/** @param {Input} given */
function FlagInput({ value, set, label, wrong }) {
  const options = [{ value: "", label: t("protocols.edit.notSaid") }, { value: "yes", label: t("protocols.edit.yes") }, { value: "no", label: t("protocols.edit.no") }];
  const told = value === true ? "yes" : value === false ? "no" : "";
  return html`<${Field} label=${label} value=${told} options=${options} wrong=${wrong} onInput=${(/** @type {string} */ next) => set(next === "" ? undefined : next === "yes")} />`;
}

/** Several texts, a comma between them. @param {Input} given */
function ListInput({ value, set, label, wrong }) {
  return html`<${Listed} label=${label} value=${value} set=${set} wrong=${wrong} />`;
}

/** @param {{label: string, value: any, set: (value: any) => void, wrong?: string}} given */
export function Listed({ label, value, set, wrong = "" }) {
  const said = Array.isArray(value) ? value.join(", ") : "";
  const [typed, type] = useState(said);
  const parts = typed.split(",").map((/** @type {string} */ each) => each.trim()).filter(Boolean);
  const shown = parts.join(", ") === said ? typed : said;
  const heard = (/** @type {string} */ text) => {
    type(text);
    const items = text.split(",").map((each) => each.trim()).filter(Boolean);
    set(items.length ? items : undefined);
  };
  return html`<${Field} label=${label} value=${shown} rows=${2} wrong=${wrong} hint=${t("protocols.edit.commas")} onInput=${heard} />`;
}

/** @type {Record<string, any>} */
const INPUTS = {
  text: TextInput, area: TextInput, choice: ChoiceInput, many: ManyInput, quantity: QuantityInput, pair: PairInput, whole: NumberInput,
  number: NumberInput, matrix: MatrixInput, flag: FlagInput, nuclide: NuclideInput, window: WindowInput, windows: WindowsInput, step: StepInput,
  list: ListInput,
};
