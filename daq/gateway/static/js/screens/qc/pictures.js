// Pictures of a result, each beside that of the result it is compared with.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Card } from "../../ui.js";

/** @param {{told: any}} given */
export function Pictures({ told }) {
  const compared = told.compared;
  if (!told.pictures.length) return null;
  return html`<${Card} title=${t("qc.result.pictures")}><div class="stack">${told.pictures.map((/** @type {any} */ picture) => {
    const beside = compared?.pictures.find((/** @type {any} */ each) => each.title === picture.title);
    return html`<div key=${picture.number} class=${beside ? "qc-beside" : "qc-alone"}>
      <${Picture} result=${told.id} picture=${picture} caption=${beside ? t("qc.result.today") : ""} />
      ${beside && html`<${Picture} result=${compared.id} picture=${beside} caption=${t("qc.result.reference", { id: compared.id })} />`}</div>`;
  })}</div><//>`;
}

/** @param {{result: string, picture: any, caption: string}} given */
function Picture({ result, picture, caption }) {
  const [missing, setMissing] = useState(false);
  const words = t("qc.result.picture", { title: picture.title, columns: picture.columns, rows: picture.rows, unit: picture.unit });
  return html`<figure>${missing
    ? html`<p class="quiet">${t("qc.result.pictureMissing")}</p>`
    : html`<img loading="lazy" src=${`/api/v1/files/qc/${encodeURIComponent(result)}/pictures/${picture.number}.png`} alt=${words} onError=${() => setMissing(true)} />`}
    <figcaption class="quiet">${[caption, picture.title].filter(Boolean).join(" · ")}</figcaption></figure>`;
}
