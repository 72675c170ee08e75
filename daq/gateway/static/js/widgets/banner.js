// Whose data this is: always visible. Of the acquisition under way, else of who lies on the bed, else the chosen entry.
import { html, useEffect, useRef, useState } from "../preact.js";
import { ask } from "../api.js";
import { useChosen } from "../chosen.js";
import { activity, timeOfDay } from "../format.js";
import { personName, sexLetter } from "../identity.js";
import { useLive } from "../live.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Chip } from "../ui.js";

const LATE_MS = 500;

export function Banner() {
  const who = useSession();
  const may = mayAs(who, "technologist");
  const patient = usePatient(may);
  if (!may) return html`<section class="banner" aria-label=${t("banner.label")}><span class="quiet">${t("banner.notForViewers")}</span></section>`;
  return html`<section class=${`banner ${patient?.of === "entry" ? "chosen" : ""}`} aria-label=${t("banner.label")}><${Shown} patient=${patient} /></section>`;
}

/** @param {{patient: any}} given */
function Shown({ patient }) {
  if (!patient) return html`<span class="quiet">${t("banner.notKnown")}</span>`;
  if (patient.of === "none") return html`<span class="quiet">${t("shell.noPatient")}</span>`;
  if (patient.of === "qc") return html`<span>${t("banner.qc", { test: patient.test })}</span>`;
  if (!patient.identity) return html`<span>${t("banner.nobodySaid")}</span>`;
  const told = patient.identity;
  const born = [told.birth_date && t("banner.born", { date: told.birth_date }), sexLetter(told.sex) && `(${sexLetter(told.sex)})`].filter(Boolean).join(" ");
  const given = patient.activity ? `${activity(patient.activity.mbq)} @ ${timeOfDay(patient.activity.at_utc)}` : "";
  const exam = [patient.exam, patient.agent || patient.nuclide, given].filter(Boolean).join(" · ");
  return html`<div class="first"><strong dir="auto">${personName(told.name)}</strong>
      ${patient.of === "entry" && html`<${Chip}>${t("banner.chosen")}<//>`}
      ${patient.of === "bed" && html`<${Chip}>${t("banner.onBed")}<//>`}
      ${patient.temporary && html`<${Chip}>${t("worklist.temporary")}<//>`}
      ${patient.to_countersign && html`<${Chip}>${t("worklist.toCountersign")}<//>`}</div>
    <div class="second"><span>${t("banner.id")} <bdi>${told.patient_id}</bdi></span>
      ${born && html`<span>${born}</span>`}
      ${told.accession_number && html`<span>${t("banner.accession")} <bdi>${told.accession_number}</bdi></span>`}</div>
    ${exam && html`<span class="quiet said" dir="auto" title=${exam}>${exam}</span>`}`;
}

/** Who it is; asked again whenever the run, the bed, the list or the choice changes. @param {boolean} may */
function usePatient(may) {
  const chosen = useChosen();
  const run = useLive((live) => live.status?.run ?? null);
  const state = useLive((live) => live.status?.state ?? null);
  const revision = useLive((live) => live.revisions.worklist ?? 0);
  const bed = useLive((live) => live.readings["patient on_bed"]?.value ?? null);
  const connected = useLive((live) => live.connected);
  const [patient, setPatient] = useState(/** @type {any} */ (null));
  const shown = useRef("");
  useEffect(() => {
    if (!may || !connected) return undefined;
    let wanted = true;
    const whose = `${run} ${chosen} ${bed}`;
    const tell = (/** @type {any} */ told) => {
      clearTimeout(late);
      if (!wanted) return;
      shown.current = told ? whose : "";
      setPatient(told);
    };
    const late = whose === shown.current ? undefined : setTimeout(() => tell(null), LATE_MS); // nobody rather than who was before
    ask("patient", chosen ? { entry: chosen } : {}).then(tell, () => tell(null)); // the banner then says that it is not known
    return () => {
      wanted = false;
      clearTimeout(late);
    };
  }, [may, connected, chosen, run, state, revision, bed]);
  return patient;
}
