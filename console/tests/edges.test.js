import assert from "node:assert/strict";
import test from "node:test";
import { changedOf, edgeRange, middleRange, moved, shifted, shownUntil, stepOf } from "../../daq/gateway/static/js/windowedges.js";

const WINDOWS = [{ name: "photopeak", lower_kev: 126.45, upper_kev: 154.55 }, { name: "scatter", lower_kev: 90, upper_kev: 125 }];

test("an edge goes in steps of half a keV, and only that edge", () => {
  const next = moved(WINDOWS, 0, "lower_kev", 126.95, [0, 512]);
  assert.deepEqual(next, [{ ...WINDOWS[0], lower_kev: 127 }, WINDOWS[1]]);
  assert.equal(WINDOWS[0].lower_kev, 126.45);
});

test("a window stays at least 1 keV wide and within the energies that there are", () => {
  assert.equal(moved(WINDOWS, 0, "lower_kev", 400, [0, 512])[0].lower_kev, 153.55);
  assert.equal(moved(WINDOWS, 0, "upper_kev", 900, [0, 512])[0].upper_kev, 512);
  assert.equal(moved(WINDOWS, 1, "lower_kev", -3, [0, 512])[1].lower_kev, 0);
  assert.deepEqual(edgeRange(WINDOWS[1], "upper_kev", [0, 512]), [91, 512]);
});

test("a window that is moved keeps its width, goes in steps of half a keV and stays within the energies that there are", () => {
  assert.deepEqual(shifted(WINDOWS, 0, 3.3, [0, 512]), [{ name: "photopeak", lower_kev: 129.95, upper_kev: 158.05 }, WINDOWS[1]]);
  assert.equal(shifted(WINDOWS, 0, 900, [0, 512])[0].upper_kev, 511.55);
  assert.equal(shifted(WINDOWS, 1, -900, [0, 512])[1].lower_kev, 0);
  assert.deepEqual(middleRange(WINDOWS[1], [0, 512]), [17.5, 494.5]);
});

test("what is changed are the windows with other edges, and no others", () => {
  assert.deepEqual(changedOf(WINDOWS, shifted(WINDOWS, 1, 2, [0, 512])), [{ name: "scatter", lower_kev: 92, upper_kev: 127 }]);
  assert.deepEqual(changedOf(WINDOWS, shifted(WINDOWS, 1, 0.1, [0, 512])), []);
});

test("arrow keys move by half a keV, with shift by 5", () => {
  assert.equal(stepOf("ArrowRight", false), 0.5);
  assert.equal(stepOf("ArrowDown", true), -5);
  assert.equal(stepOf("Tab", false), 0);
});

test("a spectrum ends somewhat beyond its highest window", () => {
  assert.equal(shownUntil(WINDOWS, 512), 1.6 * 154.55);
  assert.equal(shownUntil([{ name: "annihilation", lower_kev: 435, upper_kev: 587 }], 700), 700);
  assert.equal(shownUntil([], 512), 512);
});
