// By the beat: which beats were taken, how long they last, and the beat as a moving picture.
import { html, useEffect, useState } from "../../preact.js";
import { counts, NOT_KNOWN, percent, quantity } from "../../format.js";
import { useLive } from "../../live.js";
import { t } from "../../strings.js";
import { Button, Card, Facts, Notice } from "../../ui.js";
import { Bars } from "../../widgets/bars.js";
import { Notes, SeriesPictures, useStudy } from "./pictures.js";
import { Energies, FoldedControls, Heads } from "./static.js";

const BIN_MS = 70;

/** @param {{phase: string, step: any}} given */
export default function Gated({ phase, step }) {
  const part = useStudy(256);
  const begun = part && part.about.beats;
  const beating = begun && part.about.beats.accepted > 0;
  return html`${beating ? html`<${Card} class="gated" label=${t("acquire.gated.title")}><${Cine} part=${part} /><${Notes} part=${part} /><//>` : html`<${Heads} phase=${phase} />${phase === "armed" && html`<${Energies} phase=${phase} />`}${begun && html`<${Notice} role="status">${t("acquire.gated.noBeat")}<//>`}`}
    <div class="gated-below"><${Beats} beats=${begun ? part.about.beats : null} step=${step} />${begun && html`<${Intervals} part=${part} />`}</div>`;
}

/** The bins one after the other, at the pace of a beat; it stands where motion is not wanted. @param {{part: any}} given */
function Cine({ part }) {
  const bins = part.about.slots?.begin_ps?.length || part.about.shape[2];
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const [plays, setPlays] = useState(!still);
  const [slot, setSlot] = useState(0);
  useEffect(() => {
    if (!plays || bins < 2) return undefined;
    const timer = setInterval(() => setSlot((/** @type {number} */ old) => (old + 1) % bins), Math.max(BIN_MS, (part.about.beats.mean_ms || 900) / bins));
    return () => clearInterval(timer);
  }, [plays, bins]);
  const shown = Math.min(slot, bins - 1);
  const arrays = Object.values(part.arrays).filter((/** @type {any} */ each) => each.shape.length === 3);
  const most = Math.max(1, ...arrays.map((/** @type {any} */ each) => highest(each.values)));
  return html`<div class="spread heads-tools"><h2>${t("acquire.gated.bin", { now: shown + 1, all: bins })}</h2>
      <div class="row tight"><${Button} onPress=${() => setPlays(!plays)}>${t(plays ? "acquire.gated.hold" : "acquire.gated.play")}<//>
      <button type="button" aria-label=${t("acquire.gated.before")} onClick=${() => { setPlays(false); setSlot((shown + bins - 1) % bins); }}>‹</button><button type="button" aria-label=${t("acquire.gated.after")} onClick=${() => { setPlays(false); setSlot((shown + 1) % bins); }}>›</button><${FoldedControls} fades=${false} /></div></div>
    <${SeriesPictures} part=${part} slot=${shown} most=${most} />`;
}

/** @param {ArrayLike<number>} values */
function highest(values) {
  let most = 0;
  for (let at = 0; at < values.length; at += 1) if (values[at] > most) most = values[at];
  return most;
}

/** Which beats the protocol takes: it is signed, and not changed at the console. @param {any} gate */
function rejection(gate) {
  if (gate.accepted_ms) return t("acquire.gated.between", { low: Math.round(gate.accepted_ms[0]), high: Math.round(gate.accepted_ms[1]) });
  return gate.tolerance_percent == null ? t("acquire.gated.all") : t("acquire.gated.within", { percent: gate.tolerance_percent });
}

/** @param {{beats: any, step: any}} given */
function Beats({ beats, step }) {
  const readings = useLive((live) => live.readings);
  const now = Object.values(readings).find((each) => each.name === "rate" && each.unit === "1/min");
  const heart = now && now.quality === "good" && typeof now.value === "number" ? quantity(now.value, t("acquire.gated.perMinute"), 0) : NOT_KNOWN;
  const judged = beats ? beats.accepted + beats.rejected : 0;
  const causes = Object.entries(beats?.by_cause ?? {}).filter(([, count]) => count);
  /** @type {[any, any][]} */
  const rows = [
    [t("acquire.gated.heart"), html`<strong>${heart}</strong>`],
    [t("acquire.gated.triggers"), beats ? counts(beats.triggers) : NOT_KNOWN],
    [t("acquire.gated.accepted"), beats ? `${counts(beats.accepted)} (${percent(judged ? beats.accepted / judged : null, 0)})` : NOT_KNOWN],
    [t("acquire.gated.rejected"), beats ? `${counts(beats.rejected)} (${percent(judged ? beats.rejected / judged : null, 0)})` : NOT_KNOWN],
    ...causes.map(([cause, count]) => /** @type {[any, any]} */ ([`· ${cause.replaceAll("_", " ")}`, counts(Number(count))])),
    [t("acquire.gated.taken"), beats && beats.low_ms !== null ? `${quantity(beats.low_ms, "", 0)}– ${quantity(beats.high_ms, "ms", 0)}` : NOT_KNOWN],
    ...(step?.gate ? [/** @type {[any, any]} */ ([t("acquire.gated.window"), rejection(step.gate)])] : []),
    [t("acquire.gated.bins"), step?.gate ? String(step.gate.bins) : NOT_KNOWN],
  ];
  return html`<${Card} class="beats" title=${t("acquire.gated.beats", { trigger: (step?.gate?.trigger ?? "").toUpperCase() })}><${Facts} rows=${rows} /><//>`;
}

/** @param {{part: any}} given */
function Intervals({ part }) {
  const array = part.arrays.intervals;
  const { bin_ms: wide, low_ms: low, high_ms: high } = part.about.beats;
  if (!array) return null;
  const [, bins] = array.shape;
  const taken = array.values.subarray(0, bins);
  const not = array.values.subarray(bins, 2 * bins);
  const text = t("acquire.gated.intervalsAlternative", { low: Math.round(low ?? 0), high: Math.round(high ?? 0) });
  return html`<${Card} class="intervals" title=${t("acquire.gated.intervals")}><${Bars} series=${[{ label: t("acquire.gated.taken"), values: taken }, { label: t("acquire.gated.notTaken"), values: not }]}
    low=${0} step=${wide} range=${[0, Math.min(2000, bins * wide)]} height=${150} x=${t("acquire.gated.ms")} y=${t("acquire.gated.count")} alternative=${text} /><//>`;
}
