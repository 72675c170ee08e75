// What can be made of an acquisition: forms, and the jobs that do it.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { bytes, dayTime } from "../../format.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, tell, useAsked } from "../../ui.js";
import { Exported } from "./exported.js";
import { readable } from "./identities.js";
import { freshName, wrongName } from "./words.js";

const KINDS = ["verify", "reframe", "export", "finish", "mark"];
const OF_PICTURES = ["reframe", "finish"];
const FORMATS = ["dicom", "parquet", "arrow", "petsird", "root", "raw"];
const LYING = ["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"];
const PIXELS = ["64", "128", "256", "512", "1024"];

/** @param {{row: any, exports: any}} given */
export function Work({ row, exports }) {
  const who = useSession();
  const [kind, setKind] = useState("");
  const revision = useLive((live) => live.revisions.jobs);
  const asked = useAsked(() => ask("jobs"), [revision]);
  const jobs = asked.value?.jobs ?? [];
  const mine = jobs.filter((/** @type {any} */ job) => job.acquisition === row.id);
  const may = mayAs(who, "technologist");
  const forms = /** @type {Record<string, any>} */ ({ verify: Verify, reframe: Reframe, export: Export, finish: Finish, mark: Mark });
  return html`<${Card} title=${t("studies.work")}><div class="stack">
    <div class="row">${KINDS.filter((each) => row.modality !== "pet" || !OF_PICTURES.includes(each)).map((each) => html`<button type="button" key=${each} aria-expanded=${kind === each} aria-disabled=${!may || undefined} title=${may ? undefined : t("studies.lookOnly")}
      onClick=${() => may && setKind(kind === each ? "" : each)}>${t(`studies.${each}`)}</button>`)}</div>
    ${!may && html`<p class="quiet">${t("studies.lookOnly")}</p>`}
    ${kind && html`<${forms[kind]} key=${kind} row=${row} exports=${exports} jobs=${jobs} onDone=${() => setKind("")} />`}
    <${JobList} jobs=${mine} may=${may} />
  </div><//><${Exported} row=${row} done=${mine.filter((/** @type {any} */ job) => job.state === "done").length} />`;
}

/** @param {{row: any, onDone: () => void}} given */
function Verify({ row, onDone }) {
  const [sums, setSums] = useState(false);
  const begin = () => command("study-verify", { acquisition: row.id, sha256: sums }).then(onDone);
  return html`<${Form} about=${t("studies.verifyAbout")} go=${t("studies.verifyGo")} onGo=${begin}>
    <label class="row"><input type="checkbox" checked=${sums} onChange=${(/** @type {any} */ event) => setSums(event.target.checked)} /> ${t("studies.sums")}</label><//>`;
}

/** @param {{row: any, exports: any, jobs: any[], onDone: () => void}} given */
function Reframe({ row, exports, jobs, onDone }) {
  const [name, setName] = useState(() => freshName(row.id, "framed", jobs));
  const [frames, setFrames] = useState("");
  const [windows, setWindows] = useState("");
  const [pixels, setPixels] = useState("");
  const [step, setStep] = useState("");
  const begin = () => command("study-reframe", {
    acquisition: row.id, name, frames: frames.trim() || null, pixels: pixels ? Number(pixels) : null, step: step ? Number(step) : null,
    windows: windows.split("\n").map((line) => line.trim()).filter(Boolean),
  }).then(onDone);
  return html`<${Form} about=${t("studies.reframeAbout")} go=${t("studies.reframeGo")} onGo=${begin} wrong=${wrongName(name) || exports.problem}>
    <${Name} name=${name} onName=${setName} exports=${exports} /><${Step} row=${row} step=${step} onStep=${setStep} />
    <${Field} label=${t("studies.frames")} hint=${t("studies.framesHint")} value=${frames} onInput=${setFrames} />
    <${Field} label=${t("studies.windows")} hint=${t("studies.windowsHint")} value=${windows} onInput=${setWindows} rows="2" />
    <${Field} label=${t("studies.pixels")} value=${pixels} onInput=${setPixels} options=${[{ value: "", label: t("studies.asAcquired") }, ...PIXELS.map((value) => ({ value, label: value }))]} /><//>`;
}

/** @param {{row: any, exports: any, jobs: any[], onDone: () => void}} given */
function Export({ row, exports, jobs, onDone }) {
  const [to, setTo] = useState("dicom");
  const [name, setName] = useState(() => freshName(row.id, "export", jobs));
  const [step, setStep] = useState("");
  const begin = () => command("study-export", { acquisition: row.id, to, name, step: step ? Number(step) : null }).then(onDone);
  return html`<${Form} about=${t("studies.exportAbout")} go=${t("studies.exportGo")} onGo=${begin} wrong=${wrongName(name) || exports.problem}>
    <${Field} label=${t("studies.format")} value=${to} onInput=${setTo} options=${FORMATS.map((value) => ({ value, label: t(`studies.formats.${value}`) }))} />
    <${Name} name=${name} onName=${setName} exports=${exports} /><${Step} row=${row} step=${step} onStep=${setStep} /><//>`;
}

/** @param {{row: any, onDone: () => void}} given */
function Finish({ row, onDone }) {
  const begin = () => command("study-finish", { acquisition: row.id }).then(onDone);
  return html`<${Form} about=${t("studies.finishAbout")} go=${t("studies.finishGo")} onGo=${begin} />`;
}

const WHATS = ["not-for-diagnosis", "orientation", "label", "side"];

/** @param {{row: any, onDone: () => void}} given */
function Mark({ row, onDone }) {
  const [what, setWhat] = useState(WHATS[0]);
  const [step, setStep] = useState("");
  const [value, setValue] = useState(row.orientation ?? "HFS");
  const [why, setWhy] = useState("");
  const ofStep = what === "label" || what === "side";
  const now = saidNow(row, what, step);
  const choose = (/** @type {string} */ next) => {
    setWhat(next);
    setStep(next === "label" || next === "side" ? String(row.steps[0]?.number ?? "") : "");
    setValue(next === "orientation" ? row.orientation ?? "HFS" : "");
  };
  const begin = async () => {
    const told = await command("study-mark", { acquisition: row.id, what, why: why.trim(), step: step && what !== "orientation" ? Number(step) : null, value: what === WHATS[0] ? null : value });
    tell([t(what === WHATS[0] ? "studies.marked" : "studies.markedCorrection"), told.pictures].filter(Boolean).join(" "), "good");
    onDone();
  };
  const wrong = readable(why) && (what === WHATS[0] || (value !== now && (what !== "label" || readable(value, 1)))) ? "" : "why";
  return html`<${Form} about=${t("studies.markAbout")} go=${t("studies.markGo")} onGo=${begin} wrong=${wrong}>
    <${Field} label=${t("studies.markWhat")} value=${what} onInput=${choose} options=${WHATS.map((each) => ({ value: each, label: t(`studies.markWhats.${each}`) }))} />
    ${what !== "orientation" && html`<${Step} row=${row} step=${step} onStep=${setStep} all=${!ofStep} />`}
    ${what !== WHATS[0] && html`<p>${t("studies.markNow")} <strong>${what === "side" ? t(`studies.sides.${now || "none"}`) : lies(what, now) || t("shell.unknown")}</strong></p>`}
    ${what === "orientation" && html`<${Field} label=${t("studies.lies")} value=${value} onInput=${setValue} options=${LYING.map((each) => ({ value: each, label: lies(what, each) }))} />`}
    ${what === "label" && html`<${Field} label=${t("studies.viewLabel")} value=${value} onInput=${setValue} maxlength="64" />`}
    ${what === "side" && html`<${Field} label=${t("studies.side")} value=${value} onInput=${setValue} options=${["", "L", "R"].map((each) => ({ value: each, label: t(`studies.sides.${each || "none"}`) }))} />`}
    <${Field} label=${t("studies.why")} hint=${t("studies.whyHint")} value=${why} onInput=${setWhy} rows="2" maxlength="500" /><//>`;
}

/** What stands there now of what is corrected. @param {any} row @param {string} what @param {string} step */
function saidNow(row, what, step) {
  if (what === "orientation") return row.orientation ?? "";
  const series = (row.verdict?.series ?? []).find((/** @type {any} */ one) => one.steps.includes(Number(step)));
  return what === "side" ? series?.laterality ?? "" : series?.label || series?.name || "";
}

/** @param {string} what @param {string} value */
function lies(what, value) {
  return what === "orientation" && LYING.includes(value) ? t(`studies.lying.${value}`) : value;
}

/** @param {{about: string, go: string, onGo: () => Promise<any>, wrong?: string, children?: any}} given */
function Form({ about, go, onGo, wrong = "", children }) {
  return html`<div class="stack studies-form"><p>${about}</p>${children}
    <div class="spread"><span></span><${Button} kind="primary" disabled=${wrong !== ""} onPress=${onGo}>${go}<//></div></div>`;
}

/** @param {{name: string, onName: (name: string) => void, exports: any}} given */
function Name({ name, onName, exports }) {
  if (exports.problem) return html`<p class="wrong" role="alert">${t("studies.exportsBad", { place: exports.title, why: exports.problem })}</p>`;
  return html`<p>${t("studies.goesTo")} <strong>${exports.title}</strong>, ${t("studies.freeThere", { size: bytes(exports.free_bytes) })}</p>
    <${Field} label=${t("studies.name")} value=${name} onInput=${onName} hint=${t("studies.nameHint")} aria-invalid=${wrongName(name) ? "true" : undefined} maxlength="120" />`;
}

/** @param {{row: any, step: string, onStep: (step: string) => void, all?: boolean}} given */
function Step({ row, step, onStep, all = true }) {
  const options = [...(all ? [{ value: "", label: t("studies.allSteps") }] : []), ...row.steps.map((/** @type {any} */ each) => ({ value: String(each.number), label: `${each.number} ${each.name}` }))];
  return html`<${Field} label=${t("studies.step")} value=${step} onInput=${onStep} options=${options} />`;
}

/** @param {{jobs: any[], may: boolean}} given */
function JobList({ jobs, may }) {
  if (!jobs.length) return null;
  return html`<h3>${t("studies.jobs")}</h3><ul class="plain-list studies-jobs" aria-live="polite">${jobs.map((job) => html`<li key=${job.job} data-state=${job.state}>
    <div class="spread"><strong>${t(`studies.job.${job.kind}`)}</strong><${Chip} level=${job.state === "done" ? "good" : ""}>${t(`studies.jobStates.${job.state}`)}<//></div>
    ${job.text && html`<p class="studies-told">${job.text}</p>`}
    ${[...(job.result.problems ?? []), ...(job.result.notes ?? [])].map((/** @type {string} */ text) => html`<p class="studies-told">${text}</p>`)}
    ${job.state === "running" && html`<progress aria-label=${t(`studies.job.${job.kind}`)} max="1" value=${job.progress ?? undefined}></progress>`}
    <div class="spread"><span class="quiet">${t("studies.jobBy", { user: job.by, time: dayTime(job.ended_utc ?? job.put_utc) })}</span>
      ${may && ["waiting", "running"].includes(job.state) && html`<${Button} onPress=${() => command("job-cancel", { job: job.job })}>${t("studies.cancelJob")}<//>`}</div></li>`)}</ul>`;
}
