// A test from one press to its result: what happens, with which source, counting, the result to sign.
import { html, useEffect, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Facts, Field, Notice, useAsked, Waiting } from "../../ui.js";
import { LevelBadge } from "./badges.js";
import { Counting } from "./counting.js";
import { Outcome } from "./outcome.js";
import { number, valued, when } from "../../qcwords.js";

/** @param {{name?: string, query: Record<string, string>}} given  none named: the most urgent test */
export function Run({ name }) {
  const state = useLive((live) => live.status?.state);
  const revision = useLive((live) => live.revisions.qc);
  const [source, setSource] = useState(/** @type {string | undefined} */ (undefined));
  const [mine, setMine] = useState(false);
  const [begun, setBegun] = useState(/** @type {any} */ (null));
  const asked = useAsked(() => ask("qc-plan", { ...(name ? { test: name } : {}), ...(source ? { source } : {}) }), [name, source, state, revision]);
  const plan = asked.value;
  useEffect(() => {
    if (plan?.round && !plan.round.over) setMine(true);
  }, [plan?.round?.over]);
  if (!plan) return html`<${Waiting} of=${asked} />`;
  const again = () => {
    setMine(false);
    setBegun(null);
    asked.again();
  };
  const begin = (/** @type {any} */ round) => {
    setMine(true);
    setBegun(round);
    asked.again();
  };
  const told = begun && !isOf(plan.round, begun) ? begun : plan.round; // what the plan still says of an earlier one is not shown again
  const shown = told && (!told.over || mine) ? told : null;
  return html`<section class="stack qc-run" aria-label=${t("qc.run.title", { title: plan.title })}>
    <h2>${t("qc.run.title", { title: shown ? shown.parts[shown.parts.length - 1].title : plan.title })}</h2>
    <${Waiting} of=${{ ...asked, loading: false }} />
    ${shown ? html`<${Underway} round=${shown} onAgain=${again} />` : html`<${Ready} plan=${plan} source=${plan.source} onSource=${setSource} onBegun=${begin} onChange=${asked.again} />`}
  </section>`;
}

/** Whether a round is the one that was begun: of the same parts, and not older. @param {any} round @param {any} begun */
function isOf(round, begun) {
  return Boolean(round) && round.begun_utc >= begun.begun_utc;
}

/** @param {{plan: any, source: string | null, onSource: (serial: string) => void, onBegun: (round: any) => void, onChange: () => void}} given */
function Ready({ plan, source, onSource, onBegun, onChange }) {
  const who = useSession();
  const [reason, setReason] = useState("");
  const may = mayAs(who, "qc");
  const last = plan.parts[plan.parts.length - 1];
  const needs = last.source !== "none";
  const first = plan.parts.length > 1;
  const chosen = plan.sources.find((/** @type {any} */ each) => each.serial === source);
  const against = plan.against;
  const begin = async (/** @type {Record<string, string>} */ overrides) => {
    const answer = await command("qc-begin", { test: plan.test, bed_empty: true, ...(needs && source ? { source } : {}), ...(Object.keys(overrides).length ? { overrides } : {}) });
    onBegun(answer.round);
  };
  return html`<div class="qc-columns">
    <div class="stack">
      <${Parts} parts=${plan.parts} now=${-1} />
      ${against.length > 0 && html`<${Notice} level="medium" role="alert"><div><strong>${t("qc.run.against")}</strong><ul>${against.map((/** @type {string} */ why) => html`<li key=${why}>${why}</li>`)}</ul></div>
        ${plan.bed.patient && html`<${Button} onPress=${() => command("bed-empty").then(onChange)}>${t("qc.run.patientOff")}<//>`}<//>`}
      ${!may && html`<p class="quiet">${t("qc.run.technologist")}</p>`}
    </div>
    <div class="stack">
      ${needs && html`<${Card} title=${t("qc.run.source")}>
        ${chosen ? html`<p class="qc-source-now"><strong class="big">${t("qc.run.activity", { value: number(chosen.now_mbq) })}</strong><span>${chosen.nuclide}, ${chosen.serial}</span></p><p class="quiet">${t(`qc.source.forms.${chosen.form}`)} · ${t("qc.run.place", { place: chosen.place })}</p>` : html`<p>${t("qc.run.none")}</p>`}
        ${plan.sources.length > 1 && html`<${Field} label=${t("qc.run.choose")} value=${source ?? ""} onInput=${onSource} options=${plan.sources.map((/** @type {any} */ each) => ({ value: each.serial, label: `${each.serial}, ${valued(each.now_mbq, "MBq")}` }))} />`}
      <//>`}
      <${Card}><${Facts} rows=${[
        [t("qc.run.collimator"), last.collimators.join(", ") || t("qc.run.any")],
        ...(last.rate_cps ? [[t("qc.run.rate"), t("qc.run.rateRange", { low: number(last.rate_cps[0] / 1000), high: number(last.rate_cps[1] / 1000) })]] : []),
        [t("qc.run.bed"), bedWords(plan.bed)],
      ]} /><//>
      ${first && needs && !who?.simulated && html`<details><summary>${t("qc.run.override")}</summary><div class="stack"><p>${t("qc.run.overrideText")}</p><${Field} label=${t("qc.run.overrideReason")} value=${reason} onInput=${setReason} /><${Button} disabled=${!may || !reason.trim()} onPress=${() => begin({ background: reason.trim() })}>${t("qc.run.override")}<//></div></details>`}
    </div>
  </div>
  <div class="actions"><p class="quiet qc-sentence">${sentence(needs, first, who?.simulated ?? false, source)}</p>
    <${Button} kind="primary" disabled=${!may || against.length > 0} why=${may ? against[0] : t("qc.run.technologist")} onPress=${() => begin({})}>${t(label(needs, first, who?.simulated ?? false))}<//></div>`;
}

/** @param {boolean} needs @param {boolean} first @param {boolean} simulated */
function label(needs, first, simulated) {
  if (!needs) return "qc.run.startNoSource";
  return first && !simulated ? "qc.run.startFirst" : "qc.run.start";
}

/** @param {boolean} needs @param {boolean} first @param {boolean} simulated @param {string | null} serial */
function sentence(needs, first, simulated, serial) {
  if (!needs) return t("qc.run.sentenceNoSource");
  if (first) return t(simulated ? "qc.run.sentenceSimulated" : "qc.run.sentenceFirst", { serial: serial ?? "" });
  return t("qc.run.sentence", { serial: serial ?? "" });
}

/** @param {any} bed */
function bedWords(bed) {
  if (bed.patient) return t("qc.run.bedPatient");
  return bed.occupied ? t("qc.run.bedUnknown", { why: bed.why }) : t("qc.run.bedEmpty", { user: bed.stated_by });
}

/** @param {{parts: any[], now: number, round?: any}} given  `now`: -1 before it begins */
function Parts({ parts, now, round }) {
  return html`<${Card} title=${t(round?.over ? "qc.run.stepsDone" : "qc.run.steps")}><ol class="qc-steps">${parts.map((part, at) => html`<li key=${part.test} aria-current=${at === now && !round?.over ? "step" : undefined}>
    <div class="spread"><strong>${part.title}</strong>${part.level ? html`<${LevelBadge} level=${part.level} />` : now < 0 ? null : html`<span>${at === now ? t(`qc.run.stages.${round.stage}`) : t("qc.run.partNext")}</span>`}</div>
    <p class="quiet">${amount(part)}${part.instruction ? ` · ${part.instruction}` : ""}</p>
    ${part.why && html`<p class="quiet">${t("qc.run.whyFirst", { why: part.why })}</p>`}
  </li>`)}</ol><//>`;
}

/** @param {any} part */
function amount(part) {
  const counts = part.counts === null ? "" : t("qc.run.counts", { counts: part.counts.toLocaleString("en-GB") }) + (part.each_head ? t("qc.run.eachHead") : "");
  const seconds = part.seconds === null ? "" : t("qc.run.seconds", { seconds: number(part.seconds) });
  return [counts, seconds].filter(Boolean).join(", ");
}

/** @param {{round: any, onAgain: () => void}} given */
function Underway({ round, onAgain }) {
  const last = round.parts.map((/** @type {any} */ part) => part.result).filter(Boolean).pop() ?? null;
  const done = round.stage === "done" || (round.stage === "stopped" && last);
  return html`${done && html`<${Outcome} result=${last} test=${round.parts[round.now].test} onAgain=${onAgain} />`}
  <div class=${round.over ? "stack" : "qc-columns wide"}>
    <div class="stack"><${Parts} parts=${round.parts} now=${round.now} round=${round} />
      ${round.stage === "stopped" && html`<${Notice} level="medium" role="alert"><div><strong>${t("qc.run.stoppedTitle")}</strong><p>${round.why}</p></div><//>`}
      ${!round.over && html`<p class="quiet">${t("qc.run.watch")} ${when(round.since_utc)}, ${round.by}</p>`}</div>
    ${!round.over && html`<${Counting} round=${round} />`}
  </div>
  ${round.stage === "stopped" && !last && html`<div class="actions"><${Button} onPress=${() => go("qc")}>${t("qc.run.back")}<//><${Button} kind="primary" onPress=${onAgain}>${t("qc.run.again")}<//></div>`}`;
}
