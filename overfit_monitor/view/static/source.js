/**
 * Where the pages get what they show: TensorBoard's routes, or the JSON inside a report.
 * No page knows which of the two it is in.
 *
 * @typedef {import("./contract.js").Overview} Overview
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./contract.js").RunPart} RunPart
 * @typedef {import("./contract.js").Comparison} Comparison
 * @typedef {import("./contract.js").Wish} Wish
 * @typedef {{
 *   title: string, written: string, command: string | null, overview: Overview, runs: Record<string, RunDetail>,
 *   left_out?: string[], compare?: Comparison,
 * }} Report The JSON of a report; `left_out` are runs that have a row and nothing else, and `compare` has every pair of
 *   the runs in it.
 * @typedef {{
 *   kind: "tensorboard" | "report",
 *   about: Pick<Report, "title" | "written" | "command"> | null,
 *   overview: (since?: string | null) => Promise<Overview>,
 *   run: (name: string, wish?: Wish) => Promise<RunDetail>,
 *   series: (name: string, wish: Wish, from: number, to: number) => Promise<RunPart>,
 *   compare: (names: string[]) => Promise<Comparison>,
 *   folder: () => Promise<string | null>,
 * }} Source `series` and `run` reject with a `SourceError`; `folder` is what TensorBoard was started with.
 */

import { inReport, REPORT_DATA } from "./host.js";

// The first answer judges every run of the folder, which takes its time.
const PATIENCE_MS = 120_000;

/** An answer that is not the one asked for; ``status`` is 0 where there was none at all. */
export class SourceError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Source} */
export function openSource() {
  return inReport() ? embedded(readReport()) : served(new URL("./", import.meta.url));
}

/**
 * TensorBoard's routes. Addresses are relative to this module, so that a path prefix and an
 * experiment's address keep working.
 * @param {URL} base
 * @returns {Source}
 */
function served(base) {
  /**
   * @param {string} route
   * @param {Record<string, string | number | undefined | null>} [settings]
   */
  const address = (route, settings = {}) => {
    const url = new URL(route, base);
    for (const [name, value] of Object.entries(settings)) if (value) url.searchParams.set(name, String(value));
    return url;
  };
  return {
    kind: "tensorboard",
    about: null,
    overview: (since = null) => get(address("runs", { since })),
    run: (run, wish = {}) => get(address("run", { run, ...wish })),
    series: (run, wish, from, to) => {
      const url = address("series", { run, ...wish });
      url.searchParams.set("from", String(from));
      url.searchParams.set("to", String(to));
      return get(url);
    },
    compare(names) {
      const url = address("compare");
      for (const name of names) url.searchParams.append("run", name);
      return get(url);
    },
    folder: () => get(new URL("../../environment", base)).then((found) => found.data_location || null),
  };
}

/**
 * @param {URL} address
 * @returns {Promise<any>}
 */
async function get(address) {
  let response;
  try {
    response = await fetch(address, {
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { Accept: "application/json" },
    });
  } catch {
    throw new SourceError(0, "TensorBoard does not answer.");
  }
  if (!response.ok) {
    const text = (await response.text()).trim();
    throw new SourceError(response.status, reasonIn(text).slice(0, 300) || `TensorBoard answered with status ${response.status}.`);
  }
  try {
    return await response.json();
  } catch {
    throw new SourceError(response.status, "TensorBoard's answer could not be read.");
  }
}

/** @param {string} text Of an answer that failed: JSON of ours, or a line of TensorBoard's or of a proxy. */
function reasonIn(text) {
  try {
    return String(JSON.parse(text).error ?? text);
  } catch {
    return text;
  }
}

/** @returns {Report} */
function readReport() {
  return JSON.parse(document.getElementById(REPORT_DATA)?.textContent ?? "{}");
}

/**
 * @param {Report} data
 * @returns {Source}
 */
function embedded(data) {
  /** @param {string} name */
  const find = (name) => {
    const found = Object.hasOwn(data.runs, name) ? data.runs[name] : null;
    if (found) return found;
    const kept = Object.keys(data.runs).length;
    const why = data.left_out?.includes(name)
      ? `This report keeps the curves of its ${kept} worst runs only; write one of “${name}” alone to see it.`
      : `This report holds no run “${name}”.`;
    throw new SourceError(404, why);
  };
  return {
    kind: "report",
    about: data,
    overview: async () => data.overview,
    run: async (name) => find(name),
    series: async (name) => find(name),
    async compare(names) {
      const all = data.compare ?? { schema_version: 1, runs: [], comparisons: [] };
      const missing = names.find((name) => !all.runs.some(({ run }) => run === name));
      if (missing !== undefined) throw new SourceError(404, `This report does not compare the run “${missing}”.`);
      const runs = all.runs.filter(({ run }) => names.includes(run));
      const comparisons = all.comparisons.filter(({ base, other }) => names.includes(base) && names.includes(other));
      return { ...all, runs, comparisons };
    },
    folder: async () => null,
  };
}
