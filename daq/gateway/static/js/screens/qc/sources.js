// The register of sealed sources: activities of now, their log, a new one.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { valued, when } from "../../qcwords.js";

const FORMS = ["sheet", "point", "line", "rod", "cylinder", "capsule", "phantom", "vial", "marker", "other"];
const EMPTY = { serial: "", nuclide: "", form: "sheet", activity: "", reference: "", certificate: "", place: "", leak_tested: "", leak_test_next: "" };

/** @param {{name?: string}} given  serial of one source */
export function Sources({ name }) {
  const revision = useLive((live) => live.revisions.qc);
  const who = useSession();
  const asked = useAsked(() => ask("qc-sources", name ? { serial: name } : {}), [name, revision]);
  const told = asked.value;
  if (!told) return html`<${Waiting} of=${asked} />`;
  return html`<div class="stack">
    <${Card} title=${t("qc.source.title")}>
      ${name && html`<p><a href=${address("qc", "sources")}>${t("qc.source.back")}</a></p>`}
      ${told.sources.length === 0 ? html`<p class="quiet">${t("qc.source.none")}</p>` : html`<${Register} sources=${told.sources} />`}
    <//>
    ${name ? html`<${Log} serial=${name} log=${told.log} may=${mayAs(who, "qc")} onDone=${asked.again} />` : (mayAs(who, "qc") ? html`<${Add} onDone=${asked.again} />` : html`<p class="quiet">${t("qc.fewer", { role: "qc" })}: ${t("qc.source.add")}</p>`)}
  </div>`;
}

/** @param {{sources: any[]}} given */
function Register({ sources }) {
  const heads = ["serial", "nuclide", "form", "now", "certificate", "place", "leak", "state"];
  return html`<div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.source.title")}><table>
    <thead><tr>${heads.map((each) => html`<th scope="col" key=${each} class=${each === "now" ? "number" : ""}>${t(`qc.source.${each}`)}</th>`)}</tr></thead>
    <tbody>${sources.map((each) => html`<tr key=${each.serial}><td><a class="qc-link" href=${address("qc", "sources", each.serial)}>${each.serial}</a></td><td>${each.nuclide}</td><td>${t(`qc.source.forms.${each.form}`)}</td>
      <td class="number"><strong>${valued(each.now_mbq, "MBq")}</strong></td><td>${t("qc.source.stated", { activity: each.activity, day: each.reference.slice(0, 10) })}</td><td>${each.place}</td><td>${each.leak_test_next ?? ""}</td>
      <td>${each.gone ? t("qc.source.gone", { day: each.disposed }) : t("qc.source.inUse")}${each.remarks.map((/** @type {string} */ remark) => html`<p class="quiet" key=${remark}>${remark}</p>`)}</td></tr>`)}</tbody>
  </table></div>`;
}

/** @param {{serial: string, log: any[], may: boolean, onDone: () => void}} given */
function Log({ serial, log, may, onDone }) {
  const [note, setNote] = useState("");
  const enter = async () => {
    await command("qc-source", { serial, note: note.trim() });
    setNote("");
    tell(t("qc.source.noted"), "good");
    onDone();
  };
  return html`<${Card} title=${t("qc.source.log", { serial })}>
    ${log.length === 0 ? html`<p class="quiet">${t("qc.source.noLog")}</p>` : html`<ul>${log.map((each) => html`<li key=${each.at_utc}>${t("qc.source.by", { by: each.by, when: when(each.at_utc), note: each.note })}</li>`)}</ul>`}
    ${may && html`<div class="row qc-sign"><${Field} label=${t("qc.source.note")} value=${note} onInput=${setNote} maxlength="500" /><${Button} disabled=${!note.trim()} onPress=${enter}>${t("qc.source.noteButton")}<//></div>`}
  <//>`;
}

/** @param {{onDone: () => void}} given */
function Add({ onDone }) {
  const [told, setTold] = useState(/** @type {Record<string, string>} */ (EMPTY));
  const [wrong, setWrong] = useState("");
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setTold({ ...told, [name]: value });
  const ready = ["serial", "nuclide", "activity", "reference", "certificate", "place"].every((name) => told[name].trim());
  const enter = async () => {
    const { serial, ...rest } = told;
    const fields = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    try {
      await command("qc-source", { serial: serial.trim(), fields });
    } catch (problem) {
      setWrong(problem instanceof Error ? problem.message : String(problem));
      return;
    }
    setWrong("");
    setTold(EMPTY);
    tell(t("qc.source.entered", { serial }), "good");
    onDone();
  };
  return html`<${Card} title=${t("qc.source.add")}><div class="qc-fields">
    <${Field} label=${t("qc.source.serial")} value=${told.serial} onInput=${set("serial")} />
    <${Field} label=${t("qc.source.nuclide")} value=${told.nuclide} onInput=${set("nuclide")} />
    <${Field} label=${t("qc.source.form")} value=${told.form} onInput=${set("form")} options=${FORMS.map((value) => ({ value, label: t(`qc.source.forms.${value}`) }))} />
    <${Field} label=${t("qc.source.activity")} hint=${t("qc.source.activityHint")} value=${told.activity} onInput=${set("activity")} />
    <${Field} label=${t("qc.source.reference")} hint=${t("qc.source.referenceHint")} value=${told.reference} onInput=${set("reference")} />
    <${Field} label=${t("qc.source.certificateField")} value=${told.certificate} onInput=${set("certificate")} />
    <${Field} label=${t("qc.source.place")} value=${told.place} onInput=${set("place")} />
    <${Field} label=${t("qc.source.leakTested")} hint=${t("qc.source.day")} value=${told.leak_tested} onInput=${set("leak_tested")} />
    <${Field} label=${t("qc.source.leakNext")} hint=${t("qc.source.day")} value=${told.leak_test_next} onInput=${set("leak_test_next")} />
  </div>${wrong && html`<${Notice} level="medium" role="alert"><span>${wrong}</span><//>`}<div class="actions"><${Button} kind="primary" disabled=${!ready} onPress=${enter}>${t("qc.source.addButton")}<//></div><//>`;
}
