// What the set-up card chooses before anybody does, and what it sends.
import assert from "node:assert/strict";
import test from "node:test";
import { chosenFor, prepareArgs, turned, viewsOf } from "../../daq/gateway/static/js/screens/setup/reckoning.js";

const SPOTS = { id: "bone-spots", kind: "static", nuclide: "Tc-99m", sessions: [1], parts: { 1: { thorax: ["thorax"], head: ["head"], knees: ["knees"] } }, still: ["thorax", "head", "knees"] };
const WHOLE = { id: "bone-whole-body", kind: "whole_body", nuclide: "Tc-99m", sessions: [1], parts: { 1: { "whole body": ["whole body"] } }, still: [] };
const IODINE = { id: "neck", kind: "static", nuclide: "I-123", sessions: [1], parts: { 1: { neck: ["neck"] } }, still: ["neck"] };
const SPECT = { id: "bone-spect", kind: "spect", nuclide: "Tc-99m", sessions: [1], parts: { 1: { stop: ["stop 1/2", "stop 2/2"], after: ["after"] } }, still: ["after"] };
const told = (/** @type {any} */ more) => ({ entry: "w", status: "scheduled", protocol: "bone-whole-body", nuclide: "Tc-99m", runs: [], fitting: [WHOLE, IODINE, SPOTS, SPECT], ...more });

test("what is left of an exam that ended early is chosen, in its session", () => {
  const choice = chosenFor(told({ status: "ended early", progress: { protocol: "bone-spots", session: 1, left: ["head", "knees"] } }));
  assert.deepEqual([choice.protocol, choice.views], ["bone-spots", ["head", "knees"]]);
  assert.deepEqual(prepareArgs("w", choice, [], "", false).views, ["head", "knees"]);
});

test("a late view stands still: of the protocol of the exam, else of one of the same nuclide", () => {
  assert.deepEqual(chosenFor(told({ runs: [{ protocol: "bone-spots" }] }), { late: true }).views, ["thorax"]);
  assert.equal(chosenFor(told({ runs: [{ protocol: "bone-whole-body" }] }), { late: true }).protocol, "bone-spots");
  assert.deepEqual(chosenFor(told({ runs: [{ protocol: "bone-spect" }] }), { late: true }).views, ["after"]);
});

test("a protocol that another screen chose goes before what is proposed", () => {
  assert.equal(chosenFor(told({}), { protocol: "neck" }).protocol, "neck");
  assert.equal(chosenFor(told({})).protocol, "bone-whole-body");
});

test("views are taken in and out with all their steps, never the last one, and all of them is said as none", () => {
  const all = chosenFor(told({ protocol: "bone-spect" }));
  assert.deepEqual(viewsOf(told({}), all).map(([name]) => name), ["stop", "after"]);
  const without = turned(told({}), all, "after");
  assert.deepEqual(without.views, ["stop 1/2", "stop 2/2"]);
  assert.deepEqual(turned(told({}), without, "stop"), without);
  assert.notEqual(turned(told({}), without, "stop"), without); // drawn anew: the box that was pressed shows again what is taken
  assert.deepEqual(turned(told({}), without, "after").views, []);
  assert.equal(prepareArgs("w", all, [], "", false).views, undefined);
});
