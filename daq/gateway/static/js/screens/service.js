// Service: devices, high voltage, registers, calibrations, logs, the station. The role service acts, others look.
import { html } from "../preact.js";
import { address, go } from "../router.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Notice } from "../ui.js";
import { Calibrations } from "./service/calibrations.js";
import { Devices } from "./service/devices.js";
import { Logs } from "./service/logs.js";
import { Registers } from "./service/registers.js";
import { Station } from "./service/station.js";
import { Voltage } from "./service/voltage.js";

const PARTS = /** @type {Record<string, any>} */ ({ devices: Devices, voltage: Voltage, registers: Registers, calibrations: Calibrations, logs: Logs, station: Station });

/** @param {{path: string[]}} given */
export default function Service({ path }) {
  const who = useSession();
  const shown = Object.hasOwn(PARTS, path[0] ?? "") ? path[0] : "devices";
  const may = mayAs(who, "service");
  const move = (/** @type {KeyboardEvent} */ event) => {
    const names = Object.keys(PARTS);
    const next = names[names.indexOf(shown) + (event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0)];
    if (!next || next === shown) return;
    go("service", next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="stack service-screen"><h1>${t("service.title")}</h1>
    ${!may && html`<${Notice}>${t("service.lookOnly")}<//>`}
    <div class="tabs" role="tablist" aria-label=${t("service.sections")} onKeyDown=${move}>${Object.keys(PARTS).map((name) => html`<a role="tab" class="button" id=${`tab-${name}`} key=${name} href=${address("service", name)}
      aria-selected=${name === shown} aria-controls="service-panel" tabindex=${name === shown ? 0 : -1}>${t(`service.tabs.${name}`)}</a>`)}</div>
    <div role="tabpanel" id="service-panel" aria-labelledby=${`tab-${shown}`}><${PARTS[shown]} may=${may} /></div></div>`;
}
