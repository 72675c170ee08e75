// How people are written, what rows are found by, which keys lead where.
import assert from "node:assert/strict";
import { test } from "node:test";
import { activityNow, age, folded, holds, personName, scanning, sexLetter, stepped } from "../../daq/gateway/static/js/identity.js";
import { changesOf, typedFields, withZone } from "../../daq/gateway/static/js/screens/setup/givenfields.js";

const ROW = { name: "Müller^Änne", patient_id: "SIM-0001", accession_number: "A7", procedure: "Bone scan", code: "NM1" };

test("a name is family first, in capitals", () => {
  assert.equal(personName("Müller^Änne Maria^X"), "MÜLLER, Änne Maria X");
  assert.equal(personName("Yamada^Taro=山田^太郎"), "YAMADA, Taro = 山田, 太郎");
  assert.equal(personName("PHANTOM"), "PHANTOM");
  assert.equal(personName("<b>^x"), "<B>, x");
  assert.equal(personName(null), "");
  assert.equal(sexLetter("female"), "F");
  assert.equal(sexLetter("unknown"), "");
});

test("a row is found by words of name, numbers and procedure, without accents", () => {
  assert.ok(holds(ROW, [folded("MULLER"), "anne"]));
  assert.ok(holds(ROW, ["a7", "bone"]));
  assert.ok(!holds(ROW, ["muller", "renal"]));
  assert.ok(holds(ROW, []));
});

test("arrow keys stop at the ends of the list", () => {
  const keys = ["a", "b", "c"];
  assert.equal(stepped(keys, null, "ArrowDown"), "a");
  assert.equal(stepped(keys, "c", "ArrowDown"), "c");
  assert.equal(stepped(keys, "a", "ArrowUp"), "a");
  assert.equal(stepped(keys, "b", "End"), "c");
  assert.equal(stepped(keys, "b", "x"), "b");
  assert.equal(stepped([], "b", "ArrowDown"), null);
});

test("what a scanner types is a number; a key on its own is none", () => {
  const take = scanning(100);
  let at = 0;
  const typed = (/** @type {string} */ text) => [...text].map((key) => take(key, (at += 10))).at(-1);
  typed("SIM-0001");
  assert.equal(take("Enter", (at += 10)), "SIM-0001");
  assert.equal(take("Enter", (at += 10)), null);
  typed("SIM-");
  assert.equal(take("1", (at += 1000)), null);
  assert.equal(take("Enter", (at += 10)), null);
});

test("activity decays by its own half-life, and is not known without one", () => {
  const told = { mbq: 600, at_utc: "2025-03-05T09:00:00+00:00", half_life_s: 21600 };
  assert.equal(activityNow(told, Date.parse("2025-03-05T15:00:00Z")), 300);
  assert.equal(activityNow({ ...told, half_life_s: null }, 0), null);
  assert.equal(activityNow(null, 0), null);
});

test("years are counted from the birthday", () => {
  assert.equal(age("1961-03-09", new Date(2025, 2, 8)), 63);
  assert.equal(age("1961-03-09", new Date(2025, 2, 9)), 64);
  assert.equal(age(null, new Date()), null);
});

test("of the record only what was changed is sent, with units, zones and nulls", () => {
  const before = typedFields({ assayed_mbq: 600, lot: "1", uptake_s: 5400, extravasation: null });
  assert.equal(before.assayed, "600 MBq");
  assert.equal(before.uptake_s, "90");
  const changes = changesOf(before, { ...before, lot: " ", weight_kg: "70,5", uptake_s: "60", extravasation: "false", height_m: "tall" });
  assert.deepEqual(changes, { lot: null, weight_kg: 70.5, uptake_s: 3600, extravasation: false, height_m: "tall" });
  assert.match(withZone("2025-03-05 09:00"), /^2025-03-05T09:00:00[+-]\d\d:\d\d$/);
  assert.equal(withZone("noon"), "noon");
});
