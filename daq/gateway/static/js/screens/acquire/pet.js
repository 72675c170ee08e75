// The middle of an acquisition of PET: where the bed is, rates, sinogram, time of flight, axial profile, modules.
import { html } from "../../preact.js";
import { clock, counts, duration, percent, place, rate, timeOfDay } from "../../format.js";
import { useLive } from "../../live.js";
import { useWanted } from "../../liveframes.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { Axial, Modules, Sinogram, TimeOfFlight } from "./petfigures.js";
import { bedsOf, frameNow, remaining } from "./petsteps.js";

/** @param {{acquisition: any, status: any, step?: any}} given */
export default function Pet({ acquisition, status, step = acquisition?.steps?.[Math.max(0, (status?.step ?? 1) - 1)] ?? null }) {
  useWanted({ what: ["ring", "rates"], hz: 2 });
  const progress = useLive((live) => live.progress);
  const mine = progress?.run === status?.run ? progress : null;
  return html`<div class="pet stack">
    <${Beds} acquisition=${acquisition} status=${status} progress=${mine} />
    ${step?.phases?.length > 0 && html`<${Frames} step=${step} progress=${mine} />`}
    <div class="pet-columns">
      <${Rates} step=${step} status=${status} progress=${mine} />
      <${Sinogram} />
      <${TimeOfFlight} /><${Axial} /><${Modules} />
    </div>
  </div>`;
}

/** @param {{acquisition: any, status: any, progress: any}} given */
function Beds({ acquisition, status, progress }) {
  const beds = bedsOf(acquisition?.steps ?? [], status, progress);
  return html`<${Card} title=${t("pet.beds")}><ol class="beds">${beds.map((bed) => html`<li key=${bed.number} class=${`bed is-${bed.became}`} aria-current=${bed.became === "now" ? "step" : undefined}>
      <span class="bed-name"><strong>${t("pet.bedOf", { name: bed.name })}</strong><span class="bed-became">${SIGNS[bed.became]} ${t(`pet.${bed.became}`)}</span></span>
      <progress max="1" value=${bed.share} aria-label=${bed.name} aria-valuetext=${percent(bed.share, 0)}></progress>
      <span class="quiet small number">${[
        bed.placeMm === null ? "" : t("pet.at", { place: place(bed.placeMm, "mm") }),
        bed.tookS === null ? "" : t("pet.lasted", { time: clock(bed.tookS) }),
        bed.beganUtc ? t("pet.began", { time: timeOfDay(bed.beganUtc) }) : "",
        bed.prompts === null ? "" : t("pet.prompts", { count: counts(bed.prompts) }),
      ].filter(Boolean).join(" · ")}</span>
    </li>`)}</ol><//>`;
}

const SIGNS = /** @type {Record<string, string>} */ ({ done: "✓", now: "▶", moving: "⇢", next: "▷", waits: "·" });

/** @param {{step: any, progress: any}} given */
function Frames({ step, progress }) {
  const seconds = progress?.step === step.number ? progress.step_s ?? progress.elapsed_s : null;
  const { frame, all } = frameNow(step.phases, seconds);
  return html`<${Card} title=${t("pet.frames")}><div class="spread"><span class="big" aria-live="off">${t("pet.frame", { number: frame ?? "–", all })}</span><span class="quiet">${step.phases.map((/** @type {any} */ each) => t("pet.phase", { frames: each.frames, duration: duration(each.frame_s) })).join(", ")}</span></div><//>`;
}

/** @param {{step: any, status: any, progress: any}} given */
function Rates({ step, status, progress }) {
  const rates = progress?.rates_cps ?? {};
  const net = rates.prompts === undefined ? null : rates.prompts - (rates.delayeds ?? 0);
  const left = remaining(step, status, progress);
  const rows = [
    [t("pet.promptRate"), rate(rates.prompts)], [t("pet.delayedRate"), rate(rates.delayeds)], [t("pet.trues"), rate(net)], [t("pet.singlesRate"), rate(rates.singles)],
    [t("pet.randoms"), percent(progress?.randoms_fraction)], [t("pet.deadTime"), progress?.dead_time_pct == null ? t("pet.notMeasured") : percent(progress.dead_time_pct / 100)],
    [t("pet.missing"), counts(progress?.missing_words)],
  ];
  return html`<${Card} title=${t("pet.rates")}><div aria-live="off">
    <div class="spread"><span class="big">${rate(rates.prompts)}</span><span>${t("pet.toGo")}: <strong class="number">${left.prompts !== null ? t("pet.promptsToGo", { left: counts(left.prompts) }) : left.seconds !== null ? t("pet.timeToGo", { time: clock(left.seconds) }) : t("pet.byHand")}</strong></span></div>
    <dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    <p class="quiet small">${t("pet.randoms")}: ${t("pet.randomsHint")}</p></div><//>`;
}
