// What a study is called and how its state is shown. Pure.

/** PASS is green with its word; red, yellow and cyan are for alarms alone: what is not good is said by word and sign. */
export const SIGNS = /** @type {Record<string, string>} */ ({ good: "✓", doubtful: "!", bad: "✗", "not evaluable": "?", note: "·" });

/** @param {string | null} grade @returns {"" | "good"} */
export function levelOf(grade) {
  return grade === "good" ? "good" : "";
}

/**
 * What became of an acquisition, in the word of the catalogue of texts.
 * @param {{state: string, outcome: string | null}} row
 */
export function fateOf(row) {
  return ["open", "damaged", "missing"].includes(row.state) ? row.state : row.outcome ?? row.state;
}

/**
 * Which rows a page shows, for people: from 1 on.
 * @param {number} offset @param {number} count @param {number} total
 */
export function span(offset, count, total) {
  return { first: count ? offset + 1 : 0, last: offset + count, total };
}

/**
 * The worst checks first, those that are good last.
 * @param {{grade: string}[]} checks
 */
export function worstFirst(checks) {
  const order = ["bad", "doubtful", "not evaluable", "note", "good"];
  return [...checks].sort((a, b) => order.indexOf(a.grade) - order.indexOf(b.grade));
}

/**
 * A name that nothing bears yet, for what is made of an acquisition.
 * @param {string} acquisition @param {string} what @param {{asked: {name?: string}}[]} jobs
 */
export function freshName(acquisition, what, jobs) {
  const taken = new Set(jobs.map((job) => (job.asked.name ?? "").replace(/\.\w+$/, "")));
  let number = 1;
  while (taken.has(`${acquisition}-${what}-${number}`)) number += 1;
  return `${acquisition}-${what}-${number}`;
}

/**
 * Why a name cannot be that of a file, as a key of the texts; empty where it can.
 * @param {string} name
 */
export function wrongName(name) {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/.test(name) ? "" : "name";
}

/** Where a frame lies in the picture of all. @param {{rows: number, columns: number, across: number}} about @param {number} at */
export function frameAt(about, at) {
  return { left: (at % about.across) * about.columns, top: Math.floor(at / about.across) * about.rows };
}

/** The frame after one; after the last the first. @param {number} at @param {number} number */
export function nextFrame(at, number) {
  return (at + 1) % number;
}

/** @param {string} acquisition @param {string} series @param {string} head @param {string} window */
export function framesAddress(acquisition, series, head, window) {
  return `/api/v1/files/frames/${encodeURIComponent(acquisition)}/${encodeURIComponent(series)}/${head}/${window}`;
}

/** @param {string} name @param {string} file */
export function exportAddress(name, file) {
  return `/api/v1/files/exports/${encodeURIComponent(name)}/${encodeURIComponent(file)}`;
}

/** @param {string} acquisition @param {string} name */
export function fileAddress(acquisition, name) {
  return `/api/v1/files/studies/${encodeURIComponent(acquisition)}/${encodeURIComponent(name)}`;
}
