// The cue as sound: clicks, faster and higher where the rate is. Off until somebody wants it; browsers ask for a press.
import { html, useEffect, useRef, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { click } from "./probefigures.js";

const SHORT_S = 0.03;
const LOUD = 0.3;

/** @param {{level: number}} given */
export function Clicks({ level }) {
  const [on, setOn] = useState(false);
  const now = useRef(level);
  now.current = level;
  useEffect(() => {
    if (!on) return undefined;
    const audio = new AudioContext();
    /** @type {ReturnType<typeof setTimeout>} */
    let next;
    const beat = () => {
      const { hz, everyS } = click(now.current);
      if (now.current > 0) sound(audio, hz);
      next = setTimeout(beat, everyS * 1000);
    };
    beat();
    return () => {
      clearTimeout(next);
      void audio.close();
    };
  }, [on]);
  return html`<button type="button" aria-pressed=${on} onClick=${() => setOn(!on)}>${t(on ? "probe.soundOn" : "probe.sound")}</button>`;
}

/** @param {AudioContext} audio @param {number} hz */
function sound(audio, hz) {
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = hz;
  volume.gain.setValueAtTime(LOUD, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + SHORT_S);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + SHORT_S);
}
