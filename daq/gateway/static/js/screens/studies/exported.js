// What was framed again or exported of an acquisition: pictures shown, files handed out.
import { html } from "../../preact.js";
import { ask } from "../../api.js";
import { bytes, dayTime } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Card, useAsked, Waiting } from "../../ui.js";
import { exportAddress } from "./words.js";

/** `done`: how many jobs are done; asked again when it changes. @param {{row: any, done: number}} given */
export function Exported({ row, done }) {
  const revision = useLive((live) => live.revisions.studies);
  const asked = useAsked(() => ask("study-exported", { acquisition: row.id }), [row.id, revision, done]);
  const made = asked.value?.exported ?? [];
  if (asked.problem) return html`<${Card} title=${t("studies.exported")}><${Waiting} of=${asked} /><//>`;
  if (!made.length) return null;
  return html`<${Card} title=${t("studies.exported")}><ul class="plain-list studies-jobs">${made.map((/** @type {any} */ each) => html`<${One} key=${each.name} made=${each} row=${row} />`)}</ul><//>`;
}

/** @param {{made: any, row: any}} given */
function One({ made, row }) {
  const pictures = made.files.filter((/** @type {any} */ file) => file.shown);
  return html`<li><div class="spread"><strong>${made.name}</strong><span class="quiet">${t(`studies.job.${made.kind}`)} · ${t("studies.jobBy", { user: made.by, time: dayTime(made.at_utc) })}</span></div>
    ${pictures.map((/** @type {any} */ file) => html`<a class="studies-picture" href=${exportAddress(made.name, file.name)} target="_blank" rel="noopener"><img loading="lazy" src=${exportAddress(made.name, file.name)} alt=${t("studies.exportedAlt", { name: made.name, protocol: row.protocol_title ?? row.protocol ?? "" })} /></a>`)}
    <details open=${made.files.length <= 4}><summary>${t("studies.exportedFiles", { count: made.files.length })}</summary><ul class="plain-list">${made.files.map((/** @type {any} */ file) => html`<li><a class="studies-file" href=${exportAddress(made.name, file.name)} download>${t("studies.file", { name: file.name, size: bytes(file.size_bytes) })}</a></li>`)}</ul></details></li>`;
}
