// The frame around every screen: banner, what stands, STOP ALL MOTION, the ways to the screens, the status line.
import { html, useEffect, useState } from "./preact.js";
import { useLive } from "./live.js";
import { address } from "./router.js";
import { useSession } from "./session.js";
import { wanting } from "./qcwords.js";
import { t } from "./strings.js";
import { Chip } from "./ui.js";
import { Banner } from "./widgets/banner.js";
import { ControlChip } from "./widgets/control.js";
import { HandControllerButton } from "./widgets/handcontroller.js";
import { Standing } from "./widgets/standing.js";
import { StopButton } from "./widgets/stopping.js";
import { Who } from "./widgets/who.js";

export const SCREENS = ["worklist", "acquire", "qc", "protocols", "studies", "alarms", "service"];

export function Header() {
  const who = useSession();
  return html`<header>
    <div class="station"><span class="station-name">${who?.station}</span>
      ${who?.simulated && html`<span class="simulated-mark">${t("shell.simulated")}</span>`}</div>
    <${Banner} />
    <div class="chips"><${Standing} /><${Connection} /><${ControlChip} /></div>
    <${StopButton} />
  </header>`;
}

function Connection() {
  const connected = useLive((live) => live.connected);
  const heardAtMs = useLive((live) => live.heardAtMs);
  const [, setTurn] = useState(0);
  useEffect(() => {
    if (connected) return undefined;
    const timer = setInterval(() => setTurn((/** @type {number} */ old) => old + 1), 1000);
    return () => clearInterval(timer);
  }, [connected]);
  if (connected) return html`<${Chip} level="good">${t("shell.live")}<//>`;
  if (heardAtMs === null) return html`<${Chip}>${t("shell.connecting")}<//>`;
  return html`<${Chip} level="medium">${t("shell.disconnected", { seconds: Math.round((performance.now() - heardAtMs) / 1000) })}<//>`;
}

/** @param {{screen: string}} given */
export function Navigation({ screen }) {
  const alarms = useLive((live) => Object.keys(live.alarms).length);
  const due = useLive((live) => wanting(Object.values(live.qc)));
  const counts = /** @type {Record<string, number>} */ ({ alarms, qc: due });
  return html`<nav aria-label=${t("shell.navigation")}>${SCREENS.map(
    (name) => html`<a class="nav-link" href=${address(name)} aria-current=${name === screen ? "page" : undefined}>
      <span>${t(`shell.screens.${name}`)}</span>${counts[name] ? html`<span class="nav-count">${counts[name]}</span>` : null}</a>`,
  )}</nav>`;
}

export function StatusLine() {
  const status = useLive((live) => live.status);
  const connected = useLive((live) => live.connected);
  const state = status ? t(`shell.states.${status.state}`) : "";
  return html`<footer class=${connected ? "" : "stale"}>
    <span role="status">${state}${status?.detail ? `: ${status.detail}` : ""}</span>
    <span style=${{ marginLeft: "auto" }}><${HandControllerButton} /></span>
    <span class="row"><${Who} /></span>
    <span>${t("shell.notMedical")}</span>
  </footer>`;
}
