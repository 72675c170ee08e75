// Light or dark: as the system has it, or as somebody chose here.
const KEY = "scandaq-theme";

/** @returns {"light" | "dark"} */
export function theme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** Have the page look so. */
export function applyTheme() {
  document.documentElement.dataset.theme = theme();
}

/** Change it, and remember that. */
export function otherTheme() {
  localStorage.setItem(KEY, theme() === "dark" ? "light" : "dark");
  applyTheme();
}
