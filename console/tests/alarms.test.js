import assert from "node:assert/strict";
import test from "node:test";
import { chain, counted, flashing, fromReadings, ordered } from "../../daq/gateway/static/js/widgets/alarmorder.js";
import { told } from "../../daq/gateway/static/js/widgets/stopwords.js";
import { clock, plainly } from "../../daq/gateway/static/js/widgets/when.js";

const alarm = (/** @type {any} */ more) => ({ device: "d", name: "n", priority: "low", acknowledged_by: null, since_utc: "2031-01-01T10:00:00Z", ...more });

test("the most important alarm stands first, then what nobody has seen, then the newest", () => {
  const alarms = {
    a: alarm({ name: "old" }), b: alarm({ name: "new", since_utc: "2031-01-01T11:00:00Z" }),
    c: alarm({ name: "seen", priority: "high", acknowledged_by: "anna" }), d: alarm({ name: "high", priority: "high" }), e: alarm({ name: "middle", priority: "medium" }),
  };
  assert.deepEqual(ordered(alarms).map((each) => each.name), ["high", "seen", "middle", "new", "old"]);
  assert.deepEqual(counted(ordered(alarms)), { high: 2, medium: 1, low: 2 });
});

test("high and medium alarms flash until somebody has acknowledged them, low ones never", () => {
  assert.deepEqual(["high", "medium", "low"].map((priority) => flashing(alarm({ priority }))), ["flash-high", "flash-medium", ""]);
  assert.equal(flashing(alarm({ priority: "high", acknowledged_by: "anna" })), "");
});

const contact = (/** @type {string} */ device, /** @type {string} */ kind, state = "closed", /** @type {string | null} */ head = null) =>
  ({ device, kind, state, head, guards: kind === "service_cover" ? ["raise_voltage"] : ["move"] });

test("a chain has a link for each kind, as bad as its worst contact, and names where", () => {
  const links = chain([contact("bed", "drive_power", "unknown"), contact("bed", "emergency_stop"), contact("gantry", "emergency_stop", "open"), contact("h", "service_cover", "open")], "move");
  assert.deepEqual(links.map((each) => [each.kind, each.state, each.closed, each.all, each.places]), [
    ["emergency_stop", "open", 1, 2, ["gantry"]], ["drive_power", "unknown", 0, 1, ["bed"]],
  ]);
});

test("the chain of one head leaves out the cover of another", () => {
  const covers = [contact("front", "service_cover", "closed", "1"), contact("back", "service_cover", "open", "2")];
  assert.deepEqual(chain(covers, "raise_voltage", "1").map((each) => each.state), ["closed"]);
});

test("interlocks are told from readings of the same name that are numbers", () => {
  const readings = {
    a: { name: "temperature", value: 21.4, quality: "good" }, b: { name: "emergency_stop", value: false, quality: "out_of_limits" },
    c: { name: "collision_pad", value: true, quality: "stale" }, d: { name: "drive_power", value: true, quality: "good" },
  };
  assert.deepEqual(fromReadings(readings), { any: true, open: ["emergency_stop"], unknown: ["collision_pad"] });
});

const axis = (/** @type {any} */ more = {}) => ({ axis: "bed", stands: true, error: "", ...more });
const stop = (/** @type {any} */ more = {}) => ({ at: new Date(2031, 0, 1, 14, 5, 7), sentMs: 0, report: null, problem: "", ...more });

test("a stop that nobody answers within a second says so, and what to do", () => {
  assert.equal(told(stop(), 900).key, "stopping.sent");
  assert.deepEqual(told(stop(), 2400), { level: "high", key: "stopping.silent", given: { seconds: 2 } });
});

test("a stop that cannot have got through says so at once, also when it is tried no more, and that it came late", () => {
  assert.deepEqual(told(stop({ problem: "Failed." }), 100), { level: "high", key: "stopping.failed", given: { why: "Failed." } });
  assert.equal(told(stop({ lost: true, problem: "gone" }), 0).key, "stopping.unreached");
  assert.equal(told(stop({ lost: true, triesMs: 10_000 }), 12_001).key, "stopping.givenUp");
  const report = { ok: true, stands: true, halted_s: 0.1, text: "", axes: [axis()] };
  assert.deepEqual(told(stop({ report, afterMs: 4100 }), 0), { level: "medium", key: "stopping.reachedLate", given: { time: "14:05:07", axes: "bed", late: 4 } });
});

test("what is not known to stand is named before anything else", () => {
  const report = { ok: false, stands: false, halted_s: null, text: "", axes: [axis(), axis({ axis: "gantry", stands: false, error: "silent" })] };
  assert.deepEqual(told(stop({ report }), 0), { level: "high", key: "stopping.doubtful", given: { axes: "gantry" } });
});

test("a stop that went well names the axes and how long it took", () => {
  const report = { ok: true, stands: true, halted_s: 0.043, text: "", axes: [axis()] };
  assert.deepEqual(told(stop({ report }), 0), { level: "good", key: "stopping.stopped", given: { time: "14:05:07", axes: "bed", seconds: "0.04" } });
  assert.equal(told(stop({ report: { ...report, ok: false, text: "too far" } }), 0).key, "stopping.late");
});

test("a time of another day has its day", () => {
  const at = new Date(2031, 0, 2, 3, 4, 5);
  assert.equal(clock(at.toISOString(), new Date(2031, 0, 2)), "03:04:05");
  assert.equal(clock(at.toISOString(), new Date(2031, 0, 3)), "2031-01-02 03:04:05");
  assert.equal(plainly("emergency_stop of front_radius"), "emergency stop of front radius");
});
