// The display in the room, read from three metres: what is seen, what is left, the time. Never whose it is.
import { html, useEffect, useRef, useState } from "../preact.js";
import { command } from "../api.js";
import { clock, counts, rate, toGo } from "../format.js";
import { live, useLive } from "../live.js";
import { useFrame, useWanted } from "../liveframes.js";
import { mayAs, useSession } from "../session.js";
import { stationNow } from "../stationclock.js";
import { t } from "../strings.js";
import { Button, tell } from "../ui.js";
import { StayWithPatient } from "../widgets/motion.js";
import { Picture } from "../widgets/picture.js";
import { headName, PhaseNote, useOver, viewName } from "../widgets/scope.js";
import { StopButton } from "../widgets/stopping.js";
import { present } from "./acquire/flow.js";
import { useAcquisition } from "./acquire/state.js";
import { useOpen } from "./qc/spite.js";
import { figureOf, isOver, markAt, viewOf } from "./room/figures.js";

export default function Room() {
  const [marking, setMarking] = useState(false);
  const status = useLive((live) => live.status);
  const who = useSession();
  const pictures = useFrame((frames) => Boolean(frames.parts.scope));
  useEffect(() => setMarking(false), [status?.run]); // who lies there next is not marked by a press that was meant for another
  const may = pictures && mayAs(who, "technologist") && ["acquiring", "paused"].includes(status?.state);
  return html`<main class="room" id="content"><h1 class="hidden-text">${t("room.title")}</h1>
    <header><${Clock} /><${Says} status=${status} /><${StopButton} /></header>
    <${Middle} status=${status} marking=${marking && may} onMarked=${() => setMarking(false)} />
    <footer>
      <div class="row">${may && html`<${Button} aria-pressed=${marking} onPress=${() => setMarking(!marking)}>${t("room.markHere")}<//>`}
      <${Spite} /><span class="quiet">${may ? (marking ? t("room.markHint") : "") : mayAs(who, "technologist") || !pictures ? "" : t("room.marksOff")}</span></div>
      <${StayWithPatient} />
      <div class="row">${who?.simulated && html`<span class="simulated-mark">${t("room.simulated")}</span>`}<a class="button" href="/#/worklist">${t("room.console")}</a></div>
    </footer>
  </main>`;
}

/** Return the time at the station in milliseconds, each second anew. */
function useSeconds() {
  const [now, setNow] = useState(stationNow());
  useEffect(() => {
    const timer = setInterval(() => setNow(stationNow()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** What is used in spite of a test, by its name alone: patients read along here. */
function Spite() {
  const tests = (useOpen().value?.open ?? []).filter((/** @type {any} */ each) => each.test);
  return tests.length ? html`<strong role="status">${t("room.inSpite", { titles: tests.map((/** @type {any} */ each) => each.title).join(", ") })}</strong>` : null;
}

function Clock() {
  const now = new Date(useSeconds());
  return html`<time class="room-clock" aria-label=${t("room.clock")}>${now.toLocaleTimeString("en-GB", { hour12: false })}</time>`;
}

/** @param {{status: any}} given */
function Says({ status }) {
  useSeconds(); // what is old grows older while nothing is heard
  const connected = useLive((live) => live.connected);
  const heardAtMs = useLive((live) => live.heardAtMs);
  const state = status ? t(`shell.states.${status.state}`) : t("shell.connecting");
  if (!connected && heardAtMs !== null) return html`<div class="room-says" role="status"><span class="room-old">${t("room.old", { seconds: Math.round((performance.now() - heardAtMs) / 1000) })}</span></div>`;
  return html`<div class="room-says" role="status">${state}<small>${viewText(status)}</small></div>`;
}

/** Which view records, or comes next, and what is said of it: that may begin with its name. @param {any} status */
function viewText(status) {
  const [which, name, detail] = [viewOf(status), status?.step_name ?? "", status?.detail ?? ""];
  const said = name && detail.startsWith(name);
  const view = which && t(`room.${which}`, { step: status.step, steps: status.steps, name: said ? detail : name });
  return [view, said ? "" : detail].filter(Boolean).join(" · ");
}

/** @param {{status: any, marking: boolean, onMarked: () => void}} given */
function Middle({ status, marking, onMarked }) {
  const progress = useLive((live) => live.progress);
  useWanted({ what: ["scope", "probe", "rates"], hz: 10, size: 512 });
  const there = status?.state !== "ready"; // whoever comes next sees nothing of whoever was before
  const part = useFrame((frames) => (there ? frames.parts.scope : undefined));
  const probe = useFrame((frames) => frames.parts.probe);
  const { told } = useAcquisition();
  const mine = there && progress?.run === status?.run && progress?.step === status?.step ? progress : null;
  const acquisition = told?.acquisition?.run === status?.run ? told?.acquisition : null;
  const shown = figureOf(status, mine, present(status, acquisition));
  if (probe) return html`<div class="room-big" aria-live="off">${Math.round(probe.arrays.rates_per_s.values[0])}<small class="room-figure"><small>${t("probe.unit")}</small></small></div>`;
  return html`<div class="room-middle">
    ${part ? html`<${Pictures} part=${part} marking=${marking} onMarked=${onMarked} /><${PhaseNote} />` : html`<div class="room-big" aria-live="off">${mine?.rates_cps?.prompts === undefined ? "" : rate(mine.rates_cps.prompts)}</div>`}
    ${mine && html`<div class="room-figures" aria-live="off">
      <div class="room-figure">${shown.left === null ? counts(shown.value) : counts(shown.left)}<small>${t(shown.left === null ? "room.counts" : "room.toGo")}</small></div>
      <div class="room-figure">${shown.seconds === null ? clock(mine.step_s ?? mine.elapsed_s) : toGo(shown.seconds)}<small>${t(isOver(status) ? "room.lasted" : shown.seconds === null ? "room.noLimit" : "room.left")}</small></div>
    </div>`}
  </div>`;
}

/** @param {{part: any, marking: boolean, onMarked: () => void}} given */
function Pictures({ part, marking, onMarked }) {
  const over = useOver();
  return html`<div class="room-pictures">${part.about.heads.map((/** @type {any} */ head) => html`<figure key=${head.number}>
    <div class="room-picture"><${Picture} part=${part.arrays[head.number]} name=${`room/${head.number}`} letters=${head.letters} over=${over} alternative=${viewName(head)}>
      ${marking && html`<${Touch} head=${head} part=${part.arrays[head.number]} onMarked=${onMarked} />`}<//></div>
    <figcaption>${viewName(head)}</figcaption></figure>`)}</div>`;
}

let marks = { run: "", made: 0 };

/** @param {{head: any, part: any, onMarked: () => void}} given */
function Touch({ head, part, onMarked }) {
  const busy = useRef(false); // one touch is one mark
  const touched = async (/** @type {PointerEvent} */ event) => {
    if (busy.current) return;
    busy.current = true;
    const run = live.get().status?.run ?? "";
    if (marks.run !== run) marks = { run, made: 0 };
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const { x, y } = markAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, part);
    const text = t("room.markText", { number: marks.made + 1, x: x.toFixed(0), y: y.toFixed(0), head: headName(head) });
    try {
      await command("mark", { run: run || undefined, text });
      marks.made += 1;
      tell(t("room.marked", { text }), "good");
      onMarked();
    } catch (problem) {
      tell(problem);
    } finally {
      busy.current = false;
    }
  };
  return html`<button type="button" class="room-touch" aria-label=${t("room.markHint")} onPointerDown=${touched}></button>`;
}
