// How windows and shifts of peaks are written. Pure.
import { t } from "../../strings.js";

/** `photopeak 126.5 to 154.6 keV`; `bare`: without the name. @param {{name: string, lower_kev: number, upper_kev: number}} window @param {boolean} [bare] */
export function edgesText(window, bare = false) {
  const edges = t("pictures.windowIs", { lower: window.lower_kev.toFixed(1), upper: window.upper_kev.toFixed(1) });
  return bare ? edges : `${window.name} ${edges}`;
}

/** `Head 0: -1.92 ± 0.07 keV`. @param {{head: number, shift_kev: number | null, error_kev: number | null}} head */
export function shiftText({ head, shift_kev: shift, error_kev: error }) {
  const name = t("pictures.head", { number: head });
  return shift === null || error === null ? `${name}: –` : `${name}: ${shift < 0 ? "−" : "+"}${Math.abs(shift).toFixed(2)} ± ${error.toFixed(2)} keV`;
}
