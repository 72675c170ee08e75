// What was given: activity as it is now, injected when; the whole record in a form, checked by the station.
import { html, useEffect, useState } from "../../preact.js";
import { command } from "../../api.js";
import { activity, timeOfDay } from "../../format.js";
import { activityNow } from "../../identity.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, Notice, sentence, tell } from "../../ui.js";
import { CHOICES, changesOf, FIELDS, FLAGS, typedFields } from "./givenfields.js";

const TURN_MS = 1000;

/** @param {{told: any, again: () => void}} given */
export function Given({ told, again }) {
  const [open, setOpen] = useState(false);
  const given = told.administration;
  const injected = given.fields.injected_at;
  const now = async () => {
    await command("worklist-administration", { entry: told.entry, injected_now: true });
    again();
  };
  return html`<${Card} title=${t("giving.title")}><div class="stack">
    <${Activity} told=${told} />
    <div class="row">
      <span>${[given.fields.agent, given.fields.nuclide].filter(Boolean).join(" · ")}</span>
      <span class="grow">${injected ? t("giving.injectedAt", { time: timeOfDay(injected) }) : t("giving.notInjected")}</span>
      ${!injected && html`<${Button} onPress=${now}>${t("giving.injectedNow")}<//>`}
      <${Button} kind="plain" onPress=${() => setOpen(!open)}>${t(open ? "giving.close" : "giving.edit")}<//>
    </div>
    ${given.missing.length > 0 && html`<p class="quiet">${t("giving.missing", { what: given.missing.join(", ") })}</p>`}
    ${given.wrong && html`<${Notice} role="alert">${given.wrong}<//>`}
    ${open && html`<${Form} told=${told} again=${again} close=${() => setOpen(false)} />`}
  </div><//>`;
}

/** The activity, decaying before one's eyes by the station's clock. @param {{told: any}} given */
function Activity({ told }) {
  const [began] = useState(() => performance.now());
  const [, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTurn((/** @type {number} */ old) => old + 1), TURN_MS);
    return () => clearInterval(timer);
  }, []);
  const had = told.administration.activity;
  if (!had) return null;
  const mbq = activityNow(had, Date.parse(told.now_utc) + performance.now() - began);
  return html`<p class="row"><strong class="big" aria-live="off">${mbq === null ? activity(had.mbq) : t("giving.now", { activity: activity(mbq) })}</strong>
    <span class="quiet">${activity(had.mbq)} @ ${timeOfDay(had.at_utc)}, ${t(`giving.of.${had.of}`)}</span>${told.administration.doubts.map((/** @type {string} */ doubt) => html`<${Chip}>${doubt}<//>`)}</p>`;
}

/** @param {{told: any, again: () => void, close: () => void}} given */
function Form({ told, again, close }) {
  const [before] = useState(() => typedFields(told.administration.fields));
  const [typed, setTyped] = useState(before);
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const changes = changesOf(before, typed);
  const save = async () => {
    setWrong("");
    try {
      await command("worklist-administration", { entry: told.entry, changes, reason: reason.trim() });
      tell(t("giving.saved"), "good");
      again();
      close();
    } catch (problem) {
      setWrong(sentence(problem));
    }
  };
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setTyped({ ...typed, [name]: value });
  return html`<div class="stack">
    <div class="grid-3">${FIELDS.map((name) => html`<${One} key=${name} name=${name} value=${typed[name]} onInput=${set(name)} />`)}</div>
    ${told.runs.length > 0 && html`<${Field} label=${t("giving.reason")} value=${reason} onInput=${setReason} maxlength="500" dir="auto" />`}
    ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    <div class="row"><${Button} disabled=${!Object.keys(changes).length} onPress=${save}>${t("giving.save")}<//></div>
  </div>`;
}

/** @param {{name: string, value: string, onInput: (value: string) => void}} given */
function One({ name, value, onInput }) {
  const unit = UNITS.includes(name) ? t(`giving.units.${name}`) : "";
  const label = `${t(`giving.fields.${name}`)}${unit ? ` (${unit})` : ""}`;
  if (name in CHOICES) return html`<${Field} label=${label} value=${value} onInput=${onInput} options=${[{ value: "", label: t("giving.notKnown") }, ...CHOICES[name].map((each) => ({ value: each, label: each }))]} />`;
  if (FLAGS.includes(name)) return html`<${Field} label=${label} value=${value} onInput=${onInput} options=${[{ value: "", label: t("giving.notKnown") }, { value: "true", label: t("giving.yes") }, { value: "false", label: t("giving.no") }]} />`;
  if (name.endsWith("_at")) return html`<${Field} label=${label} value=${value} onInput=${onInput} hint=${t("giving.timeHint")} />`;
  const hint = name === "assayed" || name === "residual" ? t("giving.withUnit") : "";
  return html`<${Field} label=${label} hint=${hint} value=${value} onInput=${onInput} maxlength="500" inputmode=${unit ? "decimal" : undefined} />`;
}

const UNITS = ["calibrator_offset_s", "weight_kg", "height_m", "glucose_mmol_per_l", "uptake_s", "bed_limit_kg", "voided_ml"];
