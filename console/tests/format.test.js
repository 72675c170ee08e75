import assert from "node:assert/strict";
import test from "node:test";
import * as format from "../../daq/gateway/static/js/format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");

test("counts have three digits that count, and never read 1000 k", () => {
  const said = [0, 7, 812, 999, 1000, 1249, 14_600, 99_960, 247_400, 999_499, 999_600, 1_500_000, 53_000_000, 2.5e9];
  const wanted = ["0", "7", "812", "999", "1.00 k", "1.25 k", "14.6 k", "100 k", "247 k", "999 k", "1.00 M", "1.50 M", "53.0 M", "2.50 G"];
  assert.deepEqual(said.map(format.counts).map(plain), wanted);
});

test("a rate bears its unit", () => {
  assert.deepEqual([14_630, 812, 0, 3.14159].map(format.rate).map(plain), ["14.6 kcps", "812 cps", "0 cps", "3.14 cps"]);
});

test("what is not known is a dash, whatever it is", () => {
  for (const each of [format.counts, format.rate, format.clock, format.toGo, format.percent, format.activity, format.bytes, format.day, format.timeOfDay, format.dayTime, format.duration]) {
    for (const nothing of [null, undefined, NaN]) assert.equal(each(nothing), "–", `${each.name}(${nothing})`);
  }
  assert.equal(format.place(null, "mm"), "–");
});

test("times are those of a clock, and what is left says that it is estimated", () => {
  assert.deepEqual([0, 12.9, 65, 3725].map(format.clock), ["00:00", "00:12", "01:05", "1:02:05"]);
  assert.equal(plain(format.toGo(19.2)), "≈ 00:20");
  assert.deepEqual([4.25, 45, 200, 720, 3900, 7200].map(format.duration).map(plain), ["4.3 s", "45 s", "3 min 20 s", "12 min", "65 min", "2 h"]);
});

test("a day is written as ISO has it, and of today the time alone", () => {
  const moment = new Date(2025, 0, 2, 3, 4);
  assert.equal(format.day(moment), "2025-01-02");
  assert.equal(format.dayTime(moment, new Date(2025, 0, 2, 23, 0)), "03:04");
  assert.equal(format.dayTime(moment, new Date(2025, 0, 3, 0, 1)), "2025-01-02 03:04");
});

test("places and shares bear their units, and there is no minus zero", () => {
  assert.deepEqual([format.place(812.4, "mm"), format.place(2.5, "mm"), format.place(-0.01, "deg"), format.percent(0.0621)].map(plain), ["812 mm", "2.5 mm", "0.0°", "6.2 %"]);
});

test("activity decays by half in a half-life", () => {
  assert.ok(Math.abs(format.decayed(600, "Tc-99m", 21_624) - 300) < 0.5);
  assert.equal(format.decayed(600, "unobtainium", 1), null);
  assert.deepEqual([612.2, 37, 1.5].map(format.activity).map(plain), ["612 MBq", "37.0 MBq", "1.50 MBq"]);
});
