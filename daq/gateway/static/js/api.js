// Asking the daemon and telling it: HTTP with JSON. What is refused comes as a Problem with a sentence for people.

/** What went wrong, in words. */
export class Problem extends Error {
  /** @param {{detail: string, status: number, kind?: string, exit_code?: number, title?: string}} told */
  constructor(told) {
    super(told.detail);
    this.status = told.status;
    this.kind = told.kind ?? "";
    this.exitCode = told.exit_code ?? 1;
    this.title = told.title ?? "";
  }
}

const WITHIN_MS = 30_000;

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {Record<string, string>} [headers]
 * @param {number} [withinMs]
 * @returns {Promise<any>}
 */
export async function request(method, path, body, headers = {}, withinMs = WITHIN_MS) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(withinMs),
    });
  } catch (why) {
    const late = why instanceof DOMException && why.name === "TimeoutError";
    throw new Problem({
      status: 0,
      kind: late ? "DeadlineError" : "UnreachableError",
      detail: late ? `No answer within ${withinMs / 1000} s.` : "The station cannot be reached from this browser.",
    });
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem({ status: answer.status, detail: told.detail ?? `Refused (${answer.status}).`, ...told });
  return told;
}

/**
 * Ask for something that changes nothing.
 * @param {string} verb
 * @param {object} [args]
 */
export function ask(verb, args = {}) {
  return request("POST", `/api/v1/ask/${verb}`, args);
}

const MOST_LOST = 3;
const PAUSE_MS = 300;

/**
 * Have something done. The key makes it happen once, however often it is sent: it is sent again where the network failed
 * on the way, and where the station says that it is still under way.
 * @param {string} verb
 * @param {object} [args]
 * @param {{key?: string, withinMs?: number, headers?: Record<string, string>}} [how]
 */
export async function command(verb, args = {}, { key = crypto.randomUUID(), withinMs = 120_000, headers = {} } = {}) {
  const untilMs = performance.now() + withinMs;
  for (let lost = 0; ; ) {
    const leftMs = Math.max(1000, untilMs - performance.now());
    try {
      const told = await request("POST", `/api/v1/commands/${verb}`, args, { ...headers, "Idempotency-Key": key }, leftMs);
      if (!(told.accepted === true && told.key === key)) return told;
      if (performance.now() > untilMs) throw new Problem({ status: 0, kind: "DeadlineError", detail: `Not done within ${withinMs / 1000} s; it goes on.` });
    } catch (problem) {
      lost += 1;
      if (!(problem instanceof Problem) || problem.kind !== "UnreachableError" || problem.status !== 0 || lost > MOST_LOST) throw problem;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * lost));
    }
  }
}
