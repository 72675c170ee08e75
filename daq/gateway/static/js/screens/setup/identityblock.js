// Who it is, in large type, as one asks for it; and what was acquired for the entry before.
import { html } from "../../preact.js";
import { dayTime } from "../../format.js";
import { age, personName, sexLetter } from "../../identity.js";
import { t } from "../../strings.js";
import { Card, Chip, Facts, Notice } from "../../ui.js";

/** @param {{told: any, wristband: boolean}} given */
export function IdentityBlock({ told, wristband }) {
  const who = told.identity;
  const years = age(who.birth_date, new Date(told.now_utc));
  const facts = [
    [t("setup.id"), html`<bdi>${who.patient_id}</bdi>`],
    who.accession_number && [t("setup.accession"), html`<bdi>${who.accession_number}</bdi>`],
    told.weight_kg && [t("setup.weight"), `${told.weight_kg} kg`],
    told.height_m && [t("setup.height"), `${Number(told.height_m).toFixed(2)} m`],
    told.pregnancy !== "unknown" && [t("setup.pregnancy"), told.pregnancy],
    told.referring && [t("setup.referring"), html`<span dir="auto">${personName(told.referring)}</span>`],
    told.reason && told.origin !== "emergency" && [t("setup.reason"), html`<span dir="auto">${told.reason}</span>`],
  ].filter(Boolean);
  return html`<${Card} class="identity">
    <h1 dir="auto">${personName(who.name)}</h1>
    <p class="birth">${who.birth_date && html`${t("setup.born")} <strong class="number">${who.birth_date}</strong>`}
      ${years !== null && html`<span class="quiet">${t("setup.age", { years })}</span>`} ${sexLetter(who.sex) && html`<span>${sexLetter(who.sex)}</span>`}
      ${who.temporary && html`<${Chip}>${t("worklist.temporary")}<//>`} ${told.origin === "phantom" && html`<${Chip}>${t("worklist.phantom")}<//>`}</p>
    ${told.procedure && html`<p class="exam" dir="auto">${told.procedure}</p>`}
    <${Facts} rows=${facts} />
    ${told.medical_alerts && html`<${Notice}><strong>${t("setup.alerts")}</strong> <span dir="auto">${told.medical_alerts}</span><//>`}
    ${told.allergies && html`<${Notice}><strong>${t("setup.allergies")}</strong> <span dir="auto">${told.allergies}</span><//>`}
    ${!who.temporary && told.origin !== "phantom" && html`<p class="ask">${t(wristband ? "setup.readFrom" : "setup.askFor")}</p>`}
  <//>`;
}

/** @param {{runs: any[]}} given */
export function Runs({ runs }) {
  if (!runs.length) return null;
  const rows = runs.map((run) => [`${dayTime(run.at_utc)} · ${run.protocol}`, run.outcome || t("setup.underWay")]);
  return html`<${Card} title=${t("setup.runs")}><${Facts} rows=${rows} /><//>`;
}
