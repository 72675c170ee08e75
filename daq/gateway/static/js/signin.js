// Signing in, once per shift.
import { html, useState } from "./preact.js";
import { signIn, useSession } from "./session.js";
import { t } from "./strings.js";
import { Card, Field, sentence } from "./ui.js";

export function SignIn() {
  const who = useSession();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setWrong("");
    await signIn(user, password).catch((problem) => setWrong(sentence(problem)));
  };
  return html`<main class="sign-in"><${Card}>
    <form class="stack" onSubmit=${submit}>
      <h1>${t("shell.signInTitle", { station: who?.station ?? "" })}</h1>
      <${Field} label=${t("shell.user")} value=${user} onInput=${setUser} autocomplete="username" required />
      <${Field} label=${t("shell.password")} value=${password} onInput=${setPassword} type="password" autocomplete="current-password" wrong=${wrong} required />
      <button type="submit" class="primary">${t("shell.signIn")}</button>
      <p class="quiet">${t("shell.signInLink")}</p>
    </form>
  <//></main>`;
}
