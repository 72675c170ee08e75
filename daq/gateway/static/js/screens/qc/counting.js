// A test that counts: how far it is, how fast, and the stop.
import { html } from "../../preact.js";
import { command } from "../../api.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Button, Card, decide, Notice } from "../../ui.js";
import { Scopes } from "../../widgets/scope.js";
import { number } from "../../qcwords.js";

/** @param {{round: any}} given */
export function Counting({ round }) {
  const progress = useLive((live) => live.progress);
  const connected = useLive((live) => live.connected);
  const rate = useLive((live) => live.alarms["qc rate"]);
  const part = round.parts[round.now];
  const own = progress?.run === round.run && round.stage === "counting" ? progress : null;
  return html`<div class="stack">
    ${round.stage === "place-source" && html`<${Place} round=${round} />`}
    <${Card} class=${connected ? "" : "stale"} title=${part.title} label=${t("qc.run.progress")}>
      <div class="spread" aria-live="off"><span><span class="big">${counted(own)}</span> <span class="quiet">${t("qc.run.total")}</span></span>
        <span><span class="big">${own ? `${number(own.rate_cps / 1000)} kcps` : ""}</span> <span class="quiet">${t("qc.run.rateNow")}</span></span></div>
      <progress max="1" value=${own?.fraction ?? (round.stage === "analysing" ? 1 : 0)} aria-label=${t("qc.run.progress")}></progress>
      <p role="status">${t(`qc.run.stages.${round.stage}`)}${round.why ? `: ${round.why}` : ""}${round.stage === "analysing" ? `. ${t("qc.run.analysingText")}` : ""}</p>
      <p class="quiet" aria-live="off">${left(own)}</p>
      ${rate?.active && html`<${Notice} level="medium" role="alert"><span>${rate.text}. ${rate.guidance}</span><//>`}
    <//>
    ${round.stage === "counting" && html`<${Scopes} what="counts" hz=${5} controls=${false} />`}
    <div class="actions">${round.stage === "counting" && html`<${Button} onPress=${stop}>${t("qc.run.stop")}<//>`}</div>
  </div>`;
}

/** @param {any} progress */
function counted(progress) {
  const counts = progress?.counts?.singles ?? progress?.counts?.prompts ?? progress?.counts?.events;
  if (counts === undefined) return "";
  return counts >= 1e6 ? `${(counts / 1e6).toFixed(2)} M` : counts >= 1e4 ? `${Math.round(counts / 1e3)} k` : String(counts);
}

/** @param {any} progress */
function left(progress) {
  if (!progress || progress.remaining_s === null || progress.remaining_s === undefined) return "";
  const seconds = Math.max(0, Math.round(progress.remaining_s));
  return t("qc.run.left", { time: `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}` });
}

/** @param {{round: any}} given */
function Place({ round }) {
  return html`<${Notice} role="alert"><div><strong>${t("qc.run.placeTitle", { serial: round.source ?? "" })}</strong><p>${t("qc.run.placeText")}</p></div>
    <${Button} onPress=${() => command("qc-go-on", { source_in_place: false })}>${t("qc.run.leave")}<//>
    <${Button} kind="primary" onPress=${() => command("qc-go-on")}>${t("qc.run.goOn")}<//><//>`;
}

async function stop() {
  const choice = await decide({
    title: t("qc.run.stopTitle"), body: html`<p>${t("qc.run.stopBody")}</p>`,
    choices: [{ key: "on", label: t("qc.run.goOnCounting"), safe: true }, { key: "stop", label: t("qc.run.stopAndKeep") }],
  });
  if (choice === "stop") await command("stop");
}

