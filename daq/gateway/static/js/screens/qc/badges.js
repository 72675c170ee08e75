// Small parts of quality control: the level in a word with its sign, the gauge of a value, the line of the last days.
import { html } from "../../preact.js";
import { t } from "../../strings.js";
import { Chip } from "../../ui.js";
import { bounds, gaugeRange, levelOf, valued } from "../../qcwords.js";

/** @param {{level: string | null | undefined, large?: boolean}} given */
export function LevelBadge({ level, large = false }) {
  const { sign, tone, key } = levelOf(level);
  return html`<span class=${`qc-level ${large ? "large" : ""}`}><${Chip} level=${tone}><span aria-hidden="true">${sign}</span> ${t(`qc.levels.${key}`)}<//></span>`;
}

const WIDE = 240;
const HIGH = 30;

/**
 * A value between its bounds, with what counting alone gives.
 * @param {{figure: any}} given  a figure with its limit, the worst subject first
 */
export function Gauge({ figure }) {
  const first = figure.each[0];
  if (!first || first.value === null) return null;
  const [least, most] = gaugeRange(first.value, figure.noise_kind === "floor" ? first.noise : null, figure.limit);
  const x = (/** @type {number} */ at) => ((at - least) / (most - least)) * WIDE;
  const floor = figure.noise_kind === "floor" && first.noise !== null;
  const noise = first.noise === null ? t("qc.noNoise") : t(floor ? "qc.noise" : "qc.deviation", { value: valued(first.noise, figure.unit) });
  const words = figure.limit?.words ?? "";
  const label = t("qc.gauge", { about: figure.about, subject: first.subject || t("qc.whole"), value: valued(first.value, figure.unit), limit: words, noise });
  return html`<div class="qc-gauge">
    <div class="spread"><span>${figure.about}${first.subject ? `, ${first.subject}` : ""}</span><strong class="number">${valued(first.value, figure.unit)}</strong></div>
    <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${label} preserveAspectRatio="none">
      <rect class="qc-gauge-ground" x="0" y="11" width=${WIDE} height="8" />
      ${floor && html`<rect class="qc-gauge-noise" x=${x(Math.max(0, least))} y="11" width=${Math.max(0, x(first.noise) - x(Math.max(0, least)))} height="8" />`}
      ${bounds(figure.limit).map((each) => html`<line class=${`qc-gauge-${each.level}`} x1=${x(each.at)} x2=${x(each.at)} y1="3" y2="27" />`)}
      <path class="qc-gauge-value" d=${`M${x(first.value)} 8 l6 -8 h-12 z M${x(first.value) - 1.2} 6 h2.4 v16 h-2.4 z`} />
    </svg>
    <small class="quiet">${words ? t("qc.ofLimit", { words }) : t("qc.result.noLimit")} · ${noise}</small>
  </div>`;
}

/**
 * The results of the last 30 days of a figure, with the bounds that are near.
 * @param {{spark: any, about: string, nowUtc: string}} given  `points`: [ms, value, level]
 */
export function Spark({ spark, about, nowUtc }) {
  const points = spark?.points ?? [];
  if (points.length < 2) return null;
  const now = Date.parse(nowUtc);
  const values = points.map((/** @type {any} */ each) => each[1]);
  const near = bounds(spark).filter((each) => Math.abs(each.at) < 4 * Math.max(...values.map(Math.abs)));
  const low = Math.min(...values, ...near.map((each) => each.at));
  const high = Math.max(...values, ...near.map((each) => each.at));
  const span = high - low || 1;
  const x = (/** @type {number} */ ms) => WIDE - 4 - ((now - ms) / 2_592_000_000) * (WIDE - 8);
  const y = (/** @type {number} */ value) => 42 - ((value - low) / span) * 36;
  const line = points.map((/** @type {any} */ each, /** @type {number} */ at) => `${at ? "L" : "M"}${x(each[0]).toFixed(1)} ${y(each[1]).toFixed(1)}`).join(" ");
  const label = t("qc.spark", { about, count: points.length, low: valued(Math.min(...values), spark.unit), high: valued(Math.max(...values), spark.unit) });
  return html`<svg class="qc-spark" viewBox=${`0 0 ${WIDE} 48`} role="img" aria-label=${label} preserveAspectRatio="none">
    ${near.map((each) => html`<line class=${`qc-gauge-${each.level}`} x1="0" x2=${WIDE} y1=${y(each.at)} y2=${y(each.at)} />`)}
    <path class="qc-spark-line" d=${line} />
    ${points.map((/** @type {any} */ each) => html`<circle class="qc-spark-point" cx=${x(each[0])} cy=${y(each[1])} r="2" />`)}
  </svg>`;
}
