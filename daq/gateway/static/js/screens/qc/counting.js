// A test that counts: how far it is, how fast, pause and stop. Its figures stand there from the first moment on.
import { html, useEffect, useState } from "../../preact.js";
import { command } from "../../api.js";
import { clock, counts, NOT_KNOWN, rate, toGo } from "../../format.js";
import { live, useLive } from "../../live.js";
import { stationNow } from "../../stationclock.js";
import { t } from "../../strings.js";
import { Button, Card, decide, Facts, Notice, tell } from "../../ui.js";
import { Scopes } from "../../widgets/scope.js";
import { heads, number } from "../../qcwords.js";

/** @param {{round: any}} given */
export function Counting({ round }) {
  const progress = useLive((live) => live.progress);
  const connected = useLive((live) => live.connected);
  const state = useLive((live) => live.status?.state);
  const detail = useLive((live) => live.status?.detail ?? "");
  const alarm = useLive((live) => live.alarms["qc rate"]);
  const part = round.parts[round.now];
  const counting = round.stage === "counting";
  const paused = counting && state === "paused";
  const own = progress?.run === round.run && round.stage !== "preparing" ? progress : null;
  const stage = paused ? t("qc.run.paused") : t(`qc.run.stages.${round.stage}`);
  return html`<div class="stack">
    ${round.stage === "place-source" && html`<${Place} round=${round} />`}
    <${Card} class=${connected ? "" : "stale"} title=${part.title} label=${t("qc.run.progress")}>
      <div class="spread" aria-live="off"><span><span class="big">${counts(total(own) ?? 0)}</span> <span class="quiet">${t("qc.run.total")}</span></span>
        <span><span class="big">${own && counting && !paused ? rate(own.rate_cps) : NOT_KNOWN}</span> <span class="quiet">${t("qc.run.rateNow")}</span></span></div>
      <progress max="1" value=${own?.fraction ?? (round.stage === "analysing" ? 1 : 0)} aria-label=${t("qc.run.progress")}></progress>
      <p role="status"><strong>${paused ? "❚❚ " : ""}${stage}</strong>${round.why ? `: ${round.why}` : ""}${round.stage === "analysing" ? `. ${t("qc.run.analysingText")}` : ""}${round.stage === "preparing" && detail ? `: ${detail}` : ""}</p>
      <div aria-live="off"><${Facts} rows=${figures(round, part, own)} /><${Since} since=${round.since_utc} /></div>
      ${alarm?.active && html`<${Notice} level="medium" role="alert"><span>${alarm.text}. ${alarm.guidance}</span><//>`}
    <//>
    ${counting && html`<${Scopes} what="counts" hz=${5} controls=${false} />`}
    <div class="actions">${counting && html`<${Button} onPress=${() => stop(round.run)}>${t("qc.run.stop")}<//>
      <${Button} disabled=${state !== "acquiring"} why=${state === "acquiring" ? "" : t("qc.run.notCounting")} onPress=${() => pause(round.run)}>${t("qc.run.pause")}<//>
      <${Button} kind=${paused ? "primary" : ""} disabled=${!paused} why=${paused ? "" : t("qc.run.notPaused")} onPress=${() => command("resume", { run: round.run })}>${t("qc.run.resume")}<//>`}</div>
  </div>`;
}

/** What was counted of what is wanted, by head; what is left; which rate is wanted; the source. @param {any} round @param {any} part @param {any} own @returns {[any, any][]} */
function figures(round, part, own) {
  const of = part.counts === null ? "" : ` ${t("qc.run.ofCounts", { counts: counts(part.counts) })}`;
  const rows = /** @type {[any, any][]} */ (heads(own?.counts ?? {}).map(({ head, count }) => [t("qc.run.head", { head }), `${counts(count)}${part.each_head ? of : ""}`]));
  if (part.counts !== null && (!part.each_head || rows.length === 0)) rows.push([t("qc.run.wanted"), `${counts(part.counts)}${part.each_head ? t("qc.run.eachHead") : ""}`]);
  if (part.seconds !== null) rows.push([t("qc.run.lasts"), t("qc.run.seconds", { seconds: number(part.seconds) })]);
  if (part.rate_cps) rows.push([t("qc.run.rateWanted"), t("qc.run.rateRange", { low: number(part.rate_cps[0] / 1000), high: number(part.rate_cps[1] / 1000) })]);
  if (part.source !== "none" && round.source) rows.push([t("qc.run.source"), round.source]);
  rows.push([t("qc.run.toGoTitle"), toGo(round.stage === "counting" ? own?.remaining_s : null)]);
  return rows;
}

/** @param {any} progress @returns {number | null} */
function total(progress) {
  return progress?.counts?.singles ?? progress?.counts?.prompts ?? progress?.counts?.events ?? null;
}

/** How long this stage has lasted: what hangs is seen to hang. @param {{since: string}} given */
function Since({ since }) {
  const [now, setNow] = useState(stationNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(stationNow()), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<p class="quiet">${t("qc.run.lasting", { time: clock(Math.max(0, (now - Date.parse(since)) / 1000)) })}</p>`;
}

/** @param {string} run */
async function pause(run) {
  const answer = await command("pause", { run });
  if (answer?.meaning) tell(t("acquire.pauseMeans", { meaning: answer.meaning }), "");
}

/** @param {{round: any}} given */
function Place({ round }) {
  return html`<${Notice} role="alert"><div><strong>${t("qc.run.placeTitle", { serial: round.source ?? "" })}</strong><p>${t("qc.run.placeText")}</p></div>
    <${Button} onPress=${() => command("qc-go-on", { source_in_place: false })}>${t("qc.run.leave")}<//>
    <${Button} kind="primary" onPress=${() => command("qc-go-on")}>${t("qc.run.goOn")}<//><//>`;
}

/** @param {string} run */
async function stop(run) {
  const choice = await decide({
    title: t("qc.run.stopTitle"), body: html`<p>${t("qc.run.stopBody")}</p>`,
    holds: () => live.get().status?.run === run, changed: t("acquire.stop.changed"),
    choices: [{ key: "on", label: t("qc.run.goOnCounting"), safe: true }, { key: "stop", label: t("qc.run.stopAndKeep") }],
  });
  if (choice === "stop") await command("stop", { run });
}

