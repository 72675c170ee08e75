// A rotation: where the heads are on their way around the patient, the last projection, the angles.
import { html } from "../../preact.js";
import { place, percent } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { headName } from "../../widgets/scope.js";
import { NoSeries, Notes, SeriesPictures, useStudy } from "./pictures.js";
import { Energies, FoldedControls, Heads } from "./static.js";

const RADIUS = 78;

/** @param {{phase: string, acquisition: any, status: any, step: any}} given */
export default function Spect({ phase, acquisition, status, step }) {
  const part = useStudy(256);
  const turns = part && part.about.series.kind.includes("TOMO");
  return html`<div class="spect"><div class="spect-main">
    ${turns ? html`<${Card} class="projection" label=${t("acquire.spect.last")}><div class="spread heads-tools"><h2>${t("acquire.spect.last")}</h2><${FoldedControls} fades=${false} /></div><${SeriesPictures} part=${part} caption=${caption} /><${Notes} part=${part} /><//>`
      : phase === "running" ? html`<${Card} class="projection"><${NoSeries} about=${part?.about} /><//>` : html`<${Heads} phase=${phase} />`}
    <${Energies} phase=${phase} /></div>
    <div class="spect-side"><${Orbit} part=${turns ? part : null} acquisition=${acquisition} /><${Angles} acquisition=${acquisition} status=${status} step=${step} part=${turns ? part : null} /></div>
  </div>`;
}

/** @param {any} head */
function caption(head) {
  return `${headName(head)}${head.angle_deg === null ? "" : `, ${place(head.angle_deg, "deg")}`}`;
}

/** As one sees it from the feet, in the frame of the patient: 0° at the back, counter-clockwise. @param {{part: any, acquisition: any}} given */
function Orbit({ part, acquisition }) {
  const heads = part?.about.heads.filter((/** @type {any} */ head) => head.angle_deg !== null) ?? [];
  const text = heads.length ? t("acquire.spect.orbitAlternative", { heads: heads.map((/** @type {any} */ head) => caption(head)).join("; ") }) : t("acquire.spect.orbitNone");
  const prone = /P$/.test(acquisition.patient_orientation ?? "");
  return html`<${Card} class="orbit" title=${t("acquire.spect.orbit")}><svg viewBox="0 0 200 200" role="img" aria-label=${text}>
    <circle class="orbit-way" cx="100" cy="100" r=${RADIUS} /><ellipse class="orbit-body" cx="100" cy="100" rx="42" ry="26" />
    <circle class="orbit-body" cx="100" cy="70" r="5" /><line class="orbit-bed" x1="52" x2="148" y1=${prone ? 66 : 132} y2=${prone ? 66 : 132} />
    ${heads.map((/** @type {any} */ head) => html`<g key=${head.number} transform=${`rotate(${-head.angle_deg} 100 100)`}><rect class="orbit-head" x="68" y=${100 + RADIUS - 6} width="64" height="14" rx="3" /><text class="orbit-number" x="100" y=${100 + RADIUS + 5} text-anchor="middle">${head.number}</text></g>`)}
  </svg><p class="small quiet">${text}</p><//>`;
}

/** How far the rotation is, and where the gantry is. @param {{acquisition: any, status: any, step: any, part: any}} given */
function Angles({ acquisition, status, step, part }) {
  const gantry = useLive((live) => live.readings["gantry position"]);
  const same = acquisition.steps.filter((/** @type {any} */ each) => each.key === step?.key);
  const all = step?.sweep?.views ?? part?.about.planned ?? same.length;
  const done = part ? part.about.slot + 1 : same.filter((/** @type {any} */ each) => each.state === "done").length;
  const rows = same.length > 1 ? same.slice(Math.max(0, at(same, status) - 3), Math.max(0, at(same, status) - 3) + 8) : [];
  return html`<${Card} class="angles" title=${t("acquire.spect.angles")}>
    <div class="spread"><span class="big">${t("acquire.spect.stop", { done, all })}</span><span class="number">${place(gantry?.value, "deg")}</span></div>
    <progress max="1" value=${all ? done / all : undefined} aria-label=${t("acquire.spect.way")} aria-valuetext=${percent(all ? done / all : null, 0)}></progress>
    ${rows.length > 0 && html`<ol class="angle-list">${rows.map((/** @type {any} */ each) => html`<li key=${each.number} class=${each.state} aria-current=${each.state === "present" ? "step" : undefined}><span>${each.number}</span><span class="number">${each.positions.filter((/** @type {any} */ one) => one.unit === "deg").map((/** @type {any} */ one) => place(one.value, "deg")).join(" ")}</span><span class="quiet">${t(`acquire.stepStates.${each.state}`)}</span></li>`)}</ol>`}
  <//>`;
}

/** @param {any[]} same @param {any} status */
function at(same, status) {
  return Math.max(0, same.findIndex((each) => each.number === status?.step));
}
