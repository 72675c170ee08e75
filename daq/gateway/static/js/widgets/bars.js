// Histograms: bars side by side without gaps, one series over the other.
import { html, useMemo } from "../preact.js";
import { Chart } from "./chart.js";

/**
 * @param {object} given
 * @param {{label: string, values: ArrayLike<number>, stroke?: string, fill?: string}[]} given.series  the first is drawn first
 * @param {number} given.low  where the first bin begins
 * @param {number} given.step  width of a bin
 * @param {string} given.x  what the axis says, with its unit
 * @param {string} given.y
 * @param {string} given.alternative
 * @param {[number, number]} [given.range]  of x that is shown
 * @param {boolean} [given.log]
 * @param {number} [given.height]
 */
export function Bars({ series, low, step, x, y, alternative, range, log = false, height = 180 }) {
  const bins = series[0]?.values.length ?? 0;
  const edges = useMemo(() => Float64Array.from({ length: bins + 1 }, (_, at) => low + at * step), [bins, low, step]);
  const data = useMemo(() => [edges, ...series.map((each) => closed(each.values))], [edges, ...series.map((each) => each.values)]);
  return html`<${Chart} data=${data} range=${range ?? [low, low + bins * step]} log=${log} height=${height} alternative=${alternative} axes=${{ x, y }}
    series=${series.map((each, at) => ({ label: each.label, stroke: each.stroke ?? (at ? "--text" : "--accent"), fill: each.fill ?? (at ? undefined : "--accent-ground"), stepped: true }))} />`;
}

/** The last bin ends where its edge is: its value stands there, too. @param {ArrayLike<number>} values */
function closed(values) {
  const made = new Float64Array(values.length + 1);
  made.set(values);
  made[values.length] = values.length ? values[values.length - 1] : 0;
  return made;
}
