// The energies of the step, of each head, with the energy windows and the peaks that are found.
import { html, useMemo, useRef } from "../preact.js";
import { useFrame, useWanted } from "../liveframes.js";
import { besideMiddle, energiesOfNow } from "../positioning.js";
import { t } from "../strings.js";
import { edgeRange, middleRange, moved, shifted, shownUntil, stepOf } from "../windowedges.js";
import { Chart, colour } from "./chart.js";

const STROKES = ["--accent", "--text", "--accent", "--text"];
const DASHES = [undefined, undefined, [6, 3], [6, 3]];
const EDGES = /** @type {const} */ (["lower_kev", "upper_kev"]);

/**
 * The spectrum as it comes. With `onEdit` the edges of the windows can be moved: it is called with all windows.
 * @param {{heads?: number[], windows?: import("../windowedges.js").EnergyWindow[], onEdit?: (windows: any[]) => void, log?: boolean, height?: number, between?: boolean}} given
 * `windows`: in place of those that were acquired with; `between`: no view is looked at that has ended, so that the energies are those of now.
 */
export function Spectrum({ heads, windows, onEdit, log = false, height = 220, between = false }) {
  useWanted({ what: ["spectrum"], heads, hz: 20 });
  const part = useFrame((frames) => frames.parts.spectrum);
  if (!part) return html`<div class="picture-none quiet">${t("pictures.none")}</div>`;
  const now = energiesOfNow(part.about.phase, between);
  const of = (/** @type {number} */ head) => part.arrays[now ? `recent/${head}` : head];
  const shown = part.about.heads.filter((/** @type {number} */ each) => (!heads || heads.includes(each)) && of(each));
  return html`<${Energies} about=${part.about} heads=${shown} values=${shown.map((/** @type {number} */ each) => of(each).values)} now=${now}
    windows=${windows ?? part.about.windows} onEdit=${onEdit} log=${log} height=${height} />${now && html`<${Beside} about=${part.about} />`}`;
}

/** Peaks beside the middle of their windows, while there is time to do something about it. @param {{about: any}} given */
function Beside({ about }) {
  const beside = besideMiddle(about.peaks, about.windows);
  return html`${beside.map(({ head, window, kev }) => html`<p class="phase-note" key=${`${head} ${window}`}>${t("pictures.besideMiddle", { head, window, kev: kev.toFixed(1) })}</p>`)}
    <span class="hidden-text" role="status">${beside.map(({ head, window }) => t("pictures.besideMiddleSaid", { head, window })).join(" ")}</span>`; // without the number, which changes all the time
}

/**
 * Spectra of a front end without heads: all energies together, "energy" of a frame.
 * @param {{log?: boolean, height?: number, windows?: import("../windowedges.js").EnergyWindow[]}} given
 */
export function WholeSpectrum({ log = false, height = 220, windows = NO_WINDOWS }) {
  useWanted({ what: ["energy"], hz: 10 });
  const part = useFrame((frames) => frames.parts.energy);
  if (!part?.arrays.all) return html`<div class="picture-none quiet">${t("pictures.none")}</div>`;
  const { low, high, bins } = part.about;
  const about = { low_kev: low, bin_kev: (high - low) / bins, bins, peaks: [] };
  return html`<${Energies} about=${about} heads=${ALL} values=${[part.arrays.all.values]} windows=${windows} log=${log} height=${height} />`;
}

/** @type {any[]} */
const NO_WINDOWS = [];
const ALL = [""];

/** @param {{about: any, heads: (number | string)[], values: any[], windows: any[], onEdit?: (windows: any[]) => void, log: boolean, height: number, now?: boolean}} given */
function Energies({ about, heads, values, windows, onEdit, log, height, now = false }) {
  const { low_kev: low, bin_kev: width, bins } = about;
  const x = useMemo(() => Float64Array.from({ length: bins }, (_, at) => low + (at + 0.5) * width), [low, width, bins]);
  const data = useMemo(() => [x, ...values], [x, ...values]);
  const range = /** @type {[number, number]} */ ([Math.max(0, low), shownUntil(about.windows ?? windows, low + bins * width)]);
  const peaks = about.peaks.filter((/** @type {any} */ peak) => heads.includes(peak.head));
  const told = peaks.map((/** @type {any} */ peak) => t("pictures.peak", { ...peak, kev: peak.kev.toFixed(1) })).join(" ") || t("pictures.noPeak");
  const under = (/** @type {any} */ chart) => {
    for (const window of windows) shade(chart, window);
    for (const peak of peaks) mark(chart, peak.kev);
  };
  const over = onEdit && ((/** @type {any} */ place) => html`<${Edges} place=${place} windows=${windows} range=${range} onEdit=${onEdit} />`);
  return html`<${Chart} data=${data} range=${range} log=${log} height=${height} under=${under} over=${over}
    series=${heads.map((head, at) => ({ label: head === "" ? "" : t("pictures.head", { number: head }), stroke: STROKES[at % STROKES.length], dash: DASHES[at % DASHES.length] }))}
    axes=${{ x: t("pictures.energyAxis"), y: t(now ? "pictures.countsNowAxis" : "pictures.countsAxis") }}
    alternative=${t("pictures.spectrumAlternative", { low: Math.round(range[0]), high: Math.round(range[1]), peaks: told })} />`;
}

/** @param {any} chart @param {import("../windowedges.js").EnergyWindow} window */
function shade(chart, window) {
  const [from, to] = [chart.valToPos(window.lower_kev, "x", true), chart.valToPos(window.upper_kev, "x", true)];
  chart.ctx.save();
  chart.ctx.globalAlpha = 0.28;
  chart.ctx.fillStyle = colour("--accent");
  chart.ctx.fillRect(from, chart.bbox.top, to - from, chart.bbox.height);
  chart.ctx.restore();
}

/** @param {any} chart @param {number} kev */
function mark(chart, kev) {
  const at = chart.valToPos(kev, "x", true);
  chart.ctx.save();
  chart.ctx.strokeStyle = colour("--text");
  chart.ctx.lineWidth = devicePixelRatio;
  chart.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  chart.ctx.beginPath();
  chart.ctx.moveTo(at, chart.bbox.top);
  chart.ctx.lineTo(at, chart.bbox.top + chart.bbox.height);
  chart.ctx.stroke();
  chart.ctx.restore();
}

/** @param {{place: import("./chart.js").Place, windows: any[], range: [number, number], onEdit: (windows: any[]) => void}} given */
function Edges({ place, windows, range, onEdit }) {
  const given = { place, windows, range, onEdit };
  return windows.flatMap((_, at) => [...EDGES.map((edge) => html`<${EdgeHandle} key=${`${at}${edge}`} ...${given} at=${at} edge=${edge} />`), html`<${MiddleHandle} key=${`${at}middle`} ...${given} at=${at} />`]);
}

const GRIP_PX = 44;

/** Keys and pointers move something along the energies: `go` hears to where, `from` says where it is. @param {any} place @param {number} from @param {(kev: number) => void} go */
function useHandle(place, from, go) {
  const held = useRef(/** @type {number | null} */ (null)); // how far the pointer is beside what it moves, keV
  const kevAt = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.currentTarget).parentElement).getBoundingClientRect();
    return place.min + ((event.clientX - box.left - place.left) / place.width) * (place.max - place.min);
  };
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      held.current = from - kevAt(event);
      /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      if (held.current !== null) go(kevAt(event) + held.current);
    },
    onPointerUp: () => (held.current = null),
    onPointerCancel: () => (held.current = null),
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      const step = stepOf(event.key, event.shiftKey);
      if (!step) return;
      event.preventDefault();
      go(from + step);
    },
  };
}

/** The window as a whole. @param {any} given */
function MiddleHandle({ place, windows, at, range, onEdit }) {
  const window = windows[at];
  const kev = (window.lower_kev + window.upper_kev) / 2;
  const [least, most] = middleRange(window, range);
  const handle = useHandle(place, kev, (to) => onEdit(shifted(windows, at, to - kev, range)));
  const px = (/** @type {number} */ energy) => place.left + ((energy - place.min) / (place.max - place.min)) * place.width;
  const wide = Math.max(GRIP_PX, px(window.upper_kev) - px(window.lower_kev));
  const text = { lower: window.lower_kev.toFixed(1), upper: window.upper_kev.toFixed(1) };
  return html`<div class="chart-window" role="slider" tabindex="0" aria-label=${t("pictures.wholeWindow", { window: window.name })}
      aria-valuemin=${least} aria-valuemax=${most} aria-valuenow=${kev} aria-valuetext=${t("pictures.windowIs", text)} aria-orientation="horizontal"
      style=${{ left: `${px(kev) - wide / 2}px`, top: `${place.top + place.height - GRIP_PX}px`, width: `${wide}px`, height: `${GRIP_PX}px` }} ...${handle}><span aria-hidden="true">⇔</span></div>`;
}

/** @param {any} given */
function EdgeHandle({ place, windows, at, edge, range, onEdit }) {
  const window = windows[at];
  const kev = window[edge];
  const [least, most] = edgeRange(window, edge, range);
  const go = (/** @type {number} */ to) => onEdit(moved(windows, at, edge, to, range));
  const handle = useHandle(place, kev, go);
  const left = place.left + ((kev - place.min) / (place.max - place.min)) * place.width;
  return html`<div class=${`chart-edge ${edge === "lower_kev" ? "lower" : "upper"}`} role="slider" tabindex="0"
      aria-label=${t(edge === "lower_kev" ? "pictures.lowerEdge" : "pictures.upperEdge", { window: window.name })}
      aria-valuemin=${least} aria-valuemax=${most} aria-valuenow=${kev} aria-valuetext=${t("pictures.kev", { kev: kev.toFixed(1) })} aria-orientation="horizontal"
      style=${{ left: `${left}px`, top: `${place.top}px`, height: `${place.height - GRIP_PX}px` }} ...${handle}><span aria-hidden="true">${kev.toFixed(1)}</span></div>`;
}
