// The English texts. Each part of the console has a file of its own here; they are put together below.
import { alarms, hand, interlocks, motion, standing, stopping } from "./en.alarms.js";
import { pictures } from "./en.pictures.js";
import { control } from "./en.control.js";
import { shell } from "./en.shell.js";

export const en = { control, alarms, hand, interlocks, motion, standing, stopping, pictures, shell };
