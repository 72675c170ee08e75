// The interlocks drawn as chains: each link a contact or several, the open one marked. Read, never worked.
import { html } from "../preact.js";
import { t } from "../strings.js";
import { Card } from "../ui.js";
import { chain } from "./alarmorder.js";
import { called, useRoom } from "./roomstate.js";

const SIGNS = /** @type {Record<string, string>} */ ({ closed: "✓", open: "✕", unknown: "?" });

export function Interlocks() {
  const { room, oldS } = useRoom();
  if (!room) return null;
  const chains = chainsOf(room.interlocks);
  const door = room.interlocks.find((each) => each.kind === "room_door");
  return html`<${Card} title=${t("interlocks.title")}>
    <div class=${`stack ${oldS ? "stale" : ""}`}>
      ${oldS > 0 && html`<p role="status">${t("motion.old", { seconds: oldS })}</p>`}
      ${chains.length === 0 && html`<p class="quiet">${t("interlocks.none")}</p>`}
      ${chains.map((each) => html`<${Chain} key=${each.title} ...${each} />`)}
      ${door && html`<p class="quiet">${t("interlocks.door", { state: t(`interlocks.state.${door.state}`) })}</p>`}
      <p class="quiet">${t("interlocks.readOnly")}</p>
    </div>
  <//>`;
}

/**
 * A chain for movements, and one for the high voltage of each head.
 * @param {import("./roomstate.js").Interlock[]} interlocks
 */
export function chainsOf(interlocks) {
  const heads = [...new Set(interlocks.filter((each) => each.guards.includes("raise_voltage") && each.head).map((each) => each.head))];
  const voltage = heads.length
    ? heads.map((head) => ({ command: "raise_voltage", title: t("interlocks.ofHead", { head: called(head ?? "") }), links: chain(interlocks, "raise_voltage", head) }))
    : [{ command: "raise_voltage", title: t("interlocks.chains.raise_voltage"), links: chain(interlocks, "raise_voltage") }];
  const move = { command: "move", title: t("interlocks.chains.move"), links: chain(interlocks, "move") };
  return [move, ...voltage].filter((each) => each.links.length > 0);
}

/** @param {{command: string, title: string, links: ReturnType<typeof chain>}} given */
function Chain({ command, title, links }) {
  const broken = links.some((link) => link.state !== "closed");
  return html`<div><h3>${title}</h3><ol class="chain">
    ${links.map((link) => html`<li class=${`link ${link.state}`}>
      <span class="link-sign" aria-hidden="true">${SIGNS[link.state]}</span>
      <span class="link-words"><strong>${t(`interlocks.kind.${link.kind}`)}</strong>
      <span>${t(`interlocks.state.${link.state}`)}${link.all > 1 ? ` · ${t("interlocks.many", { closed: link.closed, all: link.all })}` : ""}</span>
      ${link.places.length > 0 && html`<small>${t("interlocks.at", { places: link.places.map(called).join(", ") })}</small>`}</span>
    </li>`)}
    <li class=${`link end ${broken ? "blocked" : "free"}`}><span class="link-sign" aria-hidden="true">${broken ? "■" : "▶"}</span>
      <span class="link-words"><strong>${t(`interlocks.ends.${command}`)}</strong><span>${t(broken ? "interlocks.blocked" : "interlocks.free")}</span></span></li>
  </ol></div>`;
}
