// Change a protocol: a form of parts and steps, checked while one types; what differs is shown before it is saved.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { timeOfDay } from "../../format.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Chip, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { partOf, put, stepNames } from "./document.js";
import { begun, dropDraft, keepDraft, keptDraft, remembered, same } from "./draft.js";
import * as fields from "./fields.js";
import { Quick } from "./inputs.js";
import { PARTS } from "./parts.js";
import { Review } from "./review.js";
import { StepFields, StepList } from "./steps.js";

const CHECK_MS = 400;

/** @param {{id: string}} given */
export function Editor({ id }) {
  const who = useSession();
  const revision = useLive((live) => live.revisions.protocols);
  const told = useAsked(() => read(id), [id, revision]);
  if (!mayAs(who, "physicist")) return html`<${Notice} level="medium" role="alert"><span>${t("protocols.edit.physicistsOnly")}</span><a class="button" href=${address("protocols", id)}>${t("protocols.edit.look")}</a><//>`;
  if (!told.value) return html`<${Waiting} of=${told} />`;
  return html`<${Editing} key=${id} id=${id} now=${told.value.now} about=${told.value.about} />`;
}

/** What is in force of a protocol, null where it is new; and what forms need. @param {string} id */
async function read(id) {
  const [now, about] = await Promise.all([
    ask("protocol", { protocol: id }).catch((problem) => {
      if (problem.status === 404) return null;
      throw problem;
    }),
    ask("protocol-form"),
  ]);
  return { now, about };
}

/** @param {{id: string, now: any, about: any}} given */
function Editing({ id, now, about }) {
  const [start] = useState(() => begun(keptDraft(sessionStorage, id), now ?? { base: null, version: null, document: null }));
  const [draft, setDraft] = useState(start.draft);
  const [past, setPast] = useState(/** @type {any[]} */ ([]));
  const [part, setPart] = useState("identity");
  const [step, setStep] = useState(0);
  const [reviewing, setReviewing] = useState(false);
  const [restored, setRestored] = useState(start.restored);
  const checked = useChecked(draft.document);
  useEffect(() => {
    for (const each of document.querySelectorAll("#content, .form-part")) each.scrollTo(0, 0);
  }, [part, step, reviewing]);
  if (!draft.document) return html`<${Notice} level="medium" role="alert"><span>${t("protocols.edit.gone")}</span><a class="button" href=${address("protocols")}>${t("protocols.page.toList")}</a><//>`;

  const changed = !now || !same(draft.document, now.document);
  const stale = draft.base !== (now?.base ?? null);
  const keep = (/** @type {any} */ next) => {
    setDraft(next);
    if (!keepDraft(sessionStorage, id, { ...next, atMs: Date.now() })) tell(t("protocols.edit.noRoom"));
  };
  const change = (/** @type {any} */ path, /** @type {any} */ value) => {
    setPast(remembered(past, draft.document));
    keep({ ...draft, document: put(draft.document, path, value) });
  };
  const undo = () => {
    if (past.length === 0) return;
    setPast(past.slice(0, -1));
    keep({ ...draft, document: past.at(-1) });
  };
  const discard = () => {
    dropDraft(sessionStorage, id);
    if (!now) {
      go("protocols");
      return;
    }
    setDraft({ document: now.document, base: now.base, version: now.version, like: null, atMs: 0 });
    setPast([]);
    setRestored(false);
  };
  const form = { document: draft.document, change, findings: checked.findings, about };
  const wrong = (/** @type {string} */ of) => forbidding(checked.findings).filter((each) => fields.partShowing(partOf(each.key)) === of).length;
  const look = (/** @type {number} */ index) => {
    setStep(index);
    setPart("step");
  };
  if (reviewing) {
    return html`<${Review} id=${id} draft=${draft} now=${now} errors=${forbidding(checked.findings)} back=${() => setReviewing(false)} saved=${() => dropDraft(sessionStorage, id)} />`;
  }
  return html`<div class="form-screen editing stack">
    <div class="spread form-head"><h1>${now ? t("protocols.edit.title", { title: now.row?.title ?? id }) : t("protocols.edit.titleNew", { id })}</h1>
      <div class="chips"><${Chip}>${now ? t(now.shipped ? "protocols.edit.fromShipped" : "protocols.edit.fromVersion", { version: draft.version ?? "" }) : t("protocols.edit.isNew")}<//></div></div>
    <${Told} now=${now} restored=${restored && changed} atMs=${start.draft.atMs} stale=${stale} discard=${discard} onto=${() => keep({ ...draft, base: now?.base ?? null, version: now?.version ?? null })} />
    <div class="form-columns">
      <nav class="form-parts" aria-label=${t("protocols.edit.parts")}>
        <div class="form-sections">${fields.PARTS.map((name) => html`<button type="button" key=${name} aria-current=${part === name ? "true" : undefined} onClick=${() => setPart(name)}>
          <span>${t(`protocols.edit.part.${name}`)}</span>${wrong(name) > 0 && html`<span class="form-count">${t("protocols.edit.wrongs", { count: wrong(name) })}</span>`}</button>`)}</div>
        <${StepList} form=${form} index=${step} shown=${part === "step"} look=${look} wrong=${wrong} />
      </nav>
      <section class="card form-part" tabindex="-1" aria-label=${part === "step" ? t("protocols.edit.step", { number: step + 1 }) : t(`protocols.edit.part.${part}`)}>
        <h2>${part === "step" ? t("protocols.edit.step", { number: step + 1 }) : t(`protocols.edit.part.${part}`)}</h2>
        ${part === "step" ? html`<${StepFields} key=${step} form=${form} index=${step} />` : html`<${PARTS[part]} form=${form} />`}
      </section>
    </div>
    <${Problems} checked=${checked} names=${stepNames(draft.document)} go=${(/** @type {string} */ key) => {
      const of = fields.partShowing(partOf(key));
      if (of.startsWith("step ")) look(Number(of.slice(5)));
      else setPart(of);
      focusOn(key);
    }} />
    <div class="actions">
      <span class="form-state" role="status">${checked.sentence}</span>
      <${Quick} onPress=${undo} disabled=${past.length === 0}>${t("protocols.edit.undo")}<//>
      <a class="button" href=${now ? address("protocols", id) : address("protocols")}>${t("protocols.edit.leave")}</a>
      <${Button} kind="primary" disabled=${!changed || stale} why=${stale ? t("protocols.edit.staleFirst") : changed ? "" : t("protocols.edit.nothingChanged")} onPress=${() => setReviewing(true)}>${t("protocols.edit.review")}<//>
    </div>
  </div>`;
}

/** What keeps it from being saved: not what this station alone cannot do. @param {any[]} findings */
function forbidding(findings) {
  return findings.filter((each) => each.severity === "error" && each.where === "file");
}

/** What is to know before one edits on: edits that came back, and that somebody saved meanwhile.
 * @param {{now: any, restored: boolean, atMs: number, stale: boolean, discard: () => void, onto: () => void}} given */
function Told({ now, restored, atMs, stale, discard, onto }) {
  if (stale && now) {
    const last = now.versions[0];
    return html`<${Notice} level="medium" role="alert"><div class="stack"><p>${t("protocols.edit.stale", { version: now.version ?? "", by: last?.by || t("protocols.page.nobodyKnown"), reason: last?.reason ?? "" })}</p>
      <div class="row"><a class="button" href=${address("protocols", now.id)}>${t("protocols.edit.lookAtIt")}</a><${Button} onPress=${discard}>${t("protocols.edit.discard")}<//><${Button} onPress=${onto}>${t("protocols.edit.onto", { version: now.version ?? "" })}<//></div></div><//>`;
  }
  if (stale) return html`<${Notice} level="medium" role="alert"><span>${t("protocols.edit.fileGone")}</span><${Button} onPress=${onto}>${t("protocols.edit.asNew")}<//><${Button} onPress=${discard}>${t("protocols.edit.discard")}<//><//>`;
  if (!restored) return null;
  return html`<${Notice} role="status"><span>${t("protocols.edit.restored", { time: timeOfDay(atMs) })}</span><${Button} onPress=${discard}>${t("protocols.edit.discard")}<//><//>`;
}

/** @param {{checked: any, names: string[], go: (key: string) => void}} given */
function Problems({ checked, names, go: show }) {
  const named = (/** @type {string} */ key) => key.replace(/^steps\[(\d+)\]\.?/, (_, number) => `${t("protocols.edit.ofStep", { name: names[Number(number)] || number })} `);
  if (checked.findings.length === 0) return null;
  return html`<section class="form-problems stack" aria-label=${t("protocols.edit.problems")}><h2>${t("protocols.edit.problems")}</h2>
    <ul>${checked.findings.map((/** @type {any} */ each) => html`<li><span class=${each.severity === "error" ? "form-error" : "form-warned"}>${t(each.severity === "error" ? (each.where === "station" ? "protocols.edit.notHere" : "protocols.edit.mustChange") : "protocols.edit.lookAt")}</span>
      ${each.key ? html`<button type="button" class="plain" onClick=${() => show(each.key)}>${named(each.key)}${each.value ? ` = ${each.value}` : ""}</button>` : null} <span>${each.reason}</span></li>`)}</ul></section>`;
}

/** Bring the field that a finding is about into view, and the cursor into it. @param {string} key */
function focusOn(key) {
  requestAnimationFrame(() => {
    for (let place = key; place; place = place.replace(/(\.[^.[\]]*|\[\d+\])$/, "") === place ? "" : place.replace(/(\.[^.[\]]*|\[\d+\])$/, "")) {
      const found = document.getElementById(`at-${place}`);
      if (!found) continue;
      found.scrollIntoView({ block: "center" });
      /** @type {HTMLElement | null} */ (found.querySelector("input, select, textarea"))?.focus();
      return;
    }
  });
}

/**
 * Have a document checked whenever it has not changed for a moment; the newest answer counts.
 * @param {any} document
 */
function useChecked(document) {
  const [told, setTold] = useState(/** @type {{findings: any[], sentence: string}} */ ({ findings: [], sentence: t("protocols.edit.checking") }));
  const turn = useRef(0);
  useEffect(() => {
    if (!document) return undefined;
    const mine = ++turn.current;
    const timer = setTimeout(() => {
      ask("protocol-check", { document }).then(
        (answer) => mine === turn.current && setTold({ findings: answer.findings, sentence: sentenceOf(answer) }),
        (problem) => mine === turn.current && setTold((/** @type {any} */ old) => ({ ...old, sentence: t("protocols.edit.notChecked", { why: problem.message }) })),
      );
    }, CHECK_MS);
    return () => clearTimeout(timer);
  }, [document]);
  return told;
}

/** @param {any} answer */
function sentenceOf(answer) {
  if (answer.errors) return t("protocols.edit.errors", { count: answer.errors });
  const takes = answer.figures?.duration_s ? t("protocols.edit.takes", { minutes: Math.ceil(answer.figures.duration_s / 60) }) : "";
  return `${t(answer.usable_here ? "protocols.edit.good" : "protocols.edit.goodNotHere")}${takes ? ` ${takes}` : ""}`;
}
