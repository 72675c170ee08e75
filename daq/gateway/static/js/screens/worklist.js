// Home: who comes today. A row is chosen and prepared; a wristband opens its row at once.
import { html, useEffect, useMemo, useRef, useState } from "../preact.js";
import { ask, command } from "../api.js";
import { choose, useChosen } from "../chosen.js";
import { folded, holds, scanning, stepped } from "../identity.js";
import { useLive } from "../live.js";
import { address, go, goWith } from "../router.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Notice, tell, useAsked, Waiting } from "../ui.js";
import { Adding } from "./worklist/adding.js";
import { Notices } from "./worklist/notices.js";
import { Rows } from "./worklist/rows.js";

const MOST_ROWS = 1000;
const TYPED_MS = 250;

/** @param {{query: Record<string, string>}} given */
export default function Worklist({ query }) {
  const who = useSession();
  if (!mayAs(who, "technologist")) return html`<h1>${t("worklist.title")}</h1><${Notice}>${t("worklist.notAllowed")}<//>`;
  return query.add === undefined ? html`<${List} protocol=${query.protocol} />` : html`<${Adding} protocol=${query.protocol} />`;
}

/** `protocol`: chosen on another screen, for whoever is prepared next. @param {{protocol?: string}} given */
function List({ protocol }) {
  const [day, setDay] = useState("");
  const [text, setText] = useState("");
  const asked = useList(day, text);
  const chosen = useChosen();
  const told = asked.value;
  const words = useMemo(() => folded(text).split(/\s+/).filter(Boolean), [text]);
  const rows = useMemo(() => (told?.rows ?? []).filter((/** @type {any} */ row) => holds(row, words)), [told, words]);
  const shownChosen = rows.some((/** @type {any} */ row) => row.entry === chosen) ? chosen : null;
  const prepare = (/** @type {string | null} */ entry) => entry && goWith(["setup", entry], { protocol });
  const find = (/** @type {string} */ number) => scanned(number, day, protocol);
  useScanner(find);
  useEffect(() => {
    if (!text && shownChosen === null) choose(null);
  }, [told?.day]);
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (/** @type {HTMLElement} */ (event.target).closest("button")) return; // what it says is done, not what the row would
    if (event.key === "Enter") {
      event.preventDefault();
      prepare(shownChosen ?? (rows.length === 1 ? rows[0].entry : null));
      return;
    }
    const next = stepped(rows.map((/** @type {any} */ row) => row.entry), shownChosen, event.key);
    if (next !== shownChosen) {
      event.preventDefault();
      choose(next);
    }
  };
  return html`<div class="worklist">
    <div class="spread"><h1>${told ? t("worklist.titleOf", { day: told.day }) : t("worklist.title")}</h1><${DayChooser} told=${told} setDay=${setDay} /></div>
    <${Notices} told=${told} />
    ${protocol && html`<${Preset} protocol=${protocol} />`}
    <${Search} text=${text} setText=${setText} find=${find} rows=${rows} prepare=${prepare} />
    <${Waiting} of=${{ ...asked, loading: asked.loading && !told }} />
    ${told && html`<${Rows} rows=${rows} total=${told.total} text=${text} chosen=${shownChosen} onChoose=${choose} onKey=${key} onOpen=${prepare} />`}
    <div class="actions">
      <${Emergency} protocol=${protocol} />
      <a class="button" href=${`${address("worklist")}?${new URLSearchParams({ add: "1", ...(protocol ? { protocol } : {}) })}`}>${t("worklist.add")}</a>
      <${Button} kind="primary" disabled=${!shownChosen} why=${shownChosen ? "" : t("worklist.prepareWhy")} onPress=${() => prepare(shownChosen)}>${t("worklist.prepare")}<//>
    </div>
  </div>`;
}

/** That a protocol was chosen elsewhere. @param {{protocol: string}} given */
function Preset({ protocol }) {
  const asked = useAsked(() => ask("protocol", { protocol }), [protocol]);
  const name = asked.value?.document?.title ?? protocol;
  return html`<${Notice} role="status"><span class="grow">${asked.problem ? t("worklist.presetGone", { protocol }) : t("worklist.preset", { protocol: name })}</span><${Button} onPress=${() => go("worklist")}>${t("worklist.presetNot")}<//><//>`;
}

/** The list of a day; asked again when it changes. The station looks for the text where not all rows are here.
 * @param {string} day @param {string} text */
function useList(day, text) {
  const revision = useLive((live) => live.revisions.worklist ?? 0);
  const connected = useLive((live) => live.connected);
  const [told, setTold] = useState(/** @type {any} */ ({ value: null, loading: true, problem: null }));
  const [turn, setTurn] = useState(0);
  const whole = useRef(true);
  const wanted = whole.current ? "" : text.trim();
  useEffect(() => {
    let here = true;
    const timer = setTimeout(() => {
      ask("worklist", { ...(day ? { day } : {}), text: wanted, limit: MOST_ROWS }).then(
        (value) => {
          if (!here) return;
          if (!wanted) whole.current = value.total <= MOST_ROWS;
          setTold({ value, loading: false, problem: null });
        },
        (problem) => here && setTold((/** @type {any} */ old) => ({ value: old.value, loading: false, problem })),
      );
    }, wanted ? TYPED_MS : 0);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [day, wanted, revision, connected, turn]);
  return { ...told, again: () => setTurn((/** @type {number} */ old) => old + 1) };
}

/** @param {{told: any, setDay: (day: string) => void}} given */
function DayChooser({ told, setDay }) {
  const day = told?.day ?? "";
  const moved = (/** @type {number} */ days) => {
    const at = new Date(`${day}T12:00:00Z`);
    at.setUTCDate(at.getUTCDate() + days);
    setDay(at.toISOString().slice(0, 10));
  };
  const picked = (/** @type {any} */ event) => event.target.value && setDay(event.target.value);
  return html`<div class="row day">
    <button type="button" aria-label=${t("worklist.dayBefore")} onClick=${() => day && moved(-1)}>‹</button>
    <input type="date" aria-label=${t("worklist.day")} value=${day} onChange=${picked} />
    <button type="button" aria-label=${t("worklist.dayAfter")} onClick=${() => day && moved(1)}>›</button>
    <button type="button" aria-pressed=${told ? day === told.today : undefined} onClick=${() => setDay("")}>${t("worklist.today")}</button>
  </div>`;
}

/** @param {{text: string, setText: (text: string) => void, find: (number: string) => Promise<boolean>, rows: any[], prepare: (entry: string) => void}} given */
function Search({ text, setText, find, rows, prepare }) {
  const entered = async (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || !text.trim()) return;
    event.preventDefault();
    event.stopPropagation();
    const one = rows.length === 1 ? rows[0] : null;
    const isNumber = rows.some((row) => row.patient_id === text.trim() || row.accession_number === text.trim());
    if (!isNumber && one) prepare(one.entry);
    else await find(text).catch(tell);
  };
  return html`<label class="field search"><span class="hidden-text">${t("worklist.search")}</span>
    <input type="search" value=${text} placeholder=${`${t("worklist.search")} – ${t("worklist.scanHint")}`} maxlength="200" autocomplete="off" spellcheck=${false}
      onInput=${(/** @type {any} */ event) => setText(event.target.value)} onKeyDown=${entered} /></label>`;
}

/** Open the entry of a number that was scanned: that counts as identity read-back. @param {string} number @param {string} day @param {string} [protocol] */
async function scanned(number, day, protocol) {
  const { entries } = await ask("worklist-find", { number: number.trim().slice(0, 64), ...(day ? { day } : {}) });
  if (entries.length === 1) {
    choose(entries[0]);
    goWith(["setup", entries[0]], { read: "wristband", protocol });
    return true;
  }
  tell(entries.length ? t("worklist.several", { count: entries.length }) : t("worklist.nobodyWithNumber", { number }));
  return false;
}

/** Hear a wristband scanner, which types like a keyboard, wherever no field has the focus. @param {(number: string) => Promise<boolean>} find */
function useScanner(find) {
  const newest = useRef(find);
  newest.current = find;
  useEffect(() => {
    const take = scanning();
    const pressed = (/** @type {KeyboardEvent} */ event) => {
      const place = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.altKey || event.metaKey || place.matches("input, textarea, select")) return;
      const number = take(event.key, event.timeStamp);
      if (number === null) return;
      event.preventDefault();
      event.stopPropagation();
      newest.current(number).catch(tell);
    };
    addEventListener("keydown", pressed, { capture: true });
    return () => removeEventListener("keydown", pressed, { capture: true });
  }, []);
}

/** @param {{protocol?: string}} given */
function Emergency({ protocol }) {
  const begin = async () => {
    const { entry } = await command("worklist-emergency", protocol ? { protocol } : {});
    choose(entry);
    goWith(["setup", entry], { protocol });
  };
  return html`<${Button} why=${t("worklist.emergencyWhy")} class="emergency" onPress=${begin}>${t("worklist.emergency")}<//>`;
}
