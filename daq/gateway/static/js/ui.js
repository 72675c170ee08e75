// The parts that screens are made of. Looks stand in css/console.css.
import { html, useEffect, useRef, useState } from "./preact.js";
import { Problem } from "./api.js";
import { live } from "./live.js";
import { t } from "./strings.js";
import { personalStore, useStore } from "./store.js";

/** @param {{title?: any, children?: any, class?: string, label?: string}} given */
export function Card({ title, children, class: more = "", label }) {
  return html`<section class=${`card ${more}`} aria-label=${label}>${title && html`<h2>${title}</h2>`}${children}</section>`;
}

/**
 * A button that does one thing at a time: pressed again while that is under way, or within 200 ms, it does nothing. Nor
 * does the second press of a double one that began on something else: what stands here now came in between.
 * What is refused is told in a sentence at the foot of the page.
 * @param {{onPress: () => any, children?: any, kind?: "" | "primary" | "plain" | "stop-motion", disabled?: boolean, why?: string, keys?: string, label?: string, [more: string]: any}} given
 * `why` says why it cannot be pressed now; it is shown to those who ask.
 */
export function Button({ onPress, children, kind = "", disabled = false, why = "", keys, label, ...more }) {
  const [busy, setBusy] = useState(false);
  const lastMs = useRef(-Infinity);
  const press = async (/** @type {MouseEvent} */ event) => {
    const nowMs = performance.now();
    if (busy || disabled || nowMs - lastMs.current < 200 || (event.detail > 1 && lastMs.current === -Infinity)) return;
    lastMs.current = nowMs;
    told.set(null); // what was told of an earlier press is old now
    setBusy(true);
    try {
      await onPress();
    } catch (problem) {
      tell(problem);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class=${kind} aria-disabled=${disabled || undefined} aria-busy=${busy || undefined}
    aria-label=${label} aria-keyshortcuts=${keys} title=${why || undefined} onClick=${press} ...${more}>${children}</button>`;
}

/** @param {{level?: "" | "good" | "high" | "medium" | "low", children?: any}} given  Words, never colour alone. */
export function Chip({ level = "", children }) {
  return html`<span class=${`chip ${level}`}>${children}</span>`;
}

/** @param {{level?: "" | "good" | "high" | "medium" | "low", children?: any, role?: string}} given */
export function Notice({ level = "", children, role }) {
  return html`<div class=${`notice ${level}`} role=${role}>${children}</div>`;
}

/**
 * A labelled input. Other attributes go to the input; `wrong` is a sentence about what was typed.
 * @param {{label: string, value: any, onInput: (value: string) => void, wrong?: string, type?: string, options?: {value: string, label: string}[], hint?: string, rows?: number, [more: string]: any}} given
 */
export function Field({ label, value, onInput, wrong = "", type = "text", options, hint = "", rows, ...more }) {
  const typed = (/** @type {any} */ event) => onInput(event.target.value);
  const attributes = { value: value ?? "", onInput: typed, "aria-invalid": wrong ? "true" : undefined, autocomplete: "off", ...more };
  let input = html`<input type=${type} ...${attributes} />`;
  if (options) input = html`<select ...${attributes}>${options.map((each) => html`<option value=${each.value} selected=${each.value === value}>${each.label}</option>`)}</select>`;
  else if (rows) input = html`<textarea rows=${rows} ...${attributes}></textarea>`;
  return html`<label class="field"><span>${label}</span>${input}${hint && html`<small class="quiet">${hint}</small>`}${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}</label>`;
}

/** @param {{rows: [any, any][]}} given  Names and values. */
export function Facts({ rows }) {
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** What is asked for and not there yet, or refused. `again` asks once more.
 * @param {{of: {loading: boolean, problem: any, again: () => void}}} given */
export function Waiting({ of }) {
  if (of.problem) return html`<${Notice} level="medium" role="alert"><span>${sentence(of.problem)}</span><${Button} onPress=${of.again}>${t("shell.again")}<//><//>`;
  return of.loading ? html`<p class="quiet" role="status">${t("shell.loading")}</p>` : null;
}

/**
 * Ask for something when the component appears, and again whenever one of `depends` changes.
 * @template T
 * @param {() => Promise<T>} asking
 * @param {any[]} depends
 * @returns {{value: T | null, loading: boolean, problem: any, again: () => void}}
 */
export function useAsked(asking, depends) {
  const [told, setTold] = useState(/** @type {any} */ ({ value: null, loading: true, problem: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let wanted = true;
    setTold((/** @type {any} */ old) => ({ ...old, loading: true }));
    asking().then(
      (value) => wanted && setTold({ value, loading: false, problem: null }),
      (problem) => wanted && setTold((/** @type {any} */ old) => ({ value: old.value, loading: false, problem })),
    );
    return () => {
      wanted = false;
    };
  }, [...depends, turn]);
  return { ...told, again: () => setTurn((/** @type {number} */ old) => old + 1) };
}

// A confirmation carries content and a verb. The safe choice has the focus; Esc takes it.

const question = personalStore(/** @type {any} */ (null));

/**
 * Ask for a decision; resolves with the key of the choice that was taken.
 * @param {{title: string, body?: any, choices: {key: string, label: string, safe?: boolean, kind?: string, needs?: () => boolean}[], holds?: () => boolean, changed?: string}} asked
 * `holds` says whether what is asked is still so; where it is not, the safe choice is taken and `changed` is told.
 * @returns {Promise<string>}
 */
export function decide(asked) {
  return new Promise((resolve) => question.set({ ...asked, resolve }));
}

/**
 * Show a question so that nothing behind it can be worked but the head of the page: STOP ALL MOTION stays within reach.
 * Returns a function that gives everything back, the focus included.
 * @param {HTMLDialogElement | null} dialog
 */
function askedAlone(dialog) {
  const before = document.activeElement;
  const behind = [...document.querySelectorAll(".frame > nav, .frame > main, .frame > footer")];
  for (const part of behind) part.toggleAttribute("inert", true);
  dialog?.show();
  return () => {
    for (const part of behind) part.toggleAttribute("inert", false);
    if (before instanceof HTMLElement) before.focus();
  };
}

/** Shows what `decide` asks. Stands once in the page. */
export function Decisions() {
  const asked = useStore(question, (value) => value);
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const take = (/** @type {string} */ key) => {
    question.set(null);
    asked.resolve(key);
  };
  const safe = asked?.choices.find((/** @type {any} */ each) => each.safe) ?? asked?.choices[0];
  useEffect(() => (asked ? askedAlone(dialog.current) : undefined), [asked]);
  useEffect(() => {
    if (!asked) return undefined;
    const pressed = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && take(safe.key); // wherever the focus is
    const look = () => asked.holds && !asked.holds() && (take(safe.key), tell(asked.changed));
    addEventListener("keydown", pressed);
    const ended = live.watch(look);
    look();
    return () => {
      removeEventListener("keydown", pressed);
      ended();
    };
  }, [asked]);
  if (!asked) return null;
  return html`<dialog ref=${dialog} aria-labelledby="decision-title" aria-modal="true" class="stack decision">
    <h2 id="decision-title">${asked.title}</h2>
    <div>${asked.body}</div>
    <div class="row">${asked.choices.map(
      (/** @type {any} */ each) => html`<${Button} key=${each.key} kind=${each.kind ?? ""} autofocus=${each === safe} onPress=${() => take(each.key)}>${each.label}<//>`,
    )}</div>
  </dialog>`;
}

// What is told to whoever sits here: the newest sentence, until it is put away.

const SAID_MS = 10_000;
const told = personalStore(/** @type {{text: string, level: string} | null} */ (null));

/**
 * Tell a problem, or a sentence with its level.
 * @param {any} what
 * @param {"" | "good" | "medium"} [level]
 */
export function tell(what, level = "medium") {
  if (!(what instanceof Problem) && what instanceof Error) console.error(what);
  const mine = { text: typeof what === "string" ? what : sentence(what), level };
  told.set(mine);
  if (level !== "medium") setTimeout(() => told.set((now) => (now === mine ? null : now)), SAID_MS); // what is no problem does not lie over buttons for long
}

/** @param {any} problem */
export function sentence(problem) {
  return problem instanceof Error ? problem.message : String(problem);
}

/** Shows what `tell` was told. Stands once in the page. */
export function Told() {
  const now = useStore(told, (value) => value);
  return html`<div class="told" role="alert">${now && html`<div class=${`notice ${now.level}`}><span>${now.text}</span><button type="button" onClick=${() => told.set(null)}>${t("shell.close")}</button></div>`}</div>`;
}
