// One protocol: what it does, what it needs, where its numbers come from, who signed it, its versions.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { counts, dayTime, duration } from "../../format.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Facts, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { CopyAs } from "./copying.js";
import { Expected } from "./expected.js";
import { spoken } from "./inputs.js";
import { State } from "./list.js";
import { Steps } from "./stepstable.js";
import { Versions } from "./versions.js";

/** @param {{id: string}} given */
export function Page({ id }) {
  const revision = useLive((live) => live.revisions.protocols);
  const told = useAsked(() => ask("protocol", { protocol: id }), [id, revision]);
  const gone = useAsked(() => (told.problem?.status === 404 ? ask("protocol-versions", { protocol: id }) : Promise.resolve(null)), [id, told.problem]);
  if (told.problem?.status === 404 && gone.value) {
    return html`<div class="stack"><h1>${id}</h1><${Notice} level="medium" role="alert">${t("protocols.page.gone")}<//><${Versions} id=${id} versions=${gone.value.versions} base=${null} /></div>`;
  }
  if (!told.value || told.value.id !== id) {
    return html`<div class="stack"><${Waiting} of=${told} />${told.problem && html`<p><a class="button" href=${address("protocols")}>${t("protocols.page.toList")}</a></p>`}</div>`;
  }
  return html`<${Shown} key=${id} told=${told.value} />`;
}

/** @param {{told: any}} given */
function Shown({ told }) {
  const who = useSession();
  const [asking, setAsking] = useState("");
  const document = told.document;
  const may = mayAs(who, "physicist") && told.may_save;
  const usable = told.usable_here && !told.retired;
  return html`<div class="stack protocol-page">
    <div class="spread"><div><h1>${document.title ?? told.id}</h1><p class="quiet">${told.id}, ${t("protocols.list.version", { version: told.version ?? "" })}${told.row?.owner ? `, ${t("protocols.page.owner", { owner: told.row.owner })}` : ""}${told.row?.saved_by ? `, ${t("protocols.page.savedBy", { by: told.row.saved_by })}` : ""}</p></div>
      ${told.row && html`<${State} row=${told.row} />`}</div>
    <${Against} told=${told} />
    <div class="grid-2"><${Facts2} told=${told} /><${Takes} told=${told} /></div>
    ${told.figures && html`<${Card} title=${t("protocols.page.steps")}><${Steps} figures=${told.figures} /><//>`}
    ${told.figures && document.modality === "gamma_camera" && html`<${Expected} id=${told.id} qc=${document.kind === "qc_flood"} />`}
    <${Sources} sources=${document.sources ?? {}} />
    <${Versions} id=${told.id} versions=${told.versions} base=${told.base} />
    <details class="card"><summary>${t("protocols.page.file", { sha256: told.base?.slice(0, 12) ?? "" })}</summary><pre class="mono protocol-file" tabindex="0" aria-label=${t("protocols.page.fileText")}>${told.toml}</pre></details>
    ${asking === "sign" && html`<${Sign} told=${told} user=${who?.user ?? ""} done=${() => setAsking("")} />`}
    ${asking === "retire" && html`<${Retire} told=${told} done=${() => setAsking("")} />`}
    ${asking === "copy" && html`<${CopyAs} told=${told} done=${() => setAsking("")} />`}
    ${!asking && html`<div class="actions">
      ${!mayAs(who, "physicist") && html`<span class="quiet">${t("protocols.page.whoChanges")}</span>`}
      ${mayAs(who, "physicist") && !told.may_save && html`<span class="quiet">${t("protocols.page.noFolder")}</span>`}
      ${may && html`<${Button} onPress=${() => setAsking("copy")}>${t("protocols.page.copy")}<//>`}
      ${may && !told.retired && !told.shipped && html`<${Button} onPress=${() => setAsking("retire")}>${t("protocols.page.retire")}<//>`}
      ${may && !told.shipped && told.errors === 0 && told.row?.state !== "signed" && html`<${Button} onPress=${() => setAsking("sign")}>${t("protocols.page.sign")}<//>`}
      ${may && html`<a class="button" href=${address("protocols", told.id, "edit")}>${t(told.shipped ? "protocols.page.editShipped" : "protocols.page.edit")}</a>`}
      ${usable && html`<a class="button protocol-use" href=${`${address("worklist")}?protocol=${encodeURIComponent(told.id)}`}>${t("protocols.page.use")}</a>`}</div>`}
  </div>`;
}

/** What speaks against it, here or anywhere. @param {{told: any}} given */
function Against({ told }) {
  const errors = told.findings.filter((/** @type {any} */ each) => each.severity === "error");
  const warnings = told.findings.filter((/** @type {any} */ each) => each.severity !== "error");
  const said = (/** @type {any} */ each) => html`<li>${each.key ? `${each.key} = ${each.value}: ` : ""}${each.reason}</li>`;
  return html`${told.retired && html`<${Notice}>${t("protocols.page.retired", { by: told.retired.by, at: dayTime(told.retired.at_utc), reason: told.retired.reason })}<//>`}
    ${told.shipped && html`<${Notice}>${t("protocols.page.shipped")}<//>`}
    ${errors.length > 0 && html`<${Notice} level="medium"><div><p>${t(told.errors ? "protocols.page.refused" : "protocols.page.notHere")}</p><ul>${errors.map(said)}</ul></div><//>`}
    ${warnings.length > 0 && html`<${Notice}><div><p>${t("protocols.page.warnings")}</p><ul>${warnings.map(said)}</ul></div><//>`}`;
}

/** @param {{told: any}} given */
function Facts2({ told }) {
  const { document, figures } = told;
  const needs = document.requirements ?? {};
  const each = (/** @type {any[] | undefined} */ list) => (list ?? []).map((need) => `${need.name}${need.maximum_age ? ` (${t("protocols.page.notOlder", { age: need.maximum_age })})` : ""}`).join(", ");
  const rows = /** @type {[any, any][]} */ ([
    [t("protocols.fields.kind"), document.kind ? spoken(String(document.kind)) : ""],
    [t("protocols.fields.radionuclide"), document.radionuclide],
    [t("protocols.fields.requirements_collimators"), (needs.collimators ?? []).join(t("protocols.page.or"))],
    [t("protocols.edit.qcNeeded"), each(needs.qc)],
    [t("protocols.edit.calibrationsNeeded"), each(needs.calibrations)],
    [t("protocols.fields.requirements_administration"), needs.administration ? spoken(needs.administration) : ""],
    [t("protocols.edit.part.windows"), (figures?.windows ?? []).map((/** @type {any} */ w) => `${w.name}: ${t("protocols.page.range", { from: +w.lower_kev.toFixed(2), to: +w.upper_kev.toFixed(2) })}`).join("; ")],
    [t("protocols.edit.coincidence"), figures?.coincidence],
    [t("protocols.edit.part.tolerances"), figures?.tolerances],
    [t("protocols.edit.stored"), figures?.stored],
    [t("protocols.fields.notes"), document.notes],
  ]);
  return html`<${Card} title=${t("protocols.page.about")}><${Facts} rows=${rows.filter(([, value]) => value)} /><//>`;
}

/** @param {{told: any}} given */
function Takes({ told }) {
  const figures = told.figures;
  const signed = told.row?.state === "signed";
  const rows = /** @type {[any, any][]} */ ([
    [t("protocols.page.duration"), figures?.duration_s ? t("protocols.page.aboutValue", { value: duration(figures.duration_s) }) : t("protocols.page.unknown")],
    [t("protocols.page.events"), figures?.counts ? t("protocols.page.aboutValue", { value: counts(figures.counts) }) : t("protocols.page.unknown")],
    [t("protocols.page.state"), signed ? t("protocols.page.signedBy", { by: told.row.signed_by, at: dayTime(told.row.signed_utc), meaning: told.row.meaning }) : (told.row?.state_reason ?? "")],
  ]);
  const assumes = [...new Set([...(figures?.duration_assumes ?? []), ...(figures?.counts_assume ?? [])])];
  return html`<${Card} title=${t("protocols.page.takes")}><${Facts} rows=${rows} />${assumes.length > 0 && html`<details><summary>${t("protocols.page.assumes")}</summary><ul>${assumes.map((each) => html`<li>${each}</li>`)}</ul></details>`}<//>`;
}

/** @param {{sources: Record<string, string>}} given */
function Sources({ sources }) {
  const rows = Object.entries(sources);
  const open = rows.filter(([, text]) => /unverified/.test(text)).length;
  return html`<details class="card"><summary>${t("protocols.page.sources", { count: rows.length })}${open > 0 ? ` ${t("protocols.page.unverified", { count: open })}` : ""}</summary>
    <table class="protocol-sources"><tbody>${rows.map(([key, text]) => html`<tr key=${key}><th scope="row" class="mono">${key}</th><td>${text}</td></tr>`)}</tbody></table></details>`;
}

/** @param {{told: any, user: string, done: () => void}} given */
function Sign({ told, user, done }) {
  const [meaning, setMeaning] = useState("");
  const sign = async () => {
    await command("protocol-sign", { protocol: told.id, sha256: told.base, meaning: meaning.trim() });
    tell(t("protocols.page.isSigned", { id: told.id, version: told.version }), "good");
    done();
  };
  return html`<${Card} title=${t("protocols.page.signTitle", { id: told.id, version: told.version })}><div class="stack"><p>${t("protocols.page.signAbout", { user, sha256: told.base.slice(0, 12) })}</p>
    <${Field} label=${t("protocols.page.meaning")} value=${meaning} onInput=${setMeaning} maxlength="500" hint=${t("protocols.page.meaningHint")} /></div><//>
    <div class="actions"><${Button} onPress=${done}>${t("protocols.page.notNow")}<//><${Button} kind="primary" disabled=${!meaning.trim()} why=${meaning.trim() ? "" : t("protocols.page.meaningFirst")} onPress=${sign}>${t("protocols.page.signNow", { version: told.version })}<//></div>`;
}

/** @param {{told: any, done: () => void}} given */
function Retire({ told, done }) {
  const [reason, setReason] = useState("");
  const retire = async () => {
    await command("protocol-retire", { protocol: told.id, base: told.base, reason: reason.trim() });
    tell(t("protocols.page.isRetired", { id: told.id }), "good");
    done();
  };
  return html`<${Card} title=${t("protocols.page.retireTitle", { id: told.id })}><div class="stack"><p>${t("protocols.page.retireAbout")}</p>
    <${Field} label=${t("protocols.review.reason")} value=${reason} onInput=${setReason} maxlength="500" /></div><//>
    <div class="actions"><${Button} onPress=${done}>${t("protocols.page.keepOffering")}<//><${Button} kind="primary" disabled=${!reason.trim()} why=${reason.trim() ? "" : t("protocols.review.reasonFirst")} onPress=${retire}>${t("protocols.page.retireNow")}<//></div>`;
}
