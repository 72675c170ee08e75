// Who is signed in here.
import { request } from "./api.js";
import { store, useStore } from "./store.js";

/**
 * @typedef {object} SessionInfo
 * @property {string} station
 * @property {string} scanner
 * @property {boolean} simulated
 * @property {boolean} signed_in
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
    await request("POST", "/api/v1/session", { link }).catch(() => undefined);
  }
  await refresh();
}

/** Ask again. */
export async function refresh() {
  session.set(await request("GET", "/api/v1/session"));
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
