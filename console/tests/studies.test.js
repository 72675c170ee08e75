// What studies and service say, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshness, limitsText, notLowered, offered, valueText, wrongRaise } from "../../daq/gateway/static/js/screens/service/readings.js";
import { readable, same } from "../../daq/gateway/static/js/screens/studies/identities.js";
import { fateOf, fileAddress, frameAt, freshName, levelOf, nextFrame, span, worstFirst, wrongName } from "../../daq/gateway/static/js/screens/studies/words.js";

test("the worst check comes first and a good one last", () => {
  const sorted = worstFirst([{ grade: "good" }, { grade: "note" }, { grade: "bad" }, { grade: "doubtful" }]);
  assert.deepEqual(sorted.map((each) => each.grade), ["bad", "doubtful", "note", "good"]);
});

test("a study that is not good has no colour of alarms", () => {
  assert.equal(levelOf("bad"), "");
  assert.equal(levelOf("doubtful"), "");
  assert.equal(levelOf("good"), "good");
  assert.equal(levelOf(null), "");
});

test("files that are missing say so, whatever the outcome was", () => {
  assert.equal(fateOf({ state: "missing", outcome: "completed" }), "missing");
  assert.equal(fateOf({ state: "sealed", outcome: "aborted" }), "aborted");
  assert.equal(fateOf({ state: "recovered", outcome: null }), "recovered");
});

test("a page of nothing begins with 0", () => {
  assert.deepEqual(span(0, 0, 0), { first: 0, last: 0, total: 0 });
  assert.deepEqual(span(50, 50, 10_000), { first: 51, last: 100, total: 10_000 });
});

test("a new name is not that of a job before, suffix or not", () => {
  assert.equal(freshName("a", "export", []), "a-export-1");
  assert.equal(freshName("a", "export", [{ asked: { name: "a-export-1.parquet" } }, { asked: {} }]), "a-export-2");
});

test("names that lead elsewhere are wrong before they are sent, and addresses are escaped", () => {
  for (const name of ["", "../x", "/etc", ".hidden", "a b", "a/b", "a\u0000"]) assert.equal(wrongName(name), "name", name);
  assert.equal(wrongName("flow-1s.v2"), "");
  assert.equal(fileAddress("a/..", "b?c"), "/api/v1/files/studies/a%2F../b%3Fc");
});

test("a value is stale when the station says so, when it does not answer, and when we hear nothing", () => {
  const at = { read_utc: "2020-01-01T00:00:00Z", quality: "good", value: 1 };
  const now = Date.parse("2020-01-01T00:00:40Z");
  assert.deepEqual(freshness(at, now, true), { key: "fresh", stale: false, age: "40\u00a0s" });
  assert.equal(freshness({ ...at, quality: "stale" }, now, true).key, "stale");
  assert.equal(freshness({ ...at, quality: "comm_fail" }, now, true).key, "commFail");
  assert.equal(freshness(at, now, false).stale, true);
  assert.equal(freshness(undefined, now, true).key, "noReading");
});

test("values bear their unit, and what is not known is no number", () => {
  assert.equal(valueText(21.504321, "degC"), "21.5043\u00a0°C");
  assert.equal(valueText(null, "V"), "–");
  assert.equal(limitsText({ hard_max: 1500 }, "V"), "hard max 1500\u00a0V");
});

test("a raise needs a voltage above nothing and a leave of 5 to 600 seconds", () => {
  assert.deepEqual(wrongRaise("200", "60"), { volts: "", seconds: "" });
  for (const volts of ["", "0", "-5", "x", "Infinity"]) assert.equal(wrongRaise(volts, "60").volts, "wrongVolts", volts);
  for (const seconds of ["4", "601", ""]) assert.equal(wrongRaise("1", seconds).seconds, "wrongSeconds", seconds);
});

test("only what the station would take is offered of a value or register", () => {
  const row = { access: "read-write", hazard: "neutral", of: "device", type: "number", effects: /** @type {string[]} */ ([]) };
  const both = { reads: true, sets: true };
  assert.deepEqual(offered(row), both);
  assert.deepEqual(offered({ ...row, hazard: "safe", effects: ["volatile"] }), both);
  for (const hazard of ["energising", "moving", "anything new"]) assert.deepEqual(offered({ ...row, hazard }), { reads: true, sets: false });
  assert.deepEqual(offered({ ...row, access: "read" }), { reads: true, sets: false });
  assert.deepEqual(offered({ ...row, access: "write" }), { reads: false, sets: true });
  assert.deepEqual(offered({ ...row, access: "write", effects: ["fifo"] }), { reads: false, sets: true });
  for (const effect of ["fifo", "read_clears"]) assert.deepEqual(offered({ ...row, effects: [effect] }), { reads: false, sets: false });
  assert.deepEqual(offered({ ...row, effects: ["write_one_clears"] }), { reads: true, sets: false });
  assert.deepEqual(offered({ ...row, of: "channel" }), { reads: true, sets: false });
});

test("a supply that did not go down is told with why", () => {
  assert.deepEqual(notLowered({ high_voltage: { a: { off: true, error: "" }, b: { off: false, error: "no answer" } } }), ["b: no answer"]);
  assert.deepEqual(notLowered({ accepted: true }), []);
});

test("frames lie side by side in one picture, and after the last comes the first", () => {
  const about = { rows: 64, columns: 32, across: 3 };
  assert.deepEqual([0, 2, 3, 7].map((at) => frameAt(about, at)), [
    { left: 0, top: 0 }, { left: 64, top: 0 }, { left: 0, top: 64 }, { left: 32, top: 128 },
  ]);
  assert.deepEqual([0, 1, 2].map((at) => nextFrame(at, 3)), [1, 2, 0]);
});

test("a reason that nobody can see is none, and two identities are the same by name and number", () => {
  for (const text of ["", "  ", "\u200b\u200b\u200b", "\u2800 \u3164a", "ab"]) assert.equal(readable(text), false, JSON.stringify(text));
  assert.equal(readable("why"), true);
  assert.equal(readable("ß", 1), true);
  const one = { name: "A^B", patient_id: "1" };
  assert.equal(same(one, { ...one, sex: "other" }), true);
  assert.equal(same(one, { ...one, patient_id: "2" }), false);
  assert.equal(same(null, one), false);
});
