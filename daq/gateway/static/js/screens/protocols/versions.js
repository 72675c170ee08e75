// The versions of a protocol: who, when, why, signed or not; what differs; and restoring one.
import { html, useState } from "../../preact.js";
import { ask, command } from "../../api.js";
import { dayTime } from "../../format.js";
import { mayAs, useSession } from "../../session.js";
import { t } from "../../strings.js";
import { Button, Card, Chip, Field, tell, useAsked, Waiting } from "../../ui.js";
import { Changes } from "./review.js";

/** @param {{id: string, versions: any[], base: string | null}} given */
export function Versions({ id, versions, base }) {
  const who = useSession();
  const [compared, setCompared] = useState(/** @type {number | null} */ (null));
  const [restoring, setRestoring] = useState(/** @type {number | null} */ (null));
  const now = versions.find((each) => each.in_force)?.version ?? null;
  const may = mayAs(who, "physicist");
  return html`<${Card} title=${t("protocols.versions.title")}><table class="versions"><thead><tr>${["version", "who", "why", "signed", "do"].map((each) => html`<th scope="col">${t(`protocols.versions.columns.${each}`)}</th>`)}</tr></thead>
    <tbody>${versions.map((each) => html`<tr key=${each.version}>
      <td>${each.version}${each.in_force && html`<div><${Chip} level="good">${t("protocols.versions.inForce")}<//></div>`}${each.not_in_force && html`<div><${Chip}>${t("protocols.versions.notInForce")}<//><span class="quiet">${t("protocols.versions.notInForceWhy")}</span></div>`}</td>
      <td>${each.by || t(`protocols.versions.by.${each.what}`)}<div class="quiet">${each.at_utc ? dayTime(each.at_utc) : ""}</div></td>
      <td>${each.restores ? `${t("protocols.versions.restores", { version: each.restores })} ` : ""}${each.by ? each.reason : t(`protocols.versions.why.${each.what}`)}</td>
      <td>${each.signature ? html`${each.signature.by}<div class="quiet">${each.signature.meaning}</div>` : html`<span class="quiet">${t("protocols.versions.notSigned")}</span>`}</td>
      <td><div class="row">${!each.in_force && now !== null && html`<${Button} onPress=${() => setCompared(compared === each.version ? null : each.version)} label=${t(compared === each.version ? "protocols.versions.hideLabel" : "protocols.versions.compareLabel", { version: each.version, now })}>${t(compared === each.version ? "protocols.versions.hide" : "protocols.versions.compare")}<//>`}
        ${!each.in_force && may && html`<${Button} onPress=${() => setRestoring(each.version)} label=${t("protocols.versions.restoreLabel", { version: each.version })}>${t("protocols.versions.restore")}<//>`}</div></td></tr>`)}</tbody></table>
    ${compared !== null && now !== null && html`<${Compared} key=${compared} id=${id} old=${compared} now=${now} />`}
    ${restoring !== null && html`<${Restore} key=${restoring} id=${id} version=${restoring} next=${versions[0].version + 1} base=${base} done=${() => setRestoring(null)} />`}<//>`;
}

/** @param {{id: string, old: number, now: number}} given */
function Compared({ id, old, now }) {
  const told = useAsked(() => ask("protocol-diff", { protocol: id, old }), [id, old, now]);
  return html`<section class="stack" aria-label=${t("protocols.versions.differs", { old, now })}><h3>${t("protocols.versions.differs", { old, now })}</h3><${Waiting} of=${told} />${told.value && html`<${Changes} changes=${told.value.changes} />`}</section>`;
}

/** @param {{id: string, version: number, next: number, base: string | null, done: () => void}} given */
function Restore({ id, version, next, base, done }) {
  const [reason, setReason] = useState("");
  const restore = async () => {
    const made = await command("protocol-restore", { protocol: id, version, reason: reason.trim(), ...(base ? { base } : {}) });
    tell(t("protocols.versions.restored", { old: version, version: made.version }), "good");
    done();
  };
  return html`<div class="stack protocol-restore"><h3>${t("protocols.versions.restoreTitle", { version, next })}</h3><p class="quiet">${t("protocols.versions.restoreAbout")}</p>
    <${Field} label=${t("protocols.review.reason")} value=${reason} onInput=${setReason} maxlength="500" />
    <div class="row"><${Button} onPress=${done}>${t("protocols.page.notNow")}<//><${Button} disabled=${!reason.trim()} why=${reason.trim() ? "" : t("protocols.review.reasonFirst")} onPress=${restore}>${t("protocols.versions.restoreNow", { next })}<//></div></div>`;
}
