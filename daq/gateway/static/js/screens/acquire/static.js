// A view that stands still: what the heads see now, or what they have counted in this view; energies below.
import { html, useState } from "../../preact.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { PhaseNote, Scopes, ViewControls } from "../../widgets/scope.js";
import { Spectrum } from "../../widgets/spectrum.js";
import { ExamWindow } from "./examwindow.js";

/** Before the start, between views and in a pause one positions by what fades; a view grows. @param {{phase: string}} given */
export function Heads({ phase }) {
  const moves = useLive((live) => live.status?.state === "positioning");
  const usual = ["running", "review", "ending", "after"].includes(phase) && !moves ? "counts" : "scope";
  const [chosen, setChosen] = useState(/** @type {{what: "scope" | "counts", of: string} | null} */ (null));
  const what = chosen?.of === usual ? chosen.what : usual;
  return html`<${Card} class="heads" label=${t("acquire.heads_")}>
    <div class="spread heads-tools"><div class="row tight" role="group" aria-label=${t("acquire.shown")}>${/** @type {const} */ (["scope", "counts"]).map((each) => html`<button type="button" aria-pressed=${each === what} onClick=${() => setChosen({ what: each, of: usual })}>${t(`acquire.show.${each}`)}</button>`)}</div>
      <${PhaseNote} what=${what} /><${FoldedControls} fades=${what === "scope"} /></div>
    <${Scopes} what=${what} controls=${false} note=${false} />
  <//>`;
}

/** The controls of the pictures, folded away until somebody wants them. @param {{fades: boolean}} given */
export function FoldedControls({ fades }) {
  const [open, setOpen] = useState(false);
  return html`<div class="folded"><button type="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${t("pictures.display")}</button>
    ${open && html`<div class="folded-body card"><${ViewControls} fades=${fades} /></div>`}</div>`;
}

/** @param {{phase?: string}} given */
export function Energies({ phase }) {
  if (phase === "armed" || phase === "preparing") return html`<${ExamWindow} phase=${phase} />`;
  return html`<${Card} class="energies" title=${t("pictures.spectrum")}><${Spectrum} height=${150} between=${phase !== "review" && phase !== "after"} /><//>`;
}

/** @param {{phase: string}} given */
export default function Static({ phase }) {
  return html`<${Heads} phase=${phase} /><${Energies} phase=${phase} />`;
}
