// What is said beside live pictures that do not count.
import assert from "node:assert/strict";
import { test } from "node:test";
import { besideMiddle, comesCps, energiesOfNow, phaseNote } from "../../daq/gateway/static/js/positioning.js";

test("before the start it is said that nothing is recorded, or that nothing comes", () => {
  assert.equal(phaseNote("positioning", { what: "scope", state: "armed", cps: 14_000 }), "positioning");
  assert.equal(phaseNote("positioning", { what: "scope", state: "armed", cps: null }), "positioning");
  assert.equal(phaseNote("positioning", { what: "scope", state: "armed", cps: 0 }), "positioningSilent");
  assert.equal(phaseNote("positioning", { what: "counts", state: "armed", cps: 0 }), "nothingCounted");
  assert.equal(phaseNote("nothing", { what: "scope", state: "armed" }), "beginsWithStart");
  assert.equal(phaseNote("positioning", { what: "counts", state: "acquiring" }), "begins"); // the readout opens its files
  assert.equal(phaseNote("positioning", { what: "scope", state: "aborted" }), "");
});

test("between views and in a pause it is said that what comes does not count, of a view that runs or has ended nothing", () => {
  assert.equal(phaseNote("aside", { what: "scope", state: "waiting" }), "asideBetween");
  assert.equal(phaseNote("aside", { what: "scope", state: "positioning" }), "asideBetween");
  assert.equal(phaseNote("aside", { what: "scope", state: "paused" }), "asidePaused");
  assert.equal(phaseNote("aside", { what: "scope", state: "completed" }), "");
  assert.equal(phaseNote("aside", { what: "counts", state: "paused" }), "");
  assert.equal(phaseNote("counting", { what: "scope", state: "acquiring" }), "");
  assert.equal(phaseNote(undefined, { what: "scope", state: "acquiring" }), ""); // a readout of before this was said
});

test("energies are those of now before the start, and between views where nobody looks at one that has ended", () => {
  assert.deepEqual([energiesOfNow("positioning", false), energiesOfNow("aside", true), energiesOfNow("aside", false), energiesOfNow("counting", true)], [true, true, false, false]);
});

test("a peak outside the middle half of its window is told, one that may be inside by its error is not", () => {
  const windows = [{ name: "photopeak", lower_kev: 126, upper_kev: 154 }];
  const at = (/** @type {number} */ kev, error_kev = 0.1) => besideMiddle([{ head: 1, window: "photopeak", kev, error_kev }], windows).length;
  assert.deepEqual([at(140.5), at(146.9), at(148), at(132), at(148, 1)], [0, 0, 1, 1, 0]);
  assert.deepEqual(besideMiddle([{ head: 1, window: "other", kev: 99, error_kev: null }], windows), []);
});

test("what comes in a second is the sum of all kinds, and not known without any", () => {
  assert.equal(comesCps({ rates_cps: { singles: 5, triggers: 1, gap: null } }), 6);
  assert.equal(comesCps({ rates_cps: { singles: null } }), null);
  assert.equal(comesCps(undefined), null);
});
