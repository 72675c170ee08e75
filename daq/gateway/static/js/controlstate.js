// What the consoles know of control: who holds it, who asks. Pure.

/**
 * @typedef {{user: string, session: string, since_utc: string}} Holder
 * @typedef {{user: string, session: string, reason: string, left_s: number}} Wish
 * @typedef {{holder: Holder | null, request: Wish | null}} ControlTold
 */

/**
 * Return how control stands for the session that sits here.
 * @param {ControlTold | null} told
 * @param {string} session
 * @returns {"unknown" | "nobody" | "mine" | "theirs"}
 */
export function standing(told, session) {
  if (!told) return "unknown";
  if (!told.holder) return "nobody";
  return told.holder.session === session ? "mine" : "theirs";
}

/**
 * Return what to tell whoever sits here when control went from one to another, null for nothing.
 * @param {ControlTold | null} before
 * @param {ControlTold | null} now
 * @param {string} session
 * @returns {{key: string, user: string, level: "good" | "medium"} | null}
 */
export function passing(before, now, session) {
  const [was, is] = [standing(before, session), standing(now, session)];
  if (was === "mine" && is === "theirs") return { key: "control.passed", user: now?.holder?.user ?? "", level: "medium" };
  if (was === "mine" && is === "nobody") return { key: "control.freed", user: "", level: "medium" };
  if (was === "theirs" && is === "mine") return { key: "control.gained", user: "", level: "good" };
  return null;
}

/**
 * Return the whole seconds that are left of a notice, by the clock of this page: it began when it was heard.
 * @param {Wish} wish
 * @param {number} heardMs
 * @param {number} nowMs
 */
export function secondsLeft(wish, heardMs, nowMs) {
  return Math.max(0, Math.ceil(wish.left_s - (nowMs - heardMs) / 1000));
}
