// The lines of a control chart, of what `qc-trend` says is drawn. Pure.

/**
 * @param {any} drawn
 * @param {(key: string) => string} t
 */
export function drawing(drawn, t) {
  const lines = [{ key: "value", label: t("qc.trend.value"), values: drawn.value, stroke: "--accent", points: true }];
  if (known(drawn.mean)) lines.push(/** @type {any} */ ({ key: "mean", label: t("qc.trend.mean"), values: drawn.mean, stroke: "--quiet", width: 1 }));
  if (drawn.average && known(drawn.average)) {
    lines.push(/** @type {any} */ ({ key: "average", label: t("qc.trend.average"), values: drawn.average, stroke: "--text", width: 2 }));
    lines.push(/** @type {any} */ ({ key: "upper", label: t("qc.trend.upper"), values: drawn.upper, stroke: "--good", dash: [6, 3] }));
    lines.push(/** @type {any} */ ({ key: "lower", label: t("qc.trend.lower"), values: drawn.lower, stroke: "--good", dash: [6, 3] }));
  }
  const levels = drawn.fixed.map((/** @type {[string, number]} */ [level, at]) => ({
    at, label: t(`qc.trend.${level}`), stroke: level === "suspension" ? "--medium" : "--low", dash: [2, 4],
  }));
  const marks = [
    ...drawn.events.map((/** @type {[number, string]} */ [atMs, words]) => ({ atMs, label: short(words), kind: t("qc.trend.event"), stroke: "--quiet", dash: [6, 4] })),
    ...drawn.alarms.map((/** @type {any} */ each) => ({ atMs: each.at_ms, label: t("qc.trend.alarm"), kind: t("qc.trend.alarm"), stroke: "--medium" })),
    ...(drawn.change ? [{ atMs: drawn.change.at_ms, label: t("qc.trend.change"), kind: t("qc.trend.change"), stroke: "--text", dash: [2, 2] }] : []),
  ];
  const sums = drawn.high && known(drawn.high) ? [
    { key: "high", label: t("qc.trend.high"), values: drawn.high, stroke: "--accent" },
    { key: "low", label: t("qc.trend.low"), values: drawn.low, stroke: "--text", dash: [4, 3] },
    { key: "limit", label: t("qc.trend.limit"), values: drawn.limit, stroke: "--good", dash: [6, 3] },
  ] : null;
  return { lines, levels, marks, sums };
}

/** @param {(number | null)[]} values */
function known(values) {
  return values.some((value) => value !== null);
}

/** @param {string} words */
function short(words) {
  return words.length > 28 ? `${words.slice(0, 27)}…` : words;
}
