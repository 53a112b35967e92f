/**
 * The two routes of the plugin. Addresses are relative to this module, so that a path
 * prefix and an experiment's address keep working.
 *
 * @typedef {{train: string | null, val: string | null, mode: "min" | "max"}} Metrics
 * @typedef {{
 *   run: string, verdict: string, severity: string | null,
 *   onset_step: number | null, alarm_step: number | null, best_step: number | null, stop_step: number | null,
 *   metrics: Metrics, train_tag: string | null, val_tag: string | null,
 *   recommendation: string | null, message: string | null, sampled: boolean, steps: number | null,
 *   sparkline: (number | null)[], alerts: number,
 * }} RunRow
 * @typedef {{schema_version: number, runs: RunRow[], generated: unknown}} Overview
 * @typedef {{
 *   id: string, severity: string, message: string,
 *   onset_step?: number | null, alarm_step?: number | null, evidence?: Record<string, unknown>,
 * }} Finding
 * @typedef {Finding & {step: number}} Alert
 * @typedef {{
 *   id: string, title: string, why: string, change: Record<string, unknown>,
 *   code: string, caution: string, source: string,
 * }} Recommendation
 * @typedef {{
 *   verdict: string, run: string | null, step: number | null, best_step: number | null,
 *   onset_step: number | null, alarm_step: number | null, stop_step: number | null, metrics: Metrics,
 *   findings: Finding[], recommendations: Recommendation[],
 *   not_judged: {id: string, reason: string}[], notes: string[],
 * }} Diagnosis
 * @typedef {[number, number | null][]} Points
 * @typedef {{
 *   diagnosis: Diagnosis, series: {train: Points, val: Points, gap: Points}, alerts: Alert[],
 *   alerts_recorded: boolean, sampled: boolean, tags: {train: string | null, val: string | null}, choices: string[],
 * }} RunDetail
 * @typedef {{train: string | null, val: string}} Pair
 */

const BASE = new URL("./", import.meta.url);
// The first answer judges every run of the folder, which takes its time.
const PATIENCE_MS = 120_000;

/** An answer that is not the one asked for; ``status`` is 0 where there was none at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Promise<Overview>} */
export function fetchOverview() {
  return get(new URL("runs", BASE));
}

/**
 * @param {string} run
 * @param {Pair | null} pair Curves to compare instead of those that were chosen by their names.
 * @returns {Promise<RunDetail>}
 */
export function fetchRun(run, pair) {
  const address = new URL("run", BASE);
  address.searchParams.set("run", run);
  if (pair) address.searchParams.set("val", pair.val);
  if (pair?.train) address.searchParams.set("train", pair.train);
  return get(address);
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
    throw new ApiError(0, "TensorBoard does not answer.");
  }
  if (!response.ok) {
    const text = (await response.text()).trim().slice(0, 300);
    throw new ApiError(response.status, text || `TensorBoard answered with status ${response.status}.`);
  }
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status, "TensorBoard's answer could not be read.");
  }
}
