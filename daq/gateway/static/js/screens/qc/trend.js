// Control charts of a test, with the rate of false alarms that they have, beside the fixed levels.
import { html, useEffect, useMemo, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { t } from "../../strings.js";
import { Card, Field, Notice, useAsked, Waiting } from "../../ui.js";
import { TrendChart } from "../../widgets/trend.js";
import { drawing } from "./trendlines.js";
import { dayText, number, valued, when } from "../../qcwords.js";

const SPANS = ["30", "90", "366", "1827", "3660"];

/** @param {{name?: string}} given  none named: the first test that has charts */
export function Trend({ name }) {
  const revision = useLive((live) => live.revisions.qc);
  const tests = useAsked(() => ask("qc-due"), []);
  const chosen = name ?? tests.value?.tests.find((/** @type {any} */ each) => each.result && each.next.startsWith("daq qc run"))?.test ?? tests.value?.tests[0]?.test;
  return html`<div class="stack">
    ${tests.value && html`<div class="row"><${Field} label=${t("qc.trend.choose")} value=${chosen} onInput=${(/** @type {string} */ test) => go("qc", "trend", test)} options=${tests.value.tests.map((/** @type {any} */ each) => ({ value: each.test, label: each.title }))} /></div>`}
    <${Waiting} of=${tests} />
    ${chosen && html`<${Charts} key=${chosen} test=${chosen} revision=${revision} />`}
  </div>`;
}

/** @param {{test: string, revision: number | undefined}} given */
function Charts({ test, revision }) {
  const [wanted, setWanted] = useState(/** @type {any} */ ({ method: "ewma", days: 366 }));
  const asked = useAsked(() => ask("qc-trend", { test, ...wanted }), [test, JSON.stringify(wanted), revision]);
  const told = asked.value;
  useEffect(() => setWanted({ method: "ewma", days: 366 }), [test]);
  if (!told) return asked.loading ? html`<p class="quiet" role="status">${t("qc.trend.waiting")}</p>` : html`<${Waiting} of=${asked} />`;
  if (!told.trends.length) return html`<p class="quiet">${t("qc.trend.none")}</p>`;
  const figure = told.trends.find((/** @type {any} */ each) => each.figure === told.drawn.figure);
  return html`<div class=${asked.loading ? "stack stale" : "stack"}>
    <${Waiting} of=${{ ...asked, loading: false }} />
    <${Card} title=${t("qc.trend.title", { title: told.title })}>
      <div class="row qc-filters">
        <${Field} label=${t("qc.trend.figure")} value=${told.drawn.figure} onInput=${(/** @type {string} */ chosen) => setWanted({ ...wanted, figure: chosen, subject: undefined })} options=${told.trends.map((/** @type {any} */ each) => ({ value: each.figure, label: each.about }))} />
        <${Field} label=${t("qc.trend.subject")} value=${told.drawn.subject} onInput=${(/** @type {string} */ subject) => setWanted({ ...wanted, figure: told.drawn.figure, subject })} options=${figure.charts.map((/** @type {any} */ each) => ({ value: each.subject, label: each.subject || t("qc.whole") }))} />
        <${Field} label=${t("qc.trend.method")} value=${wanted.method} onInput=${(/** @type {string} */ method) => setWanted({ ...wanted, method })} options=${["ewma", "cusum"].map((value) => ({ value, label: t(`qc.trend.${value}`) }))} />
        <${Field} label=${t("qc.trend.span")} value=${String(wanted.days)} onInput=${(/** @type {string} */ days) => setWanted({ ...wanted, days: Number(days) })} options=${SPANS.map((value) => ({ value, label: t(`qc.trend.spans.${value}`) }))} />
      </div>
      <${Drawn} drawn=${told.drawn} />
      <div class="row"><a class="button" href=${`/api/v1/files/qc/table.csv?test=${encodeURIComponent(test)}`} download>${t("qc.trend.csv")}</a></div>
      <${Notice}><div><strong>${t("qc.trend.rate")}</strong><p>${told.rate}</p><ul>${figure.sentences.map((/** @type {string} */ each) => html`<li key=${each}>${each}</li>`)}</ul></div><//>
    <//>
    <${All} told=${told} onShow=${(/** @type {string} */ chosen, /** @type {string} */ subject) => setWanted({ ...wanted, figure: chosen, subject })} />
  </div>`;
}

/** @param {{drawn: any}} given */
function Drawn({ drawn }) {
  const made = useMemo(() => drawing(drawn, t), [drawn]);
  const [open, setOpen] = useState(false); // five years are a thousand rows: they are made for who wants them
  const words = t("qc.trend.drawing", { about: drawn.about, subject: drawn.subject || t("qc.whole"), count: drawn.at_ms.length, sentence: drawn.sentence });
  return html`<div class="stack">
    <p><strong class=${drawn.state === "changed" ? "qc-changed" : ""}>${drawn.state === "changed" ? "▲ " : ""}${t(`qc.trend.states.${drawn.state}`)}</strong> · ${drawn.sentence}</p>
    <${TrendChart} atMs=${drawn.at_ms} lines=${made.lines} levels=${made.levels} marks=${made.marks} unit=${drawn.unit} alternative=${words} />
    ${made.sums && html`<${TrendChart} atMs=${drawn.at_ms} lines=${made.sums} unit=${t("qc.trend.sigma")} alternative=${words} />`}
    ${drawn.earlier > 0 && html`<p class="quiet">${t("qc.trend.earlier", { count: drawn.earlier })}</p>`}
    ${drawn.events.length > 0 && html`<ul class="quiet">${drawn.events.map((/** @type {any} */ each) => html`<li key=${each[0]}>${t("qc.trend.eventLine", { when: when(new Date(each[0]).toISOString()), words: each[1] })}</li>`)}</ul>`}
    <details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary>${t("qc.trend.table")}</summary><div class="qc-scroll tall" tabindex="0" role="region" aria-label=${t("qc.trend.table")}><table>
      <thead><tr><th scope="col">${t("qc.trend.when")}</th><th scope="col" class="number">${t("qc.trend.value")}</th><th scope="col" class="number">${t("qc.trend.normal")}</th>${drawn.average && html`<th scope="col" class="number">${t("qc.trend.averageShort")}</th><th scope="col" class="number">${t("qc.trend.limitShort")}</th>`}</tr></thead>
      <tbody>${open && [...drawn.at_ms.keys()].reverse().map((at) => html`<tr key=${at}><td>${when(new Date(drawn.at_ms[at]).toISOString())}</td><td class="number">${valued(drawn.value[at], drawn.unit)}</td><td class="number">${number(drawn.mean[at])}</td>${drawn.average && html`<td class="number">${number(drawn.average[at])}</td><td class="number">${drawn.upper[at] === null ? "" : `${number(drawn.lower[at])} – ${number(drawn.upper[at])}`}</td>`}</tr>`)}</tbody>
    </table></div></details>
  </div>`;
}

/** @param {{told: any, onShow: (figure: string, subject: string) => void}} given */
function All({ told, onShow }) {
  return html`<${Card} title=${t("qc.trend.charts")}><div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.trend.charts")}><table>
    <thead><tr><th scope="col">${t("qc.trend.chart")}</th><th scope="col">${t("qc.trend.state")}</th><th scope="col" class="number">${t("qc.trend.normal")}</th><th scope="col">${t("qc.trend.since")}</th><th scope="col">${t("qc.trend.alarmAt")}</th><th scope="col"><span class="hidden-text">${t("qc.trend.show")}</span></th></tr></thead>
    <tbody>${told.trends.flatMap((/** @type {any} */ figure) => figure.charts.map((/** @type {any} */ chart) => html`<tr key=${`${figure.figure} ${chart.subject}`}>
      <td>${figure.about}${chart.subject ? `, ${chart.subject}` : ""}</td><td>${chart.state === "changed" ? html`<strong>▲ ${t("qc.trend.states.changed")}</strong>` : t(`qc.trend.states.${chart.state}`)}</td>
      <td class="number">${valued(chart.normal_mean, figure.unit)}</td><td>${dayText(new Date(chart.normal_since))}</td><td>${chart.alarm ? dayText(new Date(chart.alarm)) : ""}</td>
      <td><a class="button" href=${address("qc", "trend", told.test)} aria-label=${`${t("qc.trend.show")}: ${figure.about} ${chart.subject}`} onClick=${(/** @type {Event} */ event) => { event.preventDefault(); onShow(figure.figure, chart.subject); }}>${t("qc.trend.show")}</a></td></tr>`))}</tbody>
  </table></div><//>`;
}
