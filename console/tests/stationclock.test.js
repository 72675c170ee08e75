import assert from "node:assert/strict";
import { test } from "node:test";
import { heardTime, stationNow } from "../../daq/gateway/static/js/stationclock.js";

test("the time is the station's, whatever the clock here says, and goes on between what is heard", () => {
  assert.ok(Math.abs(stationNow() - Date.now()) < 1000);
  heardTime(1_000_000, 500);
  assert.equal(stationNow(500), 1_000_000_000);
  assert.equal(stationNow(2500), 1_000_002_000);
  heardTime(Number.NaN, 600);
  assert.equal(stationNow(2500), 1_000_002_000);
});
