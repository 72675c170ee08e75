import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { decode } from "../../daq/gateway/static/js/frame.js";
import { isOld, kept, NO_FRAMES, ofRun, united } from "../../daq/gateway/static/js/frameparts.js";

// Written by tests/unit/test_console_live_frame.py: both sides are tested with the same bytes.
const file = readFileSync(new URL("../../tests/golden/live-frame.bin", import.meta.url));
const golden = () => file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);

test("the frame that Python wrote is read, and its arrays view it", () => {
  const bytes = golden();
  const frame = decode(bytes);

  assert.equal(frame.number, 7);
  assert.equal(frame.timeS, 1234.5);
  assert.deepEqual([frame.scaled, frame.binned, frame.simulated], [true, false, true]);
  assert.deepEqual(frame.about.fresh.looks, { state: "live", age_s: 0.05 });
  assert.deepEqual(frame.parts["scope/0"].shape, [2, 3]);
  assert.deepEqual([...frame.parts["scope/0"].values], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(frame.parts["scope/0"].about.letters, ["R", "L", "H", "F"]);
  assert.deepEqual([...frame.parts["spectrum/0"].values], [1, 2, 4_000_000_000]);
  assert.deepEqual([...frame.parts.modules.values], [1, 2 ** 40]);
  assert.deepEqual([...frame.parts.mask.values], [1, 0, 1]);
  for (const part of Object.values(frame.parts)) assert.equal(part.values.buffer, bytes);
});

test("anything else is refused in words", () => {
  const changed = (/** @type {(view: DataView, bytes: Uint8Array) => void} */ change) => {
    const bytes = golden();
    change(new DataView(bytes), new Uint8Array(bytes));
    return bytes;
  };
  const text = (/** @type {string} */ from, /** @type {string} */ to) =>
    changed((_, bytes) => bytes.set(Buffer.from(to), Buffer.from(bytes).indexOf(from)));

  assert.throws(() => decode(new ArrayBuffer(8)), /no live frame: 8 bytes/);
  assert.throws(() => decode(changed((view) => view.setUint8(0, 0))), /no live frame/);
  assert.throws(() => decode(changed((view) => view.setUint16(4, 2, true))), /version 2.*load it again/);
  assert.throws(() => decode(golden().slice(0, -8)), /damaged live frame/);
  assert.throws(() => decode(changed((view) => view.setUint32(12, 1 << 20, true))), /damaged live frame/);
  assert.throws(() => decode(text('{"arrays"', '["arrays"')), /no JSON/);
  assert.throws(() => decode(text('"u2"', '"u3"')), /cannot be understood/);
  assert.throws(() => decode(text('"shape":[2,3]', '"shape":[2,9999]'.slice(0, 13))), /damaged live frame/);
});

const frame = (run, parts, names = []) => ({
  about: { run, fresh: { looks: { state: "live", age_s: 0.1, sequence: 4 } }, parts },
  parts: Object.fromEntries(names.map((name) => [name, { name, shape: [1], values: new Uint8Array(1), about: {} }])), simulated: false,
});

test("of each part the newest is kept, and nothing of another run", () => {
  const first = kept(NO_FRAMES, frame("a", { scope: { at: 1 }, ring: null }, ["scope/0", "scope/1"]), 10);
  const second = kept(first, frame("a", { spectrum: { at: 2 } }, ["spectrum/0"]), 60);
  const other = kept(second, frame("b", { spectrum: { at: 3 } }, ["spectrum/0"]), 70);

  assert.deepEqual(Object.keys(first.parts.scope?.arrays ?? {}), ["0", "1"]);
  assert.equal(first.parts.ring, null);
  assert.equal(second.parts.scope, first.parts.scope);
  assert.deepEqual([second.parts.spectrum?.about.at, second.parts.spectrum?.atMs], [2, 60]);
  assert.deepEqual(Object.keys(other.parts), ["spectrum"]);
  assert.deepEqual(second.fresh.looks, { state: "live", ageS: 0.1, sequence: 4, atMs: 60 });
});

test("pictures of whoever was before are not shown to whoever is prepared now", () => {
  const before = kept(NO_FRAMES, frame("a", { scope: { at: 1 } }, ["scope/0"]), 10);

  assert.deepEqual([ofRun(before, "b").parts, ofRun(before, "b").fresh, ofRun(before, "b").run], [{}, {}, null]);
  assert.equal(ofRun(before, "a"), before);
  assert.equal(ofRun(before, null), before);
});

test("a station that has no readout yet takes no picture away, but it looks old", () => {
  const first = kept(NO_FRAMES, frame("a", { scope: { at: 1 } }, ["scope/0"]), 10);
  const restarted = kept(first, { ...frame(null, {}), about: { run: null, fresh: { looks: { state: "none", age_s: null, sequence: 0 } }, parts: {} } }, 60);

  assert.equal(restarted.parts, first.parts);
  assert.deepEqual(restarted.fresh.looks, { ...first.fresh.looks, state: "stale" });
});

test("one want is made of all that is shown", () => {
  assert.deepEqual(united([]), { type: "want", what: [], size: 16, hz: 0.2 });
  assert.deepEqual(united([{ what: ["scope"], size: 512, heads: [1], persistence: 4 }, { what: ["spectrum", "scope"], heads: [0, 1], hz: 5, persistence: 10, window: "scatter" }]), {
    type: "want", what: ["scope", "spectrum"], size: 512, hz: 20, heads: [0, 1], persistence: 10, window: "scatter",
  });
  assert.equal("heads" in united([{ what: ["scope"], heads: [1] }, { what: ["scope"] }]), false);
});

test("figures are old when nobody publishes them any more, or nothing came for two seconds", () => {
  const live = { state: /** @type {const} */ ("live"), ageS: 0.1, sequence: 1, atMs: 0 };
  assert.equal(isOld(live, 0.3), false);
  assert.equal(isOld(live, 2.5), true);
  assert.equal(isOld({ ...live, state: "stale" }, 0.3), true);
  assert.equal(isOld({ ...live, state: "closed" }, 0.3), true);
  assert.equal(isOld(null, null), true);
});
