import assert from "node:assert/strict";
import test from "node:test";
import { shortKey } from "../../daq/gateway/static/js/widgets/alarmshort.js";
import { t } from "../../daq/gateway/static/js/strings.js";

test("alarms have a short name by what they are, however many there are of a kind", () => {
  const named = { "readout-lost": "Recording stopped", "verdict-20310101T100000Z-1a2b3c": "Look at a study", "level-daily-flood": "QC beyond limit", "temperature-silent": "Device silent" };
  for (const [name, short] of Object.entries(named)) assert.equal(t(`alarms.short.${shortKey({ name })}`), short);
});

test("what nobody has named is called by its text", () => {
  assert.equal(shortKey({ name: "alarm-7" }), null);
});
