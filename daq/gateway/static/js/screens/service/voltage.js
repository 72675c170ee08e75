// High voltage: down by one press, for everybody; up by preview, leave for a while, and a press that is held.
import { html, useEffect, useState } from "../../preact.js";
import { ask, command, Problem } from "../../api.js";
import { useLive } from "../../live.js";
import { stationNow } from "../../stationclock.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, Notice, tell } from "../../ui.js";
import { HoldToDo } from "../../widgets/holdtodo.js";
import { called } from "../../widgets/roomstate.js";
import { plainly } from "../../widgets/when.js";
import { Clear, Readings, useNow } from "./devices.js";
import { freshness, notLowered, valueText, wrongRaise } from "./readings.js";

/** @param {{may: boolean}} given */
export function Voltage({ may }) {
  const devices = useLive((live) => live.description?.devices) ?? {};
  const supplies = Object.keys(devices).filter((name) => devices[name].ability === "high_voltage");
  if (!supplies.length) return html`<p class="card">${t("service.noVoltage")}</p>`;
  return html`<div class="stack"><div class="spread"><p>${t("service.offAlways")}</p><${Button} onPress=${() => down({})}>${t("service.allOff")}<//></div>
    <div class="service-devices">${supplies.map((name) => html`<${Supply} key=${name} name=${name} about=${devices[name]} may=${may} />`)}</div></div>`;
}

/** @param {object} args */
async function down(args) {
  const failed = notLowered(await command("lower-voltage", args, { withinMs: 600_000 }));
  if (failed.length) tell(t("service.notLowered", { failed: plainly(failed.join("; ")) }));
}

/** @param {{name: string, about: any, may: boolean}} given */
function Supply({ name, about, may }) {
  const reading = useLive((live) => live.readings[`${name} voltage`]);
  const trouble = useLive((live) => live.readings[`${name} trouble`]?.value);
  const connected = useLive((live) => live.connected);
  const now = useNow();
  const fresh = freshness(reading, now, connected);
  const volts = typeof reading?.value === "number" ? reading.value : 0;
  return html`<${Card} label=${called(name)}><div class="stack">
    <div class="spread"><h2>${called(name)}</h2><span class="quiet">${t("service.output")}</span></div>
    <p class=${`big ${fresh.stale ? "service-stale" : ""}`} aria-live="off">${valueText(reading?.value, "V")}</p>
    <p class="quiet">${t(`service.${fresh.key}`, { age: fresh.age })}</p>
    <div class="row"><${Button} label=${t("service.offOf", { device: called(name) })} onPress=${() => down({ device: name })}>${t("service.off")}<//>
      <${Button} label=${t("service.lowerOf", { device: called(name) })} onPress=${() => down({ device: name, volts: Math.floor(Math.max(0, volts) / 2) })}>${t("service.lower")}<//></div>
    ${trouble && html`<${Notice} level="medium"><span>${plainly(String(trouble))}. ${t("service.clearAbout")}</span><${Clear} name=${name} /><//>`}
    ${may && html`<${Rise} name=${name} most=${about.quantities?.voltage?.limits?.maximum} />`}
    <${Readings} device=${name} quantities=${about.quantities ?? {}} /></div><//>`;
}

/** Do it; what is refused is told without the names that only files have. @param {() => Promise<any>} work */
async function plain(work) {
  try {
    return await work();
  } catch (problem) {
    throw problem instanceof Problem ? new Problem({ status: problem.status, kind: problem.kind, detail: plainly(problem.message) }) : problem;
  }
}

/** Preview, arm, hold. @param {{name: string, most?: number}} given */
function Rise({ name, most }) {
  const [volts, setVolts] = useState("");
  const [seconds, setSeconds] = useState("60");
  const [asked, setAsked] = useState(/** @type {{against: string[]} | null} */ (null));
  const [armed, setArmed] = useState(/** @type {any} */ (null));
  const [rising, setRising] = useState(false);
  const now = useNow();
  const wrong = wrongRaise(volts, seconds, most);
  const reading = useLive((live) => live.readings[`${name} voltage`]);
  const left = armed ? Math.max(0, Math.round((armed.untilMs - now) / 1000)) : 0;
  const expired = armed !== null && left === 0 && !rising;
  useEffect(() => {
    if (expired) setArmed(null); // it has to be armed again, and that is offered
  }, [expired]);
  const back = (/** @type {(value: string) => void} */ set) => (/** @type {string} */ value) => {
    set(value);
    setAsked(null);
    setArmed(null);
  };
  const preview = async () => {
    const told = (await plain(() => ask("check", { device: name }))).devices[name];
    setAsked({ against: told?.against_raising ?? [] });
  };
  const arm = async () => {
    const told = await plain(() => command("arm-voltage", { device: name, volts: Number(volts), valid_s: Number(seconds) }));
    setArmed({ ...told, untilMs: stationNow() + told.expires_s * 1000 });
  };
  const raise = async () => {
    setRising(true);
    try {
      const told = await plain(() => command("raise-voltage", { device: name, volts: armed.volts }, { withinMs: 600_000 }));
      tell(told.accepted ? t("service.raising") : t("service.raised", { device: called(name), volts: told.output_v.toFixed(1) }), "good");
    } finally {
      setRising(false);
      setArmed(null);
      setAsked(null);
    }
  };
  return html`<div class="stack service-rise">
    <div class="row"><${Field} label=${t("service.to")} type="number" min="0" value=${volts} onInput=${back(setVolts)} disabled=${rising} wrong=${volts && wrong.volts && t(`service.${wrong.volts}`, { most: valueText(most, "V") })} />
      <${Field} label=${t("service.valid")} type="number" min="5" max="600" value=${seconds} onInput=${back(setSeconds)} disabled=${rising} wrong=${wrong.seconds && t(`service.${wrong.seconds}`)} />
      ${!asked && html`<${Button} disabled=${Boolean(wrong.volts || wrong.seconds)} onPress=${preview}>${t("service.preview")}<//>`}</div>
    ${asked && html`<${Notice}><div class="stack"><strong>${t("service.previewRise", { device: called(name), from: valueText(armed?.output_v ?? reading?.value, ""), to: volts })}</strong>
      ${asked.against.length > 0 && !armed ? html`<p>${t("service.notNow")} ${plainly(asked.against.join("; "))}</p>` : armed ? html`<${Told} armed=${armed} />` : html`<p>${t("service.armAbout")}</p>`}</div><//>`}
    ${asked && !armed && asked.against.length === 0 && html`<div class="spread"><span class="quiet">${t("service.notArmed")}</span><${Button} onPress=${arm}>${t("service.arm")}<//></div>`}
    ${armed && html`<div class="stack"><div class="spread"><${Chip}>${rising ? t("service.raising") : t("service.armedFor", { volts: armed.volts, seconds: left })}<//>
        ${rising && html`<${Button} label=${t("service.offNowOf", { device: called(name) })} onPress=${() => down({ device: name })}>${t("service.offNow")}<//>`}</div>
      <p>${t("service.holdAbout")}</p>
      <${HoldToDo} onDone=${raise} held=${t("service.holding")} disabled=${rising || left === 0}>${t("service.hold")}<//></div>`}
  </div>`;
}

/** @param {{armed: any}} given */
function Told({ armed }) {
  const limits = armed.limits;
  const least = Math.ceil(Math.max(0, armed.volts - armed.output_v) / limits.slope_v_per_s);
  return html`<p>${t("service.supply", armed.identity)}. ${t("service.previewLimits", { max: limits.max_v, step: limits.step_v, slope: limits.slope_v_per_s, tolerance: limits.tolerance_v })}
    ${limits.trip_a !== null && ` ${t("service.previewTrip", { trip: Math.round(limits.trip_a * 1e6) })}`} ${t("service.previewTime", { least, most: Math.round(armed.within_s) })}</p>`;
}
