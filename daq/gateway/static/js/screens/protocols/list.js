// The protocols: those of the site first, then those that come with scandaq.
import { html, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { t } from "../../strings.js";
import { Chip, Field, useAsked, Waiting } from "../../ui.js";

const KINDS = ["static", "whole_body", "dynamic", "gated", "spect", "pet", "probe", "qc_flood"];

export function List() {
  const revision = useLive((live) => live.revisions.protocols);
  const [text, setText] = useState("");
  const [kind, setKind] = useState("");
  const [retired, setRetired] = useState(false);
  const told = useAsked(() => ask("protocols", { text, retired, ...(kind ? { kind } : {}) }), [revision, text, kind, retired]);
  const rows = told.value?.protocols ?? [];
  const groups = [["site", rows.filter((/** @type {any} */ row) => !row.shipped)], ["shipped", rows.filter((/** @type {any} */ row) => row.shipped)]];
  return html`<div class="stack"><h1>${t("protocols.list.title")}</h1>
    <div class="protocol-search" role="search">
      <${Field} label=${t("protocols.list.search")} value=${text} onInput=${setText} type="search" maxlength="200" />
      <${Field} label=${t("protocols.list.kind")} value=${kind} onInput=${setKind} options=${[{ value: "", label: t("protocols.list.every") }, ...KINDS.map((each) => ({ value: each, label: t(`protocols.kinds.${each}`) }))]} />
      <label class="form-check"><input type="checkbox" checked=${retired} onChange=${() => setRetired(!retired)} /><span>${t("protocols.list.retired")}</span></label>
    </div>
    <${Waiting} of=${{ ...told, loading: told.loading && !told.value }} />
    ${told.value && html`<p class="quiet" role="status">${t("protocols.list.found", { count: rows.length, of: told.value.of })}</p>`}
    ${groups.map(([name, found]) => found.length > 0 && html`<section class="card" key=${name}><h2>${t(`protocols.list.${name}`)}</h2><${Rows} rows=${found} /></section>`)}
    ${told.value && rows.length === 0 && html`<p>${t("protocols.list.none")}</p>`}
  </div>`;
}

/** @param {{rows: any[]}} given */
function Rows({ rows }) {
  return html`<table class="protocol-rows"><thead><tr>${["protocol", "kind", "nuclide", "steps", "state"].map((each) => html`<th scope="col">${t(`protocols.list.columns.${each}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr class="choice" key=${row.id} onClick=${() => go("protocols", row.id)}>
      <td><a href=${address("protocols", row.id)} onClick=${(/** @type {Event} */ event) => event.stopPropagation()}>${row.title ?? row.id}</a><div class="quiet">${row.id}${row.version === null ? "" : `, ${t("protocols.list.version", { version: row.version })}`}${row.owner ? `, ${t("protocols.page.owner", { owner: row.owner })}` : ""}</div></td>
      <td>${row.kind ? t(`protocols.kinds.${row.kind}`) : ""}</td><td>${row.nuclide ?? ""}</td><td class="number">${row.steps ?? ""}</td>
      <td><${State} row=${row} /></td></tr>`)}</tbody></table>`;
}

/** Whether it may be used, in words. @param {{row: any}} given */
export function State({ row }) {
  const chips = [];
  if (row.retired) chips.push(html`<${Chip}>${t("protocols.states.retired", { by: row.retired.by })}<//>`);
  if (row.state === "refused") chips.push(html`<${Chip} level="medium">${t("protocols.states.refused")}<//>`);
  else if (row.problems.length) chips.push(html`<${Chip}>${t("protocols.states.notHere")}<//>`);
  if (row.state === "signed") chips.push(html`<${Chip} level="good">${t("protocols.states.signed", { by: row.signed_by })}<//>`);
  if (row.state === "draft") chips.push(html`<${Chip}>${t(row.shipped ? "protocols.states.shipped" : "protocols.states.draft")}<//>`);
  return html`<div class="protocol-state">${chips}${row.meaning && html`<span class="quiet">${row.meaning}</span>`}</div>`;
}
