// The form of protocols: what is typed becomes the document, and nothing else of it changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as form from "../../daq/gateway/static/js/screens/protocols/document.js";
import { begun, keepDraft, keptDraft, remembered, same } from "../../daq/gateway/static/js/screens/protocols/draft.js";
import { partShowing } from "../../daq/gateway/static/js/screens/protocols/fields.js";

const DOCUMENT = {
  schema: "acquisition-protocol/1", id: "two-views", version: 3, title: "Two views", windows: { photopeak: { peak: "140.5 keV", width: "20 %" } },
  steps: [
    { name: "a", stop: { counts: { counter: "singles", limit: "5 kcounts", window: "photopeak", head: "sum" } } },
    { name: "b", stop: { as_step: "a" }, set: { gantry: "0 deg" } },
  ],
  sources: { windows: "x", "windows.photopeak.peak": "y", "steps.a": "of a", "steps.a.stop": "of its end", "steps.b": "of b", "steps.*.set": "of all" },
};

test("what is put is there, and all else is the very same", () => {
  const next = form.put(DOCUMENT, ["steps", 1, "stop", "time"], "5 min");
  assert.equal(form.at(next, ["steps", 1, "stop", "time"]), "5 min");
  assert.equal(next.steps[0], DOCUMENT.steps[0]);
  assert.equal(next.windows, DOCUMENT.windows);
  assert.equal(form.at(DOCUMENT, ["steps", 1, "stop", "time"]), undefined);
});

test("what is taken away takes tables that become empty with it, and no step", () => {
  assert.equal("set" in form.put(DOCUMENT, ["steps", 1, "set", "gantry"], undefined).steps[1], false);
  assert.equal("windows" in form.put(DOCUMENT, ["windows", "photopeak"], undefined), false);
  assert.equal(form.put(DOCUMENT, ["steps", 0, "stop"], undefined).steps.length, 2);
});

test("put and take away again is the same document", () => {
  const there = form.put(DOCUMENT, ["tolerances", "speed"], "5 %");
  assert.ok(same(form.put(there, ["tolerances", "speed"], undefined), DOCUMENT));
});

test("a number keeps its unit, a comma is a point, and nothing is no value", () => {
  assert.deepEqual(form.split("10 cm/min"), { number: "10", unit: "cm/min" });
  assert.deepEqual(form.split("-2.5deg"), { number: "-2.5", unit: "deg" });
  assert.equal(form.joined("2,5", "mm"), "2.5 mm");
  assert.equal(form.joined(" ", "mm"), undefined);
  for (const text of ["140.5 keV", "20 %", "500 kcounts", "3 deg/s", "2.25 ns"]) {
    const { number, unit } = form.split(text);
    assert.equal(form.joined(number, unit), text);
  }
  assert.equal(form.joined(form.split("x7 min").number, "min"), "x7 min", "what is wrong is kept, so that it can be said");
});

test("a step is called something else wherever it is named", () => {
  const next = form.withStepNamed(DOCUMENT, 0, "front");
  assert.equal(next.steps[1].stop.as_step, "front");
  assert.deepEqual(Object.keys(next.sources), ["windows", "windows.photopeak.peak", "steps.front", "steps.front.stop", "steps.b", "steps.*.set"]);
});

test("a step twice has a name of its own, and sources as the first", () => {
  const next = form.withStepTwice(DOCUMENT, 0);
  assert.deepEqual(form.stepNames(next), ["a", "a 2", "b"]);
  assert.equal(next.sources["steps.a 2.stop"], "of its end");
  assert.notEqual(next.steps[1].stop, DOCUMENT.steps[0].stop);
});

test("a step moves one place, not past the ends; one that is removed takes its sources with it", () => {
  assert.deepEqual(form.stepNames(form.withStepMoved(DOCUMENT, 0, 1)), ["b", "a"]);
  assert.equal(form.withStepMoved(DOCUMENT, 0, -1), DOCUMENT);
  const left = form.withoutStep(DOCUMENT, 0);
  assert.deepEqual(Object.keys(left.sources), ["windows", "windows.photopeak.peak", "steps.b", "steps.*.set"]);
});

test("a new step has a name that is free", () => {
  const once = form.withNewStep(DOCUMENT, "a");
  assert.deepEqual(form.stepNames(form.withNewStep(once, "a")), ["a", "b", "a 2", "a 3"]);
});

test("a window is called something else in limits and sources, too", () => {
  const next = form.withWindowNamed(DOCUMENT, "photopeak", "peak");
  assert.equal(next.steps[0].stop.counts.window, "peak");
  assert.deepEqual(Object.keys(next.windows), ["peak"]);
  assert.ok("windows.peak.peak" in next.sources && "windows" in next.sources);
});

test("a usual window is said by peak and width where they are plain numbers", () => {
  assert.deepEqual(form.usualWindow({ lower_kev: 126.45, upper_kev: 154.55 }), { peak: "140.5 keV", width: "20 %" });
  assert.deepEqual(form.usualWindow({ lower_kev: 435, upper_kev: 650 }), { lower: "435 keV", upper: "650 keV" });
});

test("findings are shown where they belong", () => {
  assert.equal(form.dotted(["steps", 0, "stop", "time"]), "steps[0].stop.time");
  assert.equal(form.dotted(["sources", "steps.*.set"]), 'sources."steps.*.set"');
  assert.ok(form.isAbout("steps[0].stop.counts.limit", "steps[0].stop.counts"));
  assert.ok(!form.isAbout("steps[10].name", "steps[1]"));
  assert.equal(partShowing(form.partOf("steps[4].stop")), "step 4");
  assert.equal(partShowing(form.partOf("coincidence.policy")), "recording");
  assert.equal(partShowing(form.partOf("")), "identity");
});

test("a copy has id and title of its own, begins at version 1, and keeps the rest", () => {
  const copy = form.copied(DOCUMENT, "mine", "Mine");
  assert.deepEqual([copy.id, copy.version, copy.title, copy.steps], ["mine", 1, "Mine", DOCUMENT.steps]);
});

test("edits survive a reload, and those of an older version are told to be so", () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const store = { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => void kept.set(key, text) };
  const draft = { document: { title: "edited" }, base: "a", version: 1, like: null, atMs: 5 };
  assert.ok(keepDraft(store, "x", draft));
  const now = { base: "a", version: 1, document: { title: "old" } };
  assert.deepEqual(begun(keptDraft(store, "x"), now), { draft, restored: true, stale: false });
  assert.equal(begun(keptDraft(store, "x"), { ...now, base: "b" }).stale, true);
  assert.equal(begun(keptDraft(store, "other"), now).draft.document, now.document);
  kept.set("scandaq-protocol bad", "{");
  assert.equal(keptDraft(store, "bad"), null);
  const full = { setItem: () => { throw new Error("no room"); } };
  assert.equal(keepDraft(full, "x", draft), false);
});

test("what was before is remembered, fifty times at most", () => {
  let past = [];
  for (let turn = 0; turn < 60; turn++) past = remembered(past, turn);
  assert.deepEqual([past.length, past[0], past.at(-1)], [50, 10, 59]);
});

test("two documents are the same whatever the order of their keys, and not where a list differs", () => {
  assert.ok(same({ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }));
  assert.ok(!same({ a: [1, 2] }, { a: [2, 1] }));
  assert.ok(!same({ a: undefined }, { b: 1 }));
  assert.ok(!same([], {}));
});
