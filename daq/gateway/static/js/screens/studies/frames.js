// A series frame by frame: a head and a window, a slider, and a cine that goes round.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { ask } from "../../api.js";
import { counts, duration } from "../../format.js";
import { t } from "../../strings.js";
import { Field, useAsked, Waiting } from "../../ui.js";
import { frameAt, framesAddress, nextFrame } from "./words.js";

const SPEEDS = ["2", "5", "10", "20"];
const MOST_SHOWN = 560;

/** @param {{row: any, series: any, name: string}} given  `name`: of the series' file */
export function Frames({ row, series, name }) {
  const [head, setHead] = useState("0");
  const [window, setWindow] = useState("0");
  const of = `${name}-${head}-${window}`;
  const made = row.pictures.map((/** @type {any} */ each) => each.size_bytes).join(); // others once pictures and letters are made anew
  const asked = useAsked(async () => ({ of, ...(await ask("study-frames", { acquisition: row.id, series: name, head: Number(head), window: Number(window) })) }), [row.id, of, row.verdict?.grade, made]);
  const told = asked.value?.of === of && !asked.problem ? asked.value : null; // never the letters and counts of another picture
  const heads = series.heads.map((/** @type {number} */ number, /** @type {number} */ at) => ({ value: String(at), label: t("studies.byFrame.head", { number }) }));
  const windows = series.windows.map((/** @type {string} */ each, /** @type {number} */ at) => ({ value: String(at), label: each }));
  return html`<div class="stack frames">
    <div class="row">${heads.length > 1 && html`<${Field} label=${t("studies.byFrame.whichHead")} value=${head} options=${heads} onInput=${setHead} />`}
      ${windows.length > 1 && html`<${Field} label=${t("studies.byFrame.window")} value=${window} options=${windows} onInput=${setWindow} />`}</div>
    ${told ? html`<${Cine} key=${of} about=${told.about} src=${framesAddress(row.id, name, head, window)} />` : html`<${Waiting} of=${asked} />`}
  </div>`;
}

/** @param {{about: any, src: string}} given */
function Cine({ about, src }) {
  const image = usePicture(src);
  const [at, setAt] = useState(0);
  const [speed, setSpeed] = useState("");
  const number = about.counts.length;
  useEffect(() => {
    if (!speed) return undefined;
    const timer = setInterval(() => setAt((now) => nextFrame(now, number)), 1000 / Number(speed));
    return () => clearInterval(timer);
  }, [speed, number]);
  if (image === "gone") return html`<p role="alert">${t("studies.byFrame.gone")}</p>`;
  const words = described(about, at);
  return html`<${Picture} about=${about} image=${image} at=${at} words=${words} />
    <p class="number frames-words">${words}</p>
    <p class="quiet">${[about.head, about.window, t("studies.byFrame.scale", { upper: counts(about.upper), mm: (about.pixel_mm * about.added_up).toFixed(2) })].join(" · ")}</p>
    ${number > 1 && html`<div class="row">
      <label class="field frames-slider"><span>${t("studies.byFrame.frame")}</span><input type="range" min="0" max=${number - 1} value=${at} onInput=${(/** @type {any} */ event) => setAt(Number(event.target.value))} aria-valuetext=${words} /></label>
      <div class="row" role="group" aria-label=${t("studies.byFrame.cine")}>${SPEEDS.map((each) => html`<button type="button" key=${each} aria-pressed=${speed === each} onClick=${() => setSpeed(speed === each ? "" : each)}>${t("studies.byFrame.speed", { speed: each })}</button>`)}</div></div>`}`;
}

/** What a frame is, in words. @param {any} about @param {number} at */
function described(about, at) {
  const angle = about.gantry_deg?.[at];
  return [
    about.counts.length > 1 && t("studies.byFrame.of", { at: at + 1, total: about.counts.length }), about.view,
    angle !== undefined && angle !== null && t("studies.byFrame.angle", { deg: angle.toFixed(1) }),
    t("studies.byFrame.time", { begin: duration(about.begin_s[at]), end: duration(about.end_s[at]) }), t("studies.byFrame.counts", { count: counts(about.counts[at]) }),
  ].filter(Boolean).join(" · ");
}

/** The picture of all frames, once it is there; null before, "gone" where it cannot be shown. @param {string} src */
function usePicture(src) {
  const [image, setImage] = useState(/** @type {HTMLImageElement | "gone" | null} */ (null));
  useEffect(() => {
    const made = new Image();
    made.onload = () => setImage(made);
    made.onerror = () => setImage("gone");
    made.src = src;
    return () => {
      made.onload = made.onerror = null;
    };
  }, [src]);
  return image;
}

/** @param {{about: any, image: HTMLImageElement | null, at: number, words: string}} given */
function Picture({ about, image, at, words }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const zoom = Math.max(1, Math.floor(MOST_SHOWN / Math.max(about.rows, about.columns)));
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !image) return;
    const from = frameAt(about, at);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, from.left, from.top, about.columns, about.rows, 0, 0, about.columns * zoom, about.rows * zoom);
  }, [image, at, zoom]);
  const [left, right, top, bottom] = about.letters;
  return html`<div class="frames-picture"><span class="frames-top" aria-hidden="true">${top}</span><span aria-hidden="true">${left}</span>
    <canvas ref=${canvas} width=${about.columns * zoom} height=${about.rows * zoom} role="img" aria-label=${t("studies.byFrame.alt", { words, left: left || "–", right: right || "–" })}></canvas>
    <span aria-hidden="true">${right}</span><span class="frames-top" aria-hidden="true">${bottom}</span></div>`;
}
