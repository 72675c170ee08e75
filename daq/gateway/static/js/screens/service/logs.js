// The audit log and the log of the daemon, newest first, a page at a time.
import { html, useEffect, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { t } from "../../strings.js";
import { Button, Card, Field, useAsked, Waiting } from "../../ui.js";
import { clock } from "../../widgets/when.js";

const RESULTS = ["", "asked", "done", "refused", "failed"];
const LEVELS = ["info", "warning", "error"];
const LINES = 50;

export function Logs() {
  return html`<div class="stack"><${Audit} /><${Log} /></div>`;
}

function Audit() {
  const [text, setText] = useState("");
  const [result, setResult] = useState("");
  const [before, setBefore] = useState(/** @type {number | null} */ (null));
  useEffect(() => setBefore(null), [text, result]);
  const asked = useAsked(() => ask("audit-lines", { text, result: result || null, before, limit: LINES }), [text, result, before]);
  const columns = ["time", "user", "verb", "object", "result"];
  return html`<${Card} title=${t("service.audit")}><div class="stack">
    <div class="row"><${Field} label=${t("service.text")} type="search" value=${text} onInput=${setText} maxlength="100" />
      <${Field} label=${t("service.result")} value=${result} onInput=${setResult} options=${RESULTS.map((value) => ({ value, label: t(`service.results.${value}`) }))} /></div>
    <${Paged} asked=${asked} before=${before} onBefore=${setBefore} columns=${columns} row=${(/** @type {any} */ line) => html`<tr key=${line.seq}><td>${clock(line.ts_utc)}</td><td>${line.user}</td><td>${line.verb}</td>
      <td>${line.object}${line.reason && html`<div class="quiet">${line.reason}</div>`}</td><td>${t(`service.results.${line.result}`)}${line.error && html`<div class="quiet">${line.error}</div>`}</td></tr>`} /></div><//>`;
}

function Log() {
  const [text, setText] = useState("");
  const [level, setLevel] = useState("info");
  const [before, setBefore] = useState(/** @type {number | null} */ (null));
  useEffect(() => setBefore(null), [text, level]);
  const asked = useAsked(() => ask("log-lines", { text, level, before, limit: LINES }), [text, level, before]);
  const columns = ["time", "level", "from", "message"];
  return html`<${Card} title=${t("service.log")}><div class="stack">
    <div class="row"><${Field} label=${t("service.text")} type="search" value=${text} onInput=${setText} maxlength="100" />
      <${Field} label=${t("service.level")} value=${level} onInput=${setLevel} options=${LEVELS.map((value) => ({ value, label: t(`service.levels.${value}`) }))} /></div>
    <${Paged} asked=${asked} before=${before} onBefore=${setBefore} columns=${columns} row=${(/** @type {any} */ line) => html`<tr key=${line.number}><td>${clock(line.at_utc)}</td><td>${line.level}</td><td>${line.from}</td><td>${line.text}</td></tr>`} /></div><//>`;
}

/** @param {{asked: any, before: number | null, onBefore: (before: number | null) => void, columns: string[], row: (line: any) => any}} given */
function Paged({ asked, before, onBefore, columns, row }) {
  const found = asked.value;
  if (!found) return html`<${Waiting} of=${asked} />`;
  return html`<div class="service-scroll" tabindex="0" role="region" aria-label=${t("service.tabs.logs")}><table><thead><tr>${columns.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}</tr></thead><tbody>${found.lines.map(row)}</tbody></table>
    ${found.lines.length === 0 && html`<p>${t("service.noLines")}</p>`}</div>
    <div class="row">${before !== null && html`<${Button} onPress=${() => onBefore(null)}>${t("service.newest")}<//>`}
      ${found.next_before !== null && html`<${Button} onPress=${() => onBefore(found.next_before)}>${t("service.older")}<//>`}</div>`;
}
