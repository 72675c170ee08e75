// The English texts. Each part of the console has a file of its own here; they are put together below.
import { acquire } from "./en.acquire.js";
import { alarms, hand, interlocks, motion, standing, stopping } from "./en.alarms.js";
import { pictures } from "./en.pictures.js";
import { control } from "./en.control.js";
import { protocols } from "./en.protocols.js";
import { qc } from "./en.qc.js";
import { pet, probe, room } from "./en.room.js";
import { service } from "./en.service.js";
import { shell } from "./en.shell.js";
import { studies } from "./en.studies.js";
import { adding, banner, giving, identities, setup, worklist } from "./en.worklist.js";

export const en = { adding, banner, giving, identities, setup, worklist, acquire, pet, probe, room, control, alarms, hand, interlocks, motion, standing, stopping, pictures, protocols, qc, service, shell, studies };
