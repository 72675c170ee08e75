// The steps of a protocol as a table that reads from top to bottom as the acquisition goes.
import { html } from "../../preact.js";
import { duration, place } from "../../format.js";
import { t } from "../../strings.js";
import { Chip } from "../../ui.js";
import { spoken } from "./inputs.js";

/** @param {{figures: any}} given */
export function Steps({ figures }) {
  const longest = Math.max(1, ...figures.steps.map((/** @type {any} */ step) => step.duration_s ?? 0));
  return html`<table class="steps-table"><thead><tr>${["step", "view", "where", "ends", "starts", "takes"].map((each) => html`<th scope="col">${t(`protocols.steps.${each}`)}</th>`)}</tr></thead>
    <tbody>${figures.steps.map((/** @type {any} */ step, /** @type {number} */ index) => html`
      ${step.hand_overs.map((/** @type {string} */ each) => html`<tr><td colspan="6" class="quiet">${t("protocols.steps.handOver", { what: each })}</td></tr>`)}
      <tr key=${index}><td><strong>${index + 1}. ${step.name}</strong>${step.times > 1 ? ` × ${step.times}` : ""}
          <div class="quiet">${[spoken(step.kind), ...step.details].join("; ")}</div>${step.instruction && html`<div class="step-instruction">${step.instruction}</div>`}</td>
        <td>${step.views.join(" + ")}${step.laterality ? ` ${step.laterality}` : ""}${step.role === "emission" || step.role === "quality_control" ? "" : html`<div><${Chip}>${spoken(step.role)}<//></div>`}</td>
        <td>${step.positions.map((/** @type {any} */ at) => html`<div>${spoken(at.axis)} ${place(at.from, at.unit)}${at.to === at.from ? "" : ` ${t("protocols.steps.to")} ${place(at.to, at.unit)}`}</div>`)}${step.speed && html`<div class="quiet">${t("protocols.steps.at", { speed: step.speed })}</div>`}</td>
        <td>${step.ends || html`<span class="quiet">${t("protocols.steps.byHand")}</span>`}</td>
        <td>${t(`protocols.steps.start.${step.start}`)}</td>
        <td class="number">${step.duration_s ? html`${duration(step.duration_s)}<div class="share" aria-hidden="true"><div style=${{ width: `${(100 * step.duration_s) / longest}%` }}></div></div>` : html`<span class="quiet">${t("protocols.page.unknown")}</span>`}</td></tr>`)}
      ${figures.hand_overs_at_end.map((/** @type {string} */ each) => html`<tr><td colspan="6" class="quiet">${t("protocols.steps.handOverLast", { what: each })}</td></tr>`)}
    </tbody></table>`;
}
