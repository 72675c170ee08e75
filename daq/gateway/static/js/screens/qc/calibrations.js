// Where each calibration stands in its life; steps are taken under Service.
import { html } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { t } from "../../strings.js";
import { Card, Notice, useAsked, Waiting } from "../../ui.js";
import { when } from "../../qcwords.js";

export function Calibrations() {
  const revision = useLive((live) => live.revisions.calibrations);
  const asked = useAsked(() => ask("calibrations"), [revision]);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const folders = /** @type {any[]} */ (asked.value.folders);
  return html`<div class="stack"><p class="quiet">${t("qc.calibration.hint")} <a href=${address("service")}>${t("qc.calibration.service")}</a></p>
    ${folders.length === 0 && html`<p>${t("qc.calibration.none")}</p>`}
    ${folders.map((folder) => html`<${Folder} key=${folder.folder} folder=${folder} />`)}</div>`;
}

/** @param {{folder: any}} given */
function Folder({ folder }) {
  const title = t(`qc.calibration.of.${folder.folder}`);
  return html`<${Card} title=${title}>
    ${folder.problem && html`<${Notice} level="medium"><span>${folder.problem}</span><//>`}
    <p class="quiet">${t(folder.life_cycle ? "qc.calibration.cycle" : "qc.calibration.noCycle")}</p>
    ${folder.calibrations.length === 0 ? html`<p>${t("qc.calibration.empty")}</p>` : html`<div class="qc-scroll" tabindex="0" role="region" aria-label=${title}><table>
      <thead><tr>${["name", "what", "state", "made", "checked", "by"].map((each) => html`<th scope="col" key=${each}>${t(`qc.calibration.${each}`)}</th>`)}</tr></thead>
      <tbody>${folder.calibrations.map((/** @type {any} */ each) => html`<tr key=${each.calibration}><td>${each.calibration}</td><td>${each.of}</td><td><strong>${each.state}</strong>${each.reason ? html`<br /><span class="quiet">${each.reason}</span>` : ""}</td>
        <td>${each.made}</td><td>${each.checked ?? ""}</td><td>${each.by ? `${each.by}, ${when(each.at_utc)}` : ""}</td></tr>`)}</tbody></table></div>`}
  <//>`;
}
