// Quality control in the head of every screen: done and when, due, or failed. It leads to what is to be done.
import { html } from "../preact.js";
import { useLive } from "../live.js";
import { address } from "../router.js";
import { clockText, standing } from "../qcwords.js";
import { t } from "../strings.js";
import { Chip } from "../ui.js";

const TONES = /** @type {const} */ ({ ok: "good", failed: "medium", due: "low", action: "low", none: "low" });
const SIGNS = { ok: "✓", failed: "■", due: "○", action: "▲", none: "○" };

export function QcChip() {
  const tests = useLive((live) => live.qc);
  const { kind, count, at } = standing(Object.values(tests));
  if (!Object.keys(tests).length) return null;
  const words = t(`qc.chip.${kind}`, { count, time: at ? clockText(new Date(at)) : "" });
  return html`<a class="chip-link" href=${address("qc")}><${Chip} level=${TONES[kind]}><span aria-hidden="true">${SIGNS[kind]}</span> ${words}<//></a>`;
}
