// A chart that is drawn anew with each frame: uPlot in a box, its colours those of the page.
import uPlot from "../uplot.js";
import { html, useEffect, useRef, useState } from "../preact.js";

const ACROSS_PX = 60;
const UP_PX = 34;

/** The value of a colour of the page. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @typedef {{left: number, top: number, width: number, height: number, min: number, max: number}} Place  of the plot in the box, px, and its x */

/**
 * @param {object} given
 * @param {any} given.data  x, then one array for each series
 * @param {{label: string, stroke: string, fill?: string, stepped?: boolean, dash?: number[]}[]} given.series  colours by their names, such as "--accent"
 * @param {[number, number]} given.range  of x
 * @param {string} given.alternative  what it shows, in words
 * @param {{x: string, y: string}} given.axes
 * @param {boolean} [given.log]
 * @param {number} [given.height]
 * @param {(chart: any) => void} [given.under]  draws below the lines
 * @param {(place: Place) => any} [given.over]  what stands above the plot
 */
export function Chart({ data, series, range, alternative, axes, log = false, height: usual = 220, under, over }) {
  const height = Math.round(usual * scale());
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const drawUnder = useRef(under);
  drawUnder.current = under;
  const [place, setPlace] = useState(/** @type {Place | null} */ (null));
  const theme = useTheme();
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const made = new uPlot(options({ series, range, axes, log, height, width: element.clientWidth, under: (/** @type {any} */ chart) => drawUnder.current?.(chart), told: setPlace }), shown(data, log), element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [log, height, range[0], range[1], axes.x, axes.y, theme, series.map((each) => each.label + each.stroke).join()]);
  useEffect(() => plot.current?.setData(shown(data, log)), [data, log]);
  return html`<div class="chart"><div ref=${box} role="img" aria-label=${alternative} style=${{ height: `${height}px` }}></div>
    ${series.length > 1 && html`<div class="chart-legend">${series.map((each) => html`<span><svg width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" stroke=${`var(${each.stroke})`} stroke-width="2" stroke-dasharray=${each.dash?.join(" ")} /></svg>${each.label}</span>`)}</div>`}
    ${over && place && over(place)}</div>`;
}

/** How much larger texts are than usual: on large screens charts grow with them. */
function scale() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** On a logarithmic axis nothing has no place. @param {any} data @param {boolean} log */
function shown([x, ...values], log) {
  return [x, ...values.map((/** @type {any} */ each) => (log ? Array.from(each, (/** @type {number} */ value) => (value > 0 ? value : null)) : each))];
}

/** @param {any} given @returns {any} */
function options({ series, range, axes, log, height, width, under, told }) {
  const axis = (/** @type {string} */ label) => ({
    label, labelSize: 20 * scale(), labelFont: `${12 * scale()}px system-ui`, font: `${12 * scale()}px system-ui`, space: ACROSS_PX,
    stroke: () => colour("--quiet"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line"), width: 1 },
  });
  /** @type {string} */
  let before = "";
  const tell = (/** @type {any} */ chart) => {
    const place = { left: chart.over.offsetLeft, top: chart.over.offsetTop, width: chart.over.clientWidth, height: chart.over.clientHeight, min: range[0], max: range[1] };
    if (JSON.stringify(place) === before) return;
    before = JSON.stringify(place);
    told(place);
  };
  return {
    width, height, legend: { show: false }, cursor: { show: false }, padding: [10, 12, 0, 0],
    scales: { x: { time: false, range: () => range }, y: log ? { distr: 3, log: 10 } : { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, most > 0 ? most * 1.06 : 1] } },
    series: [{}, ...series.map((/** @type {any} */ each) => ({
      label: each.label, width: 1.5 / devicePixelRatio, points: { show: false }, stroke: () => colour(each.stroke), fill: each.fill ? () => colour(each.fill) : undefined,
      dash: each.dash,
      paths: each.stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
    }))],
    axes: [{ ...axis(axes.x), size: 36 * scale() }, { ...axis(axes.y), size: 58 * scale(), space: UP_PX, ...(log ? { grid: { show: false } } : {}), values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(short) }],
    hooks: { drawClear: [(/** @type {any} */ chart) => under(chart)], draw: [tell] },
  };
}

/** @param {number | null} value */
function short(value) {
  if (value === null) return "";
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
  return Math.abs(value) >= 1e4 ? `${+(value / 1e3).toPrecision(3)} k` : String(+value.toPrecision(3));
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
