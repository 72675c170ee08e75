// The series of the present step as it grows, as the station makes it: what the variants of the screen share.
import { html } from "../../preact.js";
import { useFrame, useWanted } from "../../liveframes.js";
import { t } from "../../strings.js";
import { headName, useEnded, useOver, viewName } from "../../widgets/scope.js";
import { Picture } from "../../widgets/picture.js";

/** Ask for the series of the step; returns what it says of itself and its arrays, null before there is one. @param {number} [size] */
export function useStudy(size = 512) {
  useWanted({ what: ["study", "rates"], hz: 4, size });
  const part = useFrame((frames) => frames.parts.study);
  return part?.about.series ? part : null;
}

/** Why there is no picture of the series. @param {{about: any}} given */
export function NoSeries({ about }) {
  return html`<p class="picture-none quiet">${about?.omitted ?? t("acquire.noSeries")}</p>`;
}

/**
 * One picture a head, of the slot that is named. @param {{part: any, slot?: number, most?: number, children?: any, caption?: (head: any) => any}} given
 */
export function SeriesPictures({ part, slot = 0, most, children, caption }) {
  const over = useOver("study", true);
  const window = part.about.series.windows[0] ?? "all";
  return html`<div class="series-pictures">${part.about.heads.map((/** @type {any} */ head) => {
    const array = part.arrays[`${head.number}/${window}`];
    if (!array) return null;
    return html`<figure key=${head.number} class="scope series"><figcaption><strong>${viewName(head)}</strong><span class="quiet">${caption ? caption(head) : headName(head)}</span></figcaption>
      <${Picture} part=${array} slot=${Math.min(slot, array.shape[0] - 1)} name=${`study/${head.number}`} letters=${head.letters} over=${over} most=${most}
        alternative=${t("acquire.seriesAlternative", { view: viewName(head), head: headName(head), window })}>${children}<//></figure>`;
  })}</div>`;
}

/** What whoever looks must know. @param {{part: any}} given */
export function Notes({ part }) {
  const ended = useEnded("study");
  const notes = [...(ended ? [ended] : []), ...(part.about.notes ?? [])];
  return notes.length ? html`<ul class="quiet small notes">${notes.slice(0, 5).map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul>` : null;
}
