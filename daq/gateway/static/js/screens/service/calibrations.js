// Calibrations and where each stands in its life; a physicist signs, activates, rolls back.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { dayTime } from "../../format.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";

const STEPS = /** @type {Record<string, string>} */ ({ candidate: "sign", verified: "sign", superseded: "sign", "rolled back": "sign", "rolled-back": "sign", signed: "activate", active: "roll-back" });

export function Calibrations() {
  const who = useSession();
  const revision = useLive((live) => live.revisions.calibrations);
  const asked = useAsked(() => ask("calibrations"), [revision]);
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  if (!asked.value.folders.length) return html`<p class="card">${t("service.calibrationsNone")}</p>`;
  const may = mayAs(who, "physicist");
  return html`<div class="stack">${!may && html`<p class="quiet">${t("service.physicist")}</p>`}
    ${asked.value.folders.map((/** @type {any} */ folder) => html`<${Folder} key=${folder.folder} folder=${folder} may=${may} />`)}</div>`;
}

/** @param {{folder: any, may: boolean}} given */
function Folder({ folder, may }) {
  const [chosen, setChosen] = useState(/** @type {any} */ (null));
  const columns = ["calibration", "state", "made", "checkedBy", "by"];
  return html`<${Card} title=${t(`service.folder.${folder.folder}`)}><div class="stack">
    ${folder.problem && html`<${Notice} level="medium">${folder.problem}<//>`}
    ${!folder.life_cycle && html`<p>${t("service.noLifecycle")}</p>`}
    <table class="service-calibrations"><thead><tr>${columns.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}<td></td></tr></thead>
    <tbody>${folder.calibrations.map((/** @type {any} */ row) => html`<tr key=${row.calibration}><th scope="row">${row.calibration}<div class="quiet">${row.of}</div></th>
      <td><${Chip} level=${row.state === "active" ? "good" : ""}>${row.state}<//></td><td>${row.made}</td><td>${row.checked === "no" ? t("service.notChecked") : row.checked}</td>
      <td>${row.by && `${row.by}, ${dayTime(row.at_utc)}`}<div class="quiet">${row.reason}</div></td>
      <td>${may && folder.life_cycle && STEPS[row.state] && html`<${Offered} row=${row} onPress=${() => setChosen(row)} />`}</td></tr>
      ${chosen?.calibration === row.calibration && html`<tr><td colspan=${columns.length + 1}><${Step} folder=${folder.folder} row=${chosen} step=${STEPS[chosen.state]} onEnd=${() => setChosen(null)} /></td></tr>`}`)}</tbody></table></div><//>`;
}

/** The next step of its life; what a flood has to verify first is not offered to be signed. @param {{row: any, onPress: () => void}} given */
function Offered({ row, onPress }) {
  const step = STEPS[row.state];
  if (step === "sign" && row.state === "candidate" && !row.names_check) return html`<span class="quiet">${t("service.verifyFirst")}</span>`;
  return html`<${Button} onPress=${onPress}>${t(`service.${step === "roll-back" ? "rollBack" : step}`)}<//>`;
}

/** @param {{folder: string, row: any, step: string, onEnd: () => void}} given */
function Step({ folder, row, step, onEnd }) {
  const [reason, setReason] = useState("");
  const [check, setCheck] = useState("");
  const take = async () => {
    const args = { folder, calibration: row.calibration, sha256: row.sha256, reason };
    await command(`calibration-${step}`, step === "sign" ? { ...args, check } : args);
    tell(t(`service.stepDone.${step}`, { calibration: row.calibration }), "good");
    onEnd();
  };
  return html`<${Notice}><div class="stack"><h3>${t(`service.stepTitle.${step}`, { calibration: row.calibration })}</h3><p>${t(`service.stepAbout.${step}`)}</p>
    <${Field} label=${t("service.reason")} value=${reason} onInput=${setReason} rows="2" maxlength="500" />
    ${step === "sign" && row.names_check && html`<${Field} label=${t("service.checkText")} value=${check} onInput=${setCheck} maxlength="400" />`}
    <div class="row"><${Button} onPress=${onEnd}>${t("service.keep")}<//><${Button} kind="primary" why=${t("service.reasonFirst")} disabled=${reason.trim().length < 3 || (step === "sign" && row.names_check && !check.trim())} onPress=${take}>${t(`service.${step === "roll-back" ? "rollBack" : step}`)}<//></div></div><//>`;
}
