// Curves of a result: spectra, profiles. Drawn as lines, with their text beside them.
import { html } from "../../preact.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { number } from "../../qcwords.js";

const WIDE = 480;
const HIGH = 200;

/** @param {{curves: any[]}} given */
export function Curves({ curves }) {
  if (!curves.length) return null;
  return html`<${Card} title=${t("qc.result.curves")}><div class="qc-curves">${curves.map((curve) => html`<${Curve} key=${curve.title} curve=${curve} />`)}</div><//>`;
}

/**
 * The range that is shown: from zero, of what is flat about where it is. The words below a curve say which.
 * @param {number[]} values
 * @returns {[number, number]}
 */
function upright(values) {
  const [low, high] = [values.reduce((one, other) => Math.min(one, other)), values.reduce((one, other) => Math.max(one, other))];
  return low > 0.5 * high ? [low - 0.5 * (high - low), high] : [Math.min(0, low), high];
}

/** @param {{curve: any}} given */
function Curve({ curve }) {
  const known = (/** @type {(number | null)[]} */ values) => /** @type {number[]} */ (values.filter((value) => value !== null));
  const ys = known([...curve.y, ...(curve.fitted ?? [])]);
  const xs = known(curve.x);
  if (!xs.length || !ys.length) return null;
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = upright(ys);
  const x = (/** @type {number} */ at) => ((at - left) / (right - left || 1)) * WIDE;
  const y = (/** @type {number} */ at) => HIGH - ((at - low) / (high - low || 1)) * (HIGH - 6);
  const path = (/** @type {(number | null)[]} */ values) => {
    let draws = false;
    return values.map((value, at) => {
      const here = curve.x[at];
      if (value === null || here === null) {
        draws = false;
        return "";
      }
      const step = `${draws ? "L" : "M"}${x(here).toFixed(1)} ${y(value).toFixed(1)}`;
      draws = true;
      return step;
    }).join(" ");
  };
  const words = t("qc.result.curve", { title: curve.title, y: curve.y_label, x: curve.x_label, count: curve.x.length });
  return html`<figure><svg viewBox=${`0 0 ${WIDE} ${HIGH + 2}`} role="img" aria-label=${words} class="qc-curve">
      ${Object.entries(curve.marks).map(([word, at]) => html`<line key=${word} class="qc-curve-mark" x1=${x(Number(at))} x2=${x(Number(at))} y1="0" y2=${HIGH} />`)}
      <path class="qc-spark-line" d=${path(curve.y)} />${curve.fitted && html`<path class="qc-curve-fit" d=${path(curve.fitted)} />`}
      <line class="qc-curve-axis" x1="0" x2=${WIDE} y1=${HIGH} y2=${HIGH} /></svg>
    <figcaption class="quiet"><strong>${curve.title}</strong> · ${t("qc.result.span", { what: curve.x_label, low: number(left), high: number(right) })} · ${t("qc.result.span", { what: curve.y_label, low: number(low), high: number(high) })}${Object.keys(curve.marks).length ? ` · ${Object.entries(curve.marks).slice(0, 6).map(([word, at]) => `${word} ${number(Number(at))}`).join(", ")}` : ""}</figcaption></figure>`;
}
