// What stands above the list: quality control that is due, identities that wait, what is wrong with the file.
import { html } from "../../preact.js";
import { useLive } from "../../live.js";
import { address } from "../../router.js";
import { t } from "../../strings.js";
import { Notice } from "../../ui.js";

const WANTED = ["due", "overdue", "never", "failed", "after-service"];

/** @param {{told: any}} given */
export function Notices({ told }) {
  return html`<${Due} />
    ${told?.to_reconcile > 0 && html`<${Notice}>${told.to_reconcile === 1 ? t("worklist.toReconcileOne") : t("worklist.toReconcile", { count: told.to_reconcile })}<//>`}
    ${told?.to_countersign > 0 && html`<${Notice}>${told.to_countersign === 1 ? t("worklist.countersignOne") : t("worklist.countersignMany", { count: told.to_countersign })}<//>`}
    ${told?.damaged > 0 && html`<${Notice}>${t("worklist.damaged", { count: told.damaged })}<//>`}
    ${told?.problems?.length > 0 && html`<${Notice}><details><summary>${told.problems.length === 1 ? t("worklist.problemsOne") : t("worklist.problems", { count: told.problems.length })}</summary>
      <ul class="problems">${told.problems.map((/** @type {string} */ problem) => html`<li>${problem}</li>`)}</ul></details><//>`}`;
}

/** The daily test that is not done, with the way to it. */
function Due() {
  const tests = useLive((live) => live.qc);
  const wanted = Object.values(tests).filter((/** @type {any} */ test) => WANTED.includes(test.state));
  const first = wanted.find((/** @type {any} */ test) => test.blocking) ?? wanted.find((/** @type {any} */ test) => /daily|flood/.test(test.test)) ?? wanted[0];
  if (!first) return null;
  return html`<${Notice} role="status"><span class="grow">${t("worklist.qcNotDone", { title: first.title })}</span>
    <a class="button" href=${`${address("qc")}?run=due`}>${t("worklist.qcRun")}</a><//>`;
}
