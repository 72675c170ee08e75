// The result of a test that was just done: in limits it is signed by one press; else what is to be done next.
import { html } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, decide, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { Gauge, LevelBadge } from "./badges.js";
import { levelOf, signedBy, when } from "../../qcwords.js";

/** @param {{result: string, test: string, onAgain: () => void}} given */
export function Outcome({ result, test, onAgain }) {
  const revision = useLive((live) => live.revisions.qc);
  const who = useSession();
  const asked = useAsked(() => ask("qc-result", { result }), [result, revision]);
  const told = asked.value;
  if (!told) return html`<${Waiting} of=${asked} />`;
  const good = told.level === "in limits" || told.level === "not judged";
  const own = told.signatures.some((/** @type {any} */ each) => each.by === who?.user && each.meaning === "performed" && each.holds);
  const may = mayAs(who, "qc");
  const sign = async () => {
    await command("qc-sign", { result, sha256: told.sha256, meaning: "performed" });
    asked.again();
  };
  const signing = !own && told.level !== "not evaluable";
  return html`<${Card} class="qc-outcome" label=${t("qc.result.title")}>
    <div class="spread"><div><h2>${told.title}</h2><p class="quiet">${when(told.performed_utc)} · ${told.by}${told.simulated ? ` · ${t("qc.result.simulated")}` : ""}</p></div><${LevelBadge} level=${told.level} large /></div>
    <p class="qc-means">${told.advice || t(`qc.means.${levelOf(told.level).key}`)}</p>
    ${told.signatures.length > 0 && html`<p role="status" class="qc-signed"><span aria-hidden="true">✓</span> ${t("qc.run.signed", { who: signedBy(told) })}</p>`}
    ${told.obstacles.length > 0 && html`<${Notice} level="medium"><div><strong>${t("qc.result.against")}</strong><ul>${told.obstacles.map((/** @type {string} */ why) => html`<li key=${why}>${why}</li>`)}</ul></div><//>`}
    <div class="qc-gauges">${told.figures.map((/** @type {any} */ figure) => html`<${Gauge} key=${figure.name} figure=${figure} />`)}</div>
    ${told.level === "suspension" && html`<p>${t("qc.run.failText")}</p>`}
  <//>
  <div class="actions">
    <a class="button" href=${address("qc", "result", result)}>${t("qc.run.wholeResult")}</a>
    ${!good && html`<${Button} disabled=${!may} why=${may ? "" : t("qc.run.technologist")} onPress=${() => call(result)}>${t("qc.run.call")}<//>`}
    ${["suspension", "not evaluable"].includes(told.level) && may && html`<a class="button" href=${address("qc", "allow", told.test)}>${t("qc.spite.open")}</a>`}
    ${!good && signing && html`<${Button} disabled=${!may} onPress=${sign}>${t("qc.run.signAs")}<//>`}
    ${!good && html`<${Button} kind="primary" disabled=${!may} onPress=${() => repeat(test, onAgain)}>${t("qc.run.repeat")}<//>`}
    ${good && signing && html`<${Button} kind="primary" disabled=${!may} why=${may ? "" : t("qc.run.technologist")} onPress=${sign}>${t("qc.run.signHere")}<//>`}
    ${good && !signing && html`<${Button} onPress=${() => go("qc")}>${t("qc.run.back")}<//><${Button} kind="primary" onPress=${() => go("worklist")}>${t("qc.run.toWorklist")}<//>`}
  </div>`;
}

/** @param {string} test @param {() => void} onAgain */
function repeat(test, onAgain) {
  onAgain();
  go("qc", "run", test);
}

/** @param {string} result */
async function call(result) {
  const choice = await decide({
    title: t("qc.run.callTitle"), body: html`<p>${t("qc.run.callBody")}</p>`,
    choices: [{ key: "not", label: t("qc.run.callNot"), safe: true }, { key: "call", label: t("qc.run.callDo") }],
  });
  if (choice !== "call") return;
  await command("qc-call", { result });
  tell(t("qc.run.called"), "good");
}
