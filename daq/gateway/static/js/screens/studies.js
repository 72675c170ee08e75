// Studies: what was recorded, found fast; a page for each.
import { html, useEffect, useState } from "../preact.js";
import { ask } from "../api.js";
import { bytes, dayTime } from "../format.js";
import { personName } from "../identity.js";
import { useLive } from "../live.js";
import { address } from "../router.js";
import { t } from "../strings.js";
import { Button, Chip, Field, useAsked, Waiting } from "../ui.js";
import { StudyPage } from "./studies/page.js";
import { Whose } from "./studies/whose.js";
import { fateOf, fileAddress, levelOf, SIGNS, span } from "./studies/words.js";

const PAGE = 50;
const TYPED_MS = 300;
const STATES = ["completed", "interrupted", "aborted", "fault", "open", "damaged", "missing"];

/** @param {{path: string[]}} given */
export default function Studies({ path }) {
  if (path[0] === "-whose") return html`<${Whose} key=${path[1]} study=${path[1]} />`; // no id begins with a dash
  if (path[0] === "-entry") return html`<${Whose} key=${path[1]} entry=${path[1]} />`;
  return path[0] ? html`<${StudyPage} key=${path[0]} study=${path[0]} acquisition=${path[1]} />` : html`<${List} />`;
}

function List() {
  const [day, setDay] = useState("");
  const [state, setState] = useState("");
  const [typed, setTyped] = useState("");
  const [text, setText] = useState("");
  const [offset, setOffset] = useState(0);
  const revision = useLive((live) => live.revisions.studies);
  useEffect(() => {
    const timer = setTimeout(() => setText(typed), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => setOffset(0), [day, state, text]);
  const asked = useAsked(() => ask("studies", { offset, limit: PAGE, text, day: day || null, state: state || null }), [offset, day, state, text, revision]);
  const found = asked.value;
  const states = [{ value: "", label: t("studies.anyState") }, ...STATES.map((value) => ({ value, label: t(`studies.states.${value}`) }))];
  return html`<div class="stack studies-screen">
    <h1>${t("studies.title")}</h1>
    <div class="row studies-search">
      <${Field} label=${t("studies.day")} type="date" value=${day} onInput=${setDay} />
      <${Field} label=${t("studies.state")} value=${state} options=${states} onInput=${setState} />
      <${Field} label=${t("studies.search")} type="search" value=${typed} onInput=${setTyped} maxlength="100" hint=${t("studies.searchHint")} />
    </div>
    <${Waiting} of=${found ? { ...asked, loading: false } : asked} />
    ${found && html`<${Rows} studies=${found.studies} /><${Pager} found=${found} offset=${offset} onOffset=${setOffset} />`}
  </div>`;
}

/** @param {{studies: any[]}} given */
function Rows({ studies }) {
  if (!studies.length) return html`<p class="card">${t("studies.none")}</p>`;
  const heads = ["picture", "patient", "begun", "protocol", "acquisitions", "verdict"];
  return html`<section class="card"><table class="studies-list"><caption class="hidden-text">${t("studies.list")}</caption>
    <thead><tr>${heads.map((name) => html`<th scope="col">${t(`studies.${name}`)}</th>`)}</tr></thead>
    <tbody>${studies.map((study) => html`<${Row} key=${study.study} study=${study} />`)}</tbody></table></section>`;
}

/** @param {{study: any}} given */
function Row({ study }) {
  const place = address("studies", study.study);
  const fates = [...new Set(study.acquisitions.map(fateOf))];
  const size = study.acquisitions.reduce((/** @type {number} */ sum, /** @type {any} */ row) => sum + row.size_bytes, 0);
  return html`<tr class="choice" onClick=${() => (location.hash = place)}>
    <td class="studies-thumbnail">${study.pictured
      ? html`<img loading="lazy" src=${fileAddress(study.pictured, "thumbnail.png")} alt=${t("studies.thumbnail", { id: study.pictured })} />`
      : html`<span class="quiet">${t("studies.noPicture")}</span>`}</td>
    <td><a href=${place} class="studies-name">${study.patient ? personName(study.patient.name) : t("studies.noPatient")}</a>
      ${study.patient && html`<div class="quiet">${t("studies.number", { id: study.patient.patient_id })}${study.patient.birth_date && ` · ${t("studies.born", { date: study.patient.birth_date })}`}</div>`}
      <${Flags} study=${study} /></td>
    <td class="studies-when">${dayTime(study.begun_utc)}</td>
    <td>${study.protocols.join(", ")}${study.labels.length > 0 && html`<div class="quiet">${study.labels.join(", ")}</div>`}</td>
    <td><span class="number">${study.acquisitions.length}</span> · ${fates.map((/** @type {string} */ fate) => t(`studies.states.${fate}`)).join(", ")}<div class="quiet">${bytes(size)}</div></td>
    <td><${Grade} grade=${study.grade} />${study.sentence && html`<div class="quiet studies-sentence">${study.sentence}</div>`}</td>
  </tr>`;
}

/** @param {{study: any}} given */
function Flags({ study }) {
  const said = [
    study.simulated && t("studies.simulated"), study.patient?.temporary && t("studies.temporary"),
    study.patient?.to_countersign && t("studies.toCountersign"), study.not_for_diagnosis && t("studies.notForDiagnosis"),
    study.corrected && t("studies.corrected"),
  ].filter(Boolean);
  return said.length ? html`<div class="row studies-flags">${said.map((text) => html`<${Chip}>${text}<//>`)}</div>` : null;
}

/** @param {{grade: string | null}} given */
export function Grade({ grade }) {
  if (!grade) return html`<${Chip}>${t("studies.noGrade")}<//>`;
  return html`<${Chip} level=${levelOf(grade)}><span aria-hidden="true">${SIGNS[grade]}</span> ${t(`studies.grades.${grade}`)}<//>`;
}

/** @param {{found: any, offset: number, onOffset: (offset: number) => void}} given */
function Pager({ found, offset, onOffset }) {
  const shown = span(offset, found.studies.length, found.total);
  return html`<div class="actions"><span class="number">${t("studies.shown", shown)}</span>
    <${Button} disabled=${offset === 0} onPress=${() => onOffset(Math.max(0, offset - PAGE))}>${t("studies.newer")}<//>
    <${Button} disabled=${shown.last >= found.total} onPress=${() => onOffset(offset + PAGE)}>${t("studies.older")}<//></div>`;
}
