// The limits in force: to be read, with who says so.
import { html } from "../../preact.js";
import { ask } from "../../api.js";
import { t } from "../../strings.js";
import { Card, useAsked, Waiting } from "../../ui.js";
import { number, valued } from "../../qcwords.js";

export function Limits() {
  const asked = useAsked(() => ask("qc-limits"), []);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const rows = /** @type {any[]} */ (asked.value.limits);
  const tests = [...new Set(rows.map((row) => row.test))];
  if (!tests.length) return html`<p class="quiet">${t("qc.limit.noLimits")}</p>`;
  return html`<div class="stack"><p class="quiet">${t("qc.limit.hint")}</p>${tests.map((test) => html`<${Test} key=${test} rows=${rows.filter((row) => row.test === test)} />`)}</div>`;
}

/** @param {{rows: any[]}} given */
function Test({ rows }) {
  const first = rows[0];
  const ordered = [...rows].sort((one, other) => Number(other.limit !== null) - Number(one.limit !== null));
  return html`<${Card} title=${first.title}>
    ${first.reference && html`<p class="quiet">${t("qc.limit.compared", { id: first.reference })}</p>`}${first.problem && html`<p class="quiet">${first.problem}</p>`}
    <div class="qc-scroll" tabindex="0" role="region" aria-label=${first.title}><table>
    <thead><tr>${["figure", "limit", "needed", "noise", "source"].map((each) => html`<th scope="col" key=${each}>${t(`qc.limit.${each}`)}</th>`)}</tr></thead>
    <tbody>${ordered.map((row) => html`<tr key=${row.figure}><td>${row.about}</td><td>${row.limit ?? html`<span class="quiet">${t("qc.limit.none")}</span>`}</td><td>${row.counts_needed ? number(row.counts_needed) : ""}</td>
      <td>${row.noise === null ? "" : t("qc.limit.at", { noise: valued(row.noise, row.unit), counts: number(Math.round(row.counts)) })}</td><td>${row.source ?? ""}</td></tr>`)}</tbody>
  </table></div><//>`;
}
