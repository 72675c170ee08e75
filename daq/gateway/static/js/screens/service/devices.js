// Every device: its readings with unit, limits and age, and what is against using it.
import { html, useEffect, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { timeOfDay } from "../../format.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { stationNow } from "../../stationclock.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Facts, tell } from "../../ui.js";
import { called } from "../../widgets/roomstate.js";
import { plainly } from "../../widgets/when.js";
import { freshness, limitsText, valueText } from "./readings.js";

const TICK_MS = 1000;

/** Return the time at the station in milliseconds, each second anew. */
export function useNow() {
  const [now, setNow] = useState(stationNow());
  useEffect(() => {
    const timer = setInterval(() => setNow(stationNow()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function Devices() {
  const devices = useLive((live) => live.description?.devices);
  const names = Object.keys(devices ?? {});
  if (!names.length) return html`<p class="card">${t("service.noDevices")}</p>`;
  return html`<div class="service-devices">${names.map((name) => html`<${Device} key=${name} name=${name} about=${devices[name]} />`)}</div>`;
}

/** @param {{name: string, about: any}} given */
function Device({ name, about }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const check = async () => setFound({ told: await ask("check", { device: name }), at: new Date() });
  const kind = t("service.ability", { ability: about.ability.replaceAll("_", " "), kind: about.kind });
  return html`<${Card} label=${called(name)}><div class="stack">
    <div class="spread"><div><h2>${called(name)}</h2><span class="quiet">${kind} ${about.controller && t("service.onController", { controller: called(about.controller), channel: about.channel ?? "" })}</span></div>
      <${Button} label=${t("service.checkOf", { device: called(name) })} onPress=${check}>${t("service.check")}<//></div>
    <${Readings} device=${name} quantities=${about.quantities ?? {}} />
    ${found && html`<${Found} name=${name} found=${found} />`}</div><//>`;
}

/** @param {{device: string, quantities: Record<string, any>}} given */
export function Readings({ device, quantities }) {
  const readings = useLive((live) => live.readings);
  const connected = useLive((live) => live.connected);
  const now = useNow();
  const names = Object.keys(quantities);
  if (!names.length) return null;
  const columns = ["reading", "value", "limits", "age"];
  return html`<table class="service-readings"><thead><tr>${columns.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}</tr></thead><tbody>${names.map((name) => {
    const reading = readings[`${device} ${name}`];
    const fresh = freshness(reading, now, connected);
    return html`<tr key=${name} class=${fresh.stale ? "service-stale" : ""}><th scope="row">${name.replaceAll("_", " ")}</th>
      <td class="number">${valueText(reading?.value, quantities[name].unit)} ${reading?.quality === "out_of_limits" && html`<${Chip} level="medium">${t("service.beyond")}<//>`}</td>
      <td>${limitsText(quantities[name].limits ?? {}, quantities[name].unit)}</td><td>${t(`service.${fresh.key}`, { age: fresh.age })}</td></tr>`;
  })}</tbody></table>`;
}

/** @param {{name: string, found: any}} given */
function Found({ name, found }) {
  const device = found.told.devices[name];
  const why = (/** @type {string[]} */ reasons) => (reasons.length ? html`<ul class="plain-list">${reasons.map((each) => html`<li>${plainly(each)}</li>`)}</ul>` : t("service.nothing"));
  const rows = /** @type {[string, any][]} */ ([]);
  if (device?.against_raising) rows.push([t("service.againstRaising"), why(device.against_raising)]);
  if (device?.against_moving) rows.push([t("service.againstMoving"), why(device.against_moving)]);
  for (const [controller, each] of /** @type {[string, any][]} */ (Object.entries(found.told.controllers))) {
    rows.push([called(controller), each.error ? t("service.noAnswer", { why: each.error }) : `${each.identity?.vendor} ${each.identity?.model} ${each.identity?.serial}`], [t("service.wire"), each.wire]);
  }
  return html`<div aria-live="polite"><p class="quiet">${t("service.checked", { time: timeOfDay(found.at) })}</p><${Facts} rows=${rows} />
    ${device?.clears && html`<div class="spread"><span class="quiet">${t("service.clearAbout")}</span><${Clear} name=${name} /></div>`}</div>`;
}

/** Let its controller forget a trip or a stall whose cause is gone. Nothing is raised or moved by it. @param {{name: string}} given */
export function Clear({ name }) {
  const may = mayAs(useSession(), "technologist");
  const clear = async () => {
    await command("clear", { device: name });
    tell(t("service.cleared", { device: called(name) }), "good");
  };
  return html`<${Button} disabled=${!may} why=${may ? "" : t("acquire.why.notAllowed")} label=${t("service.clearOf", { device: called(name) })} onPress=${clear}>${t("service.clear")}<//>`;
}
