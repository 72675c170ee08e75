// What the screen is like, for what a style sheet cannot say: such as how high a chart is drawn.
import { useEffect, useState } from "../preact.js";

/** Whether the screen is so, now and when it changes. @param {string} media */
export function useMatches(media) {
  const [is, setIs] = useState(() => matchMedia(media).matches);
  useEffect(() => {
    const asked = matchMedia(media);
    const look = () => setIs(asked.matches);
    look();
    asked.addEventListener("change", look);
    return () => asked.removeEventListener("change", look);
  }, [media]);
  return is;
}
