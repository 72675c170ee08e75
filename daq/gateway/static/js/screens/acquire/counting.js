// How far the present view is: counts and time large, what is left, whether the list mode is on disk.
import { html } from "../../preact.js";
import { bytes, clock, counts, NOT_KNOWN, percent, rate, toGo } from "../../format.js";
import { useLive } from "../../live.js";
import { useFrame } from "../../liveframes.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";
import { Before } from "./after.js";
import { counted } from "./flow.js";
import { stepTitle } from "./steps.js";

/** @param {{step: any, status: any}} given */
export function Counting({ step, status }) {
  const progress = useLive((live) => live.progress);
  const connected = useLive((live) => live.connected);
  const mine = progress?.run === status?.run && progress?.step === status?.step ? progress : null;
  const ended = step?.state === "done" || step?.state === "ended"; // what comes while the next view waits is not of this one
  const { value, limit, of, window, head } = counted(step, (ended ? step.counted : null) ?? mine?.counts ?? step?.counted);
  const seconds = step?.took_s ?? mine?.step_s ?? null;
  const fraction = mine?.fraction ?? (step?.state === "done" ? 1 : null);
  return html`<${Card} class="counting" title=${step ? t("acquire.viewOf", { number: step.number, steps: status.steps, name: stepTitle(step.name, step) }) : t("acquire.counting")}>
    <div aria-live="off" class=${connected ? "" : "stale"}>
      <div class="spread"><span class="big" data-counts>${counts(value)}</span><span class="big">${clock(seconds)}</span></div>
      <progress max="1" value=${fraction ?? undefined} aria-label=${t("acquire.progress")} aria-valuetext=${fraction === null ? t("acquire.noEnd") : percent(fraction, 0)}></progress>
      <div class="spread small"><span>${limitText(value, limit, of)}</span><span>${mine?.remaining_s != null && status.state === "acquiring" ? t("acquire.left", { time: toGo(mine.remaining_s) }) : ""}</span></div>
      <div class="small quiet">${t(`acquire.of.${of}`, { window, head: head ? t(`acquire.heads.${head}`) : "" })}</div>
      <div class="spread small quiet"><span>${t("acquire.allComes")}</span><span>${rate(mine?.rate_cps)}</span></div>
      <${Before} step=${step} /><${DeadTime} />
      <${OnDisk} progress=${progress?.run === status?.run ? progress : null} />
    </div>
    ${mine?.frames_wait && html`<p class="waits" role="status">${mine.frames_wait_for === "trigger" ? t("acquire.waitsTrigger") : t("acquire.waitsRate", { rate: rate(mine.frames_begin_cps), now: rate(mine.frames_wait_cps) })}</p>`}
  <//>`;
}

/** @param {number | null} value @param {number | null} limit @param {string} of */
function limitText(value, limit, of) {
  if (limit === null) return "";
  const left = value === null ? NOT_KNOWN : counts(Math.max(0, limit - value));
  return t(of === "beats" ? "acquire.beatsToGo" : "acquire.toGo", { left });
}

function DeadTime() {
  const heads = useFrame((frames) => frames.parts.rates?.about.heads);
  const known = (heads ?? []).filter((/** @type {any} */ head) => typeof head.live_share === "number");
  if (!known.length) return null;
  const text = known.map((/** @type {any} */ head) => percent(1 - head.live_share)).join(" / ");
  return html`<div class="spread small quiet"><span>${t("acquire.deadTime")}</span><span>${text}</span></div>`;
}

/** @param {{progress: any}} given */
function OnDisk({ progress }) {
  if (!progress?.recorded_events) return null;
  const lost = progress.missing_words + progress.dropped;
  return html`<div class="spread small"><span>${t("acquire.onDisk")} <span aria-hidden="true">✔</span></span>
    <span>${t("acquire.recorded", { events: counts(progress.recorded_events), bytes: bytes(progress.file_bytes) })}${lost ? ` ${t("acquire.lost", { words: counts(lost) })}` : ""}</span></div>`;
}
