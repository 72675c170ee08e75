// The English texts. Each part of the console has a file of its own here; they are put together below.
import { shell } from "./en.shell.js";

export const en = { shell };
