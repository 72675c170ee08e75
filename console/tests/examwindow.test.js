import assert from "node:assert/strict";
import test from "node:test";
import { edgesText, shiftText } from "../../daq/gateway/static/js/screens/acquire/windowtext.js";

test("a window is written with its edges to a tenth of a keV, with or without its name", () => {
  const window = { name: "photopeak", lower_kev: 126.45, upper_kev: 154.5 };
  assert.match(edgesText(window), /^photopeak 126\.[45] to 154\.5 keV$/);
  assert.equal(edgesText({ ...window, lower_kev: 130 }, true), "130.0 to 154.5 keV");
});

test("a shift is written with its sign, its uncertainty and its unit; without a peak there is none", () => {
  assert.equal(shiftText({ head: 1, shift_kev: -1.924, error_kev: 0.068 }), "Head 1: −1.92 ± 0.07 keV");
  assert.equal(shiftText({ head: 0, shift_kev: 0.4, error_kev: 0.1 }), "Head 0: +0.40 ± 0.10 keV");
  assert.equal(shiftText({ head: 0, shift_kev: null, error_kev: null }), "Head 0: –");
});
