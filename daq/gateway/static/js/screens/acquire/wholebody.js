// A sweep of the whole body: the strip as it grows, how long each row was exposed, where the bed is.
import { html, useEffect, useRef } from "../../preact.js";
import { NOT_KNOWN, percent, place, quantity } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card, Facts } from "../../ui.js";
import { NoSeries, Notes, SeriesPictures, useStudy } from "./pictures.js";
import { Energies, FoldedControls, Heads } from "./static.js";
import { axisName } from "./steps.js";

const CM_PER_MIN = 6;
const PLACES_S = 2; // until then where axes stand may be on its way yet: a strip without is none that a person need doubt

/** @param {{phase: string, step: any}} given */
export default function WholeBody({ phase, step }) {
  const part = useStudy(1024);
  const early = useLive((live) => (live.progress?.step_s ?? 0) < PLACES_S);
  const begun = part && part.about.series.kind === "WHOLE BODY" && (part.arrays.exposure || !early);
  if (!begun && phase !== "running" && phase !== "after") return html`<${Heads} phase=${phase} /><${Energies} phase=${phase} /><${Bed} step=${step} />`;
  return html`<div class="whole-body"><${Card} class="strip" label=${t("acquire.strip.title")}>
    <div class="spread heads-tools"><h2>${t("acquire.strip.title")}</h2><${FoldedControls} fades=${false} /></div>
    ${begun ? html`<div class="strip-body"><${SeriesPictures} part=${part}><${NewestRow} part=${part} /><//><${Exposure} part=${part} /></div><${Notes} part=${part} />` : html`<${NoSeries} about=${part?.about} />`}
  <//><${Bed} step=${step} strip=${begun ? part.about.strip : null} /></div>`;
}

/** Between the rows that were exposed and those that are to come. @param {any} part @returns {number | null} share from the top */
export function newest(part) {
  const values = part.arrays.exposure?.values;
  if (!values) return null;
  const first = values.findIndex((/** @type {number} */ each) => each > 0);
  if (first < 0) return null;
  let last = values.length - 1;
  while (values[last] <= 0) last -= 1;
  if (first === 0 && last === values.length - 1) return null;
  return (first > values.length - 1 - last ? first : last + 1) / values.length;
}

/** @param {{part: any}} given */
function NewestRow({ part }) {
  const at = newest(part);
  return at === null ? null : html`<span class="newest-row" aria-hidden="true" style=${{ top: `${at * 100}%` }}></span>`;
}

/** How much of the full time each row had, beside the strip. @param {{part: any}} given */
function Exposure({ part }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const values = part.arrays.exposure?.values;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !values || !canvas.current) return;
    const { width, height } = canvas.current;
    const style = getComputedStyle(canvas.current);
    context.clearRect(0, 0, width, height);
    context.fillStyle = style.getPropertyValue("--accent");
    for (let row = 0; row < height; row += 1) {
      const share = Math.min(1, values[Math.floor((row * values.length) / height)]);
      context.fillRect(0, row, share * width, 1);
    }
  }, [values]);
  if (!values) return null;
  const exposed = values.filter((/** @type {number} */ each) => each > 0);
  const whole = exposed.filter((/** @type {number} */ each) => each >= 0.9).length;
  const text = t("acquire.strip.exposed", { whole: percent(exposed.length ? whole / exposed.length : null, 0) });
  return html`<figure class="exposure"><figcaption class="small quiet">${t("acquire.strip.exposure")}</figcaption><canvas ref=${canvas} width="40" height="512" role="img" aria-label=${text}></canvas></figure>`;
}

/** @param {{step: any, strip?: any}} given */
function Bed({ step, strip = null }) {
  const sweep = step?.sweep;
  const reading = useLive((live) => live.readings[`${sweep?.axis} position`]);
  if (!sweep) return null;
  const now = typeof reading?.value === "number" ? reading.value : null;
  const share = now === null ? undefined : Math.min(1, Math.max(0, (now - sweep.begin) / (sweep.end - sweep.begin)));
  const speed = (/** @type {any} */ mm) => (typeof mm === "number" ? quantity(mm * CM_PER_MIN, "cm/min") : NOT_KNOWN);
  return html`<${Card} class="acq-bed" title=${t("acquire.strip.bed", { axis: axisName(sweep.axis) })}>
    <p class="big">${place(now, sweep.unit)}</p>
    <progress max="1" value=${share} aria-label=${t("acquire.strip.way")}></progress>
    <div class="spread small quiet"><span>${place(sweep.begin, sweep.unit)}</span><span>${place(sweep.end, sweep.unit)}</span></div>
    <${Facts} rows=${[
      ...(strip ? [/** @type {[any, any]} */ ([t("acquire.strip.speed"), speed(strip.mean_speed_mm_per_s)])] : []),
      [t("acquire.strip.wanted"), sweep.speed_text],
    ]} /><//>`;
}
