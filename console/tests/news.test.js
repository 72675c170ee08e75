import assert from "node:assert/strict";
import test from "node:test";
import { merged } from "../../daq/gateway/static/js/news.js";

const NOTHING = { connected: true, heardAtMs: 0, status: null, progress: null, ledger: null, description: null, readings: {}, alarms: {}, qc: {}, control: null, revisions: {} };

test("an alarm is taken out when it is over", () => {
  const alarm = { device: "bed", name: "limit", active: true, latched: true, acknowledged_by: null };
  const rung = merged(NOTHING, [{ event: "alarm", data: alarm }]);
  const inactive = merged(rung, [{ event: "alarm", data: { ...alarm, active: false } }]);
  const over = merged(inactive, [{ event: "alarm", data: { ...alarm, active: false, acknowledged_by: "a" } }]);

  assert.deepEqual(Object.keys(rung.alarms), ["bed limit"]);
  assert.deepEqual(Object.keys(inactive.alarms), ["bed limit"]);
  assert.deepEqual(over.alarms, {});
});

test("news change nothing of what was known before", () => {
  const status = { state: "ready" };
  const known = merged(NOTHING, [{ event: "status", data: status }]);

  merged(known, [{ event: "status", data: { state: "armed" } }]);

  assert.equal(known.status, status);
});
