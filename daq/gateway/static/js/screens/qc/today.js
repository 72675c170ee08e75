// What is due today, a card for each test, and the calendar.
import { html, useEffect, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { useLive } from "../../live.js";
import { address, go } from "../../router.js";
import { t } from "../../strings.js";
import { Button, Card, Notice, useAsked, Waiting } from "../../ui.js";
import { Gauge, LevelBadge, Spark } from "./badges.js";
import { Calendar } from "./calendar.js";
import { Outcome } from "./outcome.js";
import { Tonight } from "./tonight.js";
import { firstDue, signedBy, when, worst } from "../../qcwords.js";

export function Today() {
  const revision = useLive((live) => live.revisions.qc);
  const [first, setFirst] = useState(/** @type {string | null} */ (null));
  const asked = useAsked(() => ask("qc-calendar", first === null ? {} : { first }), [revision, first]);
  const told = asked.value;
  if (!told) return html`<${Waiting} of=${asked} />`;
  if (!told.tests.length) return html`<p class="quiet">${t("qc.noTests")}</p>`;
  return html`<div class="stack">
    <${Waiting} of=${{ ...asked, loading: false }} />
    <${Round} />
    <${ByItself} newest=${told.newest} />
    <${Due} due=${told.due} />
    <div class="qc-cards">${told.due.map((/** @type {any} */ row) => html`<${TestCard} key=${row.test} row=${row} newest=${told.newest[row.test]} spark=${told.sparks[row.test]} nowUtc=${told.now_utc} />`)}</div>
    <${Tonight} />
    <${Calendar} told=${told} onFirst=${setFirst} />
  </div>`;
}

/** What the station did by itself and nobody has signed: its figures, to be signed by one press. @param {{newest: Record<string, any>}} given */
function ByItself({ newest }) {
  const [shown, setShown] = useState(/** @type {any} */ (null)); // stays when it is signed, so that it says by whom
  const waits = Object.values(newest).find((each) => each.by === "autoqc" && each.signatures.length === 0);
  useEffect(() => {
    if (waits) setShown(waits);
  }, [waits?.id]);
  const row = waits ?? shown;
  if (!row) return null;
  return html`<section class="stack qc-itself" aria-label=${t("qc.itself")}><h2>${t("qc.itself")}</h2><${Outcome} key=${row.id} result=${row.id} test=${row.test} onAgain=${() => setShown(null)} /></section>`;
}

/** A test that was begun here or at another console, and is under way. */
function Round() {
  const revision = useLive((live) => live.revisions.qc);
  const state = useLive((live) => live.status?.state);
  const [round, setRound] = useState(/** @type {any} */ (null));
  useEffect(() => {
    ask("qc-round").then((told) => setRound(told.round), () => setRound(null));
  }, [revision, state]);
  if (!round || round.over) return null;
  const part = round.parts[round.now];
  return html`<${Notice} role="status"><span><strong>${part.title}</strong>: ${t(`qc.run.stages.${round.stage}`)}</span><${Button} onPress=${() => go("qc", "run", round.parts[round.parts.length - 1].test)}>${t("qc.run.wholeResult")}<//><//>`;
}

/** @param {{due: any[]}} given */
function Due({ due }) {
  const wanted = firstDue(due);
  if (!wanted) return html`<p class="quiet" role="status"><span aria-hidden="true">✓</span> ${t("qc.nothingDue")}</p>`;
  const open = due.filter((each) => each.asked);
  const daily = due.some((each) => each.asked && each.every === "day");
  const press = () => {
    location.hash = `${address("qc")}?run=due`;
  };
  return html`<${Card} class="qc-due"><div class="spread">
    <div><h2>${open.length === 1 ? t("qc.dueOne") : t("qc.dueCount", { count: open.length })}</h2><ul>${open.map((each) => html`<li key=${each.test}>${each.title}: ${t(`qc.states.${each.state}`)}${each.blocks ? html`, <strong>${t("qc.blocks")}</strong>` : ""}</li>`)}</ul></div>
    <${Button} kind="primary" onPress=${press}>${daily ? t("qc.dueNow") : t("qc.cardLabels.run", { title: wanted.title })}<//>
  </div><//>`;
}

/** @param {{row: any, newest: any, spark: any, nowUtc: string}} given */
function TestCard({ row, newest, spark, nowUtc }) {
  const found = worst(newest);
  const figure = found?.limit ? found : null;
  const canRun = row.next.startsWith("daq qc run");
  const stands = row.analysing ? t("qc.analysing") : t(`qc.states.${row.state}`);
  return html`<${Card} class="qc-card" label=${row.title}>
    <div class="spread"><h2>${row.title}</h2><${LevelBadge} level=${newest?.level} /></div>
    <p><strong>${stands}</strong>${row.blocks ? html` · <strong>${t("qc.blocks")}</strong>` : ""} · ${t(`qc.every.${row.every ?? "demand"}`)}</p>
    ${figure && html`<${Gauge} figure=${figure} />`}
    <${Spark} spark=${spark} about=${row.title} nowUtc=${nowUtc} />
    ${newest && html`<p class="quiet">${t("qc.lastDone", { when: when(newest.performed_utc) })} · ${newest.signatures.length ? t("qc.card.signed", { who: signedBy(newest) }) : t("qc.card.notSigned")}</p>`}
    <p class="quiet">${next(row)}</p>
    ${newest && levelAdvice(newest)}
    <div class="row qc-card-hand">
      ${canRun && html`<${Button} label=${t("qc.cardLabels.run", { title: row.title })} onPress=${() => go("qc", "run", row.test)}>${t("qc.card.run")}<//>`}
      ${row.asks.length > 0 && html`<${Button} label=${t("qc.cardLabels.enter", { title: row.title })} onPress=${() => go("qc", "enter", row.test)}>${t("qc.card.enter")}<//>`}
      ${newest && html`<a class="button" href=${address("qc", "result", newest.id)} aria-label=${t("qc.cardLabels.open", { what: opens(newest), title: row.title })}>${opens(newest)}</a>`}
      ${newest && html`<a class="button" href=${address("qc", "trend", row.test)} aria-label=${t("qc.cardLabels.trend", { title: row.title })}>${t("qc.card.trend")}</a>`}
    </div>
  <//>`;
}

/** @param {any} newest */
function opens(newest) {
  return t(newest.signatures.length ? "qc.card.open" : "qc.card.sign");
}

/** When it is due next. @param {any} row */
function next(row) {
  if (row.valid_until_utc) return t(row.asked ? "qc.dueSince" : "qc.validUntil", { when: when(row.valid_until_utc) });
  return t(row.asked ? "qc.dueToday" : "qc.notScheduled");
}

/** @param {any} newest */
function levelAdvice(newest) {
  if (newest.level === "in limits") return null;
  const says = newest.obstacles[0] ?? newest.advice;
  return says ? html`<p>${says}</p>` : null;
}
