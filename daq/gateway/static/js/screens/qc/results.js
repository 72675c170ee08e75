// All results, newest first, a page at a time.
import { html, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Field, useAsked, Waiting } from "../../ui.js";
import { LevelBadge } from "./badges.js";
import { signedBy, valued, when, worst } from "../../qcwords.js";

const PAGE = 25;
const LEVELS = ["in limits", "action", "suspension", "not evaluable", "not judged"];
const KEYS = /** @type {Record<string, string>} */ ({ "in limits": "inLimits", "not evaluable": "notEvaluable", "not judged": "notJudged" });

export function Results() {
  const revision = useLive((live) => live.revisions.qc);
  const [wanted, setWanted] = useState({ test: "", level: "", since: "", until: "", offset: 0 });
  const tests = useAsked(() => ask("qc-due"), []);
  const asked = useAsked(() => ask("qc-results", cleaned(wanted)), [JSON.stringify(wanted), revision]);
  const change = (/** @type {object} */ part) => setWanted({ ...wanted, offset: 0, ...part });
  const rows = asked.value?.results ?? [];
  return html`<${Card} label=${t("qc.list.title")}>
    <div class="row qc-filters">
      <${Field} label=${t("qc.list.testField")} value=${wanted.test} onInput=${(/** @type {string} */ test) => change({ test })} options=${[{ value: "", label: t("qc.list.all") }, ...(tests.value?.tests ?? []).map((/** @type {any} */ each) => ({ value: each.test, label: each.title }))]} />
      <${Field} label=${t("qc.list.levelField")} value=${wanted.level} onInput=${(/** @type {string} */ level) => change({ level })} options=${[{ value: "", label: t("qc.list.anyLevel") }, ...LEVELS.map((value) => ({ value, label: t(`qc.levels.${KEYS[value] ?? value}`) }))]} />
      <${Field} label=${t("qc.list.since")} type="date" value=${wanted.since} onInput=${(/** @type {string} */ since) => change({ since })} />
      <${Field} label=${t("qc.list.until")} type="date" value=${wanted.until} onInput=${(/** @type {string} */ until) => change({ until })} />
    </div>
    <${Waiting} of=${{ ...asked, loading: asked.loading && !asked.value }} />
    ${asked.value && rows.length === 0 && html`<p class="quiet">${t("qc.list.none")}</p>`}
    ${rows.length > 0 && html`<div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.list.title")}><table>
      <thead><tr>${["performed", "test", "level", "found", "signed"].map((name) => html`<th scope="col" key=${name}>${t(`qc.list.${name}`)}</th>`)}</tr></thead>
      <tbody>${rows.map((/** @type {any} */ row) => html`<tr key=${row.id} class=${row.struck ? "qc-struck" : ""}>
        <td class="number"><a class="qc-link" href=${address("qc", "result", row.id)}>${when(row.performed_utc)}</a></td><td>${row.title}</td>
        <td><${LevelBadge} level=${row.level} /></td><td>${found(row)}</td><td>${signedBy(row) || t("qc.list.nobody")}</td></tr>`)}</tbody>
    </table></div>
    <div class="spread"><span class="quiet">${t("qc.list.page", { first: wanted.offset + 1, last: wanted.offset + rows.length })}</span><div class="row">
      <${Button} disabled=${wanted.offset === 0} onPress=${() => setWanted({ ...wanted, offset: Math.max(0, wanted.offset - PAGE) })}>${t("qc.list.newer")}<//>
      <${Button} disabled=${!asked.value?.more} onPress=${() => setWanted({ ...wanted, offset: wanted.offset + PAGE })}>${t("qc.list.older")}<//></div></div>`}
  <//>`;
}

/** @param {any} wanted */
function cleaned(wanted) {
  const { offset, ...others } = wanted;
  return { ...Object.fromEntries(Object.entries(others).filter(([, value]) => value !== "")), offset, limit: PAGE };
}

/** @param {any} row */
function found(row) {
  if (row.struck) return t("qc.list.struck", { reason: row.struck.reason });
  if (row.obstacles.length) return row.obstacles[0];
  const figure = worst(row);
  const first = figure?.each[0];
  return first ? `${figure.about}${first.subject ? `, ${first.subject}` : ""}: ${valued(first.value, figure.unit)}` : "";
}
