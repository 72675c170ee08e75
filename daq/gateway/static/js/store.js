// A value that components watch. Pure but for calling who watches.
import { useEffect, useRef, useState } from "./preact.js";

/**
 * @template T
 * @param {T} first
 */
export function store(first) {
  let value = first;
  /** @type {Set<() => void>} */
  const watchers = new Set();
  return {
    get: () => value,
    /** @param {T | ((old: T) => T)} next */
    set(next) {
      const made = typeof next === "function" ? /** @type {(old: T) => T} */ (next)(value) : next;
      if (made === value) return;
      value = made;
      for (const watcher of [...watchers]) watcher();
    },
    /** @param {() => void} watcher */
    watch(watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  };
}

/** @type {Set<() => void>} */
const personal = new Set();

/**
 * A store of what one person chose, typed or was told here: it is as at first again when somebody else sits here.
 * @template T
 * @param {T} first
 */
export function personalStore(first) {
  const made = store(first);
  personal.add(() => made.set(() => first));
  return made;
}

/** Forget what is of the person who sat here. */
export function forgetPerson() {
  for (const forget of personal) forget();
}

/**
 * Return what `select` finds in a store, and draw the component again when that changes.
 * @template T, S
 * @param {{get: () => T, watch: (watcher: () => void) => () => void}} watched
 * @param {(value: T) => S} select
 * @returns {S}
 */
export function useStore(watched, select) {
  const value = select(watched.get());
  const newest = useRef({ select, value });
  newest.current = { select, value }; // what is selected may depend on what the component was given since
  const [, turn] = useState(0);
  useEffect(() => {
    const look = () => {
      if (!Object.is(newest.current.select(watched.get()), newest.current.value)) turn((/** @type {number} */ old) => old + 1);
    };
    look();
    return watched.watch(look);
  }, [watched]);
  return value;
}
