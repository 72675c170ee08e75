// Which screen is shown: the address after the hash, `#/setup/KEY?reason=x`.
import { store, useStore } from "./store.js";

/**
 * @param {string} hash
 * @returns {{screen: string, path: string[], query: Record<string, string>}}
 */
export function parsed(hash) {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [screen = "", ...rest] = path.split("/").filter(Boolean).map(decoded);
  return { screen: screen || "worklist", path: rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Return the address of a screen.
 * @param {string} screen
 * @param {...string} path
 */
export function address(screen, ...path) {
  return `#/${[screen, ...path].map(encodeURIComponent).join("/")}`;
}

/**
 * Go to a screen.
 * @param {string} screen
 * @param {...string} path
 */
export function go(screen, ...path) {
  location.hash = address(screen, ...path);
}

/**
 * Go to a screen with something said beside its path; what is undefined is left out.
 * @param {[string, ...string[]]} path
 * @param {Record<string, string | undefined>} query
 */
export function goWith(path, query) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, value);
  const said = given.toString();
  location.hash = `${address(...path)}${said ? `?${said}` : ""}`;
}

const place = store(parsed(globalThis.location?.hash ?? ""));
globalThis.addEventListener?.("hashchange", () => place.set(parsed(location.hash)));

/** Take something out of the address, for good: whoever loads the page again, or comes back, does not say it again. @param {string} name */
export function forget(name) {
  const { screen, path, query } = place.get();
  if (!(name in query)) return;
  const { [name]: _, ...rest } = query;
  const said = new URLSearchParams(rest).toString();
  history.replaceState(null, "", `${location.pathname}${location.search}${address(screen, ...path)}${said && `?${said}`}`);
  place.set(parsed(location.hash));
}

/** Return where we are, and draw again when that changes. */
export function usePlace() {
  return useStore(place, (value) => value);
}
