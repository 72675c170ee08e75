// Whose data this is: always visible.
import { html } from "../preact.js";
import { t } from "../strings.js";

export function Banner() {
  return html`<section class="banner" aria-label=${t("shell.noPatient")}><span class="quiet">${t("shell.noPatient")}</span></section>`;
}
