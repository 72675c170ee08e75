// Which steps there are and where they stand; how the present one is set up.
import { html } from "../../preact.js";
import { counts, duration, NOT_KNOWN, place } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card, Facts } from "../../ui.js";
import { counted, grouped, stands } from "./flow.js";
import { edgesText } from "./windowtext.js";

const SIGNS = /** @type {Record<string, string>} */ ({ done: "✔", ended: "◐", present: "▶", waits: "○", left: "–" });

/** @param {{acquisition: any, status: any, thumbnails: Record<string, string[]>}} given */
export function StepList({ acquisition, status, thumbnails }) {
  const groups = grouped(acquisition.steps);
  return html`<${Card} class="acq-steps" title=${acquisition.protocol.title}>
    <ol class="step-list">${groups.map((group) => html`<${StepRow} key=${group.key} group=${group} status=${status} thumbnails=${thumbnails} run=${acquisition.run} />`)}</ol>
  <//>`;
}

/** @param {{group: {name: string, steps: any[]}, status: any, thumbnails: Record<string, string[]>, run: string}} given */
function StepRow({ group, status, thumbnails, run }) {
  const { state, done } = stands(group.steps, status?.step ?? 0);
  const [first] = group.steps;
  const pictures = group.steps.length === 1 ? (thumbnails[`${run}/${first.number}`] ?? []) : [];
  const waits = state === "present" && ["waiting", "armed", "preparing"].includes(status?.state) ? (first.state === "present" ? "" : "next") : "";
  return html`<li class=${`step-row ${state}`} aria-current=${state === "present" ? "step" : undefined}>
    <span class="step-sign" aria-hidden="true">${SIGNS[state]}</span>
    <span class="step-name"><strong>${stepTitle(group.name, first)}</strong><small class="quiet">${stateText(state, waits, group.steps, done)}</small></span>
    ${pictures.map((picture) => html`<img class="step-picture" src=${picture} alt="" />`)}
    <span class="number step-counts">${rowCounts(group.steps, state)}</span>
  </li>`;
}

/** @param {string} name @param {any} step */
export function stepTitle(name, step) {
  const views = step.views.join(" / ");
  const words = name.split(" ").filter((word) => !step.views.includes(word)); // `early ANT` of ANT and POST says ANT once
  const said = words.join(" ");
  const side = step.laterality && !/\b(left|right)\b/i.test(said) ? t(`acquire.sides.${step.laterality}`) : "";
  const text = [said, side, views].filter(Boolean).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {string} state @param {string} waits @param {any[]} steps @param {number} done */
function stateText(state, waits, steps, done) {
  if (steps.length > 1 && done && state !== "done") return t("acquire.partDone", { done, all: steps.length });
  if (waits) return t("acquire.stepStates.next");
  return steps[0].accepted ? t("acquire.stepStates.accepted") : t(`acquire.stepStates.${state}`);
}

/** What was counted of steps that have ended, what ends those that have not. @param {any[]} steps @param {string} state */
function rowCounts(steps, state) {
  if (state === "done" || state === "ended") {
    const found = steps.map((step) => counted(step, step.counted).value).filter((each) => each !== null);
    return found.length ? counts(found.reduce((sum, each) => sum + each, 0)) : "";
  }
  return steps.length > 1 ? t("acquire.steps", { steps: steps.length }) : stopText(steps[0]);
}

/** What ends a step, short: `1.00 M`, `20 min`, `by hand`. @param {any} step */
export function stopText(step) {
  if (step.counts) return counts(step.counts.limit);
  if (step.beats) return t("acquire.beats", { beats: counts(step.beats) });
  if (step.sweep) return duration(step.sweep.duration_s);
  if (step.duration_s) return duration(step.duration_s);
  return step.manual ? t("acquire.byHand") : step.host_s ? duration(step.host_s) : "";
}

/** @param {{acquisition: any, step: any}} given */
export function Setup({ acquisition, step }) {
  const readings = useLive((live) => live.readings);
  if (!step) return null;
  const mounted = readings["collimator mounted"];
  /** @type {[any, any][]} */
  const rows = [
    [t("acquire.orientation"), acquisition.patient_orientation ? t(`acquire.orientations.${acquisition.patient_orientation}`) : NOT_KNOWN],
    [t("acquire.collimator"), collimatorText(acquisition.collimators, mounted)],
    ...(step.image ? [/** @type {[any, any]} */ ([t("acquire.matrix"), `${step.image.columns} × ${step.image.rows} / ${step.image.zoom.toFixed(2)}`])] : []),
    [t("acquire.stopOn"), t("acquire.endsAt", { ends: step.ends })],
    ...(acquisition.window_changes ?? []).map((/** @type {any} */ each) => /** @type {[any, any]} */ ([t("acquire.window.energies"), html`<strong>${edgesText({ name: each.window, lower_kev: each.to_kev[0], upper_kev: each.to_kev[1] })}</strong> ${t("acquire.window.ofExam")}`])),
    ...places(step, readings),
  ];
  return html`<${Card} class="acq-setup" title=${t("acquire.setup", { step: stepTitle(step.name, step) })}>
    <${Facts} rows=${rows} />
    ${step.instruction && html`<p class="instruction">${step.instruction}</p>`}
  <//>`;
}

/** @param {string[]} needed @param {any} mounted */
function collimatorText(needed, mounted) {
  const there = mounted && mounted.quality === "good" ? String(mounted.value ?? "") : "";
  const wanted = needed.join(" / ");
  if (!there) return wanted ? t("acquire.collimatorNotSensed", { wanted }) : NOT_KNOWN;
  if (!needed.length) return there;
  return needed.includes(there) ? `${there} ✔` : t("acquire.collimatorOther", { there, wanted });
}

/** Where the axes stand now, and where they should where that is another place. @param {any} step @param {Record<string, any>} readings @returns {[any, any][]} */
function places(step, readings) {
  const wanted = new Map(step.positions.map((/** @type {any} */ each) => [each.axis, each]));
  const shown = Object.values(readings).filter((each) => each.name === "position" && (each.unit === "mm" || each.unit === "deg"));
  return shown.map((each) => {
    const to = wanted.get(each.device);
    const now = place(each.value, each.unit);
    const near = !to || typeof each.value !== "number" || Math.abs(to.value - each.value) < 1;
    const old = each.quality === "good" ? "" : ` (${t("acquire.old")})`;
    return [axisName(each.device), near || step.sweep?.axis === each.device ? `${now}${old}` : t("acquire.goesTo", { now, to: place(to.value, to.unit) })];
  });
}

/** @param {string} name */
export function axisName(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
