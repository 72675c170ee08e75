import assert from "node:assert/strict";
import test from "node:test";
import { range, valueText, wrongNumber, wrongRaise } from "../../daq/gateway/static/js/screens/service/readings.js";

test("values are told as people say them", () => {
  assert.equal(valueText(16, "1"), "16");
  assert.equal(valueText(0.0003, "A"), "300\u00a0µA");
  assert.equal(valueText("", ""), "none");
});

test("a voltage above the limit of its supply is told before it is asked for", () => {
  assert.equal(wrongRaise("901", "60", 900).volts, "wrongMost");
  assert.equal(wrongRaise("900", "60", 900).volts, "");
});

test("a number that does not fit into the bits of a register, or is beyond a value's limits, is told before it is sent", () => {
  assert.deepEqual(range({ mask: 0xff00, words: 1, unit: "" }), [0, 255]);
  assert.deepEqual(range({ mask: 0xffffffff, words: 1, unit: "" }), [0, 0xffffffff]);
  assert.deepEqual(range({ hard: [-5, 45], unit: "degC" }), [-5, 45]);
  assert.deepEqual(range({ mask: 0x80000000, words: 1 }), [0, 1]);
  assert.equal(range({ mask: 0xff, words: 1, unit: "mV" }), null);
  assert.equal(wrongNumber("256", [0, 255]), "wrongRange");
  assert.equal(wrongNumber("1e999", null), "wrongNumber");
  assert.equal(wrongNumber("255", [0, 255]), "");
});
