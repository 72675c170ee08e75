// Quality control: what is due, how it is run, what was found, who signed it.
import { html } from "../preact.js";
import { address } from "../router.js";
import { t } from "../strings.js";
import { Calibrations } from "./qc/calibrations.js";
import { Enter } from "./qc/enter.js";
import { Events } from "./qc/events.js";
import { Limits } from "./qc/limits.js";
import { Month } from "./qc/month.js";
import { Result } from "./qc/result.js";
import { Results } from "./qc/results.js";
import { Run } from "./qc/run.js";
import { Sources } from "./qc/sources.js";
import { Allow, Spites } from "./qc/spite.js";
import { Today } from "./qc/today.js";
import { Trend } from "./qc/trend.js";

const PARTS = /** @type {Record<string, any>} */ ({
  results: Results, trends: Trend, sources: Sources, events: Events, limits: Limits, calibrations: Calibrations, reports: Month,
});
const OTHERS = /** @type {Record<string, any>} */ ({ run: Run, result: Result, trend: Trend, enter: Enter, allow: Allow, spite: Spites });
const BELONGS = /** @type {Record<string, string>} */ ({ result: "results", trend: "trends" });

/** @param {{path: string[], query: Record<string, string>}} given */
export default function Qc({ path, query }) {
  const part = query.run ? "run" : (path[0] ?? "today");
  const Shown = [PARTS, OTHERS].find((parts) => Object.hasOwn(parts, part))?.[part] ?? Today;
  const given = query.run && query.run !== "due" ? query.run : path[1];
  return html`<div class="qc-screen">
    <div class="spread"><h1>${t("qc.title")}</h1><${Parts} part=${BELONGS[part] ?? part} /></div>
    <${Shown} key=${`${part}/${path[1] ?? ""}`} name=${given} query=${query} />
  </div>`;
}

/** @param {{part: string}} given */
function Parts({ part }) {
  const names = ["today", ...Object.keys(PARTS)];
  return html`<nav class="qc-parts" aria-label=${t("qc.parts")}>${names.map(
    (name) => html`<a key=${name} href=${name === "today" ? address("qc") : address("qc", name)} aria-current=${name === part || (name === "today" && !PARTS[part]) ? "page" : undefined}>${t(`qc.${name}`)}</a>`,
  )}</nav>`;
}
