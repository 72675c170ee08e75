// The simulated hand controller and room: what a person would do at the gantry, on simulated stations alone.
import { html, useState } from "../preact.js";
import { command } from "../api.js";
import { useLive } from "../live.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { store, useStore } from "../store.js";
import { Button, Field } from "../ui.js";
import { called, lookAgain, place, useRoom } from "./roomstate.js";

const opened = store(false);
const THUMB_S = 120;
/** What the station says while it waits for somebody who presses the enable. */
const WAITS = /needs the enable (held|latched)/;

/** @param {string} device @param {string} action @param {any} [value] */
async function simulate(device, action, value) {
  await command("simulate", { device, action, ...(value !== undefined && { value }) });
  await lookAgain();
}

/** In the status line: opens and closes it. Only where the station is simulated, for those who may work it. */
export function HandControllerButton() {
  const who = useSession();
  const open = useStore(opened, (value) => value);
  const wanted = useLive((live) => WAITS.test(live.status?.detail ?? ""));
  if (!who?.simulated || !mayAs(who, "technologist")) return null;
  return html`${wanted && !open && html`<span class="hand-wanted" role="status">${t("hand.wanted")}</span>`}<button type="button" class="hand-open" aria-expanded=${open} aria-controls="hand" onClick=${() => opened.set(!open)}>${t("hand.open")}</button>`;
}

export function HandController() {
  const who = useSession();
  const open = useStore(opened, (value) => value);
  if (!open || !who?.simulated || !mayAs(who, "technologist")) return null;
  return html`<${Panel} />`;
}

function Panel() {
  const { room } = useRoom();
  const hand = room?.by_hand;
  return html`<aside id="hand" class="hand" aria-label=${t("hand.title")}>
    <div class="spread"><h2>${t("hand.title")}</h2><button type="button" onClick=${() => opened.set(false)}>${t("hand.close")}</button></div>
    <p class="quiet">${t("hand.what")}</p>
    ${room && hand && html`<div class="stack">
      ${hand.enable && html`<${Enable} room=${room} />`}
      ${hand.axes.length > 0 && html`<${Safety} room=${room} axis=${hand.axes[0]} axes=${hand.axes} /><${Push} room=${room} axes=${hand.axes} />`}
      ${hand.collimators.map((name) => html`<${Mount} key=${name} device=${name} mounts=${hand.mounts} />`)}
      ${hand.gates.map((name) => html`<${Heart} key=${name} device=${name} />`)}
      ${hand.heads.map((name) => html`<${Cover} key=${name} device=${name} room=${room} />`)}
    </div>`}
  </aside>`;
}

/** @param {{title: string, children?: any}} given */
function Group({ title, children }) {
  return html`<section class="hand-group"><h3>${title}</h3><div class="row">${children}</div></section>`;
}

/** @param {{room: import("./roomstate.js").Room}} given */
function Enable({ room }) {
  const pressed = room.enable !== "off";
  return html`<${Group} title=${t("hand.enable")}>
    <span class="hand-is">${t("hand.enableIs", { enable: t(`motion.enableName.${room.enable}`) })}</span>
    ${!pressed && html`<${Button} key="thumb" onPress=${() => simulate("enable", "hold", THUMB_S)}>${t("hand.thumb")}<//>`}
    ${(!pressed || room.enable === "held") && html`<${Button} key="latch" onPress=${() => simulate("enable", "latch")}>${t("hand.latch")}<//>`}
    ${pressed && html`<${Button} key="release" onPress=${() => simulate("enable", "release")}>${t(room.enable === "latched" ? "hand.unlatch" : "hand.lift")}<//>`}
  <//>`;
}

/** @param {{room: import("./roomstate.js").Room, axis: string, axes: string[]}} given */
function Safety({ room, axis, axes }) {
  const open = (/** @type {string} */ kind) => room.interlocks.some((each) => each.kind === kind && each.state === "open");
  const all = (/** @type {string} */ action) => Promise.all(axes.map((name) => simulate(name, action)));
  const work = (/** @type {string} */ kind, /** @type {string} */ on, /** @type {string} */ off, /** @type {(action: string) => Promise<any>} */ act) =>
    open(kind) ? [off, () => act(off)] : [on, () => act(on)];
  const one = (/** @type {string} */ action) => simulate(axis, action);
  const words = /** @type {Record<string, string>} */ ({
    "press-emergency-stop": "hand.press", "reset-emergency-stop": "hand.reset", "hit-pad": "hand.hit", "free-pad": "hand.free", "cut-power": "hand.cut", "restore-power": "hand.restore",
  });
  const works = /** @type {[string, () => Promise<any>][]} */ ([
    work("emergency_stop", "press-emergency-stop", "reset-emergency-stop", one),
    work("collision_pad", "hit-pad", "free-pad", one),
    work("drive_power", "cut-power", "restore-power", all),
  ]);
  return html`<${Group} title=${t("hand.safety")}>${works.map(([action, act]) => html`<${Button} key=${action} onPress=${act}>${t(words[action])}<//>`)}<//>`;
}

/** @param {{room: import("./roomstate.js").Room, axes: string[]}} given */
function Push({ room, axes }) {
  const [axis, setAxis] = useState(axes.includes("bed") ? "bed" : axes[0]);
  const [by, setBy] = useState("50");
  const told = room.axes[axis];
  const unit = told?.unit ?? "mm";
  const distance = Number(by);
  const good = by.trim() !== "" && Number.isFinite(distance) && distance !== 0;
  return html`<${Group} title=${t("hand.push")}>
    <${Field} label=${t("hand.pushAxis")} value=${axis} options=${axes.map((name) => ({ value: name, label: called(name) }))} onInput=${setAxis} />
    <${Field} label=${`${t("hand.pushBy")} (${unit === "deg" ? "°" : unit})`} value=${by} inputmode="numeric" size="5" onInput=${setBy} />
    <${Button} disabled=${!good} onPress=${() => simulate(axis, "slip", distance)}>${t("hand.pushDo")}<//>
    <span class="hand-is number">${told ? place(told.position, unit) : ""}</span>
  <//>`;
}

/** @param {{device: string, mounts: string[]}} given */
function Mount({ device, mounts }) {
  const mounted = useLive((live) => live.readings[`${device} mounted`]?.value ?? "");
  return html`<${Group} title=${t("hand.collimator")}>
    <span class="hand-is">${t("hand.mounted", { what: mounted || t("hand.nothing") })}</span>
    ${mounts.filter((each) => each !== mounted).map((each) => html`<${Button} key=${each} onPress=${() => simulate(device, "mount", each)}>${t("hand.mount")} ${each}<//>`)}
    ${mounted && html`<${Button} onPress=${() => simulate(device, "remove")}>${t("hand.remove")}<//>`}
  <//>`;
}

/** @param {{device: string}} given */
function Heart({ device }) {
  const [rate, setRate] = useState("70");
  const good = Number(rate) > 0;
  return html`<${Group} title=${t("hand.gate")}>
    <${Field} label=${t("hand.beats")} value=${rate} inputmode="numeric" size="5" onInput=${setRate} />
    <${Button} disabled=${!good} onPress=${() => simulate(device, "rate", Number(rate))}>${t("hand.set")}<//>
    <${Button} onPress=${() => simulate(device, "lose-signal")}>${t("hand.lead")}<//><${Button} onPress=${() => simulate(device, "find-signal")}>${t("hand.leadOn")}<//>
  <//>`;
}

/** @param {{device: string, room: import("./roomstate.js").Room}} given */
function Cover({ device, room }) {
  const open = room.interlocks.some((each) => each.device === device && each.kind === "service_cover" && each.state === "open");
  return html`<${Group} title=${t("hand.head", { head: called(device) })}><${Button} onPress=${() => simulate(device, open ? "close-cover" : "open-cover")}>${t(open ? "hand.coverClose" : "hand.coverOpen")}<//><//>`;
}
