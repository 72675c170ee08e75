// A figure on a bed, seen from the side, the gantry at the left: how the patient lies. Drawn from the orientation alone.
import { html } from "../../preact.js";
import { t } from "../../strings.js";

/**
 * @param {{orientation: string}} given  `HFS`, `FFDL` ...: head or feet first; supine, prone, on the left or right side
 */
export function Figure({ orientation }) {
  const headFirst = orientation.startsWith("H");
  const posture = orientation.slice(2);
  const flip = headFirst ? "" : "translate(200 0) scale(-1 1)";
  return html`<svg class="figure" viewBox="0 0 240 84" role="img" aria-label=${t(`setup.orientations.${orientation}`)}>
    <rect x="4" y="6" width="16" height="72" rx="8" class="ring" />
    <rect x="34" y="58" width="200" height="7" rx="3" class="bed" />
    <rect x="120" y="65" width="18" height="15" class="bed" />
    <g transform=${`translate(34 0) ${flip}`}>${body(posture)}</g>
    ${posture.startsWith("D") && html`<text x=${headFirst ? 98 : 138} y="34" class="mark">${posture === "DL" ? "L ↓" : "R ↓"}</text>`}
  </svg>`;
}

/** A body with its head at the left. Nose and toes point up when supine, down when prone. @param {string} posture */
function body(posture) {
  const side = posture === "DL" || posture === "DR";
  const prone = posture === "P";
  const torso = side ? 20 : 15;
  const top = 58 - torso;
  const nose = prone ? "M8 54 l-2 4 l5 -1 z" : "M8 36 l-2 -5 l5 2 z";
  const foot = prone ? "M186 50 l0 8 l6 0 z" : "M186 50 l0 -13 l6 3 l0 10 z";
  return html`
    <circle cx="14" cy=${side ? 44 : 46} r=${side ? 12 : 11} class="person" />
    ${!side && html`<path d=${nose} class="person" />`}
    <rect x="27" y=${top} width="74" height=${torso} rx="7" class="person" />
    <rect x="98" y=${top + (side ? 4 : 3)} width="90" height=${torso - (side ? 6 : 5)} rx="5" class="person" />
    ${!side && html`<path d=${foot} class="person" />`}
    ${side && html`<path d="M34 46 h46 v6 h-46 z" class="arm" />`}
    ${!side && html`<path d=${`M40 ${top + 5} h52 v5 h-52 z`} class="arm" />`}`;
}
