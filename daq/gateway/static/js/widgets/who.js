// Who sits here: the name, signing out, and word that this page is older than the station's software.
import { command } from "../api.js";
import { useLive } from "../live.js";
import { html, useEffect } from "../preact.js";
import { outdated, refresh, signOut, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Chip, decide, tell } from "../ui.js";
import { showControl } from "./control.js";

const CONFLICT = 409;

export function Who() {
  const who = useSession();
  if (!who?.signed_in) return null;
  return html`<${Chip}>${t("shell.signedInAs", { user: who.user ?? "", role: who.role ?? "" })}<//><${Button} kind="plain" onPress=${leave}>${t("shell.signOut")}<//>`;
}

/** Sign out; with a patient on the bed, whoever holds control says first who looks after the patient. */
async function leave() {
  try {
    await signOut();
  } catch (/** @type {any} */ problem) {
    if (problem.status !== CONFLICT) throw problem;
    const choice = await decide({
      title: t("control.bedTitle"), body: t("control.bedBody"),
      choices: [{ key: "stay", label: t("control.stay"), safe: true }, { key: "hand", label: t("control.bedHand") }, { key: "off", label: t("control.bedOff") }],
    });
    if (choice === "hand") showControl();
    if (choice !== "off") return;
    await command("bed-empty");
    await signOut();
  }
}

/** A page that was loaded before the station got other software asks to be loaded again. */
export function Outdated() {
  const who = useSession();
  const connected = useLive((live) => live.connected);
  useEffect(() => {
    if (connected) refresh().catch(tell);
  }, [connected]);
  if (!outdated(who)) return null;
  return html`<div class="notice medium" role="status"><span>${t("control.newVersion")}</span><${Button} onPress=${() => location.reload()}>${t("control.reload")}<//></div>`;
}
