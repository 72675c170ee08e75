// Values and registers of controllers: read, and set with a preview and a press that is held, then read back.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { HoldToDo } from "../../widgets/holdtodo.js";
import { offered, valueText } from "./readings.js";

/** @param {{may: boolean}} given */
export function Registers({ may }) {
  const asked = useAsked(() => ask("controllers"), []);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const found = Object.entries(asked.value.controllers);
  if (!found.length) return html`<p class="card">${t("service.noControllers")}</p>`;
  return html`<div class="stack">${found.map(([name, about]) => html`<${Controller} key=${name} name=${name} about=${about} may=${may} />`)}</div>`;
}

/** @param {{name: string, about: any, may: boolean}} given */
function Controller({ name, about, may }) {
  const [chosen, setChosen] = useState(/** @type {any} */ (null));
  const rows = [
    ...Object.entries(about.values).map(([key, value]) => ({ key, ...value, access: value.reads && value.sets ? "read-write" : value.sets ? "write" : "read", effects: [] })),
    ...Object.entries(about.registers).map(([key, register]) => ({ key, ...register, of: "device", type: "number" })),
  ];
  const columns = ["name", "access", "meaning", "value"];
  return html`<${Card} title=${`${name}: ${about.title}`}>
    ${chosen && html`<${Setting} key=${chosen.key} device=${name} row=${chosen} onEnd=${() => setChosen(null)} />`}
    <table><thead><tr>${columns.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row.key} device=${name} row=${row} may=${may} onSet=${() => setChosen(row)} />`)}</tbody></table><//>`;
}

/** @param {{device: string, row: any, may: boolean, onSet: () => void}} given */
function Row({ device, row, may, onSet }) {
  const [told, setTold] = useState("");
  const read = async () => {
    const found = (await ask("read", { device, name: row.key })).read;
    setTold(found.map((/** @type {any} */ each) => [each.channel, valueText(each.value, each.unit)].filter(Boolean).join(": ")).join("; "));
  };
  const can = offered(row);
  return html`<tr><th scope="row" class="mono">${row.key}</th><td>${t(`service.accesses.${row.access}`)}<div class="quiet">${effectsOf(row)}</div></td><td>${row.meaning}</td>
    <td><div class="row"><span class="number" aria-live="polite">${told}</span>
      ${can.reads && html`<${Button} label=${t("service.readOf", { name: row.key })} onPress=${read}>${t("service.read")}<//>`}
      ${may && can.sets && html`<${Button} label=${t("service.setOf", { name: row.key })} onPress=${onSet}>${t("service.set")}<//>`}</div></td></tr>`;
}

/** @param {any} row */
function effectsOf(row) {
  return [t(`service.hazards.${row.hazard}`), ...row.effects.map((/** @type {string} */ each) => t(`service.effects.${each}`))].join("; ");
}

/** Old and new, then a press that is held. @param {{device: string, row: any, onEnd: () => void}} given */
function Setting({ device, row, onEnd }) {
  const [value, setValue] = useState("");
  const quiet = row.access === "write";
  const before = useAsked(async () => (quiet ? null : (await ask("read", { device, name: row.key })).read[0]), [device, row.key]);
  const unknown = before.loading || Boolean(before.problem);
  const old = before.value ? valueText(before.value.value, before.value.unit) : t(before.loading ? "service.readingBefore" : "service.unreadBefore");
  const number = value.trim() === "" ? NaN : Number(value);
  const write = async () => {
    const told = await command("set", { device, name: row.key, value: number });
    tell(t("service.setDone", { name: row.key, value: valueText(told.set.value, told.set.unit), proof: t(told.proven ? "service.proven" : "service.unproven") }), "good");
    onEnd();
  };
  return html`<${Notice}><div class="stack"><${Field} label=${t("service.newValue", { name: row.key })} type="number" step="any" value=${value} onInput=${setValue} />
    <strong>${t("service.setPreview", { name: row.key, device, old, new: Number.isFinite(number) ? valueText(number, row.unit) : "…" })}</strong>
    <p>${t(quiet ? "service.setAboutQuiet" : "service.setAbout", { effects: effectsOf(row) })}</p>
    ${before.problem && html`<div class="row"><p>${t("service.noOldValue", { why: before.problem.message })}</p><${Button} onPress=${before.again}>${t("service.read")}<//></div>`}
    <div class="row"><${Button} onPress=${onEnd}>${t("service.cancel")}<//><${HoldToDo} onDone=${write} held=${t("service.holding")} disabled=${unknown || !Number.isFinite(number)}>${t("service.holdSet")}<//></div></div><//>`;
}
