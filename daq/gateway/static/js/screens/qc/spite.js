// Use in spite of quality control: allowed with a reason and a name, said on every screen until it is signed off.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Facts, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { spiteWords, when } from "../../qcwords.js";

/** What nobody has signed off, asked again when it may be another. */
export function useOpen() {
  const revision = useLive((live) => live.revisions.qc);
  const connected = useLive((live) => live.connected);
  return useAsked(() => ask("qc-allowed"), [revision, connected]);
}

/** A line on every screen while something that was used in spite of quality control is not signed off. */
export function InSpite() {
  const { value } = useOpen();
  if (!value?.count) return null;
  const tests = value.open.filter((/** @type {any} */ each) => each.test);
  const runs = value.count - tests.length;
  return html`<aside class="qc-spite" aria-label=${t("qc.spite.label")}><${Notice} level=${tests.length ? "medium" : ""}><div>
    ${tests.map((/** @type {any} */ each) => html`<p key=${each.id}><strong>${t("qc.spite.line", { title: each.title })}</strong> <span dir="auto">${spiteWords(each)}</span>${each.until_utc ? ` ${t("qc.spite.untilWhen", { when: when(each.until_utc) })}` : ""}</p>`)}
    ${runs > 0 && html`<p>${t(runs === 1 ? "qc.spite.oneRun" : "qc.spite.runs", { count: runs })}</p>`}</div>
    <a class="button" href=${address("qc", "spite")}>${t("qc.spite.look")}</a><//></aside>`;
}

/** Allow patients in spite of a test. @param {{name?: string}} given */
export function Allow({ name = "" }) {
  const who = useSession();
  const revision = useLive((live) => live.revisions.qc);
  const [reason, setReason] = useState("");
  const asked = useAsked(() => ask("qc-due", { test: name }), [name, revision]);
  const hours = useOpen().value?.hours;
  const row = asked.value?.tests[0];
  if (!row || !hours) return html`<${Waiting} of=${asked} />`;
  const may = mayAs(who, "qc");
  const needed = row.asked || row.state === "failed";
  const allow = async () => {
    await command("qc-allow", { test: name, reason: reason.trim() });
    tell(t("qc.spite.allowed", { title: row.title }), "good");
    go("qc");
  };
  const why = !may ? t("qc.fewer", { role: "qc" }) : !needed ? t("qc.spite.notNeeded") : reason.trim() ? "" : t("qc.spite.reasonFirst");
  return html`<${Card} title=${t("qc.spite.title")}><div class="stack qc-form">
    <p><strong>${row.title}</strong>: ${t(`qc.states.${row.state}`)}${row.words ? `. ${row.words}` : ""}</p>
    <p>${t("qc.spite.about", { user: who?.user ?? "", hours })}</p>
    <${Field} label=${t("qc.spite.reason")} value=${reason} onInput=${setReason} maxlength="500" dir="auto" />
  </div><//>
  <div class="actions"><p class="quiet">${why}</p><${Button} onPress=${() => history.back()}>${t("qc.spite.not")}<//>
    <${Button} disabled=${why !== ""} why=${why} onPress=${allow}>${t("qc.spite.allow")}<//></div>`;
}

/** What is open, each to be signed off by somebody else. */
export function Spites() {
  const who = useSession();
  const asked = useOpen();
  const [comment, setComment] = useState("");
  if (!asked.value) return html`<${Waiting} of=${asked} />`;
  const { open, count } = asked.value;
  const may = mayAs(who, "physicist");
  const signOff = async (/** @type {string} */ id) => {
    await command("qc-sign-off", { ids: [id], ...(comment.trim() ? { comment: comment.trim() } : {}) });
    setComment(""); // it was said of this one
    tell(t("qc.spite.signed"), "good");
    asked.again();
  };
  return html`<${Card} title=${t("qc.spite.list")}>
    <p class="quiet">${t("qc.spite.until")}</p>
    ${count === 0 && html`<p role="status"><span aria-hidden="true">✓</span> ${t("qc.spite.none")}</p>`}
    ${may && count > 0 && html`<div class="qc-form"><${Field} label=${t("qc.result.commentOptional")} value=${comment} onInput=${setComment} maxlength="500" dir="auto" /></div>`}
    ${!may && count > 0 && html`<p class="quiet">${t("qc.spite.physicist")}</p>`}
    <div class="stack">${open.map((/** @type {any} */ each) => html`<div class="qc-spite-one spread" key=${each.id}>
      <${Facts} rows=${/** @type {[any, any][]} */ ([
        [t("qc.spite.what"), each.test ? each.title : t("qc.spite.acquisition", { title: each.title })],
        ...(each.run ? [[t("qc.result.recording"), html`<a href=${address("studies", each.run)}>${each.run}</a>`]] : []),
        ...(each.stood ? [[t("qc.spite.stood"), each.stood]] : []),
        [t("qc.spite.why"), html`<span dir="auto">${each.reason}</span>`], [t("qc.spite.by"), `${each.by}, ${when(each.at_utc)}`],
        ...(each.until_utc ? [[t("qc.spite.lapses"), when(each.until_utc)]] : []),
      ])} />
      ${may && html`<${Button} label=${t("qc.spite.signOffOne", { title: each.title || each.run })} disabled=${each.own} why=${each.own ? t("qc.spite.own") : ""} onPress=${() => signOff(each.id)}>${t("qc.spite.signOff")}<//>`}
      ${may && each.own && html`<p class="quiet">${t("qc.spite.own")}</p>`}</div>`)}</div>
    ${count > open.length && html`<p class="quiet">${t("qc.spite.more", { count: count - open.length })}</p>`}
  <//>`;
}
