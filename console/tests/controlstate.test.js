// How control is told to whoever sits at a console.
import assert from "node:assert/strict";
import test from "node:test";
import { passing, secondsLeft, standing } from "../../daq/gateway/static/js/controlstate.js";

const held = (/** @type {string} */ session) => ({ holder: { user: `user-${session}`, session, since_utc: "" }, request: null });
const free = { holder: null, request: null };

test("control stands as the station says, seen from here", () => {
  assert.equal(standing(null, "a"), "unknown");
  assert.equal(standing(free, "a"), "nobody");
  assert.equal(standing(held("a"), "a"), "mine");
  assert.equal(standing(held("b"), "a"), "theirs");
});

test("whoever loses control is told to whom, whoever gets it is told", () => {
  assert.deepEqual(passing(held("a"), held("b"), "a"), { key: "control.passed", user: "user-b", level: "medium" });
  assert.equal(passing(held("a"), free, "a")?.key, "control.freed");
  assert.equal(passing(held("b"), held("a"), "a")?.key, "control.gained");
});

test("nothing is told where nothing changed for whoever sits here, nor before anything was heard", () => {
  assert.equal(passing(null, held("b"), "a"), null);
  assert.equal(passing(held("b"), held("c"), "a"), null);
  assert.equal(passing(free, held("a"), "a"), null);
});

test("the seconds of a notice are counted from when it was heard, whatever the clock of the browser says", () => {
  const wish = { user: "b", session: "b", reason: "x", left_s: 10 };
  assert.equal(secondsLeft(wish, 5000, 5000), 10);
  assert.equal(secondsLeft(wish, 5000, 7400), 8);
  assert.equal(secondsLeft(wish, 5000, 99000), 0);
});
