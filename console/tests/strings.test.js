import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { en } from "../../daq/gateway/static/js/strings/en.js";

const ROOT = fileURLToPath(new URL("../../daq/gateway/static/js/", import.meta.url));

/** @param {string} folder @returns {string[]} */
function modules(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return modules(path);
    return entry.name.endsWith(".js") ? [path] : [];
  });
}

const TEXTS = new Map(modules(ROOT).map((path) => [relative(ROOT, path), readFileSync(path, "utf-8")]));

/** @param {string} key */
function found(key) {
  return key.split(".").reduce((/** @type {any} */ place, part) => place?.[part], en);
}

test("every text that is asked for is in the catalogue", () => {
  for (const [name, text] of TEXTS) {
    for (const [, key] of text.matchAll(/\bt\(\s*"([\w.-]+)"/g)) assert.equal(typeof found(key), "string", `${name}: ${key}`);
    for (const [, stem] of text.matchAll(/\bt\(\s*`([\w.-]*)\.\$\{/g)) assert.equal(typeof found(stem), "object", `${name}: ${stem}`);
  }
});

test("no text of the catalogue is empty", () => {
  const walk = (/** @type {any} */ place, /** @type {string} */ path) => {
    for (const [name, value] of Object.entries(place)) {
      if (typeof value === "object") walk(value, `${path}${name}.`);
      else assert.ok(typeof value === "string" && value.trim(), `${path}${name}`);
    }
  };
  walk(en, "");
});

test("every module that is imported is there", () => {
  for (const [name, text] of TEXTS) {
    for (const [, place] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      if (place.includes("/vendor/")) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(name), place));
      assert.ok(TEXTS.has(target), `${name} imports ${place}`);
    }
  }
});

test("a screen imports from below only, never another screen", () => {
  for (const [name, text] of TEXTS) {
    if (!name.startsWith("widgets/")) continue;
    assert.doesNotMatch(text, /from\s+"[^"]*screens\//, name);
  }
});
