// One study: whose it is, the verdict in words, a tab for each acquisition.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { activity, dayTime } from "../../format.js";
import { personName } from "../../identity.js";
import { useLive } from "../../live.js";
import { address, go, goWith } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { Grade } from "../studies.js";
import { Acquisition } from "./acquisition.js";

/** @param {{study: string, acquisition?: string}} given */
export function StudyPage({ study, acquisition }) {
  const revision = useLive((live) => live.revisions.studies);
  const asked = useAsked(() => ask("study", { study }), [study, revision]);
  const found = asked.value;
  const back = html`<p><a href=${address("studies")}>${t("studies.back")}</a></p>`;
  if (!found) return html`<div class="stack"><h1>${t("studies.title")}</h1>${back}<${Waiting} of=${asked} /></div>`;
  const rows = [...found.acquisitions].reverse();
  const shown = rows.find((row) => row.id === acquisition) ?? rows[rows.length - 1];
  return html`<div class="stack studies-screen">
    ${back}<${Whose} found=${found} />
    ${found.sentences.length > 0 && html`<${Card} title=${t("studies.sentences")}><ul class="plain-list">${found.sentences.map((/** @type {string} */ text) => html`<li>${text}</li>`)}</ul><//>`}
    ${found.grade_problem && html`<${Notice}>${found.grade_problem}<//>`}
    <${Tabs} rows=${rows} shown=${shown} onChoose=${(/** @type {string} */ id) => go("studies", found.study, id)} />
    <div role="tabpanel" id="acquisition-panel" aria-labelledby=${`tab-${shown.id}`}><${Acquisition} key=${shown.id} row=${shown} exports=${found.exports} /></div>
  </div>`;
}

/** @param {{found: any}} given */
function Whose({ found }) {
  const patient = found.patient;
  return html`<section class="card studies-whose" aria-label=${t("studies.identity")}>
    <div class="spread"><div>
      <h1>${patient ? personName(patient.name) : t("studies.noPatient")}</h1>
      <p>${patient ? [t("studies.number", { id: patient.patient_id }), patient.birth_date && t("studies.born", { date: patient.birth_date })].filter(Boolean).join(" · ") : found.no_patient}</p>
      <p class="quiet">${t("studies.study", { key: found.study })} · ${t("studies.administration")}: ${given(found.administration)}</p>
    </div><div class="row">
      ${found.simulated && html`<${Chip}>${t("studies.simulated")}<//>`}
      ${patient?.temporary && html`<${Chip}>${t("studies.temporary")}<//>`}<${Grade} grade=${found.grade} />
      ${patient && found.acquisitions.length > 0 && html`<${LateView} run=${found.acquisitions[0].id} />`}</div></div>
    ${patient && html`<${Corrections} patient=${patient} study=${found.study} />`}
  </section>`;
}

/** Another view of the same study, of a patient who comes back. @param {{run: string}} given */
function LateView({ run }) {
  const who = useSession();
  if (!mayAs(who, "technologist")) return null;
  const open = async () => {
    const { entry } = await command("worklist-late", { run });
    goWith(["setup", entry], { late: "1" });
  };
  return html`<${Button} onPress=${open}>${t("worklist.late")}<//>`;
}

/** @param {any} record */
function given(record) {
  if (!record) return t("studies.noAdministration");
  return t("studies.given", { nuclide: record.nuclide ?? t("shell.unknown"), mbq: activity(record.net_mbq ?? record.assayed_mbq) });
}

/** Both identities, who changed them and why; where they are changed. @param {{patient: any, study: string}} given */
function Corrections({ patient, study }) {
  const who = useSession();
  const [missing, setMissing] = useState(false);
  const find = async () => {
    const { entries } = await ask("worklist-find", { number: patient.patient_id });
    setMissing(entries.length === 0);
    if (entries.length === 1) go("setup", entries[0]);
    else if (entries.length > 1) tell(t("worklist.several", { count: entries.length })); // which one this study is of is not guessed
  };
  return html`<details class="studies-identity" open=${patient.to_countersign}><summary>${t("studies.correctIdentity")}</summary><div class="stack">
    ${patient.corrections.map((/** @type {any} */ done) => html`<div>
      ${done.reassigned && html`<p><strong>${t("studies.identityGiven")}</strong></p>`}
      <p>${t("studies.identityBefore")}: <strong>${personName(done.before.name)}</strong>, ${t("studies.number", { id: done.before.patient_id })}</p>
      <p>${t("studies.identityNow")}: <strong>${personName(patient.name)}</strong>, ${t("studies.number", { id: patient.patient_id })}</p>
      <p class="quiet">${t("studies.identityChange", { by: done.by, time: dayTime(done.at_utc), why: done.reason })} · ${done.countersigned_by
        ? t("studies.countersignedBy", { user: done.countersigned_by }) : t("studies.waitsSecond", { by: done.by })}</p></div>`)}
    <p>${t("studies.correctAbout")}</p>
    ${mayAs(who, "technologist") && html`<div class="row"><a class="button" href=${address("studies", "-whose", study)}>${t(patient.temporary ? "studies.linkTrue" : "studies.giveAway")}</a>
      <${Button} onPress=${() => find().catch(tell)}>${t("studies.findEntry")}<//></div>`}
    ${missing && html`<p role="status">${t("studies.noEntry")}</p>`}</div></details>`;
}

/** @param {{rows: any[], shown: any, onChoose: (id: string) => void}} given */
function Tabs({ rows, shown, onChoose }) {
  const move = (/** @type {KeyboardEvent} */ event) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = rows[rows.indexOf(shown) + by];
    if (!by || !next) return;
    onChoose(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${t("studies.tabs")} onKeyDown=${move}>${rows.map((row) => html`<button type="button" role="tab" id=${`tab-${row.id}`} key=${row.id}
    aria-selected=${row === shown} aria-controls="acquisition-panel" tabindex=${row === shown ? 0 : -1} onClick=${() => onChoose(row.id)}>${t("studies.tab", {
      session: row.session ?? 1, time: dayTime(row.created_utc), protocol: row.label || row.protocol || row.profile || row.id,
    })}</button>`)}</div>`;
}
