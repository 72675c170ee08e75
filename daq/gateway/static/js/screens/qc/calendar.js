// The calendar: a row for each test, a column for each day; what was done, missed, is due.
import { html } from "../../preact.js";
import { address } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card } from "../../ui.js";
import { dayText, levelOf } from "../../qcwords.js";

const WEEK_MS = 7 * 86_400_000;

/** @param {{told: any, onFirst: (first: string | null) => void}} given */
export function Calendar({ told, onFirst }) {
  const days = /** @type {string[]} */ (told.days);
  const shift = (/** @type {number} */ weeks) => onFirst(dayText(new Date(Date.parse(`${told.first}T12:00:00`) + weeks * WEEK_MS)));
  return html`<${Card} label=${t("qc.calendar.title")}>
    <div class="spread"><h2>${t("qc.calendar.title")} <span class="quiet">${t("qc.calendar.of", { first: days[0], last: days[days.length - 1] })}</span></h2>
      <div class="row"><${Button} onPress=${() => shift(-4)}>${t("qc.calendar.earlier")}<//><${Button} onPress=${() => onFirst(null)}>${t("qc.calendar.now")}<//><${Button} onPress=${() => shift(4)}>${t("qc.calendar.later")}<//></div></div>
    <div class="qc-calendar" tabindex="0" role="region" aria-label=${t("qc.calendar.title")}><table>
      <thead><tr><th scope="col">${t("qc.calendar.test")}</th>${days.map((day) => html`<th scope="col" key=${day} class=${day === told.today ? "today" : ""}><span class="qc-weekday">${weekday(day)}</span>${Number(day.slice(8))}</th>`)}</tr></thead>
      <tbody>${told.tests.map((/** @type {any} */ row) => html`<tr key=${row.test}><th scope="row" title=${row.title}>${row.title}<span class="quiet">${t(`qc.every.${row.every ?? "demand"}`)}</span></th>${row.cells.map(
        (/** @type {any} */ cell, /** @type {number} */ at) => html`<td key=${days[at]} class=${days[at] === told.today ? "today" : ""}><${Cell} cell=${cell} day=${days[at]} title=${row.title} /></td>`,
      )}</tr>`)}
      ${told.events.length > 0 && html`<tr><th scope="row">${t("qc.calendar.eventRow")}</th>${days.map((day) => html`<td key=${day}>${eventsOf(told.events, day)}</td>`)}</tr>`}</tbody>
    </table></div>
    <p class="quiet qc-legend"><span>✓ ${t("qc.levels.inLimits")}</span><span>▲ ${t("qc.levels.action")}</span><span>■ ${t("qc.levels.suspension")}</span><span>? ${t("qc.levels.notEvaluable")}</span><span>– ${t("qc.levels.notJudged")}</span><span>✕ ${t("qc.calendar.missed")}</span><span>○ ${t("qc.calendar.due")}</span></p>
  <//>`;
}

/** @param {string} day */
function weekday(day) {
  return new Date(`${day}T12:00:00`).toLocaleDateString("en-GB", { weekday: "narrow" });
}

/** @param {{cell: any, day: string, title: string}} given */
function Cell({ cell, day, title }) {
  if (!cell) return null;
  if (!cell.level) {
    const words = t(cell.missed ? "qc.calendar.missed" : "qc.calendar.due");
    return html`<span class=${cell.missed ? "qc-missed" : "qc-wanted"} title=${words}><span aria-hidden="true">${cell.missed ? "✕" : "○"}</span><span class="hidden-text">${words}</span></span>`;
  }
  const { sign, tone, key } = levelOf(cell.level);
  const words = [title, day, t(`qc.levels.${key}`), cell.count > 1 ? t("qc.calendar.more", { count: cell.count }) : "", cell.signed ? "" : t("qc.calendar.unsigned")].filter(Boolean).join(", ");
  return html`<a class=${`qc-cell ${tone}`} href=${address("qc", "result", cell.result)} aria-label=${words} title=${words}><span aria-hidden="true">${sign}</span></a>`;
}

/** @param {any[]} events @param {string} day */
function eventsOf(events, day) {
  const those = events.filter((each) => each.day === day);
  if (!those.length) return null;
  const words = those.map((each) => t("qc.calendar.event", { what: each.what, text: each.text })).join("; ");
  return html`<a class="qc-cell" href=${address("qc", "events")} aria-label=${words} title=${words}><span aria-hidden="true">◆</span></a>`;
}
