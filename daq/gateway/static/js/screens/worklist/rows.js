// The rows of the list: only as many are drawn as somebody asks for.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { personName, sexLetter } from "../../identity.js";
import { t } from "../../strings.js";
import { goWith } from "../../router.js";
import { Button, Chip } from "../../ui.js";

const AT_ONCE = 100;
/** @type {Record<string, "" | "good" | "high" | "medium" | "low">} */
const LEVELS = { done: "good" };

/** @param {{rows: any[], total: number, text: string, chosen: string | null, onChoose: (entry: string) => void, onKey: (event: KeyboardEvent) => void, onOpen: (entry: string) => void}} given */
export function Rows({ rows, total, text, chosen, onChoose, onKey, onOpen }) {
  const [most, setMost] = useState(AT_ONCE);
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const at = rows.findIndex((row) => row.entry === chosen);
  const shown = rows.slice(0, Math.max(most, at < most ? 0 : at + 1));
  useEffect(() => setMost(AT_ONCE), [text]);
  useEffect(() => {
    place.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  if (!rows.length) return html`<p class="quiet" role="status">${text ? t("worklist.noneFound", { text }) : t("worklist.none")}</p>`;
  return html`<div class="rows" ref=${place} tabindex="0" role="grid" aria-label=${t("worklist.rows")} aria-rowcount=${rows.length + 1}
      aria-activedescendant=${chosen ? `row-${chosen}` : undefined} onKeyDown=${onKey}>
    <div class="line head" role="row">${["time", "patient", "number", "born", "exam", "protocol", "status"].map(
      (name) => html`<span role="columnheader" class=${name}>${t(`worklist.${name}`)}</span>`,
    )}</div>
    ${shown.map((row) => html`<${Row} key=${row.entry} row=${row} chosen=${row.entry === chosen} onChoose=${onChoose} onOpen=${onOpen} />`)}
    </div>
    ${(shown.length < rows.length || rows.length < total) && html`<p class="row quiet">
      <span role="status">${t("worklist.shown", { shown: shown.length, total: Math.max(total, rows.length) })}</span>
      ${shown.length < rows.length && html`<button type="button" onClick=${() => setMost(shown.length + AT_ONCE)}>${t("worklist.more", { count: Math.min(AT_ONCE, rows.length - shown.length) })}</button>`}
    </p>`}`;
}

/** @param {{row: any, chosen: boolean, onChoose: (entry: string) => void, onOpen: (entry: string) => void}} given */
function Row({ row, chosen, onChoose, onOpen }) {
  const ended = row.status === "done" || row.status === "discontinued";
  return html`<div class=${`line ${ended ? "ended" : ""}`} role="row" id=${`row-${row.entry}`} aria-selected=${chosen} data-status=${row.status}
      onClick=${() => onChoose(row.entry)} onDblClick=${() => onOpen(row.entry)}>
    <span role="gridcell" class="time number">${row.start.slice(11, 16)}</span>
    <span role="gridcell" class="patient"><strong dir="auto">${personName(row.name)}</strong>${row.alerts && html` <${Chip}>${t("worklist.alerts")}<//>`}</span>
    <span role="gridcell" class="number"><bdi>${row.patient_id}</bdi></span>
    <span role="gridcell" class="born number">${row.birth_date ?? ""} ${sexLetter(row.sex) && `(${sexLetter(row.sex)})`}</span>
    <span role="gridcell" class="exam" dir="auto">${row.procedure}</span>
    <span role="gridcell" class="protocol">${row.protocol ?? html`<span class="quiet" title=${row.proposal}>${t("worklist.chooseProtocol")}</span>`}</span>
    <span role="gridcell" class="status"><${Chip} level=${LEVELS[row.status] ?? ""}>${statusText(row)}<//>
      ${row.origin === "manual" && html`<${Chip}>${t("worklist.manual")}<//>`}
      ${row.origin === "phantom" && html`<${Chip}>${t("worklist.phantom")}<//>`}
      ${row.to_reconcile && html`<${Chip}>${t("worklist.temporary")}<//>`}
      ${row.to_countersign && html`<${Chip}>${t("worklist.toCountersign")}<//>`}
      ${row.why && html`<small class="quiet" dir="auto">${row.why}</small>`}
      <${Further} row=${row} /></span>
  </div>`;
}

/** Where an exam stands, with its views: `Ended early - 1 of 5 views`. @param {any} row */
export function statusText(row) {
  const word = t(`worklist.statuses.${row.status}`);
  const counts = row.progress && (row.progress.of > 1 || row.status === "ended early") && ["in preparation", "acquiring", "ended early"].includes(row.status);
  return counts ? t(row.progress.of === 1 ? "worklist.withView" : "worklist.withViews", { word, done: row.progress.done, of: row.progress.of }) : word;
}

/** What may be done next about an exam that has ended: the rest of it, or a late view of the same study. @param {{row: any}} given */
function Further({ row }) {
  if (row.status !== "done" && row.status !== "ended early") return null;
  const late = row.status === "done";
  const open = () => goWith(["setup", row.entry], late ? { late: "1" } : {});
  const label = t(late ? "worklist.lateOf" : "worklist.continueOf", { name: personName(row.name) });
  return html`<span onClick=${(/** @type {Event} */ event) => event.stopPropagation()}><${Button} class="further" label=${label} onPress=${open}>${t(late ? "worklist.late" : "worklist.continue")}<//></span>`;
}
