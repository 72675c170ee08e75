// Edits that are not saved yet, kept in this tab so that a reload loses nothing. Pure but for the store it is given.

const KEY = "scandaq-protocol ";
const MOST = 50;

/**
 * @typedef {object} Draft
 * @property {any} document
 * @property {string | null} base  SHA-256 of what the edits were begun on, null for a new protocol
 * @property {number | null} version  its number
 * @property {string | null} like  id of the protocol that a new one was made from
 * @property {number} atMs  when it was kept
 */

/**
 * Return the edits of a protocol that are kept, null where there are none.
 * @param {Pick<Storage, "getItem">} store
 * @param {string} id
 * @returns {Draft | null}
 */
export function keptDraft(store, id) {
  try {
    const draft = JSON.parse(store.getItem(KEY + id) ?? "null");
    return draft && typeof draft.document === "object" && draft.document !== null ? draft : null;
  } catch {
    return null;
  }
}

/**
 * Keep edits; where the tab has no room, they are in the page alone, and false is returned.
 * @param {Pick<Storage, "setItem">} store
 * @param {string} id
 * @param {Draft} draft
 */
export function keepDraft(store, id, draft) {
  try {
    store.setItem(KEY + id, JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

/** @param {Pick<Storage, "removeItem">} store @param {string} id */
export function dropDraft(store, id) {
  store.removeItem(KEY + id);
}

/**
 * Return what edits begin with: those that were kept, or what is in force. `stale`: somebody saved meanwhile.
 * @param {Draft | null} draft
 * @param {{base: string | null, version: number | null, document: any}} now
 */
export function begun(draft, now) {
  if (!draft) return { draft: { document: now.document, base: now.base, version: now.version, like: null, atMs: 0 }, restored: false, stale: false };
  return { draft, restored: true, stale: draft.base !== now.base };
}

/**
 * Return the past of a document with one more state, the newest last.
 * @template T
 * @param {T[]} past
 * @param {T} document
 */
export function remembered(past, document) {
  return [...past, document].slice(-MOST);
}

/** Whether both say the same, whatever the order of their keys. @param {any} one @param {any} other @returns {boolean} */
export function same(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [keys, others] = [Object.keys(one), Object.keys(other)];
  return keys.length === others.length && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]));
}
