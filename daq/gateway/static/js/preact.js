// The one place that names the library: its types stand in preact.d.ts.
export * from "../vendor/preact-htm.js";
