// One result whole: figures, pictures beside those of the reference, what it rests on, who signed it, what may be done.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, decide, Facts, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { LevelBadge } from "./badges.js";
import { Curves } from "./curves.js";
import { Pictures } from "./pictures.js";
import { levelOf, number, valued, when } from "../../qcwords.js";

const MEANINGS = ["performed", "reviewed", "approved"];

/** @param {{name?: string}} given  id of the result */
export function Result({ name = "" }) {
  const revision = useLive((live) => live.revisions.qc);
  const asked = useAsked(() => ask("qc-result", { result: name }), [name, revision]);
  const told = asked.value;
  if (!told) return html`<${Waiting} of=${asked} />`;
  return html`<article class="stack qc-result" aria-label=${t("qc.result.title")}>
    <${Card}><div class="spread"><div><h2>${told.title}</h2><p class="quiet">${when(told.performed_utc)} · ${told.by}${told.simulated ? ` · ${t("qc.result.simulated")}` : ""}</p></div><${LevelBadge} level=${told.level} large /></div>
      <p class="qc-means">${told.advice || t(`qc.means.${levelOf(told.level).key}`)}</p>
      ${told.is_reference && html`<p><span aria-hidden="true">◆</span> ${t("qc.result.isReference")}</p>`}
      <div class="row"><a class="button" href=${`/api/v1/files/qc/${encodeURIComponent(told.id)}/report.html`} target="_blank" rel="noopener">${t("qc.result.report")}: ${t("qc.result.html")}</a>
        <a class="button" href=${`/api/v1/files/qc/${encodeURIComponent(told.id)}/report.pdf`} download>${t("qc.result.report")}: ${t("qc.result.pdf")}</a>
        <a class="button" href=${address("qc", "trend", told.test)}>${t("qc.card.trend")}</a></div>
    <//>
    ${told.struck && html`<${Notice} level="medium"><span>${t("qc.result.struck", { by: told.struck.by, when: when(told.struck.at_utc), reason: told.struck.reason })}</span><//>`}
    ${told.obstacles.length > 0 && html`<${Notice} level="medium"><div><strong>${t("qc.result.against")}</strong><ul>${told.obstacles.map((/** @type {string} */ why) => html`<li key=${why}>${why}</li>`)}</ul></div><//>`}
    <${Figures} figures=${told.all_figures} />
    <${Pictures} told=${told} />
    <${Curves} curves=${told.curves} />
    <${Signatures} told=${told} />
    <${Signing} told=${told} onDone=${asked.again} />
    <${Rests} told=${told} />
  </article>`;
}

/** @param {{figures: any[]}} given */
function Figures({ figures }) {
  const ordered = [...figures].sort((one, other) => Number(other.limit !== null) - Number(one.limit !== null));
  const heads = ["figure", "of", "value", "noise", "counts", "limit", "level"];
  return html`<${Card} title=${t("qc.result.figures")}><div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.result.figures")}><table>
    <thead><tr>${heads.map((name) => html`<th scope="col" key=${name} class=${["value", "noise", "counts"].includes(name) ? "number" : ""}>${t(`qc.result.${name}`)}</th>`)}</tr></thead>
    <tbody>${ordered.flatMap((figure) => [...figure.each.map((/** @type {any} */ each, /** @type {number} */ at) => html`<tr key=${`${figure.name} ${each.subject}`}>
      <td>${at === 0 ? figure.about : html`<span class="hidden-text">${figure.about}</span>`}</td><td>${each.subject || t("qc.whole")}</td>
      <td class="number">${valued(each.value, figure.unit)}</td><td class="number">${valued(each.noise, figure.unit)}</td><td class="number">${each.counts === null ? "" : Math.round(each.counts).toLocaleString("en-GB")}</td>
      <td>${at === 0 ? (figure.limit?.words ?? t("qc.result.noLimit")) : ""}</td><td><${LevelBadge} level=${each.level} /></td></tr>`),
      figure.subjects > figure.each.length && html`<tr key=${`${figure.name} more`}><td></td><td colspan="6" class="quiet">${t("qc.result.more", { count: figure.subjects - figure.each.length })}</td></tr>`])}</tbody>
  </table></div>
  <details><summary>${t("qc.result.sentences")}</summary><ul>${figures.flatMap((figure) => figure.text).map((/** @type {string} */ text) => html`<li key=${text}>${text}</li>`)}</ul></details><//>`;
}

/** @param {{told: any}} given */
function Signatures({ told }) {
  return html`<${Card} title=${t("qc.result.signatures")}>${told.signatures.length === 0 ? html`<p><strong>${t("qc.result.nobody")}</strong></p>` : html`<div class="qc-scroll" tabindex="0" role="region" aria-label=${t("qc.result.signatures")}><table>
    <thead><tr>${["by", "meaning", "at", "hash", "comment"].map((name) => html`<th scope="col" key=${name}>${t(`qc.result.${name}`)}</th>`)}</tr></thead>
    <tbody>${told.signatures.map((/** @type {any} */ each) => html`<tr key=${`${each.by} ${each.meaning}`}><td>${each.by}</td><td>${each.meaning}</td><td>${when(each.at_utc)}</td><td class="mono qc-hash">${each.sha256} ${each.holds ? html`<span>✓ ${t("qc.result.holds")}</span>` : html`<strong class="wrong">${t("qc.result.broken")}</strong>`}</td><td>${each.comment}</td></tr>`)}</tbody>
  </table></div>`}<//>`;
}

/** What one may do with it; what one may not is there with its reason, in words. @param {{told: any, onDone: () => void}} given */
function Signing({ told, onDone }) {
  const who = useSession();
  const against = told.against;
  const [meaning, setMeaning] = useState("performed"); // never another by itself: nobody signs as what he did not choose
  const [comment, setComment] = useState("");
  if (told.struck) return null;
  const sign = async () => {
    await command("qc-sign", { result: told.id, sha256: told.sha256, meaning, ...(comment ? { comment } : {}) });
    setComment("");
    tell(t("qc.result.signedNow", { meaning: t(`qc.result.meanings.${meaning}`) }), "good");
    onDone();
  };
  if (!mayAs(who, "qc")) return html`<${Card} title=${t("qc.result.sign")}><p class="quiet">${t("qc.result.qcSigns")}</p><//>`;
  return html`<${Card} title=${t("qc.result.sign")}><p class="quiet">${t("qc.result.signText")}</p>
    <div class="row qc-sign"><${Field} label=${t("qc.result.meaning")} value=${meaning} onInput=${setMeaning} options=${MEANINGS.map((value) => ({ value, label: t(`qc.result.meanings.${value}`) }))} />
      <${Field} label=${t("qc.result.commentOptional")} value=${comment} onInput=${setComment} maxlength="500" />
      <${Button} kind="primary" disabled=${against[meaning] !== ""} why=${against[meaning]} onPress=${sign}>${t("qc.result.signButton")}<//></div>
    ${against[meaning] && html`<p role="status">${t("qc.result.notAs", { meaning: t(`qc.result.meanings.${meaning}`), why: against[meaning] })}</p>`}
    <div class="row"><${Button} disabled=${against.strike !== ""} why=${against.strike} onPress=${() => strike(told, onDone)}>${t("qc.result.strike")}<//>
      ${!told.is_reference && html`<${Button} disabled=${against.reference !== ""} why=${against.reference} onPress=${() => makeReference(told, onDone)}>${t("qc.result.makeReference")}<//>`}</div>
    ${against.strike && html`<p class="quiet">${t("qc.result.strike")}: ${against.strike}</p>`}
    ${against.reference && !told.is_reference && html`<p class="quiet">${t("qc.result.makeReference")}: ${against.reference}</p>`}<//>`;
}

/** @param {any} told @param {() => void} onDone */
async function strike(told, onDone) {
  let reason = "";
  const choice = await decide({
    title: t("qc.result.strikeTitle"),
    body: html`<p>${told.title}, ${when(told.performed_utc)}. ${t("qc.result.strikeBody")}</p><label class="field"><span>${t("qc.result.reason")}</span><input maxlength="500" onInput=${(/** @type {any} */ event) => { reason = event.target.value; }} /></label>`,
    choices: [{ key: "keep", label: t("qc.result.strikeKeep"), safe: true }, { key: "strike", label: t("qc.result.strike") }],
  });
  if (choice !== "strike") return;
  if (!reason.trim()) {
    tell(t("qc.result.reasonNeeded"));
    return;
  }
  await command("qc-strike", { result: told.id, reason: reason.trim() });
  tell(t("qc.result.struckNow"), "good");
  onDone();
}

/** @param {any} told @param {() => void} onDone */
async function makeReference(told, onDone) {
  const choice = await decide({
    title: t("qc.result.referenceTitle"), body: html`<p>${told.title}, ${when(told.performed_utc)}. ${t("qc.result.referenceBody")}</p>`,
    choices: [{ key: "keep", label: t("qc.result.referenceKeep"), safe: true }, { key: "make", label: t("qc.result.makeReference") }],
  });
  if (choice !== "make") return;
  await command("qc-reference", { result: told.id });
  tell(t("qc.result.referenceNow"), "good");
  onDone();
}

/** @param {{told: any}} given */
function Rests({ told }) {
  const { document } = told;
  const body = document.body;
  const rows = /** @type {[string, any][]} */ ([
    [t("qc.result.performed"), when(document.at_utc)], [t("qc.result.who"), document.by], [t("qc.result.test"), body.test],
    [t("qc.result.analysis"), `${body.analysis} ${body.analysis_version}`], [t("qc.result.collimator"), body.collimator ?? ""],
    [t("qc.result.protocol"), body.protocol?.id ? `${body.protocol.id} ${body.protocol.version ?? ""}` : ""],
    [t("qc.result.source"), body.source?.serial ? `${body.source.serial}, ${body.source.nuclide}, ${number(body.source.activity_mbq)} MBq` : ""],
    ...body.acquisitions.map((/** @type {any} */ each) => [t("qc.result.recording"), each.id]),
    ...Object.entries(body.statements).map(([what, by]) => [t("qc.result.stated", { what }), by]),
    ...Object.entries(body.overrides).map(([what, why]) => [t("qc.result.overridden", { what }), why]),
    ...Object.entries(body.entries).map(([what, value]) => [t("qc.result.entered", { what }), String(value)]),
    ...told.doubts.map((/** @type {string} */ doubt) => [t("qc.result.doubt"), doubt]),
    [t("qc.result.station"), document.station], [t("qc.result.scanner"), document.scanner], [t("qc.result.software"), body.software],
    [t("qc.result.id"), document.id], [t("qc.result.sha"), html`<span class="mono qc-hash">${document.sha256}</span>`],
  ]);
  const limits = Object.entries(told.limits).filter(([, limit]) => limit.source);
  return html`<div class="grid-2"><${Card} title=${t("qc.result.facts")}><${Facts} rows=${rows.filter(([, value]) => value !== "")} /><//>
    ${(limits.length > 0 || body.remarks.length > 0) && html`<${Card} title=${t("qc.result.limits")}><ul>${limits.map(([name, limit]) => html`<li key=${name}>${name}: ${limit.source}</li>`)}</ul>
      ${body.remarks.length > 0 && html`<h3>${t("qc.result.remarks")}</h3><ul>${body.remarks.map((/** @type {string} */ each) => html`<li key=${each}>${each}</li>`)}</ul>`}<//>`}</div>`;
}
