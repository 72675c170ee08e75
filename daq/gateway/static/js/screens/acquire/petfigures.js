// Live figures of a ring: sinogram, time of flight, axial profile, modules.
import { html, useMemo, useState } from "../../preact.js";
import { counts } from "../../format.js";
import { useFrame } from "../../liveframes.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { Bars } from "../../widgets/bars.js";
import { Picture } from "../../widgets/picture.js";
import { useOver } from "../../widgets/scope.js";
import { highest, silent, sum } from "./petsteps.js";

const MOST_NAMED = 8;

function useRing() {
  return useFrame((frames) => frames.parts.ring);
}

function Nothing() {
  return html`<div class="picture-none quiet">${t("pet.nothing")}</div>`;
}

export function Sinogram() {
  const part = useRing()?.arrays.sinogram;
  const over = useOver();
  const [delayed, setDelayed] = useState(false);
  const title = t(delayed ? "pet.sinogramDelayed" : "pet.sinogram");
  const slot = delayed ? 1 : 0;
  const cells = part ? part.shape[1] * part.shape[2] : 0;
  return html`<${Card} title=${title}>
    ${part ? html`<${Picture} part=${part} slot=${slot} name="ring/sinogram" over=${over} alternative=${t("pet.sinogramText", { what: t(delayed ? "pet.delayedName" : "pet.promptsName"), views: part.shape[1], radii: part.shape[2], counts: counts(sum(part.values, slot * cells, (slot + 1) * cells)) })} />
      <div class="spread small quiet"><span>→ ${t("pet.radius")}</span><span>↓ ${t("pet.angle")}</span></div>` : html`<${Nothing} />`}
    <div class="row tight">${[false, true].map((each) => html`<button type="button" aria-pressed=${each === delayed} onClick=${() => setDelayed(each)}>${t(each ? "pet.delayedName" : "pet.promptsName")}</button>`)}</div>
  <//>`;
}

/** Both halves of an array [2, n]: prompts and delayed. @param {any} part */
function halves(part) {
  const length = part.shape[1];
  return [part.values.subarray(0, length), part.values.subarray(length)];
}

/** @param {any} part */
function useSeries(part) {
  return useMemo(() => {
    if (!part) return null;
    const [prompts, delayed] = halves(part);
    return [{ label: t("pet.promptsName"), values: prompts }, { label: t("pet.delayedName"), values: delayed, stroke: "--text" }];
  }, [part]);
}

export function TimeOfFlight() {
  const ring = useRing();
  const series = useSeries(ring?.arrays.tof);
  const told = ring?.about.tof;
  if (!series || !told) return html`<${Card} title=${t("pet.tof")}><${Nothing} /><//>`;
  const step = (told.high_ps - told.low_ps) / told.bins;
  const peak = Math.round(told.low_ps + (highest(series[0].values) + 0.5) * step);
  return html`<${Card} title=${t("pet.tof")}><${Bars} series=${series} low=${told.low_ps} step=${step} x=${t("pet.ps")} y=${t("pet.counts")} alternative=${t("pet.tofText", { low: told.low_ps, high: told.high_ps, peak })} /><//>`;
}

export function Axial() {
  const ring = useRing();
  const series = useSeries(ring?.arrays.axial);
  const told = ring?.about.axial;
  if (!series || !told) return html`<${Card} title=${t("pet.axial")}><${Nothing} /><//>`;
  const length = told.planes * told.plane_mm;
  return html`<${Card} title=${t("pet.axial")}><${Bars} series=${series} low=${-length / 2} step=${told.plane_mm} x=${t("pet.mm")} y=${t("pet.counts")} alternative=${t("pet.axialText", { length: length.toFixed(0) })} /><//>`;
}

export function Modules() {
  const part = useRing()?.arrays.modules;
  const series = useMemo(() => (part ? [{ label: t("pet.singlesRate"), values: part.values }] : null), [part]);
  if (!part || !series) return html`<${Card} title=${t("pet.modules")}><${Nothing} /><//>`;
  const none = silent(part.values);
  const named = none.slice(0, MOST_NAMED).join(", ") + (none.length > MOST_NAMED ? " …" : "");
  return html`<${Card} title=${t("pet.modules")}><${Bars} series=${series} low=${0} step=${1} x=${t("pet.module")} y=${t("pet.counts")} alternative=${t("pet.modulesText", { count: part.values.length, silent: none.length, most: counts(part.values[highest(part.values)]) })} />
    <p class=${none.length ? "" : "quiet"}>${none.length ? t("pet.modulesSilent", { count: none.length, which: named }) : t("pet.modulesAll", { count: part.values.length })}</p><//>`;
}
