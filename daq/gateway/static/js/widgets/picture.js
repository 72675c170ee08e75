// One picture of counts on a canvas: upright and as the detector sees the patient, with letters, masks, zoom. Never mirrored.
import { html, useLayoutEffect, useMemo, useRef, useState } from "../preact.js";
import { mostOf, paint, table } from "../colours.js";
import { corners, maskOf } from "../masks.js";
import { addMask, useView } from "../pictureview.js";
import { t } from "../strings.js";
import { tell } from "../ui.js";

const STEP = 0.02;
const NEAR = 0.03;
const DRAGGED = 0.02;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {object} given
 * @param {import("../frame.js").Part} given.part  [rows, columns], the first row on top, or [slots, rows, columns]
 * @param {number} [given.slot]  which of several
 * @param {string} given.name  by which masks are kept
 * @param {string[]} [given.letters]  at left, right, top, bottom
 * @param {string} given.alternative  what it shows, in words
 * @param {string} [given.over]  stands over it, because it is old; it is greyed out then
 * @param {number} [given.most]  of the colours, in `values`, where several pictures share them
 * @param {any} [given.children]  drawn above it
 * @param {(point: {x: number, y: number}) => Promise<any>} [given.onPlace]  hears where a person marks a place, in shares of the picture
 * @param {{text: string, x: number, y: number}[]} [given.places]  that were marked
 */
export function Picture({ part, slot = 0, name, letters = [], alternative, over = "", most, children, onPlace, places = NO_PLACES }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const { colours, log, upper, zoom } = useView((value) => value);
  const shapes = useView((value) => value.masks[name]) ?? NONE;
  const tool = useView((value) => value.tool);
  const [rows, columns] = part.shape.slice(-2);
  const mask = useMemo(() => maskOf(shapes, columns, rows), [shapes, columns, rows]);
  // Painted with the rest of the page: an effect that comes after it is seen a refresh of the screen later.
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d", { alpha: false });
    if (!context) return;
    const values = part.values.subarray(slot * rows * columns, (slot + 1) * rows * columns);
    const image = context.createImageData(columns, rows);
    const top = ((most ?? mostOf(values, mask)) * upper) / 100;
    paint(values, new Uint32Array(image.data.buffer), { colours: table(colours), upper: top, log, unit: 1 / (part.about.scale ?? 1), mask });
    context.putImageData(image, 0, 0);
  }, [part, slot, rows, columns, colours, log, upper, mask, most]);
  const [panned, setPanned] = usePan(zoom);
  return html`<div class="picture" style=${{ "--columns": columns, "--rows": rows }}>
    <div class=${`picture-window ${over ? "stale" : ""}`}>
      <canvas ref=${canvas} width=${columns} height=${rows} role="img" aria-label=${alternative}
        style=${{ transform: `scale(${zoom}) translate(${panned.x * 100}%, ${panned.y * 100}%)` }}></canvas>
      ${children}
    </div>
    ${["left", "right", "top", "bottom"].map((edge, at) => letters[at] && html`<span class=${`letter letter-${edge}`} aria-hidden="true">${letters[at]}</span>`)}
    ${zoom === 1 && places.map((each) => html`<span class=${`picture-mark ${each.x > 0.7 ? "before" : ""} ${each.y < 0.06 ? "below" : each.y > 0.94 ? "above" : ""}`} style=${{ left: `${each.x * 100}%`, top: `${each.y * 100}%` }}><span>${each.text}</span></span>`)}
    ${tool === "mark" && zoom === 1 && onPlace && html`<${Marking} onPlace=${onPlace} />`}
    ${tool && tool !== "mark" && zoom === 1 && html`<${Drawing} tool=${tool} name=${name} />`}
    ${zoom > 1 && html`<${Pan} zoom=${zoom} panned=${panned} onPan=${setPanned} />`}
    ${over && html`<div class="picture-over" role="status">${over}</div>`}
  </div>`;
}

/** @type {import("../masks.js").Shape[]} */
const NONE = [];
/** @type {{text: string, x: number, y: number}[]} */
const NO_PLACES = [];

/** Where a pointer is, in shares of what it is on. @param {PointerEvent} event */
function shareOf(event) {
  const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
  return { x: within((event.clientX - box.left) / box.width, 0, 1), y: within((event.clientY - box.top) / box.height, 0, 1) };
}

/** A press marks a place; or arrow keys and Enter do. @param {{onPlace: (point: {x: number, y: number}) => Promise<any>}} given */
function Marking({ onPlace }) {
  const [at, setAt] = useState({ x: 0.5, y: 0.5 });
  const lastMs = useRef(-Infinity);
  const take = (/** @type {{x: number, y: number}} */ point) => {
    const nowMs = performance.now();
    if (nowMs - lastMs.current < 200) return;
    lastMs.current = nowMs;
    onPlace(point).catch(tell);
  };
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const way = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    if (way) setAt({ x: within(at.x + way[0] * STEP, 0, 1), y: within(at.y + way[1] * STEP, 0, 1) });
    else if (event.key === "Enter") take(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<svg class="picture-drawing" tabindex="0" role="application" aria-label=${t("pictures.markHint")} viewBox="0 0 1 1" preserveAspectRatio="none"
      onPointerDown=${(/** @type {PointerEvent} */ event) => event.button === 0 && take(shareOf(event))} onPointerMove=${(/** @type {PointerEvent} */ event) => setAt(shareOf(event))} onKeyDown=${keyed}>
    <path d=${`M${at.x - NEAR},${at.y}h${2 * NEAR}M${at.x},${at.y - NEAR}v${2 * NEAR}`} vector-effect="non-scaling-stroke" />
  </svg>`;
}

/** How far the middle was moved, in shares of the picture; with another zoom it begins in the middle. @param {number} zoom */
function usePan(zoom) {
  const [panned, setPanned] = useState({ zoom, x: 0, y: 0 });
  return /** @type {const} */ ([panned.zoom === zoom ? panned : { zoom, x: 0, y: 0 }, setPanned]);
}

/** Moves a picture that is larger than its window. @param {{zoom: number, panned: any, onPan: (to: any) => void}} given */
function Pan({ zoom, panned, onPan }) {
  const from = useRef(/** @type {any} */ (null));
  const most = (zoom - 1) / (2 * zoom);
  const move = (/** @type {number} */ x, /** @type {number} */ y) => onPan({ zoom, x: within(x, -most, most), y: within(y, -most, most) });
  const down = (/** @type {PointerEvent} */ event) => {
    from.current = { x: event.clientX, y: event.clientY, panned };
    /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
  };
  const moved = (/** @type {PointerEvent} */ event) => {
    if (!from.current) return;
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const { x, y, panned: old } = from.current;
    move(old.x + (event.clientX - x) / box.width / zoom, old.y + (event.clientY - y) / box.height / zoom);
  };
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const way = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    if (!way) return;
    event.preventDefault();
    move(panned.x - (way[0] * 5 * STEP) / zoom, panned.y - (way[1] * 5 * STEP) / zoom);
  };
  return html`<div class="picture-pan" tabindex="0" role="application" aria-label=${t("pictures.panHint")} title=${t("pictures.panHint")}
    onPointerDown=${down} onPointerMove=${moved} onPointerUp=${() => (from.current = null)} onKeyDown=${keyed}></div>`;
}

/** Draws a mask: by dragging, by pressing corners, or with arrow keys and Enter. @param {{tool: string, name: string}} given */
function Drawing({ tool, name }) {
  const [points, setPoints] = useState(/** @type {import("../masks.js").Shape} */ ([]));
  const [at, setAt] = useState({ x: 0.5, y: 0.5 });
  const place = shareOf;
  const take = (/** @type {import("../masks.js").Point} */ point) => {
    const closes = tool === "polygon" && points.length > 2 && near(points[0], point);
    if (closes || (tool === "rectangle" && points.length === 1)) {
      setPoints([]);
      addMask(name, closes ? points : [...points, point]);
    } else setPoints([...points, point]);
  };
  const up = (/** @type {PointerEvent} */ event) => {
    const point = place(event);
    if (tool === "rectangle" && points.length === 1 && !near(points[0], point, DRAGGED)) take(point);
  };
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const way = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    if (way) setAt({ x: within(at.x + way[0] * STEP, 0, 1), y: within(at.y + way[1] * STEP, 0, 1) });
    else if (event.key === "Enter") take(at);
    else if (event.key === "Escape" && points.length) setPoints([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const drawn = tool === "rectangle" && points.length ? corners([points[0], at]) : [...points, at];
  const hint = t(tool === "polygon" ? "pictures.maskHintPolygon" : "pictures.maskHint");
  return html`<svg class="picture-drawing" tabindex="0" role="application" aria-label=${hint} viewBox="0 0 1 1" preserveAspectRatio="none"
      onPointerDown=${(/** @type {PointerEvent} */ event) => take(place(event))} onPointerUp=${up} onPointerMove=${(/** @type {PointerEvent} */ event) => setAt(place(event))} onKeyDown=${keyed}>
    <polygon points=${drawn.map(({ x, y }) => `${x},${y}`).join(" ")} vector-effect="non-scaling-stroke" />
    <path d=${`M${at.x - NEAR},${at.y}h${2 * NEAR}M${at.x},${at.y - NEAR}v${2 * NEAR}`} vector-effect="non-scaling-stroke" />
  </svg>`;
}

/** @param {import("../masks.js").Point} a @param {import("../masks.js").Point} b */
function near(a, b, least = NEAR) {
  return Math.hypot(a.x - b.x, a.y - b.y) < least;
}

/** @param {number} value @param {number} low @param {number} high */
function within(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
