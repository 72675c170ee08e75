// Who is signed in here.
import { request } from "./api.js";
import { forgetPerson, store, useStore } from "./store.js";
import { tell } from "./ui.js";

/**
 * @typedef {object} SessionInfo
 * @property {string} station
 * @property {string} scanner
 * @property {boolean} simulated
 * @property {boolean} signed_in
 * @property {string} version  of the station's software, this page included
 * @property {string} [ended]  why the session that was here has ended; empty where there was none
 * @property {string} [user]
 * @property {"viewer" | "technologist" | "qc" | "physicist" | "service"} [role]
 * @property {string} [session]
 */

/** @type {ReturnType<typeof store<SessionInfo | null>>} */
export const session = store(/** @type {SessionInfo | null} */ (null));

const ROLES = ["viewer", "technologist", "qc", "physicist", "service"];

/** Ask who is signed in. A link in the address signs in first, and is taken out of it. */
export async function begin() {
  const link = /^#link=([\w-]+)/.exec(location.hash)?.[1];
  if (link) {
    history.replaceState(null, "", `${location.pathname}${location.search}#/worklist`);
    dispatchEvent(new HashChangeEvent("hashchange"));
    await request("POST", "/api/v1/session", { link }).catch(tell);
  }
  await refresh();
}

// A link that is pasted into a tab in which the console is open already loads no page: its address alone changes.
globalThis.addEventListener?.("hashchange", () => {
  if (location.hash.startsWith("#link=")) begin().catch(tell);
});

/** Ask again. */
export async function refresh() {
  const told = await request("GET", "/api/v1/session");
  pageVersion ||= told.version;
  const before = session.get();
  if (before?.signed_in && before.session !== told.session) forgetPerson(); // whoever comes next sees nothing of it
  session.set(told);
}

let pageVersion = "";

/**
 * Return true where the station has other software than when this page was loaded.
 * @param {SessionInfo | null} who
 */
export function outdated(who) {
  return Boolean(who && pageVersion && who.version !== pageVersion);
}

/** @param {string} user @param {string} password */
export async function signIn(user, password) {
  await request("POST", "/api/v1/session", { user, password });
  await refresh();
}

export async function signOut() {
  await request("DELETE", "/api/v1/session");
  await refresh();
}

/** Return the session, and draw again when it changes. */
export function useSession() {
  return useStore(session, (value) => value);
}

/**
 * Return true where whoever is signed in has at least this role.
 * @param {SessionInfo | null} who
 * @param {string} role
 */
export function mayAs(who, role) {
  return ROLES.indexOf(who?.role ?? "") >= ROLES.indexOf(role);
}
