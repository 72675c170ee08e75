import assert from "node:assert/strict";
import test from "node:test";
import * as flow from "../../daq/gateway/static/js/screens/acquire/flow.js";

const HERE = { connected: true, mayAct: true, recording: true };
const step = (number, more = {}) => ({ number, key: `steps[${number - 1}]`, name: `view ${number}`, state: "waits", accepted: false, continuable: true, ...more });
const status = (state, possible = [], more = {}) => ({ state, possible, step: 1, steps: 2, ...more });

test("a view that has ended is looked at before the next one can be started", () => {
  const waiting = status("waiting", ["start", "stop"]);
  const seen = { steps: [step(1, { state: "done" }), step(2)] };
  const taken = { steps: [step(1, { state: "done", accepted: true }), step(2)] };

  assert.equal(flow.phaseOf(waiting, seen), "review");
  assert.deepEqual(flow.transport("review", waiting, HERE).start, { on: false, why: "acceptFirst" });
  assert.equal(flow.transport("review", waiting, HERE).next.on, true);
  assert.equal(flow.phaseOf(waiting, taken), "next");
  assert.equal(flow.transport("next", waiting, HERE).start.on, true);
  assert.equal(flow.following(waiting, taken).number, 2);
});

test("everybody may stop, and a viewer nothing else", () => {
  const acquiring = status("acquiring", ["pause", "stop", "abort"]);
  const viewer = flow.transport("running", acquiring, { ...HERE, mayAct: false });

  assert.equal(viewer.stop.on, true);
  assert.deepEqual(viewer.pause, { on: false, why: "notAllowed" });
});

test("what has just begun cannot be held before its first counts", () => {
  const acquiring = status("acquiring", ["pause", "stop"]);

  assert.deepEqual(flow.transport("running", acquiring, { ...HERE, recording: false }).pause, { on: false, why: "justBegun" });
  assert.equal(flow.transport("running", acquiring, HERE).pause.on, true);
});

test("without a connection nothing is offered, for nobody knows what it would do", () => {
  const lost = flow.transport("running", status("acquiring", ["pause", "stop"]), { ...HERE, connected: false });

  assert.deepEqual(Object.values(lost).map((each) => each.on), [false, false, false, false, false]);
});

test("of two heads that must each have their counts, the one that has fewer counts", () => {
  const both = step(1, { counts: { limit: 1000, window: "photopeak", head: "both", counter: "singles[photopeak]@0+1", by_head: ["singles[photopeak]@0", "singles[photopeak]@1"] } });

  assert.equal(flow.counted(both, { "singles[photopeak]@0": 700, "singles[photopeak]@1": 600, singles: 5000 }).value, 600);
  assert.equal(flow.counted(both, { "singles[photopeak]@0+1": 610, singles: 5000 }).value, 610);
  assert.equal(flow.counted(step(1, { beats: 300 }), { beats: 12 }).of, "beats");
  assert.equal(flow.counted(step(1), { singles: 5000 }).value, 5000);
});

test("angles of a rotation stand in one row, which is present until the last has ended", () => {
  const angles = [1, 2, 3].map((number) => step(number, { key: "steps[0]", name: `angle ${number}/3`, state: number < 2 ? "done" : "waits" }));
  const [group] = flow.grouped(angles);

  assert.deepEqual([group.name, group.steps.length], ["angle", 3]);
  assert.deepEqual(flow.stands(group.steps, 1), { state: "present", done: 1 });
  assert.deepEqual(flow.stands(angles.map((each) => ({ ...each, state: "done" })), 3), { state: "done", done: 3 });
});

test("the arming counts down from when it was asked for, and not below nothing", () => {
  assert.equal(flow.armedFor({ armed_for_s: 900 }, 1000, 61_000), 840);
  assert.equal(flow.armedFor({ armed_for_s: 5 }, 0, 60_000), 0);
  assert.equal(flow.armedFor({ armed_for_s: null }, 0, 0), null);
});

test("only what ended early with something and stands still is gone on with", () => {
  const steps = [step(1, { state: "done" }), step(2, { state: "ended" }), step(3, { state: "ended", continuable: false })];
  const empty = [step(4, { state: "ended", live_s: 0 }), step(5, { state: "ended", live_s: 0, before: { run: "r" } })]; // disarmed
  assert.deepEqual(flow.continuable({ steps: [...steps, ...empty] }).map((each) => each.number), [2, 5]);
});

test("an acquisition that was lost after a view began is not told to have recorded nothing", () => {
  assert.equal(flow.withoutViews(status("interrupted")), "unsealed");
  assert.equal(flow.withoutViews(status("aborted", [], { step: 0 })), "nothing");
});

test("of two takings the one counts that was chosen last, and the newest where nobody chose", () => {
  const counts = (at_utc) => ({ what: "counts", at_utc });
  const rows = [{ id: "first", remarks: [counts("2020-01-01T10:00:00Z")] }, { id: "second", remarks: [{ what: "label", at_utc: "2020-01-01T12:00:00Z" }] }];
  assert.equal(flow.chosenOf(["first", "second"], []), "second");
  assert.equal(flow.chosenOf(["first", "second"], rows), "first");
  rows[1].remarks.push(counts("2020-01-01T11:00:00Z"));
  assert.equal(flow.chosenOf(["first", "second"], rows), "second");
});
