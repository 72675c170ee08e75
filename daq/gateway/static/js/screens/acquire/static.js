// A view that stands still: what the heads see now, or what they have counted in this view; energies below.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { Scopes, ViewControls } from "../../widgets/scope.js";
import { Spectrum } from "../../widgets/spectrum.js";

/** Before the start one positions by what fades; then the view grows. @param {{phase: string}} given */
export function Heads({ phase }) {
  const [chosen, setChosen] = useState(/** @type {"scope" | "counts" | null} */ (null));
  const usual = ["running", "review", "ending", "after", "paused"].includes(phase) ? "counts" : "scope";
  const what = chosen ?? usual;
  return html`<${Card} class="heads" label=${t("acquire.heads_")}>
    <div class="spread heads-tools"><div class="row tight" role="group" aria-label=${t("acquire.shown")}>${/** @type {const} */ (["scope", "counts"]).map((each) => html`<button type="button" aria-pressed=${each === what} onClick=${() => setChosen(each)}>${t(`acquire.show.${each}`)}</button>`)}</div>
      <${FoldedControls} fades=${what === "scope"} /></div>
    <${Scopes} what=${what} controls=${false} />
  <//>`;
}

/** The controls of the pictures, folded away until somebody wants them. @param {{fades: boolean}} given */
export function FoldedControls({ fades }) {
  const [open, setOpen] = useState(false);
  return html`<div class="folded"><button type="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${t("pictures.display")}</button>
    ${open && html`<div class="folded-body card"><${ViewControls} fades=${fades} /></div>`}</div>`;
}

export function Energies() {
  return html`<${Card} class="energies" title=${t("pictures.spectrum")}><${Spectrum} height=${150} /><//>`;
}

/** @param {{phase: string}} given */
export default function Static({ phase }) {
  return html`<${Heads} phase=${phase} /><${Energies} />`;
}
