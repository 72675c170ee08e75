// Control of the scanner: who holds it is always visible; it is taken, given back and handed over here.
import { request } from "../api.js";
import { passing, secondsLeft, standing } from "../controlstate.js";
import { useLive } from "../live.js";
import { html, useEffect, useRef, useState } from "../preact.js";
import { mayAs, useSession } from "../session.js";
import { personalStore, useStore } from "../store.js";
import { t } from "../strings.js";
import { Button, Field, Notice, tell } from "../ui.js";

const shown = personalStore(false);

/** Open the dialog: to hand control over, above all. */
export function showControl() {
  shown.set(true);
}

/** @param {"take" | "withdraw" | "release" | "hand-over"} action @param {{reason?: string, to?: string}} [more] */
export function actControl(action, more = {}) {
  return request("POST", "/api/v1/control", { action, ...more });
}

/** Return how control stands for whoever sits here, and what the station says of it. */
export function useControl() {
  const who = useSession();
  const told = useLive((live) => live.control);
  return { told, stands: standing(told, who?.session ?? ""), who };
}

/** Shown in the head of every screen. */
export function ControlChip() {
  const { told, stands } = useControl();
  const before = useRef(/** @type {any} */ (null));
  const { who } = useControl();
  useEffect(() => {
    const what = passing(before.current, told, who?.session ?? "");
    if (told) before.current = told;
    if (what) tell(t(what.key, { user: what.user }), what.level);
  }, [told]);
  if (stands === "unknown") return null;
  const user = stands === "mine" ? t("control.you") : (told.holder?.user ?? t("control.nobody"));
  return html`<button type="button" class=${`control-chip ${stands === "mine" ? "mine" : ""}`} aria-haspopup="dialog" onClick=${showControl}>${t("control.chip", { user })}</button>`;
}

/** Says that somebody asks for control, to the holder, and how long it takes, to whoever asked. Stands once in the page. */
export function ControlNotice() {
  const { told, stands, who } = useControl();
  const [passed, setPassed] = useState("");
  const [now, setNow] = useState(0);
  const heardMs = useRef(0);
  const wish = told?.request;
  useEffect(() => {
    if (!wish) return undefined;
    heardMs.current = performance.now();
    setNow(heardMs.current);
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [wish]);
  if (!wish) return null;
  const seconds = secondsLeft(wish, heardMs.current, Math.max(now, heardMs.current));
  if (wish.session === who?.session) {
    return html`<div class="control-notice"><${Notice}><div>${t("control.asked", { user: told.holder?.user ?? "", seconds })}</div>
      <${Button} onPress=${() => actControl("withdraw")}>${t("control.withdraw")}<//><//></div>`;
  }
  if (stands !== "mine" || passed === wish.session) return null;
  return html`<div class="control-notice"><${Notice}><div><strong role="alert">${t("control.asks", { user: wish.user, reason: wish.reason })}</strong><br />${t("control.passesIn", { seconds })}</div>
    <${Button} onPress=${() => actControl("hand-over", { to: wish.session })}>${t("control.handOverNow")}<//>
    <${Button} kind="plain" onPress=${() => setPassed(wish.session)}>${t("control.letPass")}<//><//></div>`;
}

/** Stands once in the page. */
export function ControlDialog() {
  const open = useStore(shown, (value) => value);
  return open ? html`<${Dialog} />` : null;
}

function Dialog() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const { told, stands, who } = useControl();
  const [others, setOthers] = useState(/** @type {any[]} */ ([]));
  const [reason, setReason] = useState("");
  useEffect(() => {
    dialog.current?.show(); // not modal: STOP ALL MOTION stays within reach
    dialog.current?.querySelector("button")?.focus();
  }, []);
  useEffect(() => {
    request("GET", "/api/v1/control").then((answer) => setOthers(answer.others), tell);
  }, [told]);
  const close = () => shown.set(false);
  const act = async (/** @type {any} */ action, /** @type {any} */ more = {}) => {
    await actControl(action, more);
    close();
  };
  const may = mayAs(who, "technologist");
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") close();
  };
  return html`<dialog ref=${dialog} class="control-dialog stack" aria-labelledby="control-title" onKeyDown=${pressed}>
    <h2 id="control-title">${t("control.title")}</h2>
    <${About} told=${told} stands=${stands} />
    ${stands === "mine" && html`<${HandOver} others=${others} act=${act} />`}
    ${stands === "theirs" && may && html`<${Field} label=${t("control.reason")} value=${reason} onInput=${setReason} maxlength="200" hint=${t("control.askHint", { user: told.holder.user })} />`}
    <div class="choices">
      <${Button} onPress=${close}>${t(stands === "mine" ? "control.keep" : "control.watch")}<//>
      ${stands === "mine" && html`<${GiveBack} act=${act} />`}
      ${stands === "nobody" && may && html`<${Button} kind="primary" onPress=${() => act("take")}>${t("control.take")}<//>`}
      ${stands === "theirs" && may && html`<${Button} kind="primary" disabled=${!reason.trim()} why=${t("control.reason")} onPress=${() => act("take", { reason })}>${t("control.ask")}<//>`}
    </div>
  </dialog>`;
}

/** @param {{told: any, stands: string}} given */
function About({ told, stands }) {
  const status = useLive((live) => live.status);
  const since = told?.holder ? new Date(told.holder.since_utc).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false }) : "";
  const key = { mine: "control.youHold", theirs: "control.otherHolds" }[stands] ?? "control.nobodyHolds";
  const state = status ? t(`shell.states.${status.state}`) : "";
  const running = status?.protocol ? t("control.runningProtocol", { state, protocol: status.protocol }) : t("control.running", { state });
  return html`<p>${t(key, { user: told?.holder?.user ?? "", since })}</p><p class="quiet">${status && running}</p>`;
}

/** @param {{others: any[], act: (action: string, more?: object) => Promise<void>}} given */
function HandOver({ others, act }) {
  if (!others.length) return html`<p class="quiet">${t("control.noOthers")}</p>`;
  return html`<ul>${others.map(
    (each) => html`<li key=${each.session}><${Button} onPress=${() => act("hand-over", { to: each.session })}>${t("control.handOver", { user: each.user, role: each.role })}<//></li>`,
  )}</ul>`;
}

/**
 * With a patient on the bed it takes a reason: the station says so, and the field appears.
 * @param {{act: (action: string, more?: object) => Promise<void>}} given
 */
function GiveBack({ act }) {
  const [needed, setNeeded] = useState(false);
  const [reason, setReason] = useState("");
  const give = async () => {
    try {
      await act("release", needed ? { reason } : {});
    } catch (problem) {
      setNeeded(true);
      throw problem;
    }
  };
  return html`${needed && html`<${Field} label=${t("control.reasonBack")} value=${reason} onInput=${setReason} maxlength="200" />`}<${Button} onPress=${give}>${t("control.giveBack")}<//>`;
}
