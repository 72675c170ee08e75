// Every text of the console comes from one catalogue: `strings/<language>/`, a file for each part of it.
import { en } from "./strings/en.js";

const catalogue = en;

/**
 * Return the text of a key such as "shell.signOut", with `{name}` replaced by what is given.
 * @param {string} key
 * @param {Record<string, string | number>} [given]
 * @returns {string}
 */
export function t(key, given = {}) {
  const text = key.split(".").reduce((/** @type {any} */ place, part) => place?.[part], catalogue);
  if (typeof text !== "string") throw new Error(`no text for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ""));
}
