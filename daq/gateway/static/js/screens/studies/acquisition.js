// One acquisition of a study: pictures large, verdict, accounting, facts, files, and what can be made of it.
import { html, useState } from "../../preact.js";
import { bytes, counts, dayTime, duration } from "../../format.js";
import { t } from "../../strings.js";
import { Card, Chip, Facts, Field, Notice } from "../../ui.js";
import { Grade } from "../studies.js";
import { Frames } from "./frames.js";
import { Work } from "./work.js";
import { fateOf, fileAddress, SIGNS, worstFirst } from "./words.js";

const PS = 1e12;
const MOST_BUTTONS = 6;
const FATES = ["sent", "gap", "received", "recorded", "malformed", "ring_full", "shed", "disk"];

/** @param {{row: any, exports: any}} given */
export function Acquisition({ row, exports }) {
  return html`<div class="stack">${row.trouble && html`<${Notice}><span>${row.trouble}</span><//>`}<div class="studies-acquisition">
    <div class="stack"><${Pictures} row=${row} /><${Work} row=${row} exports=${exports} /></div>
    <div class="stack"><${Remarks} row=${row} /><${Verdict} row=${row} /><${Ledger} ledger=${row.ledger} why=${row.unreadable} /><${About} row=${row} /><${Files} row=${row} /></div>
  </div></div>`;
}

/** @param {{row: any}} given */
function Pictures({ row }) {
  const there = row.pictures.filter((/** @type {any} */ each) => each.size_bytes !== null);
  const [name, setName] = useState(there[0]?.name ?? "");
  if (!there.length) return html`<${Card} title=${t("studies.pictures")}><p>${t("studies.noPictures", { why: row.verdict?.no_pictures || row.no_verdict || t("studies.noPicturesYet") })}</p><//>`;
  const series = seriesOf(row);
  const frames = series.find((/** @type {any} */ each) => each.file === name);
  const made = there.find((/** @type {any} */ each) => each.name === name)?.size_bytes ?? 0; // another one once it is made anew
  const alt = t("studies.pictureAlt", { name: called(name), protocol: row.protocol_title ?? row.protocol ?? "", time: dayTime(row.created_utc) });
  return html`<${Card} title=${t("studies.pictures")} class="studies-pictures">
    <div class="row" role="group" aria-label=${t("studies.choose")}>${there.map((/** @type {any} */ each) => html`<button type="button" key=${each.name} aria-pressed=${each.name === name} onClick=${() => setName(each.name)}>${called(each.name)}</button>`)}
      ${series.length <= MOST_BUTTONS && series.map((/** @type {any} */ each) => html`<button type="button" key=${each.file} aria-pressed=${each.file === name} onClick=${() => setName(each.file)}>${each.title}</button>`)}
      ${series.length > MOST_BUTTONS && html`<${Field} label=${t("studies.byFrame.series")} value=${frames ? name : ""} onInput=${(/** @type {string} */ chosen) => setName(chosen || there[0].name)} options=${[{ value: "", label: t("studies.byFrame.noSeries") }, ...series.map((/** @type {any} */ each) => ({ value: each.file, label: each.title }))]} />`}</div>
    ${frames && html`<${Frames} key=${frames.file} row=${row} series=${frames.about} name=${frames.file} />`}
    ${!frames && html`<a class="studies-picture" href=${fileAddress(row.id, name)} target="_blank" rel="noopener"><img src=${`${fileAddress(row.id, name)}?${row.verdict?.grade ?? ""}-${made}`} alt=${alt} /></a>`}
  <//>`;
}

/** The series that can be looked at frame by frame. @param {any} row */
function seriesOf(row) {
  const files = row.files.map((/** @type {any} */ each) => each.name).filter((/** @type {string} */ name) => name.endsWith(".npz")).sort();
  return (row.verdict?.series ?? []).slice(0, files.length).map((/** @type {any} */ about, /** @type {number} */ at) => ({
    file: files[at].slice(0, -".npz".length), about, title: t(about.slots > 1 ? "studies.byFrame.titleOf" : about.parts ? "studies.byFrame.titleParts" : "studies.byFrame.title", { name: about.label || about.name, kind: about.kind.toLowerCase(), count: about.slots }),
  }));
}

/** @param {string} name */
function called(name) {
  if (name === "spectrum.png") return t("studies.spectrum");
  return ["contact-sheet.png", "quick-look.png"].includes(name) ? picked(name) : name.startsWith("cine") ? t("studies.moving") : name;
}

/** @param {string} name */
function picked(name) {
  return name === "contact-sheet.png" ? t("studies.contactSheet") : t("studies.quickLook");
}

/** @param {{row: any}} given */
function Verdict({ row }) {
  const verdict = row.verdict;
  if (!verdict) return html`<${Card} title=${t("studies.verdict")}><p>${t("studies.noVerdict", { why: row.no_verdict })}</p><//>`;
  const checks = worstFirst(verdict.checks);
  const wrong = checks.filter((check) => check.grade !== "good");
  return html`<${Card} title=${t("studies.verdict")}><div class="stack">
    <div class="row"><${Grade} grade=${verdict.grade} /><span class="quiet">${checks.length === 1 ? t("studies.oneCheck") : t("studies.checks", { count: checks.length })}</span></div>
    ${wrong.length > 0 && html`<${Checks} checks=${wrong} />`}
    ${verdict.problems?.map((/** @type {string} */ text) => html`<${Notice}>${text}<//>`)}
    <details><summary>${t("studies.allChecks")}</summary><${Checks} checks=${checks} /></details></div><//>`;
}

/** @param {{checks: any[]}} given */
function Checks({ checks }) {
  return html`<ul class="plain-list">${checks.map((check) => html`<li><span aria-hidden="true">${SIGNS[check.grade]}</span> <strong>${t(`studies.grades.${check.grade}`)}</strong>: ${check.of && `${check.of}: `}${check.text}</li>`)}</ul>`;
}

/** @param {{ledger: any, why?: string}} given */
function Ledger({ ledger, why }) {
  if (!ledger) return html`<${Card} title=${t("studies.ledger")}><p>${why}</p><//>`;
  const lost = ledger.sources.some((/** @type {any} */ each) => ["gap", "malformed", "ring_full", "shed", "disk"].some((fate) => each[fate]));
  const whole = ledger.balanced === true && !lost;
  const word = ledger.balanced === false ? t("studies.notAccounted") : ledger.balanced === null ? t("studies.accountUnknown") : t("studies.accounted");
  return html`<${Card} title=${t("studies.ledger")}><div class="stack">
    <div><${Chip} level=${whole ? "good" : ""}><span aria-hidden="true">${whole ? "✓" : "!"}</span> ${word}<//></div>
    ${ledger.sentences.map((/** @type {string} */ text) => html`<p>${text}</p>`)}
    ${ledger.sources.length > 0 && html`<div class="studies-scroll" tabindex="0" role="region" aria-label=${t("studies.ledger")}><table><thead><tr><th scope="col">${t("studies.source")}</th>${FATES.map((fate) => html`<th scope="col" class="number">${t(`studies.fate.${fate}`)}</th>`)}</tr></thead>
      <tbody>${ledger.sources.map((/** @type {any} */ each) => html`<tr><th scope="row">${each.source}</th>${FATES.map((fate) => html`<td class="number">${each[fate] === null ? t("shell.unknown") : each[fate].toLocaleString("en")}</td>`)}</tr>`)}</tbody></table></div>`}
  </div><//>`;
}

/** @param {{row: any}} given */
function About({ row }) {
  const stored = Object.entries(row.counts).filter(([name]) => name === "singles" || name === "coincidences").map(([name, n]) => `${counts(n)} ${name}`).join(", ");
  const protocol = row.protocol ? `${row.protocol_title ?? row.protocol}, ${row.protocol_version ?? ""} (${t(row.protocol_state === "signed" ? "studies.signed" : "studies.draft")})` : t("shell.unknown");
  const rows = /** @type {[string, any][]} */ ([
    ["id", row.id], ["begun", dayTime(row.created_utc)], ["ended", dayTime(row.ended_utc)], ["endedBy", row.ended_by], ["lasted", duration(row.duration_ps === null ? null : row.duration_ps / PS)],
    ["counts", stored], ["size", bytes(row.size_bytes)], ["files", fateText(row)], ["by", row.operator], ["station", row.station], ["protocol", protocol], ["lies", row.orientation && lying(row.orientation)],
    ["repeats", row.repeats], ["continues", row.continues], ["calibrations", row.calibrations?.join(", ")],
  ]).filter(([, value]) => value);
  return html`<${Card} title=${t("studies.facts")}><div class="stack"><${Facts} rows=${rows.map(([name, value]) => [t(`studies.fact.${name}`), value])} />
    ${Object.keys(row.overrides ?? {}).length > 0 && html`<h3>${t("studies.overrides")}</h3><${Facts} rows=${Object.entries(row.overrides)} />`}
    ${(row.window_changes ?? []).length > 0 && html`<h3>${t("studies.windowChanges")}</h3><ul>${row.window_changes.map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul>`}</div><//>`;
}

/** @param {any} row */
function fateText(row) {
  const checked = row.verified === "ok" ? t("studies.verified") : row.verified ? t("studies.verifiedBad", { verdict: row.verified }) : "";
  return [t(`studies.states.${fateOf(row)}`), checked].filter(Boolean).join(", ");
}

/** @param {{row: any}} given */
function Remarks({ row }) {
  if (row.remarks_problem) return html`<${Notice} level="medium">${row.remarks_problem}<//>`;
  if (!row.remarks.length) return null;
  return html`<${Card} title=${t("studies.remarks")}><ul class="plain-list">${row.remarks.map((/** @type {any} */ each) => html`<li><strong>${remark(each)}</strong><div class="quiet">${t("studies.remarkBy", { by: each.by, time: dayTime(each.at_utc), why: each.reason })}</div></li>`)}</ul><//>`;
}

/** @param {string | null} code */
function lying(code) {
  return code ? t(`studies.lying.${code}`) : t("shell.unknown");
}

/** @param {any} each */
function remark(each) {
  if (each.what === "orientation") return t("studies.remarkLies", { value: lying(each.value), old: lying(each.old) });
  if (each.what === "label") return t("studies.remarkLabel", { value: each.value, old: each.old ?? "" });
  if (each.what === "side") return t("studies.remarkSide", { value: t(`studies.sides.${each.value || "none"}`), old: t(`studies.sides.${each.old || "none"}`) });
  if (each.what === "counts") return t("studies.remarkCounts");
  return each.step ? t("studies.remarkNotStep", { step: each.step }) : t("studies.remarkNot");
}

/** @param {{row: any}} given */
function Files({ row }) {
  if (!row.files.length) return null;
  return html`<${Card} title=${t("studies.files")}><ul class="plain-list">${row.files.map((/** @type {any} */ each) => html`<li>${each.size_bytes === null
    ? t("studies.gone", { name: each.name })
    : html`<a class="studies-file" href=${fileAddress(row.id, each.name)} download>${t("studies.file", { name: each.name, size: bytes(each.size_bytes) })}</a>`}</li>`)}</ul><//>`;
}
