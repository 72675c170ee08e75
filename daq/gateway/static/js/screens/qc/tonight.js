// Tests that the station does by itself before the day begins, if somebody has left source and heads in place.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Field, tell, useAsked, Waiting } from "../../ui.js";
import { valued, when } from "../../qcwords.js";

export function Tonight() {
  const revision = useLive((live) => live.revisions.qc);
  const connected = useLive((live) => live.connected);
  const { value } = useAsked(() => ask("qc-due"), [revision, connected]);
  const tests = (value?.tests ?? []).filter((/** @type {any} */ each) => each.auto_at);
  return html`${tests.map((/** @type {any} */ row) => html`<${One} key=${row.test} row=${row} left=${value.left.find((/** @type {any} */ each) => each.test === row.test)} />`)}`;
}

/** @param {{row: any, left: any}} given */
function One({ row, left }) {
  const [asked, setAsked] = useState(false);
  const may = mayAs(useSession(), "qc");
  return html`<${Card} class="qc-tonight" label=${row.title}><div class="spread">
    <div><h2>${t("qc.tonight.title", { title: row.title, at: row.auto_at })}</h2>
      <p role="status">${left ? html`<span aria-hidden="true">✓</span> ${t(left.source ? "qc.tonight.left" : "qc.tonight.leftNone", { serial: left.source, by: left.by, when: when(left.at_utc) })}` : t("qc.tonight.nothing")}</p></div>
    ${!left && !asked && html`<${Button} disabled=${!may} why=${may ? "" : t("qc.fewer", { role: "qc" })} label=${t("qc.tonight.leaveOf", { title: row.title })} onPress=${() => setAsked(true)}>${t("qc.tonight.leave")}<//>`}</div>
    ${!left && asked && html`<${Stated} row=${row} onNot=${() => setAsked(false)} />`}<//>`;
}

/** @param {{row: any, onNot: () => void}} given */
function Stated({ row, onNot }) {
  const [chosen, setChosen] = useState("");
  const of = useAsked(() => ask("qc-plan", { test: row.test }), [row.test]);
  const plan = of.value;
  if (!plan) return html`<${Waiting} of=${of} />`;
  const serial = chosen || plan.source;
  const leave = async () => {
    await command("qc-leave", { test: row.test, ...(serial ? { source: serial } : {}) });
    tell(t("qc.tonight.noted", { at: row.auto_at }), "good");
    onNot();
  };
  return html`${plan.sources.length > 1 && html`<${Field} label=${t("qc.run.choose")} value=${serial ?? ""} onInput=${setChosen} options=${plan.sources.map((/** @type {any} */ each) => ({ value: each.serial, label: `${each.serial}, ${valued(each.now_mbq, "MBq")}` }))} />`}
    <p>${t(serial ? "qc.tonight.state" : "qc.tonight.stateNone", { serial })}</p>
    <div class="actions"><${Button} onPress=${onNot}>${t("qc.spite.not")}<//><${Button} kind="primary" onPress=${leave}>${t(serial ? "qc.tonight.do" : "qc.tonight.doNone")}<//></div>`;
}
