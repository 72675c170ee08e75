// The station itself: versions, what limits its host, who holds control, whether it is simulated.
import { html } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Card, Chip, Facts, useAsked, Waiting } from "../../ui.js";
import { Consoles } from "./consoles.js";

/** @param {{may: boolean}} given */
export function Station({ may }) {
  const who = useSession();
  const versions = useLive((live) => live.description?.versions) ?? {};
  const holder = useLive((live) => live.control?.holder);
  return html`<div class="stack"><div class="grid-2">
    <${Card} title=${t("service.simulator")}><div class="stack"><strong>${t(who?.simulated ? "service.isSimulated" : "service.isHardware")}</strong><p>${t("service.simulatorWhy")}</p></div><//>
    <${Card} title=${t("service.connected")}><p>${holder ? holder.user : t("service.nobody")}</p><//>
    <${Card} title=${t("service.versions")}><${Facts} rows=${Object.entries(versions)} /><//></div>
    ${may && html`<${Consoles} />`}<${Host} /></div>`;
}

function Host() {
  const asked = useAsked(() => ask("host-health"), []);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  return html`<${Card} title=${t("service.host")}><table><thead><tr><td></td><th scope="col">${t("service.host")}</th><th scope="col">${t("service.hostFound")}</th><th scope="col">${t("service.hostWanted")}</th></tr></thead>
    <tbody>${asked.value.findings.map((/** @type {any} */ each) => html`<tr key=${each.key}><td><${Chip} level=${each.verdict === "good" ? "good" : ""}>${t(`service.hostVerdicts.${each.verdict}`)}<//></td>
      <th scope="row">${each.what}</th><td>${each.value}</td><td>${each.want}${each.mend && html`<div class="quiet">${each.mend}</div>`}</td></tr>`)}</tbody></table><//>`;
}
