import assert from "node:assert/strict";
import test from "node:test";
import { counting, pictureOf, placeOf } from "../../daq/gateway/static/js/marktext.js";

test("the next mark has the next number, where there is one", () => {
  assert.equal(counting("Node 9"), "Node 10");
  assert.equal(counting("Body contour"), "Body contour");
});

test("a place is in mm from the middle of the picture, to the right and upwards as it is seen", () => {
  const picture = { columns: 256, rows: 192, pixelMm: 2 };
  assert.deepEqual(placeOf({ x: 0.5, y: 0.5 }, picture), { xMm: 0, yMm: 0 });
  assert.deepEqual(placeOf({ x: 0.75, y: 0.25 }, picture), { xMm: 128, yMm: 96 });
  assert.deepEqual(placeOf({ x: 0, y: 1 }, picture), { xMm: -256, yMm: -192 });
});

test("a mark is shown on the picture that it was made on: not of the next view, of another patient, or while one positions", () => {
  const status = { run: "a", step: 1, state: "acquiring" };
  const made = pictureOf(status, 0, "counts");
  assert.equal(pictureOf(status, 0, "scope"), made);
  assert.equal(pictureOf({ ...status, state: "waiting" }, 0, "counts"), made);
  for (const other of [{ ...status, step: 2 }, { ...status, run: "b" }]) assert.notEqual(pictureOf(other, 0, "counts"), made);
  assert.notEqual(pictureOf({ ...status, state: "waiting" }, 0, "scope"), made);
  assert.notEqual(pictureOf(status, 1, "counts"), made);
});
