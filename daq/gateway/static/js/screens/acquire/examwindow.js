// Before the start: the energies of now with windows that can be moved for this exam, and where the photopeak is.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { command } from "../../api.js";
import { useLive } from "../../live.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Notice, sentence } from "../../ui.js";
import { useMatches } from "../../widgets/matches.js";
import { Spectrum } from "../../widgets/spectrum.js";
import { changedOf } from "../../windowedges.js";
import { edgesText, shiftText } from "./windowtext.js";
import { useAcquisition } from "./state.js";

/** @typedef {import("../../windowedges.js").EnergyWindow} EnergyWindow */

/** @param {{phase: string}} given */
export function ExamWindow({ phase }) {
  const { told, again } = useAcquisition();
  const run = useLive((live) => live.status?.run ?? null);
  const acquisition = told?.acquisition?.run === run ? told?.acquisition : null; // never the windows of another exam
  const connected = useLive((live) => live.connected);
  const may = mayAs(useSession(), "technologist") && connected && phase === "armed";
  const station = closed(acquisition?.windows ?? []);
  const same = JSON.stringify(station);
  const [draft, setDraft] = useState(/** @type {EnergyWindow[] | null} */ (null));
  const [found, setFound] = useState(/** @type {{level: "" | "good" | "medium", text: string, heads: any[], line: number} | null} */ (null));
  useEffect(() => setDraft(null), [same, acquisition?.run]);
  useEffect(() => setFound(null), [acquisition?.run]);
  const wanted = draft ? changedOf(station, draft) : [];
  const signed = closed((acquisition?.windows ?? []).map((/** @type {any} */ { name, signed_kev: [lower_kev, upper_kev] }) => ({ name, lower_kev, upper_kev })));
  const away = changedOf(signed, station);
  const use = (/** @type {EnergyWindow[]} */ windows) => setWindows(acquisition.run, windows).then(() => setFound({ level: "good", text: t("acquire.window.done", { windows: windows.map((each) => edgesText(each)).join(", ") }), heads: [], line: 0 })).catch(refused).then(again);
  const refused = (/** @type {any} */ problem) => setFound({ level: "medium", text: sentence(problem), heads: [], line: 0 });
  const measure = (/** @type {boolean} */ source) => command("repeak", { run: acquisition.run, source })
    .then((answer) => setFound({ level: answer.recentred ? "good" : "", text: `${answer.said}.`, heads: answer.heads, line: answer.line_kev }), refused).then(again);
  const shown = draft ?? station;
  const low = useMatches("(max-height: 900px)");
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (found || wanted.length) end.current?.scrollIntoView({ block: "nearest" });
  }, [found, wanted.length > 0]);
  const changeable = acquisition?.protocol.of_patient && acquisition.protocol.modality === "gamma_camera" && station.length > 0;
  if (!changeable) return html`<${Card} class="energies" title=${t("pictures.spectrum")}><${Spectrum} height=${150} between=${true} /><//>`;
  return html`<${Card} class="energies" title=${t("pictures.spectrum")}>
    <${Spectrum} height=${low ? 144 : 190} between=${true} windows=${shown} onEdit=${may ? setDraft : undefined} />
    <div class="exam-window">
      <p class="exam-window-is">${shown.map((window, at) => html`<span><strong>${edgesText(window)}</strong> <span class="quiet">${isText(window, signed[at], wanted, away)}</span></span>`)}</p>
      <div class="row tight">
        <${Button} disabled=${!may || !(wanted.length || away.length)} onPress=${() => (away.length ? use(changedOf(station, signed)) : setDraft(null))}>${t("acquire.window.back")}<//>
        <${Button} disabled=${!may} onPress=${() => measure(false)}>${t("acquire.window.check")}<//>
        <${Button} disabled=${!may} why=${t("acquire.window.sourceWhy")} onPress=${() => measure(true)}>${t("acquire.window.source")}<//>
        <${Button} disabled=${!may || !wanted.length} why=${wanted.length ? "" : t("acquire.window.useWhy")} onPress=${() => use(wanted)}>${t("acquire.window.use")}<//>
      </div>
    </div>
    ${found && html`<${Notice} level=${found.level} role="status"><span>${found.text}</span>${found.heads.length > 0 && html`<span class="quiet"> ${found.heads.map((head) => shiftText(head)).join(" · ")}</span>`}<//>`}
    <div ref=${end}></div>
  <//>`;
}

/** Windows that are open above have no edge that could be moved. @param {any[]} windows @returns {EnergyWindow[]} */
function closed(windows) {
  return windows.filter((each) => each.upper_kev !== null).map(({ name, lower_kev, upper_kev }) => ({ name, lower_kev, upper_kev }));
}

/** @param {string} run @param {EnergyWindow[]} windows */
function setWindows(run, windows) {
  return command("energy-window", { run, windows: windows.map(({ name, lower_kev, upper_kev }) => ({ window: name, lower_kev, upper_kev })) });
}

/** Whose window it is: the protocol's, this exam's, or not used yet. @param {EnergyWindow} window @param {EnergyWindow} signed @param {EnergyWindow[]} wanted @param {EnergyWindow[]} away */
function isText(window, signed, wanted, away) {
  const protocol = t("acquire.window.protocolHas", { window: edgesText(signed, true) });
  if (wanted.some((each) => each.name === window.name)) return `${t("acquire.window.notUsed")}; ${protocol}`;
  return away.some((each) => each.name === window.name) ? `${t("acquire.window.ofExam")}; ${protocol}` : t("acquire.window.ofProtocol");
}
