// What stands, in three chips of the header: interlocks, the highest alarm, quality control.
import { html } from "../preact.js";
import { useLive } from "../live.js";
import { address } from "../router.js";
import { t } from "../strings.js";
import { Chip } from "../ui.js";
import { flashing, fromReadings, ordered } from "./alarmorder.js";
import { shortKey } from "./alarmshort.js";
import { QcChip } from "./qcchip.js";
import { plainly } from "./when.js";

export function Standing() {
  return html`<${InterlockChip} /><${AlarmChip} /><${QcChip} />`;
}

/** True while the station tells how things stand: what was good before that ended may not be so now. */
function useHeard() {
  return useLive((live) => live.connected && live.status !== null);
}

function InterlockChip() {
  const heard = useHeard();
  const readings = useLive((live) => live.readings);
  const { any, open, unknown } = fromReadings(readings);
  const named = (/** @type {string[]} */ kinds) => kinds.map((kind) => t(`interlocks.kind.${kind}`)).join(", ");
  if (!any) return null;
  if (open.length) return html`<a class="chip-link" href=${address("alarms")}><${Chip} level="high">✕ ${t("standing.interlocksOpen", { what: named(open) })}<//></a>`;
  if (unknown.length) return html`<a class="chip-link" href=${address("alarms")}><${Chip} level="medium">? ${t("standing.interlocksUnknown", { what: named(unknown) })}<//></a>`;
  if (!heard) return html`<${Chip}>? ${t("standing.interlocksOld")}<//>`;
  return html`<${Chip} level="good">✓ ${t("standing.interlocksOk")}<//>`;
}

function AlarmChip() {
  const alarms = useLive((live) => live.alarms);
  const heard = useHeard();
  const all = ordered(alarms);
  if (all.length === 0 && !heard) return html`<${Chip}>? ${t("standing.alarmsOld")}<//>`;
  if (all.length === 0) return html`<${Chip} level="good">✓ ${t("standing.noAlarm")}<//>`;
  const { priority } = all[0];
  const text = plainly(all[0].text);
  const key = shortKey(all[0]);
  const few = key === null ? text : t(`alarms.short.${key}`);
  return html`<a class="chip-link alarm-chip" href=${address("alarms")} title=${text}><span class=${`chip ${priority}`}>
    <span class=${flashing(all[0])} aria-hidden="true">${t(`alarms.mark.${priority}`)}</span>
    <span class="hidden-text">${t("standing.alarm", { priority: t(`alarms.priority.${priority}`) })}</span><span class="cut">${few}</span>${all.length > 1 && html`<span>${t("standing.alarmMore", { count: all.length - 1 })}</span>`}</span></a>`;
}
