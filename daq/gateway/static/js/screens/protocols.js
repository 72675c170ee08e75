// Protocols: their list, one of them, and the form that changes it.
import { html } from "../preact.js";
import { Editor } from "./protocols/editor.js";
import { List } from "./protocols/list.js";
import { Page } from "./protocols/page.js";

/** @param {{path: string[]}} given */
export default function Protocols({ path }) {
  const [id, what] = path;
  if (!id) return html`<${List} />`;
  return what === "edit" ? html`<${Editor} key=${id} id=${id} />` : html`<${Page} key=${id} id=${id} />`;
}
