// Whose data it is: both identities side by side, a typed reason, and a second person who signs.
import { html, useEffect, useState } from "../../preact.js";
import { ask, command, request } from "../../api.js";
import { dayTime } from "../../format.js";
import { personName } from "../../identity.js";
import { address } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, Notice, sentence, useAsked, Waiting } from "../../ui.js";
import { identityOf, IdentityFields, typedOf } from "../worklist/adding.js";
import { FACTS, readable, same } from "./identities.js";

const MOST_FOUND = 8;
const TYPED_MS = 250;

/** Of a study, or of an entry of the worklist that has a temporary identity. @param {{study?: string, entry?: string}} given */
export function Whose({ study, entry }) {
  const asked = useAsked(() => (study ? ask("study-whose", { study }) : ofEntry(entry ?? "")), [study, entry]);
  const told = asked.value;
  const back = study ? address("studies", study) : address("setup", entry ?? "");
  return html`<div class="stack studies-screen whose">
    <p><a href=${back}>${t(study ? "studies.whose.backStudy" : "studies.whose.backEntry")}</a></p>
    <h1>${t(told?.temporary ? "studies.whose.titleLink" : "studies.whose.title")}</h1>
    ${told ? html`<${Asked} told=${told} back=${back} />` : html`<${Waiting} of=${asked} />`}
  </div>`;
}

/** @param {string} entry */
async function ofEntry(entry) {
  const told = await ask("worklist-entry", { entry });
  const against = told.to_reconcile ? "" : t("studies.whose.notTemporary");
  return { entry, patient: told.identity, temporary: told.to_reconcile, against, acquisitions: [], study: null };
}

/** @param {{told: any, back: string}} given */
function Asked({ told, back }) {
  const [other, setOther] = useState(/** @type {any} */ (null));
  const [typed, setTyped] = useState(/** @type {any} */ (null));
  const [why, setWhy] = useState("");
  const [second, setSecond] = useState({ user: "", password: "" });
  const [wrong, setWrong] = useState("");
  const [done, setDone] = useState(/** @type {any} */ (null));
  if (done) return html`<${Done} done=${done} told=${told} />`;
  if (told.against) return html`<${Notice}>${told.against}<//>`;
  const truth = other?.identity ?? (typed && typed.family.trim() && typed.id.trim() ? identityOf(typed) : null);
  const missing = lacking(told, truth, why, second);
  const give = async () => {
    setWrong("");
    try {
      setDone({ ...(await given(told, other, typed, why, second)), truth });
    } catch (problem) {
      setWrong(sentence(problem));
    } finally {
      setSecond({ user: second.user, password: "" });
    }
  };
  return html`<div class="stack">
    <${Both} told=${told} truth=${truth} />
    <${Truth} told=${told} other=${other} setOther=${setOther} typed=${typed} setTyped=${setTyped} />
    <div class="whose-signing"><${Card} title=${t("studies.whose.why")}><${Field} label=${t("studies.whose.reason")} hint=${t("studies.whose.reasonHint")} value=${why} onInput=${setWhy} rows="3" maxlength="500" dir="auto" /><//>
    <${Second} told=${told} second=${second} setSecond=${setSecond} /></div>
    ${wrong && html`<${Notice} role="alert">${wrong}<//>`}
    <div class="actions">
      <a class="button" href=${back}>${t("studies.whose.cancel")}</a>
      <${Button} kind="primary" disabled=${missing.length > 0} why=${missing.length ? t("studies.whose.needs", { what: missing.join(", ") }) : ""} onPress=${give}>${truth
        ? t(told.temporary ? "studies.whose.link" : "studies.whose.give", { name: personName(truth.name) }) : t("studies.whose.giveNobody")}<//>
    </div></div>`;
}

/** @param {any} told @param {any} truth @param {string} why @param {{user: string, password: string}} second */
function lacking(told, truth, why, second) {
  const both = second.user.trim() && second.password;
  const half = Boolean(second.user.trim()) !== Boolean(second.password);
  return [
    !truth && t("studies.whose.needsTruth"), truth && same(told.patient, truth) && t("studies.whose.needsOther"), !readable(why) && t("studies.whose.needsWhy"),
    (told.temporary ? half : !both) && t("studies.whose.needsSecond"),
  ].filter(Boolean);
}

/**
 * Have it done: the second person's password is checked first, and is in no command.
 * @param {any} told @param {any} other @param {any} typed @param {string} why @param {{user: string, password: string}} second
 */
async function given(told, other, typed, why, second) {
  const who = other ? { other: other.entry } : { patient: identityOf(typed) };
  const verb = told.temporary ? "worklist-reconcile" : "study-reassign";
  const args = told.temporary ? { entry: told.entry, ...who, reason: why.trim() } : { study: told.study, ...who, why: why.trim() };
  const signed = second.password ? await request("POST", "/api/v1/second", { user: second.user.trim(), password: second.password, verb, args }) : null;
  const headers = /** @type {Record<string, string>} */ (signed ? { "Second-Person": signed.second } : {});
  return { ...(await command(verb, args, { headers })), second: signed?.user ?? "" };
}

/** @param {{told: any, truth: any}} given */
function Both({ told, truth }) {
  return html`<${Card}><div class="whose-scroll"><table class="whose-both"><caption class="hidden-text">${t("studies.whose.both")}</caption>
    <thead><tr><td></td><th scope="col">${t("studies.whose.recorded")}</th><td></td><th scope="col">${t("studies.whose.truth")}</th></tr></thead>
    <tbody>${FACTS.map((name) => html`<${Fact} key=${name} name=${name} now=${told.patient} truth=${truth} />`)}</tbody></table></div>
    ${told.acquisitions.length > 0 && html`<p class="quiet whose-what">${t("studies.whose.what", {
      list: told.acquisitions.map((/** @type {any} */ one) => `${one.label || one.protocol || one.id}, ${dayTime(one.begun_utc)}`).join("; "),
    })}</p>`}<//>`;
}

/** @param {{name: string, now: any, truth: any}} given */
function Fact({ name, now, truth }) {
  const [left, right] = [shown(now, name), truth ? shown(truth, name) : ""];
  const differs = truth && left !== right;
  return html`<tr class=${name === "name" ? "whose-name" : ""}><th scope="row">${t(`studies.whose.facts.${name}`)}</th><td dir="auto">${left || t("shell.unknown")}</td>
    <td class="whose-sign">${truth && html`<span aria-hidden="true">${differs ? "≠" : "="}</span><span class="hidden-text">${t(differs ? "studies.whose.differs" : "studies.whose.equal")}</span>`}</td>
    <td dir="auto">${truth ? right || t("shell.unknown") : html`<span class="quiet">${name === "name" ? t("studies.whose.nobodyYet") : ""}</span>`}</td></tr>`;
}

/** @param {any} identity @param {string} name */
function shown(identity, name) {
  const value = identity?.[name] ?? "";
  return name === "name" ? personName(value) : name === "sex" ? t(`adding.sexes.${value || "unknown"}`) : value;
}

/** Who it is: somebody on the worklist, or somebody who is typed. @param {{told: any, other: any, setOther: (row: any) => void, typed: any, setTyped: (typed: any) => void}} given */
function Truth({ told, other, setOther, typed, setTyped }) {
  const empty = typedOf({ name: "", patient_id: "", sex: "unknown", accession_number: "" });
  const from = (/** @type {boolean} */ list) => {
    setOther(null);
    setTyped(list ? null : empty);
  };
  if (other) {
    return html`<${Card}><div class="spread"><span>${t("studies.whose.chosen")} <strong dir="auto">${personName(other.identity.name)}</strong></span>
      <button type="button" onClick=${() => from(true)}>${t("studies.whose.another")}</button></div><//>`;
  }
  return html`<${Card} title=${t("studies.whose.truthTitle")}><div class="stack">
    <div class="row" role="group" aria-label=${t("studies.whose.truthTitle")}>
      <button type="button" aria-pressed=${!typed} onClick=${() => from(true)}>${t("studies.whose.fromList")}</button>
      <button type="button" aria-pressed=${Boolean(typed)} onClick=${() => from(false)}>${t("studies.whose.byHand")}</button>
    </div>
    ${typed ? html`<${IdentityFields} typed=${typed} onType=${setTyped} />` : html`<${Listed} told=${told} setOther=${setOther} />`}
  </div><//>`;
}

/** @param {{told: any, setOther: (row: any) => void}} given */
function Listed({ told, setOther }) {
  const [day, setDay] = useState("");
  const [text, setText] = useState("");
  const [words, setWords] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setWords(text.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const asked = useAsked(() => ask("worklist", { text: words, limit: 50, ...(day ? { day } : {}) }), [day, words]);
  const rows = (asked.value?.rows ?? []).filter((/** @type {any} */ row) => row.entry !== told.entry && !["emergency", "phantom"].includes(row.origin));
  return html`<div class="stack">
    <div class="row studies-search"><${Field} label=${t("studies.day")} type="date" value=${day || asked.value?.day || ""} onInput=${setDay} />
      <${Field} label=${t("studies.whose.search")} type="search" value=${text} onInput=${setText} maxlength="100" hint=${t("studies.whose.searchHint")} /></div>
    <${Waiting} of=${asked.value ? { ...asked, loading: false } : asked} />
    <div class="whose-rows">${rows.slice(0, MOST_FOUND).map((/** @type {any} */ row) => html`<button type="button" key=${row.entry} class="whose-row" onClick=${() => setOther({ entry: row.entry, identity: row })}>
      <span><strong dir="auto">${personName(row.name)}</strong><span class="quiet">${[t("studies.number", { id: row.patient_id }), row.birth_date && t("studies.born", { date: row.birth_date }), row.procedure].filter(Boolean).join(" · ")}</span></span></button>`)}</div>
    ${asked.value && !rows.length && html`<p class="quiet" role="status">${t("studies.whose.noneFound")}</p>`}
    ${rows.length > MOST_FOUND && html`<p class="quiet" role="status">${t("studies.whose.more", { count: rows.length - MOST_FOUND })}</p>`}
  </div>`;
}

/** @param {{told: any, second: {user: string, password: string}, setSecond: (second: {user: string, password: string}) => void}} given */
function Second({ told, second, setSecond }) {
  return html`<${Card} title=${t("studies.whose.second")}><div class="stack">
    <p>${t(told.temporary ? "studies.whose.secondLater" : "studies.whose.secondAbout")}</p>
    <div class="whose-fields">
      <${Field} label=${t("studies.whose.secondUser")} value=${second.user} onInput=${(/** @type {string} */ user) => setSecond({ ...second, user })} maxlength="64" />
      <${Field} label=${t("studies.whose.secondPassword")} type="password" value=${second.password} onInput=${(/** @type {string} */ password) => setSecond({ ...second, password })} maxlength="200" autocomplete="off" />
    </div></div><//>`;
}

/** @param {{done: any, told: any}} given */
function Done({ done, told }) {
  const place = told.study ? address("studies", told.study) : address("setup", done.entry);
  return html`<${Notice} level=${done.not_changed.length ? "" : "good"} role="status"><div class="stack">
      <strong dir="auto">${t("studies.whose.done", { name: personName(done.truth.name), id: done.truth.patient_id })}</strong>
      <span>${done.second ? t("studies.whose.doneSecond", { user: done.second }) : t("studies.whose.doneAlone")}</span>
      ${told.study && html`<span>${done.pictures || t("studies.whose.donePictures")}</span>`}
      ${done.not_changed.map((/** @type {string} */ text) => html`<span>${text}</span>`)}</div><//>
    <div class="actions">${!done.second && html`<${Chip}>${t("studies.toCountersign")}<//>`}<a class="button primary" href=${place}>${t(told.study ? "studies.whose.toStudy" : "studies.whose.toEntry")}</a></div>`;
}
