// A new protocol made of another: an id and a title of its own, then the form.
import { html, useState } from "../../preact.js";
import { go } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Field, tell } from "../../ui.js";
import { copied } from "./document.js";
import { keepDraft } from "./draft.js";

/** @param {{told: any, done: () => void}} given */
export function CopyAs({ told, done }) {
  const [id, setId] = useState("");
  const [title, setTitle] = useState("");
  const good = /^[a-z0-9][a-z0-9-]{0,62}$/.test(id) && id !== told.id;
  const begin = () => {
    const draft = { document: copied(told.document, id, title.trim()), base: null, version: null, like: told.id, atMs: Date.now() };
    if (!keepDraft(sessionStorage, id, draft)) tell(t("protocols.edit.noRoom"));
    else go("protocols", id, "edit");
  };
  return html`<${Card} title=${t("protocols.page.copyTitle", { id: told.id })}><div class="stack">
    <${Field} label=${t("protocols.page.newId")} value=${id} onInput=${setId} hint=${t("protocols.page.newIdHint")} wrong=${id && !good ? t("protocols.page.newIdWrong") : ""} />
    <${Field} label=${t("protocols.fields.title")} value=${title} onInput=${setTitle} maxlength="200" /></div><//>
    <div class="actions"><${Button} onPress=${done}>${t("protocols.page.notNow")}<//><${Button} kind="primary" disabled=${!good || !title.trim()} why=${good && title.trim() ? "" : t("protocols.page.newFirst")} onPress=${begin}>${t("protocols.page.copyNow")}<//></div>`;
}
