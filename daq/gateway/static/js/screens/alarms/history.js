// What happened to alarms: a page of it, the newest first.
import { html, useEffect, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Button, Field, useAsked, Waiting } from "../../ui.js";
import { PRIORITIES } from "../../widgets/alarmorder.js";
import { clock, plainly } from "../../widgets/when.js";

const LIMIT = 25;
const CALM_MS = 1_000;

export function History() {
  const [priority, setPriority] = useState("");
  const [before, setBefore] = useState(/** @type {number | null} */ (null));
  const turn = useTurns();
  const asked = useAsked(
    () => ask("alarm-history", { limit: LIMIT, ...(priority && { priority }), ...(before && { before }) }),
    [priority, before, before === null ? turn : 0],
  );
  const page = /** @type {any} */ (asked.value);
  const choose = (/** @type {string} */ chosen) => {
    setPriority(chosen);
    setBefore(null);
  };
  const options = ["", ...PRIORITIES].map((each) => ({ value: each, label: each ? t(`alarms.priority.${each}`) : t("alarms.every") }));
  return html`<section class="card stack" aria-label=${t("alarms.history")}>
    <div class="spread"><h2>${t("alarms.history")}</h2><div class="history-which"><${Field} label=${t("alarms.which")} value=${priority} options=${options} onInput=${choose} /></div></div>
    ${!page && html`<${Waiting} of=${asked} />`}
    ${asked.problem && page && html`<${Waiting} of=${asked} />`}
    ${page && html`<${Page} page=${page} />
      <div class="spread"><span class="quiet">${t("alarms.historyOf", { kept: page.kept, most: page.most })}</span>
      <div class="row">${before !== null && html`<${Button} onPress=${() => setBefore(null)}>${t("alarms.newest")}<//>`}
      ${page.before !== null && html`<${Button} onPress=${() => setBefore(page.before)}>${t("alarms.older")}<//>`}</div></div>`}
  </section>`;
}

/** @param {{page: any}} given */
function Page({ page }) {
  const head = ["time", "priority", "what", "text", "device"];
  return html`${page.dropped > 0 && html`<p>${t("alarms.dropped", { count: page.dropped })}</p>`}
    ${page.unwritten > 0 && html`<p>${t("alarms.unwritten", { count: page.unwritten })}</p>`}
    ${page.happened.length === 0 ? html`<p class="quiet">${t("alarms.historyNone")}</p>` : html`<div class="wide-table" tabindex="0" role="region" aria-label=${t("alarms.history")}><table>
      <thead><tr>${head.map((name) => html`<th scope="col">${t(`alarms.columns.${name}`)}</th>`)}</tr></thead>
      <tbody>${page.happened.map((/** @type {any} */ each) => html`<tr key=${each.number}>
        <td class="time">${clock(each.at_utc)}</td><td>${t(`alarms.priority.${each.priority}`)}</td>
        <td>${t(`alarms.what.${each.what}`, { by: each.by })}</td><td class="long">${plainly(each.text)}</td><td>${plainly(each.device)}</td>
      </tr>`)}</tbody></table></div>`}`;
}

/** A number that changes when alarms do, at most once a second: a storm must not make a storm of questions. */
function useTurns() {
  const alarms = useLive((live) => live.alarms);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setTurn((/** @type {number} */ old) => old + 1), CALM_MS);
    return () => clearTimeout(timer);
  }, [alarms]);
  return turn;
}
