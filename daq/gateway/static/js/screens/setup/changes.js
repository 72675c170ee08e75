// Who it really is: a temporary identity is reconciled, a wrong one corrected, by one person; another one countersigns.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { choose } from "../../chosen.js";
import { dayTime } from "../../format.js";
import { personName } from "../../identity.js";
import { address, go } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Field, sentence, tell, useAsked, Waiting } from "../../ui.js";
import { identityOf, IdentityFields, typedOf } from "../worklist/adding.js";

/** @param {{told: any, again: () => void}} given */
export function Changes({ told, again }) {
  const [open, setOpen] = useState(false);
  if (told.origin === "phantom" && !told.changes.length) return null;
  const sign = async () => {
    noted(await command("worklist-countersign", { entry: told.entry }));
    again();
  };
  return html`<div class="stack">
    ${told.changes.length > 0 && html`<${Card} title=${t("identities.changes")}><ul class="changes">${told.changes.map((/** @type {any} */ change) => html`<li>
      <span dir="auto">${t("identities.line", { kind: t(`identities.kinds.${change.kind}`), by: change.by, time: dayTime(change.at_utc), reason: change.reason })}</span>
      <span class="quiet" dir="auto">${t("identities.was", { name: personName(change.before.name), id: change.before.patient_id })}; ${change.countersigned_by ? t("identities.signedBy", { by: change.countersigned_by }) : t("identities.waits")}</span></li>`)}</ul>
      ${told.to_countersign && html`<${Button} onPress=${sign}>${t("identities.countersign")}<//>`}<//>`}
    ${open ? html`<${Who} told=${told} close=${() => setOpen(false)} again=${again} />`
      : html`<div class="row"><${Button} kind=${told.to_reconcile ? "" : "plain"} onPress=${() => setOpen(true)}>${t(told.to_reconcile ? "identities.reconcile" : "identities.change")}<//>
        ${told.to_reconcile && html`<a class="button" href=${address("studies", "-entry", told.entry)}>${t("studies.linkTrue")}</a>`}</div>`}
  </div>`;
}

/** @param {{told: any, close: () => void, again: () => void}} given */
function Who({ told, close, again }) {
  const temporary = told.to_reconcile;
  const [typed, setTyped] = useState(() => typedOf(temporary ? { name: "", patient_id: "", sex: told.sex, accession_number: "" } : told.identity));
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const whole = typed.family.trim() && typed.id.trim() && reason.trim();
  const done = async (/** @type {string} */ verb, /** @type {object} */ args) => {
    setWrong("");
    try {
      const answer = await command(verb, { entry: told.entry, reason: reason.trim(), ...args });
      noted(answer);
      close();
      if (answer.entry === told.entry) again();
      else {
        choose(answer.entry);
        go("setup", answer.entry);
      }
    } catch (problem) {
      setWrong(sentence(problem));
    }
  };
  return html`<${Card} title=${t(temporary ? "identities.reconcileTitle" : "identities.correctTitle")}><div class="stack">
    ${temporary && html`<${FromList} entry=${told.entry} onChoose=${(/** @type {string} */ other) => done("worklist-reconcile", { other })} /><h3>${t("identities.typed")}</h3>`}
    <${IdentityFields} typed=${typed} onType=${setTyped} />
    <${Field} label=${t("identities.reason")} hint=${t("identities.reasonHint")} value=${reason} onInput=${setReason} maxlength="500" dir="auto" />
    ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    <div class="row">
      <${Button} onPress=${close}>${t("shell.cancel")}<//>
      <${Button} disabled=${!whole} onPress=${() => done(temporary ? "worklist-reconcile" : "worklist-correct", { patient: identityOf(typed) })}>${t(temporary ? "identities.doReconcile" : "identities.doCorrect")}<//>
    </div>
  </div><//>`;
}

/** @param {{entry: string, onChoose: (entry: string) => Promise<void>}} given */
function FromList({ entry, onChoose }) {
  const asked = useAsked(() => ask("worklist", { limit: 1000 }), []);
  const rows = (asked.value?.rows ?? []).filter((/** @type {any} */ row) => row.entry !== entry && row.origin !== "emergency" && row.origin !== "phantom");
  const [other, setOther] = useState("");
  const options = [{ value: "", label: t("identities.choose") }, ...rows.map((/** @type {any} */ row) => ({ value: row.entry, label: `${personName(row.name)}, ${row.birth_date ?? ""}, ${row.patient_id}` }))];
  return html`<${Waiting} of=${asked} /><div class="row"><${Field} label=${t("identities.fromList")} value=${other} options=${options} onInput=${setOther} />
    <${Button} disabled=${!other} onPress=${() => onChoose(other)}>${t("identities.doReconcile")}<//></div>`;
}

/** @param {any} answer */
function noted(answer) {
  if (answer.not_changed.length) tell(t("identities.notChanged", { what: answer.not_changed.join("; ") }));
}
