// What an alarm is called in the few words that a chip has. Pure.

/** By the name of the alarm; those of one thing among many, such as `verdict-RUN`, by how the name begins or ends. */
const NAMED = /** @type {Record<string, string>} */ ({
  "readout-lost": "recordingStopped", "recording-failed": "recordingFailed", "daemon-fault": "programFault", "readout-silent": "recordingSilent",
  "motion-lost": "motionLost", "moved-by-itself": "movedByItself", "not-halted": "notHalted", overtravel: "overtravel", "place-unknown": "placeUnknown",
  "patient-idle": "patientWaits", "taken-down": "voltageDown", "not-lowered": "voltageUp", "not-taken-back": "voltageUp", "no-beats": "noBeats",
  "no-beats-recorded": "noBeats", "no-beats-accepted": "beatsOutside", "beats-outside": "beatsOutside", "too-few-counts": "fewCounts", "front-end-silent": "noData",
  "words-missing": "dataLost", "arming-expires": "armingExpires", "after-injection": "uptakeTime", "sweep-speed": "sweepSpeed", "not-handed-over": "handOver",
  "clock-start": "clockStart", "places-lost": "placesLost", "broker-lost": "brokerLost", rate: "qcRate", "physicist-called": "physicist", disk: "diskFull",
});
const BEGINS = [["verdict", "verdict"], ["not-finished", "notFinished"], ["level-", "qcLevel"], ["not-analysed-", "notAnalysed"], ["service-", "programPart"]];
const ENDS = [["-silent", "deviceSilent"], ["-down", "deviceSilent"], ["-open", "open"], ["-trip", "trip"], ["-limits", "limits"], ["-warning", "limits"], ["-drift", "drift"]];

/**
 * The key of its short name among `alarms.short`; null for an alarm that has none, which is then called by its text.
 * @param {{name: string}} alarm
 * @returns {string | null}
 */
export function shortKey({ name }) {
  const found = NAMED[name] ?? BEGINS.find(([begin]) => name.startsWith(begin))?.[1] ?? ENDS.find(([end]) => name.endsWith(end))?.[1];
  return found ?? null;
}
