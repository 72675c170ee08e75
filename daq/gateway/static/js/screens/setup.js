// The set-up card: who it is, what the station would say to preparing it, and the one button that arms.
import { html, useEffect, useState } from "../preact.js";
import { ask, command } from "../api.js";
import { choose } from "../chosen.js";
import { useLive } from "../live.js";
import { address, forget, go } from "../router.js";
import { mayAs, useSession } from "../session.js";
import { t } from "../strings.js";
import { Button, Notice, useAsked, Waiting } from "../ui.js";
import { Changes } from "./setup/changes.js";
import { Checklist, Overrides } from "./setup/checklist.js";
import { Choices } from "./setup/choices.js";
import { Given } from "./setup/given.js";
import { IdentityBlock, Runs } from "./setup/identityblock.js";
import { armWords, blocking, chosenFor, prepareArgs } from "./setup/reckoning.js";

const LOOK_MS = 3000;
const KEY = /^w-[a-z2-7]{26}$/;
const IDLE = ["ready", "completed", "interrupted", "aborted", "fault"];

/** @param {{path: string[], query: Record<string, string>}} given */
export default function Setup({ path, query }) {
  const who = useSession();
  const [entry] = path;
  if (!mayAs(who, "technologist")) return html`<${Notice}>${t("worklist.notAllowed")}<//>`;
  if (!KEY.test(entry ?? "") || path.length > 1) return html`<h1>${t("setup.title")}</h1><p>${t(entry ? "setup.wrongAddress" : "setup.noEntry")} <a href=${address("worklist")}>${t("setup.back")}</a></p>`;
  return html`<${CardOf} key=${entry} entry=${entry} wristband=${query.read === "wristband"} how=${{ late: query.late !== undefined, protocol: query.protocol }} />`;
}

/** @param {{entry: string, wristband: boolean, how: {late: boolean, protocol?: string}}} given */
function CardOf({ entry, wristband: scanned, how }) {
  const [wristband] = useState(scanned); // of this card, as long as it is open: a page that is loaded again has read none
  const revision = useLive((live) => live.revisions.worklist ?? 0);
  const asked = useAsked(() => ask("worklist-entry", { entry }), [entry, revision]);
  useEffect(() => {
    choose(entry);
    if (scanned) forget("read");
  }, [entry]);
  if (!asked.value) return html`<h1>${t("setup.title")}</h1><${Waiting} of=${asked} />${asked.problem && html`<p><a href=${address("worklist")}>${t("setup.back")}</a></p>`}`;
  return html`<${Open} told=${asked.value} wristband=${wristband} how=${how} again=${asked.again} problem=${asked.problem} />`;
}

/** @param {{told: any, wristband: boolean, how: {late: boolean, protocol?: string}, again: () => void, problem: any}} given */
function Open({ told, wristband, how, again, problem }) {
  const status = useLive((live) => live.status);
  const connected = useLive((live) => live.connected);
  const [choice, setChoice] = useState(() => chosenFor(told, how));
  const [reason, setReason] = useState(told.origin === "emergency" ? t("setup.emergencyReason") : "");
  const [spite, setSpite] = useState(/** @type {string[] | null} */ (told.origin === "emergency" ? null : []));
  const rehearsal = useRehearsal(told, choice, status);
  const items = rehearsal.value?.items ?? [];
  const overridable = items.filter((/** @type {any} */ item) => item.state === "missing" && item.overridable).map((/** @type {any} */ item) => item.name);
  const overridden = reason.trim() ? overridable.filter((/** @type {string} */ name) => spite === null || spite.includes(name)) : [];
  const why = blocking({ choice, items, overridden, looking: !rehearsal.value, connected, problem: rehearsal.problem });
  const under = status && !IDLE.includes(status.state);
  const arm = async () => {
    await command("prepare", prepareArgs(told.entry, choice, overridden, reason, wristband));
    choose(null); // from here the banner says who is under way or lies on the bed, and after that nobody
    go("acquire");
  };
  return html`<div class="setup">
    <div class="setup-left stack">
      <${IdentityBlock} told=${told} wristband=${wristband} />
      <${Changes} told=${told} again=${again} />
      ${how.late && html`<${Notice} role="status">${t("setup.lateView")}<//>`}
      ${!how.late && !how.protocol && told.status === "ended early" && told.progress && html`<${Notice} role="status">${t("setup.goesOn", { words: told.progress.words })}<//>`}
      <${Choices} told=${told} choice=${choice} setChoice=${setChoice} orientation=${rehearsal.value?.orientation} />
      <${Given} told=${told} again=${again} />
      <${Runs} runs=${told.runs} />
    </div>
    <div class="setup-right stack">
      ${problem && html`<${Waiting} of=${{ loading: false, problem, again }} />`}
      <${Checklist} rehearsal=${rehearsal} chosen=${choice.protocol !== ""} />
      ${overridable.length > 0 && html`<${Overrides} names=${overridable} spite=${spite} setSpite=${setSpite} reason=${reason} setReason=${setReason} />`}
    </div>
    <div class="actions setup-actions">
      ${under ? html`<span class="grow">${t("setup.under")}</span>` : html`<span class="grow ${why ? "why" : "hidden-text"}" role="status">${why ? t("setup.blocked", { why }) : ""}</span>`}
      <a class="button" href=${address("worklist")}>${t("setup.back")}</a>
      ${under && html`<a class="button" href=${address("acquire")}>${t("setup.toAcquire")}</a>`}
      <${Button} kind="primary" disabled=${Boolean(under || why)} why=${under ? t("setup.under") : why} onPress=${arm}>${armWords(told, wristband)}<//>
    </div>
  </div>`;
}

/** Ask what speaks against it, again every few seconds and whenever something changes. @param {any} told @param {any} choice @param {any} status */
function useRehearsal(told, choice, status) {
  const [turn, setTurn] = useState(0);
  const [found, setFound] = useState(/** @type {any} */ ({ value: null, problem: null, atMs: 0, of: "" }));
  const asked = choice.protocol ? JSON.stringify(prepareArgs(told.entry, choice, [], "", false)) : "";
  useEffect(() => {
    const timer = setInterval(() => setTurn((/** @type {number} */ old) => old + 1), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (!asked) return undefined;
    let wanted = true;
    ask("rehearse", JSON.parse(asked)).then(
      (value) => wanted && setFound({ value, problem: null, atMs: Date.now(), of: asked }),
      (problem) => wanted && setFound({ value: null, problem, atMs: Date.now(), of: asked }),
    );
    return () => {
      wanted = false;
    };
  }, [asked, turn, told, status?.state, status?.run]);
  const of = found.of === asked ? found : { value: null, problem: null, atMs: 0 };
  return { ...of, again: () => setTurn((/** @type {number} */ old) => old + 1) };
}
