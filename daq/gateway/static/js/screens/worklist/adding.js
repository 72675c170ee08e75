// Somebody who is not on the list, or a phantom: who, what, and why.
import { html, useState } from "../../preact.js";
import { command } from "../../api.js";
import { choose } from "../../chosen.js";
import { address, goWith } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Field, sentence } from "../../ui.js";

const EMPTY = { family: "", given: "", id: "", born: "", sex: "unknown", accession: "", procedure: "", reason: "" };

/** `protocol`: chosen on another screen. @param {{protocol?: string}} given */
export function Adding({ protocol }) {
  const [kind, setKind] = useState("patient");
  const [typed, setTyped] = useState(EMPTY);
  const [wrong, setWrong] = useState("");
  const missing = lacking(kind, typed);
  const enter = async () => {
    setWrong("");
    try {
      const { entry } = await command("worklist-add", asked(kind, typed));
      choose(entry);
      goWith(["setup", entry], { protocol });
    } catch (problem) {
      setWrong(sentence(problem));
    }
  };
  return html`<div class="worklist">
    <h1>${t("adding.title")}</h1>
    <${Card}><div class="stack">
      <fieldset class="row kinds"><legend>${t("adding.kind")}</legend>
        ${["patient", "phantom"].map((each) => html`<label class="row"><input type="radio" name="kind" checked=${kind === each} onChange=${() => setKind(each)} />${t(each === "patient" ? "adding.kindPatient" : "adding.kindPhantom")}</label>`)}
      </fieldset>
      ${kind === "patient" && html`<${IdentityFields} typed=${typed} onType=${setTyped} />`}
      <div class="grid-2">
        <${Field} label=${t("adding.procedure")} value=${typed.procedure} onInput=${(/** @type {string} */ procedure) => setTyped({ ...typed, procedure })} />
        <${Field} label=${t("adding.reason")} hint=${t("adding.reasonHint")} value=${typed.reason} onInput=${(/** @type {string} */ reason) => setTyped({ ...typed, reason })} />
      </div>
      ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    </div><//>
    <div class="actions">
      <a class="button" href=${address("worklist")}>${t("adding.cancel")}</a>
      <${Button} kind="primary" disabled=${missing.length > 0} why=${missing.length ? t("adding.needs", { what: missing.join(", ") }) : ""} onPress=${enter}>${t("adding.save")}<//>
    </div>
  </div>`;
}

/** @param {{typed: typeof EMPTY, onType: (typed: any) => void}} given */
export function IdentityFields({ typed, onType }) {
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => onType({ ...typed, [name]: value });
  const sexes = ["unknown", "female", "male", "other"].map((value) => ({ value, label: t(`adding.sexes.${value}`) }));
  return html`<div class="grid-3">
    <${Field} label=${t("adding.family")} value=${typed.family} onInput=${set("family")} dir="auto" required />
    <${Field} label=${t("adding.given")} value=${typed.given} onInput=${set("given")} dir="auto" />
    <${Field} label=${t("adding.id")} value=${typed.id} onInput=${set("id")} required />
    <${Field} label=${t("adding.born")} hint=${t("adding.bornHint")} value=${typed.born} onInput=${set("born")} inputmode="numeric" />
    <${Field} label=${t("adding.sex")} value=${typed.sex} onInput=${set("sex")} options=${sexes} />
    <${Field} label=${t("adding.accession")} value=${typed.accession} onInput=${set("accession")} />
  </div>`;
}

/** The identity as the station takes it. @param {typeof EMPTY} typed */
export function identityOf(typed) {
  const name = typed.given.trim() ? `${typed.family.trim()}^${typed.given.trim()}` : typed.family.trim();
  return { name, patient_id: typed.id.trim(), sex: typed.sex, birth_date: typed.born.trim() || null, accession_number: typed.accession.trim() };
}

/** What was typed for an identity that is known. @param {any} told */
export function typedOf(told) {
  const [family = "", given = ""] = told.name.split("^");
  return { ...EMPTY, family, given, id: told.patient_id, born: told.birth_date ?? "", sex: told.sex, accession: told.accession_number };
}

/** @param {string} kind @param {typeof EMPTY} typed */
function asked(kind, typed) {
  const said = { kind, procedure: typed.procedure.trim(), reason: typed.reason.trim() };
  return kind === "patient" ? { ...said, patient: identityOf(typed) } : said;
}

/** @param {string} kind @param {typeof EMPTY} typed */
export function lacking(kind, typed) {
  const needed = kind === "patient" ? ["family", "id", "reason"] : ["reason"];
  return needed.filter((name) => !(/** @type {any} */ (typed)[name].trim())).map((name) => t(`adding.${name}`));
}
