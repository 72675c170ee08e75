import assert from "node:assert/strict";
import test from "node:test";
import { COLOURS, mostOf, paint, table } from "../../daq/gateway/static/js/colours.js";
import { maskOf } from "../../daq/gateway/static/js/masks.js";

const bytes = (name) => new Uint8Array(table(name).buffer);
const brightness = (name, at) => 0.2126 * bytes(name)[4 * at] + 0.7152 * bytes(name)[4 * at + 1] + 0.0722 * bytes(name)[4 * at + 2];

test("in every table brightness goes one way, and every colour is opaque", () => {
  for (const name of COLOURS) {
    const steps = Array.from({ length: 255 }, (_, at) => brightness(name, at + 1) - brightness(name, at));
    const way = name === "inverse" ? -1 : 1;
    assert.ok(steps.every((step) => way * step > -0.5), name);
    assert.ok(Math.abs(brightness(name, 255) - brightness(name, 0)) > 180, name);
    assert.ok(bytes(name).every((value, at) => at % 4 !== 3 || value === 255), name);
  }
});

test("inverse grey shows nothing as white and the most as black", () => {
  assert.deepEqual([...bytes("inverse").slice(0, 3)], [255, 255, 255]);
  assert.deepEqual([...bytes("inverse").slice(1020, 1023)], [0, 0, 0]);
});

test("colours end at the upper level, and what is masked is left out of them", () => {
  const colours = table("grey");
  const pixels = new Uint32Array(4);
  paint(new Uint16Array([0, 40, 100, 60000]), pixels, { colours, upper: 100 });
  assert.deepEqual([...pixels], [colours[0], colours[102], colours[255], colours[255]]);

  const mask = new Uint8Array([0, 0, 0, 1]);
  assert.equal(mostOf([0, 40, 100, 60000], mask), 100);
  paint(new Uint16Array([0, 40, 100, 60000]), pixels, { colours, upper: 100, mask, masked: 7 });
  assert.equal(pixels[3], 7);
});

test("the logarithm begins at nothing and ends at the upper level, in counts whatever the scale", () => {
  const colours = table("grey");
  const [one, ten] = [new Uint32Array(3), new Uint32Array(3)];
  paint([0, 9, 99], one, { colours, upper: 99, log: true });
  paint([0, 90, 990], ten, { colours, upper: 990, log: true, unit: 10 });
  assert.deepEqual([...one], [colours[0], colours[128], colours[255]]);
  assert.deepEqual([...ten], [...one]);
});

test("a mask covers the pixels whose middle lies in a rectangle or a polygon, at any size", () => {
  const rectangle = [{ x: 0.5, y: 0 }, { x: 1, y: 0.5 }];
  assert.deepEqual([...(maskOf([rectangle], 2, 2) ?? [])], [0, 1, 0, 0]);
  assert.equal(maskOf([rectangle], 64, 64)?.reduce((sum, each) => sum + each, 0), 32 * 32);
  const triangle = [{ x: 0, y: 0 }, { x: 1, y: 0 }, { x: 0, y: 1 }];
  assert.equal(maskOf([triangle], 2, 2)?.[0], 1);
  assert.equal(maskOf([triangle], 2, 2)?.[3], 0);
  assert.equal(maskOf([], 2, 2), null);
  assert.equal(maskOf([[{ x: 0.5, y: 0.5 }]], 4, 4), null);
});
