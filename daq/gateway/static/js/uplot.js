// The one place that names the library: its types stand in uplot.d.ts.
export { default } from "../vendor/uplot.js";
