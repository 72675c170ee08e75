// The console: who is signed in, which screen is shown. Screens are fetched when they are first wanted.
import { html, render, useEffect, useState } from "./preact.js";
import { connect, disconnect } from "./live.js";
import { address, usePlace } from "./router.js";
import { begin, refresh, useSession } from "./session.js";
import { Header, Navigation, StatusLine } from "./shell.js";
import { SignIn } from "./signin.js";
import { t } from "./strings.js";
import { applyTheme } from "./theme.js";
import { Decisions, Notice, sentence, tell, Told } from "./ui.js";
import { InSpite } from "./screens/qc/spite.js";
import { HandController } from "./widgets/handcontroller.js";
import { StayWithPatient } from "./widgets/motion.js";
import { ControlDialog, ControlNotice } from "./widgets/control.js";
import { StopReport, useStopKeys } from "./widgets/stopping.js";
import { Outdated } from "./widgets/who.js";

/** @type {Record<string, () => Promise<{default: any}>>} */
const SCREENS = {
  worklist: () => import("./screens/worklist.js"),
  setup: () => import("./screens/setup.js"),
  qc: () => import("./screens/qc.js"),
  acquire: () => import("./screens/acquire.js"),
  protocols: () => import("./screens/protocols.js"),
  alarms: () => import("./screens/alarms.js"),
  studies: () => import("./screens/studies.js"),
  service: () => import("./screens/service.js"),
  room: () => import("./screens/room.js"),
};

/** Screens of which there is one: an address that goes on after them leads nowhere. */
const ALONE = ["worklist", "acquire", "alarms", "room"];

function Console() {
  const who = useSession();
  const place = usePlace();
  useStopKeys();
  useEffect(() => {
    if (!who?.signed_in) return disconnect();
    connect(() => void refresh().catch(tell));
    return disconnect; // the socket is of one session: whoever signs in over it gets another one
  }, [who?.signed_in, who?.session]);
  if (!who) return null;
  if (!who.signed_in) return html`<${SignIn} /><${StopReport} /><${Told} />`;
  const framed = who.simulated ? "simulated" : "";
  if (location.pathname === "/room" || place.screen === "room") {
    return html`<div class=${`in-room ${framed}`}><${Shown} place=${{ ...place, screen: "room" }} /><${StopReport} /><${Told} /></div>`;
  }
  return html`<div class=${framed}>
    <div class="frame">
      <${Header} />
      <${Navigation} screen=${place.screen} />
      <main id="content" tabindex="-1" key=${place.screen}><${Outdated} /><${InSpite} /><${StayWithPatient} /><${Shown} place=${place} /></main>
      <${StatusLine} />
    </div>
    <${HandController} /><${StopReport} /><${ControlNotice} /><${ControlDialog} /><${Told} /><${Decisions} />
  </div>`;
}

/** @param {{place: {screen: string, path: string[], query: Record<string, string>}}} given */
function Shown({ place }) {
  const [shown, setShown] = useState(/** @type {any} */ ({ name: "", Screen: null, problem: null }));
  const wrong = !Object.hasOwn(SCREENS, place.screen) || (ALONE.includes(place.screen) && place.path.length > 0); // `in` would find "constructor", too
  useEffect(() => {
    const name = place.screen;
    if (wrong) return;
    SCREENS[name]().then(
      (module) => setShown({ name, Screen: module.default, problem: null }),
      (problem) => setShown({ name, Screen: null, problem }),
    );
  }, [place.screen]);
  if (wrong) return html`<h1>${t("shell.noPage")}</h1><p>${t("shell.noPageHow")} <a href=${address("worklist")}>${t("shell.screens.worklist")}</a></p>`;
  if (shown.problem) return html`<${Notice} level="medium" role="alert">${t("shell.failed", { why: sentence(shown.problem) })}<//>`;
  if (!shown.Screen) return html`<p class="quiet" role="status">${t("shell.loading")}</p>`;
  return html`<${shown.Screen} path=${place.path} query=${place.query} />`;
}

applyTheme();
begin().catch(tell);
render(html`<${Console} />`, /** @type {HTMLElement} */ (document.getElementById("console")));
