// What the heads see now, or have counted in this step, as the station sends it; and how it is shown.
import { html, useEffect, useMemo, useRef, useState } from "../preact.js";
import { COLOURS } from "../colours.js";
import { isOld } from "../frameparts.js";
import { useLive } from "../live.js";
import { useAge, useFrame, useWanted } from "../liveframes.js";
import { comesCps, phaseNote } from "../positioning.js";
import { markPlace, useMarks } from "../marks.js";
import { pictureOf } from "../marktext.js";
import { forgetMasks, masksAreOf, PERSISTENCES_S, setView, useView, ZOOMS } from "../pictureview.js";
import { t } from "../strings.js";
import { Picture } from "./picture.js";

const LARGEST = 1024;

/**
 * The pictures of the heads beside each other. `what`: "scope" for what fades, "counts" for the step so far.
 * @param {{what?: "scope" | "counts", heads?: number[], window?: string, hz?: number, controls?: boolean, note?: boolean}} given
 * `note`: what the pictures are not is said here, not by whoever shows them.
 */
export function Scopes({ what = "scope", heads, window, hz = 20, controls = true, note = true }) {
  const persistence = useView((view) => view.persistence);
  const [box, size] = useSize();
  useWanted({ what: [what, "rates"], heads, window, hz, size, persistence });
  const part = useFrame((frames) => frames.parts[what]);
  const run = useFrame((frames) => frames.run);
  useEffect(() => masksAreOf(run), [run]);
  const over = useOver("looks", what === "counts");
  const ended = useEnded();
  return html`<div class="scopes stack" ref=${box}>
    ${controls && html`<${ViewControls} fades=${what === "scope"} />`}
    ${note && html`<${PhaseNote} what=${what} />`}
    <div class="scopes-pictures">${part
      ? part.about.heads.filter((/** @type {any} */ head) => !heads || heads.includes(head.number)).map((/** @type {any} */ head) => html`<${OneScope} key=${head.number} head=${head} what=${what} over=${over} />`)
      : html`<div class="picture-none quiet">${t("pictures.noneLong")}</div>`}</div>
    ${part && what === "counts" && ended && html`<p class="quiet small ended" aria-live="off">${ended}</p>`}
  </div>`;
}

/** What the pictures are not: recorded, or counted. @param {{what?: string}} given */
export function PhaseNote({ what = "scope" }) {
  const state = useLive((live) => live.status?.state);
  const phase = useFrame((frames) => frames.parts[what]?.about.phase);
  const cps = useFrame((frames) => comesCps(frames.parts.rates?.about));
  const old = useOver("looks", what === "counts");
  const note = old ? "" : phaseNote(phase, { what, state, cps });
  return note ? html`<p class="phase-note" role="status" data-phase=${phase}>${t(`pictures.phases.${note}`)}</p>` : null;
}

/** @param {{head: any, what: string, over: string}} given */
function OneScope({ head, what, over }) {
  const picture = useFrame((frames) => frames.parts[what]?.arrays[head.number]);
  const about = useFrame((frames) => frames.parts[what]?.about);
  const rates = useFrame((frames) => frames.parts.rates?.about.heads.find((/** @type {any} */ each) => each.number === head.number));
  const made = useMarks((marks) => marks.made);
  const of = useLive((live) => pictureOf(live.status, head.number, what));
  const places = useMemo(() => made.filter((each) => each.picture === of), [made, of]);
  if (!picture) return null;
  const [rows, columns] = picture.shape.slice(-2);
  const place = (/** @type {{x: number, y: number}} */ at) => markPlace({ ...at, picture: of }, { columns, rows, pixelMm: picture.about.pixel_mm, head: headName(head), view: viewName(head) });
  const counted = rates?.windows.find((/** @type {any} */ each) => each.name === about.window);
  return html`<figure class="scope">
    <figcaption><strong>${viewName(head)}</strong><span class="quiet">${headName(head)}</span>
      <span class="number" aria-live="off">${what === "scope" ? rateText(counted?.rate_cps) : countsText(counted?.counts)}</span></figcaption>
    <${Picture} part=${picture} name=${`${what}/${head.number}`} letters=${head.letters} over=${over} alternative=${alternative(head, about, counted)} onPlace=${place} places=${places} />
    ${head.doubt && html`<small class="quiet">${head.doubt}</small>`}
  </figure>`;
}

/**
 * What stands over a picture that is old, else nothing. Over what has been counted to its end, `whole`, nothing stands:
 * it is what people look at before they go on; `useEnded` says below it that it grows no more.
 * @param {"looks" | "study"} [group] @param {boolean} [whole]
 */
export function useOver(group = "looks", whole = false) {
  const age = useAge(group);
  const connected = useLive((live) => live.connected);
  if (!age || age.ageS === null || (connected && !isOld(age, age.ageS))) return "";
  if (whole && connected && age.state === "closed") return "";
  const text = ageText(age.ageS);
  if (!connected) return t("pictures.notConnected", { age: text });
  return t(age.state === "closed" ? "pictures.ended" : "pictures.old", { age: text });
}

/** What stands below a picture of what has been counted to its end. @param {"looks" | "study"} [group] */
export function useEnded(group = "looks") {
  const age = useAge(group);
  return age?.state === "closed" && age.ageS !== null ? t("pictures.ended", { age: ageText(age.ageS) }) : "";
}

/** The longer side of a picture in pixels of the screen, in steps, so that the station sends no more than is seen. */
function useSize() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [size, setSize] = useState(256);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = new ResizeObserver(() => {
      const wide = element.clientWidth * devicePixelRatio;
      setSize([128, 256, 512].find((each) => each >= wide / 2) ?? LARGEST);
    });
    measure.observe(element);
    return () => measure.disconnect();
  }, []);
  return /** @type {const} */ ([box, size]);
}

/** Colours, upper level, logarithm, zoom, masks; how fast pictures fade. @param {{fades?: boolean}} given */
export function ViewControls({ fades = false }) {
  const view = useView((value) => value);
  const masks = Object.values(view.masks).flat().length;
  const number = (/** @type {any} */ event) => Number(event.target.value);
  return html`<details class="view-controls" open><summary>${t("pictures.display")}</summary><div class="row">
    ${fades && html`<${Choice} label=${t("pictures.persistence")} value=${view.persistence} options=${PERSISTENCES_S.map((each) => [each, t("pictures.seconds", { seconds: each })])} onTake=${(/** @type {number} */ persistence) => setView({ persistence })} />`}
    <label class="field"><span>${t("pictures.colours")}</span><select value=${view.colours} onInput=${(/** @type {any} */ event) => setView({ colours: event.target.value })}>
      ${COLOURS.map((each) => html`<option value=${each} selected=${each === view.colours}>${t(`pictures.colourNames.${each}`)}</option>`)}</select></label>
    <label class="field"><span>${t("pictures.upperLabel")} <output>${t("pictures.upper", { percent: view.upper })}</output></span>
      <input type="range" min="1" max="100" value=${view.upper} aria-label=${t("pictures.upperLabel")} aria-valuetext=${t("pictures.upper", { percent: view.upper })} onInput=${(/** @type {any} */ event) => setView({ upper: number(event) })} /></label>
    <label class="check"><input type="checkbox" checked=${view.log} onInput=${(/** @type {any} */ event) => setView({ log: event.target.checked })} /><span>${t("pictures.log")}</span></label>
    <${Choice} label=${t("pictures.zoom")} value=${view.zoom} options=${ZOOMS.map((each) => [each, t("pictures.zoomTimes", { times: each })])} onTake=${(/** @type {number} */ zoom) => setView(zoom > 1 ? { zoom, tool: "" } : { zoom })} />
    <div role="group" aria-label=${t("pictures.mask")} class="field"><span aria-hidden="true">${t("pictures.mask")}</span><div class="row tight">
      ${/** @type {const} */ (["rectangle", "polygon"]).map((tool) => html`<button type="button" aria-pressed=${view.tool === tool} onClick=${() => setView({ tool: view.tool === tool ? "" : tool, zoom: 1 })}>${t(tool === "polygon" ? "pictures.maskPolygon" : "pictures.maskRectangle")}</button>`)}
      ${masks > 0 && html`<button type="button" onClick=${forgetMasks}>${t("pictures.maskClear")}</button><span class="quiet">${t("pictures.masked", { count: masks })}</span>`}
    </div></div>
    ${view.tool && view.tool !== "mark" && html`<p class="quiet hint">${t(view.tool === "polygon" ? "pictures.maskHintPolygon" : "pictures.maskHint")}</p>`}
  </div></details>`;
}

/** @param {{label: string, value: any, options: any[][], onTake: (value: any) => void}} given */
function Choice({ label, value, options, onTake }) {
  return html`<div class="field" role="group" aria-label=${label}><span aria-hidden="true">${label}</span><div class="row tight">${options.map(
    ([each, text]) => html`<button type="button" aria-pressed=${each === value} onClick=${() => onTake(each)}>${text}</button>`,
  )}</div></div>`;
}

/** @param {any} head */
export function viewName(head) {
  if (!head.patient) return t("pictures.nobody");
  return head.view ? [head.view, head.laterality].filter(Boolean).join(", ") : t("pictures.noView");
}

/** @param {any} head */
export function headName(head) {
  return head.name ? t("pictures.headNamed", head) : t("pictures.head", head);
}

/** @param {any} head @param {any} about @param {any} counted */
function alternative(head, about, counted) {
  const [left, right, top, bottom] = head.letters.map((/** @type {string} */ each) => each || t("pictures.unknownEdge"));
  return t("pictures.alternative", {
    view: viewName(head), head: headName(head), window: about.window, rate: rateText(counted?.rate_cps), counts: countsText(counted?.counts), left, right, top, bottom,
  });
}

/** @param {number | null | undefined} cps */
function rateText(cps) {
  if (cps === null || cps === undefined) return "– cps";
  return cps < 1000 ? `${Math.round(cps)} cps` : `${(cps / 1000).toFixed(1)} kcps`;
}

/** @param {number | undefined} counts */
function countsText(counts) {
  if (counts === undefined) return "–";
  if (counts < 10_000) return String(counts);
  return counts < 10_000_000 ? `${Math.round(counts / 1000)} k` : `${(counts / 1e6).toFixed(1)} M`;
}

/** @param {number} seconds */
export function ageText(seconds) {
  const whole = Math.round(seconds);
  if (whole < 120) return t("pictures.seconds", { seconds: whole });
  if (whole < 7200) return t("pictures.minutes", { minutes: Math.floor(whole / 60), seconds: whole % 60 });
  return t("pictures.hours", { hours: Math.floor(whole / 3600), minutes: Math.floor((whole % 3600) / 60) });
}
