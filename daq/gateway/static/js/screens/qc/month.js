// The report of a month: made when it is opened.
import { html, useState } from "../../preact.js";
import { t } from "../../strings.js";
import { Card, Field } from "../../ui.js";
import { dayText } from "../../qcwords.js";

export function Month() {
  const [month, setMonth] = useState(dayText(new Date()).slice(0, 7));
  const good = /^\d{4}-(0[1-9]|1[0-2])$/.test(month);
  const place = (/** @type {string} */ kind) => (good ? `/api/v1/files/qc/month/${month}.${kind}` : undefined);
  return html`<${Card} title=${t("qc.month.title")}><div class="stack qc-form"><p>${t("qc.month.text")}</p>
    <${Field} label=${t("qc.month.choose")} type="month" value=${month} onInput=${setMonth} />
  </div><div class="actions"><a class="button" href=${place("pdf")} download>${t("qc.month.pdf")}</a><a class="button primary" href=${place("html")} target="_blank" rel="noopener">${t("qc.month.html")}</a></div><//>`;
}
