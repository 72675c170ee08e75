import assert from "node:assert/strict";
import test from "node:test";
import { bedsOf, frameNow, highest, remaining, silent, sum } from "../../daq/gateway/static/js/screens/acquire/petsteps.js";
import { click, cue, perSecond, seen, shares } from "../../daq/gateway/static/js/screens/acquire/probefigures.js";
import { figureOf, markAt, viewOf } from "../../daq/gateway/static/js/screens/room/figures.js";

const step = (/** @type {number} */ number, more = {}) => ({ number, name: `bed ${number}/3`, state: "waits", positions: [{ axis: "bed", value: 900 - 120 * number }], took_s: null, counted: null, ...more });
const steps = [step(1, { state: "done", took_s: 60, counted: { prompts: 1000 } }), step(2), step(3)];

test("bed positions are done, now and next as the station has it", () => {
  const beds = bedsOf(steps, { state: "acquiring", step: 2 }, { step: 2, fraction: 0.25, step_s: 15, counts: { prompts: 400 } });
  assert.deepEqual(beds.map((each) => [each.became, each.share, each.prompts]), [["done", 1, 1000], ["now", 0.25, 400], ["next", 0, null]]);
  assert.equal(beds[0].placeMm, 780);
});

test("while the bed moves the position that it goes to says so", () => {
  assert.deepEqual(bedsOf(steps, { state: "positioning", step: 1 }, null).map((each) => each.became), ["done", "moving", "waits"]);
  assert.deepEqual(bedsOf(steps, { state: "armed", step: 0 }, null).map((each) => each.became), ["done", "waits", "waits"]);
});

test("what is left is prompts where a step ends on prompts, else time", () => {
  const status = { state: "acquiring", step: 1 };
  assert.deepEqual(remaining({ counts: { limit: 1000 } }, status, { step: 1, counts: { prompts: 300 } }), { prompts: 700, seconds: null });
  assert.deepEqual(remaining({ counts: null }, status, { step: 1, remaining_s: 12 }), { prompts: null, seconds: 12 });
  assert.deepEqual(remaining({ counts: null }, status, { step: 2, remaining_s: 12 }), { prompts: null, seconds: null });
});

test("the frame of a dynamic study follows from the time of its step", () => {
  const phases = [{ frames: 1, frame_s: 60 }, { frames: 10, frame_s: 30 }];
  assert.deepEqual([0, 59, 60, 359, 9999].map((seconds) => frameNow(phases, seconds).frame), [1, 1, 2, 11, 11]);
  assert.deepEqual(frameNow(phases, null), { frame: null, all: 11 });
});

test("modules that count nothing are named, but not before anything was counted", () => {
  assert.deepEqual(silent([0, 5, 0]), [0, 2]);
  assert.deepEqual(silent([0, 0]), []);
  assert.deepEqual([sum([1, 2, 3], 1), highest([1, 9, 3])], [5, 1]);
});

const part = { about: { windows: ["photopeak", "all"], dead_s: 1e-4 }, arrays: { rates_per_s: { values: [400, 2000] }, rate_errors_per_s: { values: [20, 45] } } };

test("a probe's rate is corrected for the dead time of all its pulses, and net of background", () => {
  assert.deepEqual(seen(part, "photopeak", 100), { rate: 500, error: 25, net: 400 });
  assert.equal(seen(part, "photopeak", 900).net, 0);
  assert.equal(seen(part, "all", null).rate, 2500);
});

test("the cue is silent up to its floor and full from its ceiling on", () => {
  assert.deepEqual([cue(10), cue(5000), cue(1e6), cue(NaN)], [0, 1, 1, 0]);
  assert.ok(Math.abs(cue(Math.sqrt(10 * 5000)) - 0.5) < 1e-9);
  assert.deepEqual(click(1), { hz: 1760, everyS: 0.1 });
});

test("nodes have their share of the hottest one, background has none", () => {
  const told = shares([{ role: "background", net_per_s: 1 }, { role: "ex_vivo", net_per_s: 200 }, { role: "ex_vivo", net_per_s: 50 }, { role: "bed", net_per_s: 10 }]);
  assert.deepEqual(told.map((each) => each.share), [null, 1, 0.25, 0.05]);
  assert.deepEqual([perSecond(1840.4), perSecond(12.44), perSecond(NaN)], ["1840", "12.4", "–"]);
});

test("the room shows counts to go where a view ends on counts, else the time", () => {
  assert.deepEqual(figureOf({}, { counts: { singles: 250 }, fraction: 0.25, remaining_s: null }), { value: 250, left: 750, seconds: null });
  assert.deepEqual(figureOf({}, { counts: { singles: 250 }, fraction: 0.25, remaining_s: 30 }), { value: 250, left: null, seconds: 30 });
  for (const progress of [{ remaining_s: null }, { remaining_s: 30 }]) {
    assert.deepEqual(figureOf({ state: "aborted" }, { counts: { singles: 250 }, fraction: 0.25, ...progress }), { value: 250, left: null, seconds: null });
  }
  const spot = { counts: { limit: 1000, window: "photopeak", head: "both", counter: "all", by_head: ["front", "back"] } };
  const both = { counts: { singles: 4000, front: 600, back: 700 }, fraction: 0.6, remaining_s: 30 };
  assert.deepEqual(figureOf({ state: "acquiring" }, both, spot), { value: 600, left: 400, seconds: 30 }); // those that the console counts
  assert.deepEqual(figureOf({ state: "completed" }, both, { ...spot, counted: { front: 610, back: 720 } }), { value: 610, left: null, seconds: null });
  assert.deepEqual(figureOf({}, null), { value: null, left: null, seconds: null });
});

test("the room names the view that records or the one that comes, and none when all is over", () => {
  const told = ["armed", "acquiring", "paused", "waiting", "completed", "ready"].map((state) => viewOf({ state, step_name: "pelvis" }));
  assert.deepEqual(told, ["nextView", "ofView", "ofView", "nextView", "", ""]);
});

test("a touch is told in mm from the middle of the picture, upwards positive", () => {
  assert.deepEqual(markAt(1, 0, { shape: [100, 200], about: { pixel_mm: 2 } }), { x: 200, y: 100 });
});
