// The document of a protocol, which the form edits: the tables of its file. Pure: nothing is changed, all is made anew.

/** @typedef {string | number} Part */

/**
 * Return what stands at a path, undefined where nothing does.
 * @param {any} document
 * @param {Part[]} path
 */
export function at(document, path) {
  return path.reduce((place, part) => (place === null || typeof place !== "object" ? undefined : place[part]), document);
}

/**
 * Return the document with a value at a path; undefined takes the key away, and tables that become empty with it.
 * @param {any} document
 * @param {Part[]} path
 * @param {any} value
 * @returns {any}
 */
export function put(document, path, value) {
  if (path.length === 0) return value;
  const [first, ...rest] = path;
  if (typeof first === "number") {
    const items = [...(Array.isArray(document) ? document : [])];
    if (rest.length === 0 && value === undefined) items.splice(first, 1);
    else items[first] = put(items[first], rest, value);
    return items;
  }
  const table = isTable(document) ? document : {};
  const below = put(table[first], rest, value);
  if (below === undefined || (rest.length > 0 && value === undefined && isEmpty(below))) {
    const { [first]: _, ...others } = table;
    return others;
  }
  return { ...table, [first]: below };
}

/** @param {any} value */
export function isTable(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** @param {any} value */
function isEmpty(value) {
  return (isTable(value) && Object.keys(value).length === 0) || (Array.isArray(value) && value.length === 0);
}

/**
 * Return a path as findings name it: `steps[0].stop.time`, `windows."a b".peak`.
 * @param {Part[]} path
 */
export function dotted(path) {
  return path.reduce((/** @type {string} */ text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const plain = /^[\p{L}\p{N}_-]*[\p{L}\p{N}][\p{L}\p{N}_-]*$/u.test(part) ? part : JSON.stringify(part);
    return text ? `${text}.${plain}` : plain;
  }, "");
}

/**
 * Return whether a finding is about what stands at a path, or below it.
 * @param {string} key
 * @param {string} place
 */
export function isAbout(key, place) {
  return key === place || key.startsWith(`${place}.`) || key.startsWith(`${place}[`);
}

/**
 * Return the part of the form a finding belongs to: the step's number, or the first key.
 * @param {string} key
 * @returns {string}
 */
export function partOf(key) {
  const step = /^steps\[(\d+)\]/.exec(key);
  return step ? `step ${step[1]}` : (/^[A-Za-z0-9_-]+/.exec(key)?.[0] ?? "");
}

// Numbers with units

/**
 * Return number and unit of a text such as "10 cm/min".
 * @param {any} text
 * @returns {{number: string, unit: string}}
 */
export function split(text) {
  const found = /^\s*(\S*?)\s*([A-Za-z%][A-Za-z/%]*)?\s*$/.exec(typeof text === "string" ? text : "");
  return found ? { number: found[1], unit: found[2] ?? "" } : { number: String(text), unit: "" };
}

/**
 * Return the text of a number with its unit; undefined where no number is there.
 * @param {string} number
 * @param {string} unit
 */
export function joined(number, unit) {
  const plain = number.trim().replace(",", ".");
  return plain === "" ? undefined : `${plain} ${unit}`.trim();
}

/**
 * Return the table of a window in common use: by peak and width where both are plain numbers, else by its bounds.
 * @param {{lower_kev: number, upper_kev: number}} usual
 */
export function usualWindow({ lower_kev, upper_kev }) {
  const peak = Number(((lower_kev + upper_kev) / 2).toFixed(4));
  const width = Number(((100 * (upper_kev - lower_kev)) / peak).toFixed(4));
  if (Number.isInteger(width) && Number.isInteger(Number((peak * 10).toFixed(4)))) return { peak: `${peak} keV`, width: `${width} %` };
  return { lower: `${lower_kev} keV`, upper: `${upper_kev} keV` };
}

// Steps

/** @param {string} name @param {string[]} taken */
export function freeName(name, taken) {
  if (!taken.includes(name)) return name;
  const stem = name.replace(/ \d+$/, "");
  for (let number = 2; ; number++) if (!taken.includes(`${stem} ${number}`)) return `${stem} ${number}`;
}

/** @param {any} document @returns {any[]} */
export function stepsOf(document) {
  return Array.isArray(document?.steps) ? document.steps : [];
}

/** @param {any} document */
export function stepNames(document) {
  return stepsOf(document).map((step) => String(step?.name ?? ""));
}

/**
 * Return the document with a new step at the end, as simple as a step can be.
 * @param {any} document
 * @param {string} name
 */
export function withNewStep(document, name) {
  const last = stepsOf(document).at(-1);
  const views = last?.views ? { views: last.views } : last?.view ? { view: last.view } : {};
  const step = { name: freeName(name, stepNames(document)), ...views, start: "manual", stop: { time: "5 min", host: "6 min" } };
  return put(document, ["steps"], [...stepsOf(document), step]);
}

/**
 * Return the document with a step once more behind itself; what says where its numbers come from is doubled as well.
 * @param {any} document
 * @param {number} index
 */
export function withStepTwice(document, index) {
  const steps = stepsOf(document);
  const name = freeName(steps[index].name, stepNames(document));
  const copy = { ...structuredClone(steps[index]), name };
  const next = put(document, ["steps"], [...steps.slice(0, index + 1), copy, ...steps.slice(index + 1)]);
  return withSources(next, (key) => [key, ...renamedKeys(key, steps[index].name, name)]);
}

/** @param {any} document @param {number} index @param {number} by */
export function withStepMoved(document, index, by) {
  const steps = [...stepsOf(document)];
  const to = index + by;
  if (to < 0 || to >= steps.length) return document;
  [steps[index], steps[to]] = [steps[to], steps[index]];
  return put(document, ["steps"], steps);
}

/** @param {any} document @param {number} index */
export function withoutStep(document, index) {
  const name = stepsOf(document)[index]?.name;
  const next = { ...document, steps: stepsOf(document).filter((_, number) => number !== index) };
  return withSources(next, (key) => (ofStep(key, name) === null ? [key] : []));
}

/**
 * Return the document with a step called something else, everywhere it is named.
 * @param {any} document
 * @param {number} index
 * @param {string} name
 */
export function withStepNamed(document, index, name) {
  const before = stepsOf(document)[index]?.name;
  const alone = stepNames(document).filter((each) => each === before).length === 1;
  let next = put(document, ["steps", index, "name"], name);
  if (!alone || !before || !name) return next;
  next = put(next, ["steps"], stepsOf(next).map((step) => (step?.stop?.as_step === before ? put(step, ["stop", "as_step"], name) : step)));
  return withSources(next, (key) => (ofStep(key, before) === null ? [key] : renamedKeys(key, before, name)));
}

/** @param {any} document @param {string} before @param {string} name */
export function withWindowNamed(document, before, name) {
  const windows = Object.fromEntries(Object.entries(document.windows ?? {}).map(([key, value]) => [key === before ? name : key, value]));
  const swapped = (/** @type {any} */ value) => (value === before ? name : value);
  const steps = stepsOf(document).map((step) => ({
    ...step,
    ...(step.windows ? { windows: step.windows.map(swapped) } : {}),
    ...(step.stop?.counts ? { stop: put(step.stop, ["counts", "window"], swapped(step.stop.counts.window)) } : {}),
    ...(step.minimum_counts ? { minimum_counts: put(step.minimum_counts, ["window"], swapped(step.minimum_counts.window)) } : {}),
    ...(step.frame_zero?.window ? { frame_zero: put(step.frame_zero, ["window"], swapped(step.frame_zero.window)) } : {}),
  }));
  let next = { ...document, windows, steps };
  if (document.coincidence?.windows) next = put(next, ["coincidence", "windows"], document.coincidence.windows.map(swapped));
  const prefix = `windows.${before}`;
  return withSources(next, (key) => (key === prefix || key.startsWith(`${prefix}.`) ? [`windows.${name}${key.slice(prefix.length)}`] : [key]));
}

/**
 * @param {any} document
 * @param {(key: string) => string[]} keys  what becomes of a key of the sources
 */
function withSources(document, keys) {
  if (!isTable(document.sources)) return document;
  const pairs = Object.entries(document.sources).flatMap(([key, text]) => keys(key).map((each) => [each, text]));
  return { ...document, sources: Object.fromEntries(pairs) };
}

/** @param {string} key @param {string} name  @returns {string | null} what follows the step's name, null for another's */
function ofStep(key, name) {
  const prefix = `steps.${name}`;
  return key === prefix || key.startsWith(`${prefix}.`) ? key.slice(prefix.length) : null;
}

/** @param {string} key @param {string} before @param {string} name */
function renamedKeys(key, before, name) {
  const rest = ofStep(key, before);
  return rest === null ? [] : [`steps.${name}${rest}`];
}

/**
 * Return what a new protocol begins with.
 * @param {any} document
 * @param {string} id
 * @param {string} title
 */
export function copied(document, id, title) {
  const { schema, id: _, version: __, title: ___, ...rest } = document;
  return { schema: schema ?? "acquisition-protocol/1", id, version: 1, title, ...rest };
}
