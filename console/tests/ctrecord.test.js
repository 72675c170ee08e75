import assert from "node:assert/strict";
import test from "node:test";

import * as ct from "../../daq/gateway/static/js/screens/acquire/ctrecord.js";

test("numbers are read with a point or a comma, and nothing else is a number", () => {
  assert.deepEqual(["-160,5", " 1.5 ", "\u22123", "", "1e3", "12 mm", "."].map(ct.numberOf), [-160.5, 1.5, -3, null, null, null, null]);
});

test("a conversion is points of two numbers each", () => {
  assert.deepEqual(ct.pointsOf("-1000 0\n0  0,096\n\n1000: 0.146"), [[-1000, 0], [0, 0.096], [1000, 0.146]]);
  for (const none of ["", "0 0.096", "-1000 0\n0", "-1000 0\n0 0.1 3", "a b\nc d"]) assert.equal(ct.pointsOf(none), null);
});

test("a record names what is missing, and a note may be left out", () => {
  const typed = Object.fromEntries(ct.FIELDS.map(({ key, kind, options }) => [key, kind === "number" ? "1" : kind === "points" ? "0 1\n1 2" : kind === "date" ? "2025-01-02" : (options?.[0] ?? "x")]));
  assert.deepEqual(ct.recordOf({ ...typed, note: "" }).wrong, []);
  assert.equal("note" in ct.recordOf({ ...typed, note: " " }).record, false);
  assert.deepEqual(ct.recordOf({ ...typed, kvp: "x", registration_id: " " }).wrong, ["kvp", "registration_id"]);
  assert.equal(ct.recordOf(typed).record.table_height_mm, 1);
});

test("nothing of a patient is proposed for the next one", () => {
  const typed = Object.fromEntries(ct.FIELDS.map(({ key }) => [key, "x"]));
  for (const own of ["frame_of_reference_uid", "ct_series_uid", "orientation", "table_height_mm", "table_traverse_mm", "note", "contrast"]) assert.equal(own in ct.keptOf(typed), false);
  assert.equal(ct.keptOf(typed).kvp, "x");
});

test("the CT is asked for before the view that needs it, the look after the last view", () => {
  const acquisition = { hand_overs: [{ name: "CT", before: "bed", confirmed: null }, { name: "look", before: null, confirmed: null }] };
  const names = (/** @type {string} */ phase) => ct.handOversNow(acquisition, phase).map((/** @type {any} */ each) => each.name);
  assert.deepEqual([names("armed"), names("handover"), names("after")], [["CT"], ["CT", "look"], []]);
  assert.equal(ct.waitsForHandOver(acquisition, { name: "bed" }), true);
  assert.equal(ct.waitsForHandOver(acquisition, { name: "other" }), false);
  assert.equal(ct.waitsForHandOver({ hand_overs: [{ ...acquisition.hand_overs[0], confirmed: { by: "x" } }] }, { name: "bed" }), false);
});
