/**
 * The rows of all runs, kept up to date: only what has changed is asked for.
 *
 * @typedef {import("./contract.js").RunRow} RunRow
 * @typedef {(changed: Set<string>, before: Map<string, RunRow>) => void} News What has changed, and all rows before.
 * @typedef {{
 *   rows: () => RunRow[], row: (run: string) => RunRow | undefined, known: () => boolean, unfinished: () => boolean,
 *   refresh: () => Promise<Set<string>>,
 *   onFirst: (callback: () => void) => void, onNews: (callback: News) => void,
 * }} Feed `refresh` gives the names of the runs that have changed or gone; `known` is false before the first
 *   answer, which `onFirst` follows, `onNews`
 *   each later one in which something has changed; `unfinished` while some runs wait for their verdicts.
 */

/**
 * @param {import("./source.js").Source} source
 * @returns {Feed}
 */
export function createFeed(source) {
  /** @type {Map<string, RunRow>} */
  let rows = new Map();
  /** @type {string | null} */
  let token = null;
  let known = false;
  let unfinished = false;
  /** @type {Promise<Set<string>> | null} */
  let under = null;
  /** @type {News[]} */
  const news = [];
  /** @type {(() => void)[]} */
  const first = [];

  async function ask() {
    const changed = new Set();
    let answer;
    do {
      answer = await source.overview(token);
      for (const name of take(answer)) changed.add(name);
    } while (answer.more && answer.runs.length);
    return changed;
  }

  /**
   * @param {import("./contract.js").Overview} answer
   */
  function take(answer) {
    const before = rows;
    const whole = answer.complete ?? true;
    const latest = whole ? new Map() : new Map(rows);
    for (const row of answer.runs) latest.set(row.run, settled(plain(row), before.get(row.run)));
    for (const name of answer.removed ?? []) latest.delete(name);
    const changed = new Set([...latest.keys()].filter((name) => latest.get(name) !== before.get(name)));
    for (const name of before.keys()) if (!latest.has(name)) changed.add(name);
    rows = latest;
    token = answer.token ?? null;
    unfinished = (answer.pending ?? 0) > 0;
    if (!known) for (const callback of first) callback();
    else if (changed.size) for (const callback of news) callback(changed, before);
    known = true;
    return changed;
  }

  return {
    rows: () => [...rows.values()],
    row: (run) => rows.get(run),
    known: () => known,
    unfinished: () => unfinished,
    onFirst: (callback) => void first.push(callback),
    onNews: (callback) => void news.push(callback),
    refresh() {
      // Two who ask at once get one answer.
      under ??= ask().finally(() => (under = null));
      return under;
    },
  };
}

/**
 * The row that is known already where nothing has changed, so that it need not be drawn again.
 * @param {RunRow} row
 * @param {RunRow | undefined} before
 */
function settled(row, before) {
  return before && row.version !== undefined && row.version === before.version ? before : row;
}

/**
 * A run that is not judged yet has no verdict here, whatever stands in its place.
 * @param {RunRow} row
 * @returns {RunRow}
 */
function plain(row) {
  return row.pending ? { ...row, verdict: null, severity: null, message: null, cannot_judge: null } : row;
}
