// The acquisition under way: pictures in the centre as its kind has them, steps, set-up, counts and transport at the right.
import { html, useEffect, useRef, useState } from "../preact.js";
import { command } from "../api.js";
import { useLive } from "../live.js";
import { address } from "../router.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Card, Notice, sentence } from "../ui.js";
import { Finish, Leaving, Review } from "./acquire/after.js";
import { Counting } from "./acquire/counting.js";
import { Arming, Enable, Injection, Marks } from "./acquire/extras.js";
import { waitsForHandOver } from "./acquire/ctrecord.js";
import { HandOvers } from "./acquire/handover.js";
import { following, kindOf, phaseOf, present, transport } from "./acquire/flow.js";
import { Setup, StepList } from "./acquire/steps.js";
import { useAcquisition, useThumbnails } from "./acquire/state.js";
import { Transport } from "./acquire/transport.js";

/** @type {Record<string, () => Promise<{default: any}>>} */
const KINDS = {
  static: () => import("./acquire/static.js"),
  whole_body: () => import("./acquire/wholebody.js"),
  dynamic: () => import("./acquire/dynamic.js"),
  gated: () => import("./acquire/gated.js"),
  spect: () => import("./acquire/spect.js"),
  pet: () => import("./acquire/pet.js"),
  probe: () => import("./acquire/probe.js"),
};

export default function Acquire() {
  const status = useLive((live) => live.status);
  const connected = useLive((live) => live.connected);
  const who = useSession();
  const { told, atMs, problem, again } = useAcquisition();
  const acquisition = told?.acquisition && told.acquisition.run === status?.run ? told.acquisition : null;
  const thumbnails = useThumbnails(acquisition?.run ?? null);
  const mayAct = mayAs(who, "technologist");
  if (problem && !told) return html`<${Notice} level="medium" role="alert">${sentence(problem)}<//>`;
  if (!status || !told) return html`<p class="quiet" role="status">${t("shell.loading")}</p>`;
  if (!acquisition) return html`<${Nothing} status=${status} bed=${told.bed} connected=${connected} mayAct=${mayAct} again=${again} />`;
  return html`<${Under} ...${{ status, acquisition, atMs, thumbnails, connected, mayAct, again, bed: told.bed }} />`;
}

/** Nothing is under way: a patient may still be on the bed. @param {{status: any, bed: any, connected: boolean, mayAct: boolean, again: () => Promise<any>}} given */
function Nothing({ status, bed, connected, mayAct, again }) {
  const patient = Boolean(bed?.patient);
  return html`<div class="acquire-none stack">
    <h1>${t(patient ? "acquire.nothingButPatient" : "acquire.nothing")}</h1>
    <p>${t(patient ? "acquire.patientStill" : "acquire.nothingHow")} ${!patient && html`<a href=${address("worklist")}>${t("shell.screens.worklist")}</a>`}</p>
    ${status.detail && html`<p class="quiet">${status.detail}</p>`}
    ${patient && html`<div class="actions"><${Leaving} ended=${false} patient=${true} connected=${connected} mayAct=${mayAct} again=${again} /></div>`}
  </div>`;
}

/** @param {{status: any, acquisition: any, atMs: number, thumbnails: Record<string, string[]>, connected: boolean, mayAct: boolean, again: () => Promise<any>, bed: any}} given */
function Under(given) {
  const { status, acquisition, atMs, thumbnails, connected, mayAct, again } = given;
  const phase = phaseOf(status, acquisition);
  const step = present(status, acquisition);
  const next = following(status, acquisition);
  const toSetUp = phase === "next" || phase === "armed" || phase === "preparing" ? (next ?? step) : step;
  const recording = useLive((live) => live.progress?.run === status.run && live.progress.step === status.step && live.progress.elapsed_s > 0);
  const possible = transport(phase, status, { connected, mayAct, recording, handOver: phase === "handover" || waitsForHandOver(acquisition, next) });
  const accept = () => command("accept-view", { run: acquisition.run, step: status.step }).then(again);
  const pictures = thumbnails[`${acquisition.run}/${step?.number}`] ?? [];
  const side = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => side.current?.scrollTo(0, 0), [phase]); // what a view that has ended asks of one stands at the top
  return html`<div class=${`acquire ${connected ? "" : "lost"}`}>
    <h1 class="hidden-text">${t("shell.screens.acquire")}</h1>
    <div class="acquire-centre">
      ${!connected && html`<${Notice} level="medium" role="status">${t("acquire.lostConnection")}<//>`}
      ${(phase === "after" || phase === "ending") && status.step === 0 ? html`<${Card}><p class="picture-none quiet">${t("acquire.after.nothing")}</p><//>` : html`<${Centre} kind=${kindOf(step, acquisition)} phase=${phase} acquisition=${acquisition} status=${status} step=${step} />`}
    </div>
    <aside class="acquire-side" aria-label=${t("acquire.side")}>
      <div class="side-scroll" ref=${side} tabindex="0" role="region" aria-label=${t("acquire.details")}>
        ${phase === "after" && html`<${Finish} acquisition=${acquisition} status=${status} thumbnails=${thumbnails} again=${again} />`}
        ${(phase === "review" || phase === "next") && html`<${Review} ...${{ acquisition, status, step, next, pictures, phase, again }} />`}
        <${HandOvers} acquisition=${acquisition} phase=${phase} mayAct=${mayAct && connected} again=${again} />
        ${(phase === "preparing" || status.state === "positioning") && status.detail && html`<${Notice} role="status">${status.detail}<//>`}
        <${Arming} acquisition=${acquisition} atMs=${atMs} again=${again} mayAct=${mayAct && connected} />
        <${Enable} step=${toSetUp} status=${status} />
        ${phase === "paused" && html`<${Notice} role="status"><strong>❚❚ ${t("acquire.paused")}</strong>${status.detail && html` <span>${status.detail}</span>`}<//>`}
        ${["running", "paused", "ending", "review"].includes(phase) && html`<${Counting} step=${step} status=${status} />`}
        <${Injection} acquisition=${acquisition} again=${again} mayAct=${mayAct && connected} />
        ${phase !== "after" && html`<${StepList} acquisition=${acquisition} status=${status} thumbnails=${thumbnails} /><${Setup} acquisition=${acquisition} step=${toSetUp} />`}
        ${["running", "paused", "review", "next"].includes(phase) && html`<${Marks} run=${acquisition.run} mayAct=${mayAct && connected} />`}
      </div>
      ${phase === "after"
        ? html`<${Leaving} run=${acquisition.run} ended=${true} patient=${Boolean(given.bed?.patient)} connected=${connected} mayAct=${mayAct} again=${again} />`
        : html`<${Transport} possible=${possible} onNext=${accept} step=${step} status=${status} />`}
    </aside>
  </div>`;
}

/** Whoever positions a patient for the next view of heads sees what they see now. @param {{kind: string, phase: string, acquisition: any, status: any, step: any}} given */
function Centre({ kind: ended, ...rest }) {
  const kind = rest.phase === "next" && ended !== "pet" && ended !== "probe" ? "static" : ended;
  const [found, setFound] = useState(/** @type {any} */ ({ kind: "", Shown: null, problem: null }));
  useEffect(() => {
    let wanted = true;
    (KINDS[kind] ?? KINDS.static)().then(
      (module) => wanted && setFound({ kind, Shown: module.default, problem: null }),
      (problem) => wanted && setFound({ kind, Shown: null, problem }),
    );
    return () => {
      wanted = false;
    };
  }, [kind]);
  if (found.problem) return html`<${Notice} level="medium" role="alert"><span>${t("shell.failed", { why: sentence(found.problem) })}</span><${Button} onPress=${() => location.reload()}>${t("shell.again")}<//><//>`;
  if (!found.Shown || found.kind !== kind) return html`<${Card}><p class="quiet" role="status">${t("shell.loading")}</p><//>`;
  return html`<${found.Shown} ...${rest} />`;
}
