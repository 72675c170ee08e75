// A control chart: results, their normal, its average with limits, fixed levels, events and alarms. uPlot in a box.
import uPlot from "../uplot.js";
import { html, useEffect, useRef, useState } from "../preact.js";
import { valued, when } from "../qcwords.js";
import { t } from "../strings.js";
import { Button } from "../ui.js";

const HEIGHT = 340;
const LEAST_MS = 86_400_000;

/** @typedef {{key: string, label: string, values: (number | null)[], stroke: string, dash?: number[], points?: boolean, width?: number}} Line */
/** @typedef {{atMs: number, label: string, stroke: string, dash?: number[]}} Mark */

/**
 * @param {object} given
 * @param {number[]} given.atMs  when, ms since 1970, ascending
 * @param {Line[]} given.lines  colours by their names, such as "--accent"
 * @param {{at: number, label: string, stroke: string}[]} [given.levels]  fixed levels across
 * @param {Mark[]} [given.marks]  events and alarms, upright
 * @param {string} given.unit
 * @param {string} given.alternative  what it shows, in words
 */
export function TrendChart({ atMs, lines, levels = [], marks = [], unit, alternative }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const drawn = useRef(/** @type {any} */ (null));
  const point = useRef(atMs.length - 1);
  const [at, setAt] = useState(atMs.length - 1);
  const [shown, setShown] = useState(/** @type {[number, number] | null} */ (null));
  const theme = useTheme();
  const choose = (/** @type {number} */ index) => {
    point.current = Math.max(0, Math.min(atMs.length - 1, index));
    setAt(point.current);
    drawn.current?.redraw(false);
  };
  const key = JSON.stringify([atMs.length, atMs[0], atMs[atMs.length - 1], lines.map((line) => line.key), levels, marks, theme]);
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const data = /** @type {any} */ ([atMs.map((ms) => ms / 1000), ...lines.map((line) => line.values)]);
    const chart = new uPlot(options(element.clientWidth, lines, levels, marks, unit, point), data, element);
    drawn.current = chart;
    const hovered = (/** @type {PointerEvent} */ event) => choose(chart.posToIdx(event.clientX - chart.over.getBoundingClientRect().left));
    element.addEventListener("pointermove", hovered);
    setShown(null);
    choose(atMs.length - 1);
    const resized = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      element.removeEventListener("pointermove", hovered);
      resized.disconnect();
      chart.destroy();
      drawn.current = null;
    };
  }, [key, lines]);
  useEffect(() => {
    const [min, max] = shown ?? [atMs[0], atMs[atMs.length - 1]];
    drawn.current?.setScale("x", { min: min / 1000, max: max / 1000 });
  }, [shown]);
  return html`<div class="trend">
    <div ref=${box} role="img" aria-label=${alternative} style=${{ height: `${HEIGHT}px` }}></div>
    ${atMs.length > 1 && html`<div class="row trend-hand">
      <label class="field"><span>${t("qc.trend.point")}</span><input type="range" min="0" max=${atMs.length - 1} value=${at} aria-valuetext=${pointWords(atMs, lines, unit, at)} onInput=${(/** @type {any} */ event) => choose(Number(event.target.value))} /></label>
      <${Button} onPress=${() => setShown(zoomed(atMs, shown, at, 0.5))}>${t("qc.trend.closer")}<//>
      <${Button} disabled=${shown === null} why=${shown === null ? t("qc.trend.allShown") : ""} onPress=${() => setShown(zoomed(atMs, shown, at, 2))}>${t("qc.trend.wider")}<//>
      <${Button} disabled=${shown === null} why=${shown === null ? t("qc.trend.allShown") : ""} onPress=${() => setShown(null)}>${t("qc.trend.all")}<//></div>
    <p class="trend-point" aria-live="off">${pointWords(atMs, lines, unit, at)}</p>`}
    <ul class="trend-legend">${[...lines.map((line) => ({ ...line, shape: line.points ? "point" : "line" })), ...kinds(levels), ...kinds(marks)].map((/** @type {any} */ each) => html`<li key=${each.label}><svg width="28" height="12" aria-hidden="true">${each.shape === "point"
      ? html`<circle cx="14" cy="6" r="4" fill=${`var(${each.stroke})`} />`
      : html`<line x1="0" y1="6" x2="28" y2="6" stroke=${`var(${each.stroke})`} stroke-width="2" stroke-dasharray=${each.dash?.join(" ")} />`}</svg>${each.label}</li>`)}</ul>
  </div>`;
}

/**
 * What stands at a point, of every line that is known there.
 * @param {number[]} atMs @param {Line[]} lines @param {string} unit @param {number} at
 */
export function pointWords(atMs, lines, unit, at) {
  const told = lines.filter((line) => line.values[at] !== null && line.values[at] !== undefined).map((line) => `${line.label} ${valued(line.values[at], unit)}`);
  return atMs[at] === undefined ? "" : `${when(new Date(atMs[at]).toISOString())}: ${told.join(", ")}`;
}

/**
 * The span that is shown after one goes closer to a point or farther from it, within what there is; null for all of it.
 * @param {number[]} atMs @param {[number, number] | null} shown @param {number} at @param {number} factor
 * @returns {[number, number] | null}
 */
export function zoomed(atMs, shown, at, factor) {
  const [first, last] = [atMs[0], atMs[atMs.length - 1]];
  const [low, high] = shown ?? [first, last];
  const wide = Math.max((high - low) * factor, LEAST_MS);
  if (wide >= last - first) return null;
  const begin = Math.max(first, Math.min(last - wide, atMs[at] - wide / 2));
  return [begin, begin + wide];
}

/** Of marks that are alike one, for the legend. @param {any[]} given */
function kinds(given) {
  return [...new Map(given.map((each) => [each.kind ?? each.label, { ...each, label: each.kind ?? each.label }])).values()];
}

/** @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * The range that holds all that is drawn, and levels that are near enough to be seen with it.
 * @param {Line[]} lines
 * @param {{at: number}[]} levels
 * @returns {[number, number]}
 */
export function reach(lines, levels) {
  const known = /** @type {number[]} */ (lines.flatMap((line) => line.values).filter((value) => value !== null));
  if (!known.length) return [0, 1];
  let low = known.reduce((one, other) => Math.min(one, other));
  let high = known.reduce((one, other) => Math.max(one, other));
  const span = high - low || Math.abs(high) || 1;
  for (const { at } of levels) {
    if (at > low - 8 * span && at < high + 8 * span) [low, high] = [Math.min(low, at), Math.max(high, at)];
  }
  const room = 0.08 * (high - low || span);
  return [low - room, high + room];
}

/** @param {number} width @param {Line[]} lines @param {any[]} levels @param {Mark[]} marks @param {string} unit @param {{current: number}} point  the one that is read @returns {any} */
function options(width, lines, levels, marks, unit, point) {
  const axis = { stroke: () => colour("--quiet"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line"), width: 1 }, font: "12px system-ui" };
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: true }, y: { range: () => reach(lines, levels) } },
    series: [{}, ...lines.map((line) => ({
      label: line.label, stroke: () => colour(line.stroke), width: line.points ? 0 : (line.width ?? 1.5), dash: line.dash, spanGaps: false,
      paths: line.points ? () => null : undefined, points: line.points ? { show: true, size: 6, fill: () => colour(line.stroke), stroke: () => colour(line.stroke) } : { show: false },
    }))],
    axes: [{ ...axis, space: 90, values: days }, { ...axis, label: unit === "1" ? "" : unit, labelSize: 20, labelFont: "12px system-ui", size: 70 }],
    hooks: { draw: [(/** @type {any} */ chart) => overlay(chart, levels, [...marks, reading(chart, point.current)])] },
  };
}

/** Days as they are written everywhere here. @param {any} _ @param {number[]} ticks */
function days(_, ticks) {
  const within = ticks.length > 1 && ticks[1] - ticks[0] < 86_400;
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const day = `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
    return within ? `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}\n${day}` : day;
  });
}

/** @param {any} chart @param {number} at @returns {Mark} */
function reading(chart, at) {
  return { atMs: (chart.data[0][at] ?? 0) * 1000, label: "", stroke: "--text", dash: [1, 3] };
}

/** @param {any} chart @param {any[]} levels @param {Mark[]} marks */
function overlay(chart, levels, marks) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.font = `${11 * devicePixelRatio}px system-ui`;
  for (const level of levels) {
    const y = chart.valToPos(level.at, "y", true);
    stroke(ctx, level.stroke, [2, 4], bbox.left, y, bbox.left + bbox.width, y);
    ctx.fillText(level.label, bbox.left + 6, y - 4);
  }
  for (const mark of marks) {
    const x = chart.valToPos(mark.atMs / 1000, "x", true);
    stroke(ctx, mark.stroke, mark.dash ?? [], x, bbox.top, x, bbox.top + bbox.height);
    ctx.fillText(mark.label, x + 4, bbox.top + 14 * devicePixelRatio);
  }
  ctx.restore();
}

/** @param {any} ctx @param {string} name @param {number[]} dash @param {number} x @param {number} y @param {number} toX @param {number} toY */
function stroke(ctx, name, dash, x, y, toX, toY) {
  ctx.strokeStyle = ctx.fillStyle = colour(name);
  ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

/** Draw again when somebody goes from dark to light. */
function useTheme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "");
  useEffect(() => {
    const watched = new MutationObserver(() => setTheme(document.documentElement.dataset.theme ?? ""));
    watched.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => watched.disconnect();
  }, []);
  return theme;
}
