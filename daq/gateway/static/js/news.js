// What is known, with news merged into it. Pure.

/**
 * @param {import("./live.js").Live} known
 * @param {{event: string, data: any}[]} news
 * @returns {import("./live.js").Live}
 */
export function merged(known, news) {
  const next = { ...known };
  for (const { event, data } of news) {
    if (event === "reading") next.readings = { ...next.readings, [`${data.device} ${data.name}`]: data };
    else if (event === "alarm") next.alarms = withAlarm(next.alarms, data);
    else if (event === "qc") next.qc = { ...next.qc, [data.test]: data };
    else if (event === "revision") next.revisions = { ...next.revisions, [data.of]: data.revision };
    else if (event === "status" || event === "progress" || event === "ledger" || event === "description" || event === "control") next[event] = data;
  }
  return next;
}

/**
 * An alarm that is over is taken out: no longer active, and acknowledged where it latches.
 * @param {Record<string, any>} alarms
 * @param {any} alarm
 */
function withAlarm(alarms, alarm) {
  const key = `${alarm.device} ${alarm.name}`;
  const shown = alarm.active || (alarm.latched && alarm.acknowledged_by === null);
  const { [key]: _, ...others } = alarms;
  return shown ? { ...others, [key]: alarm } : others;
}
