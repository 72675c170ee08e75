// What differs, in words, before it is saved as the next version, with the reason.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { go } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";

/**
 * @param {{id: string, draft: import("./draft.js").Draft, now: any, errors: any[], back: () => void, saved: () => void}} given
 */
export function Review({ id, draft, now, errors, back, saved }) {
  const [reason, setReason] = useState("");
  const told = useAsked(() => ask("protocol-diff", { protocol: draft.like ?? id, document: draft.document }), [id]);
  const next = 1 + Math.max(0, ...(now?.versions ?? []).map((/** @type {any} */ each) => each.version));
  const save = async () => {
    const made = await command("protocol-save", {
      protocol: id, document: draft.document, reason: reason.trim(), ...(draft.base ? { base: draft.base } : {}), ...(draft.like ? { like: draft.like } : {}),
    });
    saved();
    const lost = made.comments_lost?.length ?? 0;
    tell(t(lost ? "protocols.review.savedWithout" : "protocols.review.saved", { id, version: made.version, count: lost }), "good");
    go("protocols", id);
  };
  const why = errors.length ? t("protocols.review.errors", { count: errors.length }) : reason.trim() ? "" : t("protocols.review.reasonFirst");
  return html`<div class="form-screen stack"><h1>${t("protocols.review.title", { id })}</h1>
    ${now?.shipped && html`<${Notice}>${t("protocols.review.copies")}<//>`}
    <${Card} title=${draft.like ? t("protocols.review.differsFrom", { like: draft.like }) : t("protocols.review.differs")}><${Waiting} of=${told} />${told.value && html`<${Changes} changes=${told.value.changes} />`}<//>
    ${errors.length > 0 && html`<${Notice} level="medium" role="alert">${t("protocols.review.errors", { count: errors.length })}<//>`}
    <${Card}><${Field} label=${t("protocols.review.reason")} value=${reason} onInput=${setReason} rows=${2} maxlength="500" hint=${t("protocols.review.reasonHint")} /><//>
    <div class="actions"><${Button} onPress=${back}>${t("protocols.review.back")}<//>
      <${Button} kind="primary" disabled=${Boolean(why)} why=${why} onPress=${save}>${t("protocols.review.save", { version: next })}<//></div></div>`;
}

/** @param {{changes: any[]}} given */
export function Changes({ changes }) {
  if (changes.length === 0) return html`<p class="quiet">${t("protocols.review.nothing")}</p>`;
  return html`<table class="changes"><thead><tr><th scope="col">${t("protocols.review.what")}</th><th scope="col">${t("protocols.review.old")}</th><th scope="col">${t("protocols.review.new")}</th></tr></thead>
    <tbody>${changes.map((each) => html`<tr key=${each.path + each.kind}><td>${each.place}</td>
      ${each.kind === "moved"
        ? html`<td>${t("protocols.review.place", { place: each.old })}</td><td>${t("protocols.review.place", { place: each.new })}</td>`
        : html`<td>${each.old === null ? html`<span class="quiet">${t("protocols.review.none")}</span>` : html`<del>${each.old}</del>`}</td><td>${each.new === null ? html`<span class="quiet">${t("protocols.review.removed")}</span>` : html`<ins>${each.new}</ins>`}</td>`}</tr>`)}</tbody></table>`;
}
