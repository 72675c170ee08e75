// The middle of an acquisition of a gamma probe: a rate that is read across the theatre, the cue, nodes and the 10 % rule.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { ageText } from "../../widgets/scope.js";
import { clock, counts, percent } from "../../format.js";
import { isOld } from "../../frameparts.js";
import { useLive } from "../../live.js";
import { useAge, useFrame, useWanted } from "../../liveframes.js";
import { t } from "../../strings.js";
import { Card, Field } from "../../ui.js";
import { WholeSpectrum } from "../../widgets/spectrum.js";
import { Clicks } from "./probesound.js";
import { CEILING, cue, FLOOR, perSecond, seen, shares } from "./probefigures.js";

const ASK_MS = 1_000;
const BARS = 20;

/** @param {{acquisition: any, status: any}} given */
export default function Probe({ acquisition, status }) {
  useWanted({ what: ["probe"], hz: 10 });
  const [window, setWindow] = useState("");
  const part = useFrame((frames) => frames.parts.probe);
  const nodes = useNodes(status, window);
  const windows = part?.about.windows ?? [];
  const chosen = windows.includes(window) ? window : (windows[0] ?? "");
  return html`<div class="probe stack">
    <${Rate} part=${part} window=${chosen} background=${nodes?.background_per_s ?? null} run=${status?.run} />
    <div class="probe-columns"><${Nodes} nodes=${nodes} steps=${acquisition?.steps ?? []} />
      <${Card} title=${t("probe.spectrum")}>${windows.length > 2 && html`<${Field} label=${t("probe.window")} value=${chosen} onInput=${setWindow} options=${windows.map((/** @type {string} */ value) => ({ value, label: value === "all" ? t("probe.all") : value }))} />`}
        <${WholeSpectrum} windows=${acquisition?.windows} height=${200} /><//></div>
  </div>`;
}

/** @param {{part: any, window: string, background: number | null, run: string}} given */
function Rate({ part, window, background, run }) {
  const age = useAge();
  const connected = useLive((live) => live.connected);
  const [forgotten, setForgotten] = useState({ run, highest: 0 });
  const now = part ? seen(part, window, background) : null;
  const highest = useRef({ run, most: 0 });
  if (highest.current.run !== run || forgotten.run !== run) highest.current = { run, most: 0 };
  const old = !connected || !age || isOld(age, age.ageS);
  if (now && !old && Number.isFinite(now.net)) highest.current.most = Math.max(highest.current.most, now.net);
  const level = now && !old ? cue(now.net) : 0;
  const forget = () => {
    highest.current = { run, most: 0 };
    setForgotten({ run, highest: performance.now() });
  };
  return html`<${Card} class="probe-now"><div class=${old ? "stale" : ""} aria-live="off">
    <div class="spread"><h2>${t("probe.rate")}</h2><span>${t("probe.peak")}: <strong class="number">${perSecond(highest.current.most)}</strong> <button type="button" onClick=${forget}>${t("probe.forget")}</button></span></div>
    <div class="probe-rate" data-rate>${now ? perSecond(now.net) : "–"}</div>
    <p class="spread"><span>${t("probe.unit")} ${now ? t("probe.error", { error: perSecond(now.error) }) : ""}</span>
      <span class="quiet">${background === null ? t("probe.noBackground") : now ? t("probe.gross", { rate: perSecond(now.rate), background: perSecond(background) }) : ""}</span></p></div>
    ${old && age && age.ageS !== null && html`<p role="status">${t("probe.old", { age: ageText(age.ageS) })}</p>`}
    <div class="spread"><span>${t("probe.cue")}</span><${Clicks} level=${level} /></div>
    <div class="probe-cue" role="img" aria-label=${t("probe.cueText", { percent: percent(level, 0), low: FLOOR, high: CEILING })}>${Array.from({ length: BARS }, (_, at) => html`<span class=${level * BARS > at ? "on" : ""}></span>`)}</div>
  <//>`;
}

/** @param {any} status @param {string} window */
function useNodes(status, window) {
  const [nodes, setNodes] = useState(/** @type {any} */ (null));
  const run = status?.run ?? "";
  const runs = status?.state === "acquiring";
  useEffect(() => {
    let wanted = true;
    const look = () => ask("probe-nodes", window ? { window } : {}).then((told) => wanted && setNodes(told.run === run ? told : null), () => undefined);
    void look();
    const timer = runs ? setInterval(look, ASK_MS) : undefined;
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [run, status?.state, status?.step, window, runs]);
  return nodes?.run === run ? nodes : null; // never those of who lay there before
}

/** @param {{nodes: any, steps: any[]}} given */
function Nodes({ nodes, steps }) {
  const rows = shares(nodes?.steps ?? []);
  const left = steps.filter((each) => !rows.some((row) => row.number === each.number));
  const columns = ["number", "name", "counts", "time", "rate", "share"];
  return html`<${Card} title=${t("probe.nodes")}><div class="wide-table" tabindex="0" role="region" aria-label=${t("probe.nodes")}><table>
      <thead><tr>${columns.map((name) => html`<th scope="col" class=${["counts", "time", "rate", "share"].includes(name) ? "number" : ""}>${t(`probe.columns.${name}`)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.number}><td>${row.number}</td><th scope="row">${row.name}</th><td class="number">${counts(row.counts)}</td><td class="number">${clock(row.seconds)}</td>
        <td class="number">${perSecond(row.net_per_s)} ± ${perSecond(row.net_error_per_s)}</td><td class="number">${row.share === null ? "" : percent(row.share, 0)}</td></tr>`)}
      ${left.map((each) => html`<tr key=${each.number} class="quiet"><td>${each.number}</td><th scope="row">${each.name}</th><td colspan="4">${t("pet.waits")}</td></tr>`)}</tbody></table></div>
    <${Rule} rule=${nodes?.rule ?? null} /><//>`;
}

/** @param {{rule: any}} given */
function Rule({ rule }) {
  if (!rule) return html`<p class="quiet"><strong>${t("probe.rule")}</strong>: ${t("probe.ruleNone")}</p>`;
  const bed = rule.go_on === null ? t("probe.bedUnknown") : t(rule.go_on ? "probe.goOn" : "probe.enough", { bed: perSecond(rule.bed_per_s) });
  return html`<div class="stack probe-rule"><p><strong>${t("probe.rule")}</strong>: ${t("probe.hottest", { name: rule.hottest, rate: perSecond(rule.hottest_per_s), limit: perSecond(rule.limit_per_s) })}</p>
    <p>${t("probe.sentinel", { names: rule.sentinel.join(", ") })}</p><p><strong>${bed}</strong></p></div>`;
}
