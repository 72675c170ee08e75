// After a view: what it has, whether it is good, and what comes next; after the last: finish the exam, patient off the bed.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { clock, counts, timeOfDay } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, useAsked } from "../../ui.js";
import { chosenOf, continuable, counted, withoutViews } from "./flow.js";
import { stepTitle } from "./steps.js";

/** Ends whose name says nothing to whoever stands at the scanner. */
const PLAINLY = new Set(["silent", "stalled", "host", "disk", "motion lost", "unattended", "fault"]);

/** What ended a step that was not to end so. @param {any} step */
function endText(step) {
  if (step.state === "done") return t("acquire.after.whole");
  const by = PLAINLY.has(step.ended_by) ? t(`acquire.after.by.${step.ended_by}`) : step.ended_by;
  return t("acquire.after.endedBy", { by: by ?? t("acquire.after.unknown") });
}

/** @param {{step: any, pictures: string[]}} given */
function ViewTaken({ step, pictures }) {
  const { value } = counted(step, step.counted);
  const few = step.minimum_counts !== null && value !== null && value < step.minimum_counts;
  return html`<div class="view-taken"><div class="row">${pictures.map((picture, at) => html`<img class="taken-picture" src=${picture} alt=${t("acquire.after.picture", { view: step.views[at] ?? "", name: step.name })} />`)}</div>
    <div><strong>${stepTitle(step.name, step)}</strong>
      <div>${t("acquire.after.counted", { counts: counts(value), time: clock(step.took_s) })}</div>
      <${Times} step=${step} /><${Before} step=${step} />
      <div class=${step.state === "done" ? "quiet" : ""}>${endText(step)}</div>
      ${few && html`<div><strong>${t("acquire.after.tooFew", { least: counts(step.minimum_counts) })}</strong></div>`}</div></div>`;
}

/** The time in which events counted where it is less than what the view took, and what it was paused. @param {{step: any}} given */
function Times({ step }) {
  const dead = step.live_s !== null && step.took_s !== null && step.took_s - step.live_s >= 1;
  if (!dead && !(step.paused_s >= 1)) return null;
  return html`<div class="quiet">${[dead && t("acquire.after.live", { time: clock(step.live_s) }), step.paused_s >= 1 && t("acquire.after.paused", { time: clock(step.paused_s) })].filter(Boolean).join(" · ")}</div>`;
}

/** What a view had that this one goes on with, and the gap between. @param {{step: any}} given */
export function Before({ step }) {
  if (!step?.before) return null;
  const { value } = counted(step, step.before.counted);
  return html`<div class="quiet">${t("acquire.after.before", { counts: counts(value), time: clock(step.before.took_s), at: timeOfDay(step.before.ended_utc) })}</div>`;
}

/** Of views that were taken twice, which taking counts, as the study says; both are kept. @param {{acquisition: any}} given */
function Which({ acquisition }) {
  const { run, repeats } = acquisition;
  const revision = useLive((live) => live.revisions.studies);
  const asked = useAsked(async () => (repeats ? (await ask("study", { study: run })).acquisitions : []), [run, repeats, revision]);
  const [chosen, setChosen] = useState("");
  if (!repeats) return null;
  const counts = chosen || chosenOf([repeats, run], asked.value ?? []);
  const choose = async (/** @type {string} */ taking) => {
    await command("choose-taking", { run: taking });
    setChosen(taking);
  };
  return html`<div class="stack which"><span>${t("acquire.after.which")}</span><div class="row" role="group" aria-label=${t("acquire.after.which")}>${[repeats, run].map((taking, at) => html`<${Button} key=${taking}
    aria-pressed=${taking === counts} onPress=${() => choose(taking)}>${t(at ? "acquire.after.second" : "acquire.after.first")}<//>`)}</div></div>`;
}

/** Between two views: accept, or take it again. @param {{acquisition: any, status: any, step: any, next: any, pictures: string[], phase: string, again: () => Promise<any>}} given */
export function Review({ acquisition, status, step, next, pictures, phase, again }) {
  if (phase === "next") return html`<${Card} class="after" title=${t("acquire.after.nextTitle", { name: next ? stepTitle(next.name, next) : "" })}>
    ${next?.instruction && html`<p class="instruction">${next.instruction}</p>`}<p>${t("acquire.after.position")}</p>${status.detail && html`<p class="quiet">${status.detail}</p>`}<//>`;
  const rest = acquisition.steps.filter((/** @type {any} */ each) => each.number >= step.number).map((/** @type {any} */ each) => each.name);
  return html`<${Card} class="after" title=${t("acquire.after.title", { number: step.number, steps: status.steps })}>
    <${ViewTaken} step=${step} pictures=${pictures} />
    <div class="row"><${Button} onPress=${() => take(acquisition.run, rest, { repeats: true }).then(again)}>${t("acquire.after.repeat")}<//>
      ${step.state === "ended" && step.continuable && html`<${Button} onPress=${() => take(acquisition.run, rest, { continues: true }).then(again)}>${t("acquire.after.continueView")}<//>`}</div>
    <p class="quiet">${t("acquire.after.repeatKeeps")}</p>
  <//>`;
}

/** @param {string} run @param {string[]} views @param {{repeats?: boolean, continues?: boolean}} how */
function take(run, views, how) {
  return command("take-views", { run, views, ...how });
}

/** After the last view. @param {{acquisition: any, status: any, thumbnails: Record<string, string[]>, again: () => Promise<any>}} given */
export function Finish({ acquisition, status, thumbnails, again }) {
  const taken = status.step > 0 ? acquisition.steps.filter((/** @type {any} */ each) => each.begin_s !== null) : []; // 0: it was never started
  const open = continuable(acquisition);
  const whole = acquisition.steps.every((/** @type {any} */ each) => each.state === "done");
  const ended = status.state === "completed" && !whole ? "stopped" : status.state;
  return html`<${Card} class="after finish" title=${t(`acquire.after.ended.${ended}`)}>
    ${status.detail && html`<${Notice} level=${ended === "completed" || ended === "stopped" ? "" : "medium"}>${status.detail}<//>`}
    ${taken.length === 0 ? html`<p>${t(`acquire.after.${withoutViews(status)}`)}</p>` : html`<${Taken} acquisition=${acquisition} taken=${taken} thumbnails=${thumbnails} again=${again} />`}
    ${taken.length === 0 && status.state === "aborted" && acquisition.protocol.of_patient && html`<div class="row"><${Button} onPress=${() => take(acquisition.run, acquisition.steps.map((/** @type {any} */ each) => each.name), {}).then(again)}>${t("acquire.after.armAgain")}<//><span class="quiet small">${t("acquire.after.armAgainHow")}</span></div>`}
    ${open.length > 0 && html`<div class="row">${open.map((/** @type {any} */ step) => html`<${Button} key=${step.number} onPress=${() => take(acquisition.run, [step.name], { continues: true }).then(again)}>${t("acquire.after.continueNamed", { name: step.name })}<//>`)}</div>`}
    <${Which} key=${`which ${acquisition.run}`} acquisition=${acquisition} />
    ${taken.length > 0 && acquisition.protocol.of_patient && html`<${AddView} acquisition=${acquisition} again=${again} />`}
    ${taken.length > 0 && acquisition.protocol.modality !== "pet" && html`<${Verdict} run=${acquisition.run} />`}
  <//>`;
}

/** @param {{acquisition: any, taken: any[], thumbnails: Record<string, string[]>, again: () => Promise<any>}} given */
function Taken({ acquisition, taken, thumbnails, again }) {
  const shown = taken.length > 12 ? taken.slice(-1) : taken;
  return html`<ul class="taken">${shown.map((step) => html`<li key=${step.number}><${ViewTaken} step=${step} pictures=${thumbnails[`${acquisition.run}/${step.number}`] ?? []} />
    ${acquisition.protocol.of_patient && html`<${Button} label=${t("acquire.after.repeatNamed", { name: step.name })} onPress=${() => take(acquisition.run, taken.length > 12 ? taken.map((each) => each.name) : [step.name], { repeats: true }).then(again)}>${t("acquire.after.repeat")}<//>`}</li>`)}</ul>`;
}

/** Another view for the same patient: one of the protocol. @param {{acquisition: any, again: () => Promise<any>}} given */
function AddView({ acquisition, again }) {
  const names = acquisition.steps.map((/** @type {any} */ each) => each.name);
  const [name, setName] = useState(names.find((/** @type {string} */ _, /** @type {number} */ at) => acquisition.steps[at].begin_s === null) ?? names[0]);
  if (names.length > 12) return null;
  return html`<div class="row add-view"><${Field} label=${t("acquire.after.further")} value=${name} onInput=${setName} options=${names.map((/** @type {string} */ each) => ({ value: each, label: each }))} />
    <${Button} onPress=${() => take(acquisition.run, [name], {}).then(again)}>${t("acquire.after.add")}<//></div>`;
}

/** What is said of the recording when it is finished: in the background, once it is there. @param {{run: string}} given */
function Verdict({ run }) {
  const finished = useLive((live) => `${live.revisions.studies} ${Object.keys(live.alarms).filter((key) => key.includes(run)).join()}`);
  const asked = useAsked(() => ask("study", { study: run }), [run, finished]);
  const mine = asked.value?.acquisitions?.find((/** @type {any} */ each) => each.id === run || each.acquisition === run);
  const verdict = mine?.verdict;
  if (!verdict) return html`<p class="quiet" role="status">${t("acquire.after.verdictWaits")}</p>`;
  const good = verdict.grade === "good";
  return html`<div class="verdict"><${Notice} level=${good ? "good" : ""}><strong>${t("acquire.after.verdict", { grade: verdict.grade ?? t("acquire.after.unknown") })}</strong><//>
    <ul>${(verdict.sentences ?? []).slice(0, 6).map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul></div>`;
}

/** Finish the exam, then say that the patient is off the bed: two buttons in two places. `run`: what is finished. @param {{run?: string, ended: boolean, patient: boolean, connected: boolean, mayAct: boolean, again: () => Promise<any>}} given */
export function Leaving({ run, ended, patient, connected, mayAct, again }) {
  const general = !connected ? "notConnected" : !mayAct ? "notAllowed" : "";
  const why = (/** @type {boolean} */ on, /** @type {string} */ no) => (general || !on ? t(`acquire.why.${general || no}`) : "");
  return html`<div class="transport leaving" role="group" aria-label=${t("acquire.leaving")}>
    <${Button} class=${ended ? "primary" : ""} disabled=${Boolean(general) || !ended} why=${why(ended, "finished")} onPress=${() => command("acknowledge", { run }).then(again)}>${t("acquire.finish")}<//>
    <${Button} class=${!ended && patient ? "primary" : ""} disabled=${Boolean(general) || ended || !patient} why=${why(!ended && patient, ended ? "finishFirst" : "nobodyThere")} onPress=${() => command("bed-empty").then(again)}>${t("acquire.patientOff")}<//>
  </div>`;
}
