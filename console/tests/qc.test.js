// What the screens of quality control work out: words of levels, numbers, gauges, lines of charts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { drawing } from "../../daq/gateway/static/js/screens/qc/trendlines.js";
import { bounds, entered, firstDue, gaugeRange, heads, isUnit, levelOf, number, standing, unreadable, valued, wanting, worst } from "../../daq/gateway/static/js/qcwords.js";

const LIMIT = { of: "value", action: { below: -4, above: 4 }, suspension: { below: null, above: 10 } };

test("each level has a sign of its own, not a colour alone", () => {
  const levels = ["in limits", "action", "suspension", "not evaluable", "not judged"];
  assert.equal(new Set(levels.map((level) => levelOf(level).sign)).size, levels.length);
  assert.equal(levelOf("action").tone, "low");
  assert.equal(levelOf(undefined).key, "none");
});

test("numbers have four digits, and their unit as people say it", () => {
  assert.deepEqual([7.6249, 0.088591, 3499.99, 232560.4, 0, null].map(number), ["7.625", "0.08859", "3500", "232,560", "0", ""]);
  assert.deepEqual([valued(0.3333, "1/s"), valued(6.8, "%"), valued(2, "1"), valued(null, "%")], ["0.3333 per s", "6.8 %", "2", ""]);
});

test("bounds come lowest first; those of a reference are not drawn beside the value", () => {
  assert.deepEqual(bounds(LIMIT).map((each) => [each.level, each.at]), [["action", -4], ["action", 4], ["suspension", 10]]);
  assert.deepEqual(bounds({ ...LIMIT, of: "reference-percent" }), []);
});

test("a gauge holds value, noise and every bound", () => {
  const [least, most] = gaugeRange(12, 3, LIMIT);
  assert.ok(least < -4 && most > 12);
  assert.equal(gaugeRange(5, null, { of: "value", action: { above: 7 } })[0], 0);
});

test("what is typed becomes yes or no, a number, or a text with its unit", () => {
  assert.deepEqual([entered("yes", ""), entered("no", ""), entered("1,2", "s"), entered("1.2 s", "s")], [true, false, 1.2, "1.2 s"]);
});

test("what is no number is said before it is entered, and never made one", () => {
  for (const text of ["0x10", "1e309", "NaN", "Infinity", "1.234,5", "1 2", "-", ".", "１２", "12 <b>", "1; x"]) {
    assert.equal(unreadable(text, "MBq"), true, text);
    assert.equal(entered(text, "MBq"), text);
  }
  assert.deepEqual([entered(" -3,5 ", "MBq"), entered(".5", "MBq"), entered("2e1", "MBq"), entered("", "MBq")], [-3.5, 0.5, 20, ""]);
  assert.deepEqual([unreadable("", "MBq"), unreadable("soon", "times"), unreadable("yes", "")], [false, false, false]);
});

test("several numbers each have a unit, and a comma is a point", () => {
  assert.equal(entered("600; 300,5 ; 1,2 GBq", "MBq"), "600 MBq; 300.5 MBq; 1.2 GBq");
  assert.equal(entered("4,25 mm", "mm"), "4.25 mm");
  assert.equal(entered("3; 4", "1"), "3; 4");
});

test("units are told from what is described in words", () => {
  assert.deepEqual(["MBq", "mm/s", "%", "1"].map(isUnit), [true, true, true, true]);
  assert.deepEqual(["", "times", "time", "MBq, by the certificates", "names; each of the source"].map(isUnit), [false, false, false, false, false]);
});

test("counts of heads are those of the first window, lowest head first", () => {
  const counts = { singles: 9, "singles[photopeak]": 7, "singles[photopeak]@1": 3, "singles[photopeak]@0": 4, "singles[scatter]@0": 1 };
  assert.deepEqual(heads(counts), [{ head: "0", count: 4 }, { head: "1", count: 3 }]);
  assert.deepEqual(heads({ prompts: 3 }), []);
});

test("the worst figure comes first", () => {
  const figures = [{ name: "a", level: "in limits" }, { name: "b", level: "suspension" }, { name: "c", level: "action" }];
  assert.equal(worst({ figures }).name, "b");
  assert.equal(worst(undefined), null);
});

test("the first that is due is one that is acquired", () => {
  const due = [{ asked: true, next: "daq qc enter e-stop" }, { asked: false, next: "daq qc run bars" }, { asked: true, next: "daq qc run daily-flood" }];
  assert.equal(firstDue(due).next, "daq qc run daily-flood");
  assert.equal(firstDue([]), null);
});

test("the head says failed before due before done; a daily test that was never done is due, one on demand is not", () => {
  const done = { state: "valid", level: "in limits", performed_utc: "2025-03-05T07:12:00Z", text: "every day" };
  const never = { state: "never", level: "", performed_utc: null, text: "every day; never done" };
  const demand = { ...never, text: "on demand; never done" };
  assert.equal(standing([done, { ...done, state: "failed" }, never]).kind, "failed");
  assert.deepEqual(standing([done, never]), { kind: "due", count: 1, at: null });
  assert.equal(standing([done, { ...done, level: "action" }]).kind, "action");
  assert.deepEqual(standing([done, demand]), { kind: "ok", count: 0, at: done.performed_utc });
  assert.equal(wanting([done, never, demand, { ...done, state: "failed" }]), 2);
});

test("a chart is drawn with its average and limits, levels, events and alarms; sums of a CUSUM stand apart", () => {
  const drawn = {
    value: [1, 2], mean: [1, 1], average: [1, 1.1], upper: [2, 2], lower: [0, 0], fixed: [["action", 7]],
    events: [[1000, "service: a new tube, and everything that goes with it"]], alarms: [{ at_ms: 2000, side: 1 }], change: { at_ms: 1500 },
  };
  const made = drawing(drawn, (key) => key);
  assert.deepEqual(made.lines.map((line) => line.key), ["value", "mean", "average", "upper", "lower"]);
  assert.deepEqual([made.levels.length, made.marks.length, made.sums], [1, 3, null]);
  assert.ok(made.marks[0].label.length <= 28);
  const sums = drawing({ ...drawn, average: undefined, high: [0, 1], low: [0, 0], limit: [5, 5] }, (key) => key).sums;
  assert.deepEqual(sums?.map((line) => line.key), ["high", "low", "limit"]);
});

test("a chart that is still learning shows its results alone", () => {
  const drawn = { value: [1], mean: [null], average: [null], upper: [null], lower: [null], fixed: [], events: [], alarms: [], change: null };
  assert.deepEqual(drawing(drawn, (key) => key).lines.map((line) => line.key), ["value"]);
});
