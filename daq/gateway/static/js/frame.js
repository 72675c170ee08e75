// Reads one binary frame of live pictures (daq/wire/liveframe.py). Pure; arrays view the buffer, nothing is copied.

export const SCALED = 1;
export const BINNED = 2;
export const SIMULATED = 4;
const HEADER_BYTES = 32;
const MAGIC = 0x31464d4e; // "NMF1"
const VERSION = 1;
const MOST_AXES = 5;

/** @type {Record<string, any>} */
const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

/**
 * @typedef {Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | Float64Array} Values
 * @typedef {{name: string, shape: number[], values: Values, about: any}} Part
 * @typedef {{number: number, timeS: number, scaled: boolean, binned: boolean, simulated: boolean, about: any, parts: Record<string, Part>}} Frame
 */

/**
 * @param {ArrayBuffer} bytes
 * @returns {Frame}  Throws an Error that says in words what is wrong with what came.
 */
export function decode(bytes) {
  if (bytes.byteLength < HEADER_BYTES) throw new Error(`no live frame: ${bytes.byteLength} bytes`);
  const view = new DataView(bytes);
  const version = view.getUint16(4, true);
  if (view.getUint32(0, true) !== MAGIC) throw new Error("no live frame: it begins with something else");
  if (version !== VERSION) throw new Error(`a live frame of version ${version}; this page reads ${VERSION}: load it again`);
  const flags = view.getUint16(6, true);
  const length = view.getUint32(12, true);
  if (view.getUint32(24, true) !== bytes.byteLength || HEADER_BYTES + length > bytes.byteLength) {
    throw new Error(`damaged live frame: ${bytes.byteLength} bytes came, ${view.getUint32(24, true)} were announced`);
  }
  const told = directoryIn(bytes, length);
  return {
    number: view.getUint32(8, true), timeS: view.getFloat64(16, true),
    scaled: (flags & SCALED) !== 0, binned: (flags & BINNED) !== 0, simulated: (flags & SIMULATED) !== 0,
    about: told.about, parts: Object.fromEntries(told.arrays.map((/** @type {any} */ each) => [each.name, partIn(bytes, HEADER_BYTES + length, each)])),
  };
}

/** @param {ArrayBuffer} bytes @param {number} length */
function directoryIn(bytes, length) {
  let told;
  try {
    told = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, HEADER_BYTES, length)));
  } catch {
    throw new Error("damaged live frame: its directory is no JSON");
  }
  if (!Array.isArray(told?.arrays) || typeof told.about !== "object") throw new Error("damaged live frame: its directory lists no arrays");
  return told;
}

/** @param {ArrayBuffer} bytes @param {number} begin @param {any} told @returns {Part} */
function partIn(bytes, begin, told) {
  const Kind = KINDS[told?.dtype];
  const shape = told?.shape;
  const whole = Array.isArray(shape) && shape.length <= MOST_AXES && shape.every((side) => Number.isInteger(side) && side >= 0);
  if (!Kind || !whole || !Number.isInteger(told.offset)) throw new Error(`damaged live frame: array ${told?.name} cannot be understood`);
  const count = shape.reduce((/** @type {number} */ product, /** @type {number} */ side) => product * side, 1);
  const offset = begin + told.offset;
  if (offset % 8 || told.offset < 0 || offset + count * Kind.BYTES_PER_ELEMENT > bytes.byteLength) {
    throw new Error(`damaged live frame: array ${told.name} lies outside of it`);
  }
  return { name: told.name, shape, values: new Kind(bytes, offset, count), about: told.about ?? {} };
}
