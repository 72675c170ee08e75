// Frames one after the other: the present one large, those before as a strip, the count rate as a curve.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { duration, rate } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { mostOf, paint, table } from "../../colours.js";
import { Chart } from "../../widgets/chart.js";
import { NoSeries, Notes, SeriesPictures, useStudy } from "./pictures.js";
import { Energies, FoldedControls, Heads } from "./static.js";

const MOST_FRAMES = 60;
const MOST_POINTS = 2400;

/** @param {{phase: string, status: any, step: any}} given */
export default function Dynamic({ phase, status, step }) {
  const part = useStudy(256);
  const points = useCurve(status);
  const taken = useFrames(part, status);
  const strip = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => strip.current?.scrollTo({ left: strip.current.scrollWidth }), [taken.length]); // the newest is in view
  if (!part && phase !== "running") return html`<${Heads} phase=${phase} /><${Energies} phase=${phase} /><${Plan} step=${step} />`;
  return html`<${Card} class="dynamic" label=${t("acquire.dynamic.title")}>
    <div class="spread heads-tools"><h2>${part ? t("acquire.dynamic.frame", { now: part.about.slot + 1, all: part.about.planned }) : t("acquire.dynamic.title")}</h2><${FoldedControls} fades=${false} /></div>
    ${part ? html`<${SeriesPictures} part=${part} /><${Notes} part=${part} />` : html`<${NoSeries} about=${null} />`}
    ${taken.length > 0 && html`<ol class="frames" ref=${strip} tabindex="0" aria-label=${t("acquire.dynamic.before")}>${taken.map((each) => html`<li key=${each.slot}><img src=${each.picture} alt=${t("acquire.dynamic.one", { number: each.slot + 1 })} /><small>${each.slot + 1}</small></li>`)}</ol>`}
  <//><${Curve} points=${points} />`;
}

/** @param {{step: any}} given */
function Plan({ step }) {
  if (!step?.phases.length) return null;
  return html`<${Card} title=${t("acquire.dynamic.plan")}><ul class="plan">${step.phases.map((/** @type {any} */ each) => html`<li>${t("acquire.dynamic.phase", { frames: each.frames, time: duration(each.frame_s) })}</li>`)}</ul><//>`;
}

/** Frames that were seen to end here; those from before the page was opened are in the recording. @param {any} part @param {any} status */
function useFrames(part, status) {
  const [taken, setTaken] = useState(/** @type {{of: string, frames: {slot: number, picture: string}[]}} */ ({ of: "", frames: [] }));
  const last = useRef(/** @type {any} */ (null));
  const of = `${status?.run}/${status?.step}`;
  useEffect(() => {
    const before = last.current;
    last.current = part && { of, part };
    if (!before || !part || before.of !== of || before.part.about.slot >= part.about.slot) return;
    const picture = small(Object.values(before.part.arrays).find((/** @type {any} */ each) => each.shape.length >= 2 && each.name.split("/").length === 3));
    if (picture) setTaken((old) => ({ of, frames: [...(old.of === of ? old.frames : []), { slot: before.part.about.slot, picture }].slice(-MOST_FRAMES) }));
  }, [part, of]);
  return taken.of === of ? taken.frames : [];
}

/** @param {any} array */
function small(array) {
  if (!array) return "";
  const [rows, columns] = array.shape.slice(-2);
  const values = array.values.subarray(0, rows * columns);
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  const image = context.createImageData(columns, rows);
  paint(values, new Uint32Array(image.data.buffer), { colours: table("inverse"), upper: mostOf(values), log: false, unit: 1 / (array.about.scale ?? 1), mask: null });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** @param {any} status */
function useCurve(status) {
  const progress = useLive((live) => live.progress);
  const kept = useRef(/** @type {{of: string, points: [number, number][]}} */ ({ of: "", points: [] }));
  const of = `${status?.run}/${status?.step}`;
  if (kept.current.of !== of) kept.current = { of, points: [] };
  const points = kept.current.points;
  if (progress?.run === status?.run && progress?.step === status?.step && (points.length === 0 || progress.step_s > points[points.length - 1][0])) points.push([progress.step_s, progress.rate_cps]);
  if (points.length > MOST_POINTS) points.splice(0, points.length - MOST_POINTS);
  return points;
}

/** @param {{points: [number, number][]}} given */
function Curve({ points }) {
  if (points.length < 3) return null;
  const data = [points.map(([at]) => at), points.map(([, cps]) => cps / 1000)];
  const end = points[points.length - 1];
  return html`<${Card} class="energies" title=${t("acquire.dynamic.curve")}><${Chart} data=${data} series=${[{ label: t("acquire.dynamic.rate"), stroke: "--accent", fill: "--accent-ground" }]} range=${[points[0][0], Math.max(points[0][0] + 10, end[0])]}
    height=${130} alternative=${t("acquire.dynamic.curveAlternative", { rate: rate(end[1]) })} axes=${{ x: t("acquire.dynamic.time"), y: t("acquire.dynamic.kcps") }} /><//>`;
}
