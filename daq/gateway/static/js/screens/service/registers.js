// Values and registers of controllers: read, and set with a preview and a press that is held, then read back.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { HoldToDo } from "../../widgets/holdtodo.js";
import { called } from "../../widgets/roomstate.js";
import { offered, range, valueText, wrongNumber } from "./readings.js";

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
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const rows = [
    ...Object.entries(about.values).map(([key, value]) => ({ key, ...value, access: value.reads && value.sets ? "read-write" : value.sets ? "write" : "read", effects: [] })),
    ...Object.entries(about.registers).map(([key, register]) => ({ key, ...register, of: "device", type: "number" })),
  ];
  const columns = ["name", "access", "meaning", "value"];
  return html`<${Card} title=${`${called(name)}: ${about.title}`}>
    <div class="wide-table" tabindex="0" role="region" aria-label=${called(name)}><table class="service-registers"><thead><tr>${columns.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row.key} device=${name} row=${row} may=${may} open=${chosen === row.key} onSet=${() => setChosen(row.key)} onEnd=${() => setChosen(null)} columns=${columns.length} />`)}</tbody></table></div><//>`;
}

/** A row, and beneath it, while it is set, the preview. @param {{device: string, row: any, may: boolean, open: boolean, columns: number, onSet: () => void, onEnd: () => void}} given */
function Row({ device, row, may, open, columns, onSet, onEnd }) {
  const [told, setTold] = useState("");
  const opener = useRef(/** @type {HTMLElement | null} */ (null));
  const read = async () => {
    const found = (await ask("read", { device, name: row.key })).read;
    setTold(found.map((/** @type {any} */ each) => [each.channel, valueText(each.value, each.unit)].filter(Boolean).join(": ")).join("; "));
  };
  const end = (/** @type {string} */ now) => {
    if (now) setTold(now);
    onEnd();
    opener.current?.querySelector("button")?.focus();
  };
  const can = offered(row);
  return html`<tr><th scope="row">${called(row.key)}</th><td>${t(`service.accesses.${row.access}`)}<div class="quiet">${bewareOf(row)}</div></td><td>${row.meaning}</td>
    <td><div class="row"><span class="number" aria-live="polite">${told}</span>${can.reads && html`<${Button} label=${t("service.readOf", { name: called(row.key) })} onPress=${read}>${t("service.read")}<//>`}
      ${may && can.sets && html`<span ref=${opener}><${Button} label=${t("service.setOf", { name: called(row.key) })} aria-expanded=${open} onPress=${onSet}>${t("service.set")}<//></span>`}</div></td></tr>
    ${open && html`<tr><td colspan=${columns}><${Setting} device=${device} row=${row} onEnd=${end} /></td></tr>`}`;
}

/** What reading or writing it does besides. @param {any} row */
function effectsOf(row) {
  return [t(`service.hazards.${row.hazard}`), ...besides(row)].join("; ");
}

/** The same in the table, where what does no harm says nothing. @param {any} row */
function bewareOf(row) {
  return row.hazard === "neutral" ? besides(row).join("; ") : effectsOf(row);
}

/** @param {any} row @returns {string[]} */
function besides(row) {
  return row.effects.map((/** @type {string} */ each) => t(`service.effects.${each}`));
}

/** Old and new, then a press that is held. @param {{device: string, row: any, onEnd: (now: string) => void}} given */
function Setting({ device, row, onEnd }) {
  const [value, setValue] = useState("");
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const quiet = row.access === "write";
  const before = useAsked(async () => (quiet ? null : (await ask("read", { device, name: row.key })).read[0]), [device, row.key]);
  const unknown = before.loading || Boolean(before.problem);
  const old = before.value ? valueText(before.value.value, before.value.unit) : t(before.loading ? "service.readingBefore" : "service.unreadBefore");
  const number = value.trim() === "" ? NaN : Number(value);
  const within = range(row);
  const wrong = wrongNumber(value, within);
  const limits = /** @type {Record<string, string>} */ (within ? { least: valueText(within[0], row.unit), most: valueText(within[1], row.unit) } : {});
  useEffect(() => place.current?.querySelector("input")?.focus(), []);
  const write = async () => {
    const told = await command("set", { device, name: row.key, value: number });
    const now = valueText(told.set.value, told.set.unit);
    tell(t("service.setDone", { name: called(row.key), value: now, proof: t(told.proven ? "service.proven" : "service.unproven") }), "good");
    onEnd(told.proven ? t("service.readBack", { value: now }) : "");
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && onEnd("");
  return html`<div ref=${place} onKeyDown=${pressed}><${Notice}><div class="stack"><${Field} label=${t("service.newValue", { name: called(row.key) })} type="number" step="any" value=${value} onInput=${setValue}
      hint=${within && !wrong ? t("service.within", limits) : ""} wrong=${wrong && t(`service.${wrong}`, limits)} />
    <strong>${t("service.setPreview", { name: called(row.key), device: called(device), old, new: Number.isFinite(number) ? valueText(number, row.unit) : "…" })}</strong>
    <p>${t(quiet ? "service.setAboutQuiet" : "service.setAbout", { effects: effectsOf(row) })}</p>
    ${before.problem && html`<div class="row"><p>${t("service.noOldValue", { why: before.problem.message })}</p><${Button} onPress=${before.again}>${t("service.read")}<//></div>`}
    <div class="row"><${Button} onPress=${() => onEnd("")}>${t("service.cancel")}<//><${HoldToDo} onDone=${write} held=${t("service.holding")} disabled=${unknown || !Number.isFinite(number) || Boolean(wrong)}>${t("service.holdSet")}<//></div></div><//></div>`;
}
