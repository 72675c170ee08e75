// The steps of the form: their list, worked by buttons and keys, and the fields of one of them.
import { html } from "../../preact.js";
import { t } from "../../strings.js";
import { Button, Field } from "../../ui.js";
import { at, stepNames, stepsOf, withNewStep, withoutStep, withStepMoved, withStepNamed, withStepTwice } from "./document.js";
import * as fields from "./fields.js";
import { Choice, Listed, offered, Quantity, Quick, unitsOf, wrongAt } from "./inputs.js";
import { Fields, Wrong } from "./parts.js";

/**
 * What can be done with the steps: each returns the new document and the step that is looked at then.
 * @param {import("./inputs.js").Form} form
 * @param {number} index
 * @param {(index: number) => void} look
 */
export function stepDeeds(form, index, look) {
  const most = stepsOf(form.document).length;
  const done = (/** @type {any} */ document, /** @type {number} */ next) => {
    form.change([], document);
    look(Math.max(0, next));
  };
  return {
    add: () => done(withNewStep(form.document, t("protocols.edit.newStep")), most),
    twice: () => done(withStepTwice(form.document, index), index + 1),
    up: () => index > 0 && done(withStepMoved(form.document, index, -1), index - 1),
    down: () => index < most - 1 && done(withStepMoved(form.document, index, 1), index + 1),
    remove: () => most > 1 && done(withoutStep(form.document, index), Math.min(index, most - 2)),
  };
}

/**
 * @param {{form: import("./inputs.js").Form, index: number, shown: boolean, look: (index: number) => void, wrong: (part: string) => number}} given
 */
export function StepList({ form, index, shown, look, wrong }) {
  const names = stepNames(form.document);
  const deeds = stepDeeds(form, index, look);
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const deed = event.altKey ? { ArrowUp: deeds.up, ArrowDown: deeds.down }[event.key] : { ArrowUp: () => look(Math.max(0, index - 1)), ArrowDown: () => look(Math.min(names.length - 1, index + 1)) }[event.key];
    if (!deed) return;
    event.preventDefault();
    deed();
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(".form-steps button[aria-current]"))?.focus());
  };
  return html`<h2 id="form-steps">${t("protocols.edit.steps", { count: names.length })}</h2>
    <ol class="form-steps" aria-labelledby="form-steps" onKeyDown=${pressed}>${names.map((name, number) => html`<li key=${number}>
      <button type="button" aria-current=${shown && number === index ? "true" : undefined} onClick=${() => look(number)}>
        <span>${number + 1}. ${name || t("protocols.edit.unnamed")}</span>${wrong(`step ${number}`) > 0 && html`<span class="form-count">${t("protocols.edit.wrongs", { count: wrong(`step ${number}`) })}</span>`}
      </button></li>`)}</ol>
    <div class="form-deeds" role="group" aria-label=${t("protocols.edit.stepDeeds")}>
      <${Button} onPress=${deeds.add}>${t("protocols.edit.addStep")}<//>
      <${Button} onPress=${deeds.twice} label=${t("protocols.edit.stepTwice", { name: names[index] ?? "" })}>${t("protocols.edit.twice")}<//>
      <${Quick} onPress=${deeds.up} disabled=${index === 0} keys="Alt+ArrowUp" label=${t("protocols.edit.stepUp", { name: names[index] ?? "" })}>${t("protocols.edit.up")}<//>
      <${Quick} onPress=${deeds.down} disabled=${index >= names.length - 1} keys="Alt+ArrowDown" label=${t("protocols.edit.stepDown", { name: names[index] ?? "" })}>${t("protocols.edit.down")}<//>
      <${Button} onPress=${deeds.remove} disabled=${names.length < 2} label=${t("protocols.edit.stepRemove", { name: names[index] ?? "" })}>${t("protocols.edit.remove")}<//>
    </div>
    <p class="quiet">${t("protocols.edit.stepKeys")}</p>`;
}

/** @param {{form: import("./inputs.js").Form, index: number}} given */
export function StepFields({ form, index }) {
  const base = ["steps", index];
  const step = at(form.document, base);
  if (!step) return null;
  const rename = (/** @type {string} */ name) => form.change([], withStepNamed(form.document, index, name));
  const wrongName = form.findings.filter((each) => each.key === `steps[${index}].name` || each.key === `steps[${index}]`);
  return html`<div class="form-grid" id=${`at-steps[${index}].name`}><${Field} label=${t("protocols.fields.name")} value=${step.name} onInput=${rename} wrong=${wrongName.map((each) => each.reason).join(" ")} /></div>
    <${Fields} form=${form} of=${fields.STEP} base=${base} />
    <h3>${t("protocols.edit.ends")}</h3><${Fields} form=${form} of=${fields.STOP} base=${base} />
    <${Wrong} form=${{ ...form, findings: form.findings.filter((each) => each.key === `steps[${index}].stop`) }} path=${[...base, "stop"]} />
    <${Group} form=${form} base=${base} group=${fields.GROUPS[0]} />
    <${Positions} form=${form} base=${base} />
    <h3>${t("protocols.edit.more")}</h3><${Fields} form=${form} of=${fields.STEP_MORE} base=${base} />
    <h3>${t("protocols.edit.picture")}</h3><${Fields} form=${form} of=${fields.IMAGE} base=${base} />
    <${Phases} form=${form} base=${base} />
    ${fields.GROUPS.slice(1).map((group) => html`<${Group} key=${group.key} form=${form} base=${base} group=${group} />`)}`;
}

/** A table that the step has or has not. @param {{form: import("./inputs.js").Form, base: import("./document.js").Part[], group: any}} given */
function Group({ form, base, group }) {
  const path = [...base, ...group.path];
  const title = t(`protocols.edit.groups.${group.key}`);
  if (at(form.document, path) === undefined) {
    return html`<div class="form-group"><${Button} onPress=${() => form.change(path, group.first)}>${t("protocols.edit.addGroup", { what: title })}<//><${Wrong} form=${form} path=${path} /></div>`;
  }
  return html`<fieldset class="form-rows"><legend>${title}</legend>
    ${group.hint && html`<p class="form-hint">${form.about.hints[group.hint] ?? ""}</p>`}
    <${Fields} form=${form} of=${group.fields} base=${base} />
    ${group.key === "repeat" && html`<${Also} form=${form} path=${[...path, "also"]} />`}
    <${Button} onPress=${() => form.change(path, undefined)} label=${t("protocols.edit.removeNamed", { name: title })}>${t("protocols.edit.remove")}<//></fieldset>`;
}

/** Where axes stand before it begins. @param {{form: import("./inputs.js").Form, base: import("./document.js").Part[]}} given */
function Positions({ form, base }) {
  const set = at(form.document, [...base, "set"]) ?? {};
  const axes = form.about.station.axes;
  const free = axes.filter((/** @type {any} */ axis) => !(axis.name in set));
  return html`<fieldset class="form-rows"><legend>${t("protocols.edit.positions")}</legend>
    <p class="form-hint">${form.about.hints["StepFile.set"] ?? ""}</p>
    ${Object.entries(set).map(([name, value]) => {
      const axis = axes.find((/** @type {any} */ each) => each.name === name);
      const path = [...base, "set", name];
      return html`<div class="form-row" key=${name}><${Quantity} label=${axis ? t("protocols.edit.axis", { name, from: axis.min, to: axis.max, unit: axis.unit }) : name} value=${value} units=${unitsOf(form, [axis?.unit === "deg" ? "angle" : "length"])} first=${axis?.unit} set=${(/** @type {any} */ next) => form.change(path, next ?? "")} wrong=${wrongAt(form, path).map((each) => each.reason).join(" ")} />
        <${Button} onPress=${() => form.change(path, undefined)} label=${t("protocols.edit.removeNamed", { name })}>${t("protocols.edit.remove")}<//></div>`;
    })}
    <div class="row">${free.map((/** @type {any} */ axis) => html`<${Button} onPress=${() => form.change([...base, "set", axis.name], `${Math.max(axis.min, 0)} ${axis.unit}`)}>${t("protocols.edit.addAxis", { name: axis.name })}<//>`)}</div></fieldset>`;
}

/** Frames of a dynamic step, run after run. @param {{form: import("./inputs.js").Form, base: import("./document.js").Part[]}} given */
function Phases({ form, base }) {
  const path = [...base, "phases"];
  const phases = at(form.document, path) ?? [];
  const add = () => form.change([...path, phases.length], { frames: 10, frame: "10 s" });
  return html`<fieldset class="form-rows"><legend>${t("protocols.edit.phases")}</legend>
    ${phases.map((/** @type {any} */ phase, /** @type {number} */ index) => html`<div class="form-row" key=${index}>
      <${Field} label=${t("protocols.fields.frames")} value=${phase.frames} inputmode="numeric" onInput=${(/** @type {string} */ text) => form.change([...path, index, "frames"], /^\d{1,9}$/.test(text.trim()) ? Number(text) : text)} />
      <${Quantity} label=${t("protocols.fields.frame")} value=${phase.frame} units=${unitsOf(form, ["time"])} first="s" set=${(/** @type {any} */ next) => form.change([...path, index, "frame"], next ?? "")} />
      <${Button} onPress=${() => form.change(path, phases.length > 1 ? phases.filter((/** @type {any} */ _, /** @type {number} */ number) => number !== index) : undefined)} label=${t("protocols.edit.removePhase", { number: index + 1 })}>${t("protocols.edit.remove")}<//>
      <${Wrong} form=${form} path=${[...path, index]} /></div>`)}
    <${Button} onPress=${add}>${t("protocols.edit.addPhase")}<//></fieldset>`;
}

/** Positions of other axes, one for each repetition. @param {{form: import("./inputs.js").Form, path: import("./document.js").Part[]}} given */
function Also({ form, path }) {
  const also = at(form.document, path) ?? {};
  const free = offered(form, "axes").filter((name) => !(name in also));
  const add = (/** @type {string | undefined} */ name) => name && form.change([...path, name], ["100 mm"]);
  return html`<div class="stack">${Object.entries(also).map(([name, value]) => html`<div class="form-row" key=${name}>
      <${Listed} label=${t("protocols.edit.also", { name })} value=${value} set=${(/** @type {any} */ next) => form.change([...path, name], next ?? [])} wrong=${wrongAt(form, [...path, name]).map((each) => each.reason).join(" ")} />
      <${Button} onPress=${() => form.change([...path, name], undefined)} label=${t("protocols.edit.removeNamed", { name })}>${t("protocols.edit.remove")}<//></div>`)}
    ${free.length > 0 && html`<${Choice} label=${t("protocols.edit.addAlso")} value="" words=${free} set=${add} />`}</div>`;
}
