// Alarms: what rings now, which interlock is open, how axes stand, and what has happened.
import { html, useState } from "../preact.js";
import { command } from "../api.js";
import { useLive } from "../live.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Notice, tell } from "../ui.js";
import { counted, flashing, ordered } from "../widgets/alarmorder.js";
import { Interlocks } from "../widgets/interlocks.js";
import { Motion } from "../widgets/motion.js";
import { clock, plainly } from "../widgets/when.js";
import { History } from "./alarms/history.js";

const PAGE = 40;

export default function Alarms() {
  return html`<div class="alarms-screen">
    <h1>${t("alarms.title")}</h1>
    <div class="alarms-columns">
      <div class="stack"><${Active} /><${History} /></div>
      <div class="stack"><${Interlocks} /><${Motion} /></div>
    </div>
  </div>`;
}

function Active() {
  const alarms = useLive((live) => live.alarms);
  const connected = useLive((live) => live.connected);
  const [shown, setShown] = useState(PAGE);
  const all = ordered(alarms);
  const left = all.length - shown;
  const low = all.filter((each) => each.priority === "low" && each.acknowledged_by === null).length;
  return html`<section class="stack" aria-label=${t("alarms.active")}>
    <div class="spread"><h2>${t("alarms.active")}</h2><span class="number quiet">${t("alarms.counts", counted(all))}</span></div>
    ${!connected && html`<${Notice} level="medium">${t("alarms.stale")}<//>`}
    ${all.length === 0 && html`<p class="alarm-none"><span aria-hidden="true">✓</span> ${t("alarms.none")}</p>`}
    ${low > 1 && html`<${AllLow} count=${low} />`}
    <ul class=${`alarm-list ${connected ? "" : "stale"}`}>${all.slice(0, shown).map((alarm) => html`<${Alarm} key=${`${alarm.device} ${alarm.name}`} alarm=${alarm} />`)}</ul>
    ${left > 0 && html`<div class="spread"><span class="quiet">${t("alarms.moreLeft", { count: left })}</span>
      <${Button} onPress=${() => setShown(shown + PAGE)}>${t("alarms.more", { count: Math.min(PAGE, left) })}<//></div>`}
  </section>`;
}

/** Low alarms alone may be acknowledged together: of the others each wants to be looked at. @param {{count: number}} given */
function AllLow({ count }) {
  const may = mayAs(useSession(), "technologist");
  const acknowledge = async () => tell(t("alarms.lowDone", { count: (await command("acknowledge-low-alarms")).acknowledged }), "good");
  return html`<div class="row alarm-all-low"><span class="quiet">${t("alarms.lowLeft", { count })}</span>
    <${Button} disabled=${!may} why=${may ? "" : t("alarms.watchOnly")} onPress=${acknowledge}>${t("alarms.allLow")}<//></div>`;
}

/** @param {{alarm: any}} given */
function Alarm({ alarm }) {
  const who = useSession();
  const may = mayAs(who, "technologist");
  const acknowledge = () => command("acknowledge-alarm", { device: alarm.device, name: alarm.name });
  return html`<li class=${`alarm ${alarm.priority}`}>
    <${Mark} priority=${alarm.priority} flash=${flashing(alarm)} />
    <div class="alarm-words">
      <h3>${plainly(alarm.text)}</h3>
      <p><strong>${t("alarms.whatToDo")}:</strong> ${plainly(alarm.guidance)}</p>
      <p class="quiet">${plainly(alarm.device)} · ${t("alarms.since", { time: clock(alarm.since_utc) })} · ${alarm.active ? t("alarms.there") : t("alarms.gone")}</p>
      ${alarm.details && mayAs(who, "service") && html`<details class="alarm-details"><summary>${t("alarms.details")}</summary><p>${alarm.details}</p></details>`}
    </div>
    <div class="alarm-hand">${alarm.acknowledged_by !== null
      ? html`<span>✓ ${t("alarms.by", { user: alarm.acknowledged_by })}</span>`
      : html`<${Button} disabled=${!may} why=${may ? "" : t("alarms.watchOnly")} label=${t("alarms.acknowledgeThis", { text: plainly(alarm.text) })} onPress=${acknowledge}>${t("alarms.acknowledge")}<//>`}
    </div>
  </li>`;
}

/**
 * The sign of a priority: word, number of marks, shape and colour.
 * @param {{priority: string, flash?: string}} given
 */
export function Mark({ priority, flash = "" }) {
  return html`<span class=${`alarm-mark ${priority}`}><span class=${`alarm-shape ${flash}`} aria-hidden="true">${t(`alarms.mark.${priority}`)}</span><span>${t(`alarms.priority.${priority}`)}</span></span>`;
}

