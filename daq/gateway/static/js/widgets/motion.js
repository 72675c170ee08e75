// Where axes are, what is pressed in the room, how far positions are to be trusted, and what to do after motion was lost.
import { html, useEffect } from "../preact.js";
import { ask, command } from "../api.js";
import { personName } from "../identity.js";
import { live, useLive } from "../live.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Card, decide, Notice, tell } from "../ui.js";
import { HoldButton } from "./holding.js";
import { called, canMove, lookAgain, place, useRoom } from "./roomstate.js";
import { clock } from "./when.js";

const SIGNS = /** @type {Record<string, string>} */ ({ off: "○", held: "●", spent: "◌", latched: "◉" });

export function Motion() {
  const { room, oldS } = useRoom();
  if (!room) return null;
  const names = Object.keys(room.axes);
  return html`<${Card} title=${t("motion.title")}>
    <div class=${`stack ${oldS ? "stale" : ""}`}>
      ${oldS > 0 && html`<p role="status">${t("motion.old", { seconds: oldS })}</p>`}
      ${names.length === 0 ? html`<p class="quiet">${t("motion.none")}</p>` : html`<${Trust} room=${room} /><${Enable} room=${room} /><${Axes} room=${room} /><${Holds} room=${room} />`}
      <${BedState} room=${room} />
    </div>
  <//>`;
}

/** @param {{room: import("./roomstate.js").Room}} given */
function Trust({ room }) {
  const who = useSession();
  const level = room.reference === "confirmed" ? "" : "medium";
  return html`<${Notice} level=${level}><span>${t(`motion.references.${room.reference}`)}</span>
    ${room.reference === "homed" && mayAs(who, "technologist") && html`<${Button} onPress=${() => confirmed(room)}>${t("motion.confirm")}<//>`}<//>`;
}

/** @param {import("./roomstate.js").Room} room */
async function confirmed(room) {
  const patient = await ask("patient").catch(() => null); // then the question says that it is not known
  const positions = Object.entries(room.axes).map(([name, axis]) => `${called(name)} ${place(axis.position, axis.unit)}`).join(", ");
  const asked = whoLies();
  const taken = await decide({
    title: t("motion.confirmTitle"), holds: () => whoLies() === asked, changed: t("motion.confirmChanged"),
    body: html`<div class="stack"><p class="big">${nameOf(patient)}</p><p>${t("motion.confirmBody", { positions })}</p></div>`,
    choices: [{ key: "no", label: t("motion.confirmNo"), safe: true }, { key: "yes", label: t("motion.confirmYes"), kind: "primary" }],
  });
  if (taken !== "yes") return;
  await command("confirm", { identity: true, position: true });
  tell(t("motion.confirmed"), "good");
  await lookAgain();
}

/** What changes when somebody else lies there. */
function whoLies() {
  const { status, readings } = live.get();
  return `${status?.run} ${readings["patient on_bed"]?.value}`;
}

/** Who lies there, in words to be compared with what the patient says. @param {any} patient */
function nameOf(patient) {
  const told = patient?.identity;
  if (!told) return t("motion.confirmNobody");
  const born = told.birth_date ? t("banner.born", { date: told.birth_date }) : "";
  return [personName(told.name), born, `${t("banner.id")} ${told.patient_id}`].filter(Boolean).join(" · ");
}

/** @param {{room: import("./roomstate.js").Room}} given */
function Enable({ room }) {
  return html`<div class=${`enable ${room.enable}`}><span class="enable-sign" aria-hidden="true">${SIGNS[room.enable]}</span>
    <span><strong>${t("motion.enable")}: ${t(`motion.enableName.${room.enable}`)}</strong><br />${t(`motion.enables.${room.enable}`)}</span></div>`;
}

/** @param {{room: import("./roomstate.js").Room}} given */
function Axes({ room }) {
  const state = (/** @type {any} */ axis) => axis.fault || (axis.moving === null ? t("motion.notRead") : t(axis.moving ? "motion.moves" : "motion.stands"));
  const reference = (/** @type {any} */ axis) => (axis.homed === null ? t("motion.notRead") : t(axis.homed ? "motion.homed" : "motion.notHomed"));
  return html`<table class="axes"><thead><tr><th scope="col">${t("motion.axis")}</th><th scope="col" class="number">${t("motion.position")}</th><th scope="col">${t("motion.now")}</th><th scope="col">${t("motion.reference")}</th></tr></thead>
    <tbody>${Object.entries(room.axes).map(([name, axis]) => html`<tr key=${name} class=${axis.fault ? "faulty" : ""}><th scope="row">${called(name)}</th>
      <td class="number">${place(axis.position, axis.unit)}</td><td>${state(axis)}</td><td>${reference(axis)}</td></tr>`)}</tbody></table>`;
}

/** @param {{room: import("./roomstate.js").Room}} given */
function Holds({ room }) {
  const who = useSession();
  if (!mayAs(who, "technologist")) return null;
  const home = room.against.homing ?? "";
  const retreat = room.against.retreat ?? "";
  const away = Object.entries(room.axes).filter(([, axis]) => axis.away !== null);
  return html`<div class="stack">
    <p class="quiet">${t("motion.holdHow")}</p>
    <div class="row">
      ${room.reference !== "confirmed" && html`<${HoldButton} begin=${() => command("home", { axes: [] })}>${t("motion.holdHome")}<//>`}
      ${away.map(([name]) => html`<${HoldButton} key=${name} begin=${() => command("retreat", { axis: name })}>${t("motion.holdRetreat", { axis: called(name) })}<//>`)}
    </div>
    ${(retreat || (room.reference !== "confirmed" && home)) && html`<p class="quiet">${t("motion.against", { why: retreat || home })}</p>`}
  </div>`;
}

/** @param {{room: import("./roomstate.js").Room}} given */
function BedState({ room }) {
  const who = useSession();
  const bed = room.bed;
  if (!bed) return null;
  const time = clock(bed.since_utc);
  if (!bed.occupied) return html`<p>${t("motion.bedEmpty", { user: bed.stated_by, time })}</p>`;
  return html`<div class="spread"><span>${bed.patient ? `${t("motion.patientOn")} ${t("motion.patientSince", { time })}` : t("motion.bedUnknown", { time })}</span>
    ${mayAs(who, "technologist") && html`<${Button} onPress=${patientOff}>${t("motion.patientOff")}<//>`}</div>`;
}

/** Say that nobody is on the bed any more. */
export async function patientOff() {
  await command("bed-empty");
  await lookAgain();
}

/** Ask before this page is closed while a patient is on the bed and this console holds control: nobody is to be forgotten. */
export function useNotForgotten() {
  const session = useSession()?.session;
  const holds = useLive((live) => live.control?.holder?.session === session && live.readings["patient on_bed"]?.value === true);
  useEffect(() => {
    if (!holds) return undefined;
    const leaving = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
    addEventListener("beforeunload", leaving);
    return () => removeEventListener("beforeunload", leaving);
  }, [holds]);
}

/** On every screen while a patient is on the bed and something moves, or could begin to. */
export function StayWithPatient() {
  useNotForgotten();
  const { room } = useRoom();
  if (!room || !room.bed?.patient || !canMove(room)) return null;
  const why = room.moving ? t("motion.stayMoves", { what: room.doing || t("motion.moves") }) : t("motion.stayCan", { enable: t(`motion.enableName.${room.enable}`) });
  return html`<div class="stay" role="status"><strong>${t("motion.stay")}</strong><span>${why}</span></div>`;
}
