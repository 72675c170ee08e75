// The counts that an activity gives, step by step, and what that stands on.
import { html, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { counts, duration } from "../../format.js";
import { t } from "../../strings.js";
import { Button, Card, Notice } from "../../ui.js";
import { Quantity } from "./inputs.js";

/** @param {{id: string, qc: boolean}} given */
export function Expected({ id, qc }) {
  const [activity, setActivity] = useState(/** @type {string | undefined} */ ("600 MBq"));
  const [after, setAfter] = useState(/** @type {string | undefined} */ (undefined));
  const [visible, setVisible] = useState(/** @type {string | undefined} */ (undefined));
  const [told, setTold] = useState(/** @type {any} */ (null));
  const work = async () => setTold(await ask("protocol", { protocol: id, activity: activity ?? "", ...(after ? { after } : {}), ...(visible ? { visible } : {}) }));
  const steps = told?.expected?.steps ?? [];
  return html`<${Card} title=${t("protocols.expected.title")}><div class="stack">
    <div class="form-row expected"><${Quantity} label=${t(qc ? "protocols.expected.ofSource" : "protocols.expected.activity")} value=${activity} set=${setActivity} units=${["MBq", "GBq", "kBq"]} first="MBq" />
      <${Quantity} label=${t("protocols.expected.after")} value=${after} set=${setAfter} units=${["h", "min"]} first="h" />
      <${Quantity} label=${t("protocols.expected.visible")} value=${visible} set=${setVisible} units=${["%"]} first="%" />
      <${Button} onPress=${work} disabled=${!activity}>${t("protocols.expected.work")}<//></div>
    ${told?.expected_problem && html`<${Notice} level="medium" role="alert">${told.expected_problem}<//>`}
    ${told?.expected && html`<table><caption class="hidden-text">${told.expected.about}</caption><thead><tr>${["step", "begins", "takes", "counts", "look"].map((each) => html`<th scope="col">${t(`protocols.expected.columns.${each}`)}</th>`)}</tr></thead>
      <tbody>${grouped(steps).map((each) => html`<tr key=${each.name}><td>${each.name}</td><td class="number">${duration(each.begins)}</td><td class="number">${duration(each.takes)}</td><td class="number">${counts(each.counts)}</td><td>${each.doubts.join("; ")}</td></tr>`)}</tbody></table>
      <ul class="quiet">${told.expected.assumes.map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul>`}
  </div><//>`;
}

/**
 * Steps of a repetition ("stop 1/60" ...) as one row.
 * @param {any[]} steps
 */
export function grouped(steps) {
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const step of steps) {
    const stem = step.name.replace(/ \d+\/(\d+)$/, " × $1");
    groups.set(stem, [...(groups.get(stem) ?? []), step]);
  }
  const sum = (/** @type {any[]} */ group, /** @type {string} */ key) => (group.some((each) => each[key] === null) ? null : group.reduce((total, each) => total + each[key], 0));
  return [...groups].map(([name, group]) => ({
    name, begins: group[0].begins_after_injection_s, takes: sum(group, "duration_s"), counts: sum(group, "counts_per_head"),
    doubts: [...new Set(group.flatMap((each) => each.doubts))],
  }));
}
