// Reads an AsyncAPI document on standard input; prints what the parser finds wrong, one JSON list.
import { Parser } from "@asyncapi/parser";
import { text } from "node:stream/consumers";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const found = diagnostics.map((one) => ({ severity: one.severity, path: one.path.join("."), message: one.message }));
console.log(JSON.stringify({ valid: document !== undefined, version: document?.version(), found }));
