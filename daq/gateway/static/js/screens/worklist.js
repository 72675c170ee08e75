// Home: who comes today.
import { html } from "../preact.js";
import { t } from "../strings.js";

export default function Worklist() {
  return html`<h1>${t("shell.screens.worklist")}</h1>`;
}
