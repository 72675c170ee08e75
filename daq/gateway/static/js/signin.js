// Signing in, once per shift; and why somebody was signed out.
import { html, useState } from "./preact.js";
import { signIn, useSession } from "./session.js";
import { t } from "./strings.js";
import { Card, Field, Notice, sentence } from "./ui.js";
import { StopButton } from "./widgets/stopping.js";

export function SignIn() {
  const who = useSession();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setWrong("");
    await signIn(user, password).catch((problem) => setWrong(sentence(problem)));
    setPassword("");
    setBusy(false);
  };
  return html`<main class="sign-in"><div class="stack">
    ${who?.ended && html`<${Notice} level="medium" role="status"><span>${t("control.ended", { why: who.ended })}</span><${StopButton} /><//>`}
    <${Card}><form class="stack" onSubmit=${submit}>
      <h1>${t("shell.signInTitle", { station: who?.station ?? "" })}</h1>
      <${Field} label=${t("shell.user")} value=${user} onInput=${setUser} autocomplete="username" required />
      <${Field} label=${t("shell.password")} value=${password} onInput=${setPassword} type="password" autocomplete="current-password" wrong=${wrong} required />
      <div class="row"><button type="submit" class="primary" aria-busy=${busy || undefined}>${t("shell.signIn")}</button></div>
      <p class="quiet">${t("shell.signInLink")}</p>
    </form><//>
  </div></main>`;
}
