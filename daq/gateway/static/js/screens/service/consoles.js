// Who is signed in at the consoles; a session that somebody left open is ended here, with a reason.
import { html, useEffect, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { duration } from "../../format.js";
import { useLive } from "../../live.js";
import { useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, Notice, tell, useAsked, Waiting } from "../../ui.js";
import { clock } from "../../widgets/when.js";

const LOOK_MS = 5_000;
const COLUMNS = ["user", "role", "signedIn", "lastDid", "consoleState"];

export function Consoles() {
  const holder = useLive((live) => live.control?.holder?.session);
  const [turn, setTurn] = useState(0);
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const here = useSession()?.session;
  const asked = useAsked(() => ask("console-sessions"), [holder, turn]);
  const again = () => setTurn((/** @type {number} */ old) => old + 1);
  useEffect(() => {
    const timer = setInterval(again, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const end = () => {
    setChosen(null);
    again();
  };
  return html`<${Card} title=${t("service.consoles")}>${!asked.value ? html`<${Waiting} of=${asked} />` : html`<div class="wide-table" tabindex="0" role="region" aria-label=${t("service.consoles")}><table>
    <thead><tr>${COLUMNS.map((key) => html`<th scope="col">${t(`service.${key}`)}</th>`)}<td></td></tr></thead>
    <tbody>${asked.value.sessions.map((/** @type {any} */ each) => html`<tr key=${each.session}><th scope="row">${each.user}</th><td>${t(`service.roles.${each.role}`)}</td>
      <td>${each.since_utc ? clock(each.since_utc) : t("service.notKnown")}</td><td>${t("service.ago", { time: duration(each.idle_s) })}</td>
      <td>${each.in_control && html`<${Chip}>${t("service.inControl")}<//>`} ${t(each.pages ? "service.looks" : "service.pageClosed")}</td>
      <td>${each.session === here ? t("service.thisConsole") : html`<${Button} label=${t("service.endOf", { user: each.user })} aria-expanded=${chosen === each.session} onPress=${() => setChosen(each.session)}>${t("service.endSession")}<//>`}</td></tr>
      ${chosen === each.session && html`<tr><td colspan=${COLUMNS.length + 1}><${Ending} session=${each} onEnd=${end} /></td></tr>`}`)}</tbody></table></div>${asked.problem && html`<${Waiting} of=${asked} />`}`}<//>`;
}

/** @param {{session: any, onEnd: () => void}} given */
function Ending({ session, onEnd }) {
  const [reason, setReason] = useState("");
  const take = async () => {
    await command("console-session-end", { session: session.session, reason });
    tell(t("service.sessionEnded", { user: session.user }), "good");
    onEnd();
  };
  return html`<${Notice}><div class="stack"><strong>${t(session.in_control ? "service.endAboutControl" : "service.endAbout", { user: session.user })}</strong>
    <${Field} label=${t("service.reason")} value=${reason} onInput=${setReason} maxlength="200" />
    <div class="row"><${Button} onPress=${onEnd}>${t("service.keepSession")}<//><${Button} kind="primary" disabled=${reason.trim().length < 3} why=${t("service.reason")} onPress=${take}>${t("service.endSession")}<//></div></div><//>`;
}
