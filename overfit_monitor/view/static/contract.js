/**
 * The JSON that the pages show, as types. Nothing here runs. What each field means stands in
 * docs/decisions/0016-one-view.md; what is said of a diagnosis, in overfit_monitor/records.py.
 *
 * @typedef {"min" | "max"} Mode
 * @typedef {{train: string | null, val: string | null, mode: Mode, also?: Record<string, Mode>}} Metrics
 * @typedef {{
 *   run: string, version: string | number, pending?: boolean, verdict: string | null, severity: string | null,
 *   onset_step: number | null, alarm_step: number | null, best_step: number | null, stop_step: number | null,
 *   last_step: number | null, evaluations: number, metrics: Metrics, train_tag: string | null, val_tag: string | null,
 *   best_value: number | null, last_value: number | null, loss_lost: number | null, noise: number | null,
 *   recommendation: string | null, message: string | null, cannot_judge: string | null, sampled: boolean,
 *   sparkline: (number | null)[], sparkline_train: (number | null)[], alerts: number, last_time: number | null,
 * }} RunRow `feed.js` puts null for a verdict that is still to come.
 * @typedef {{
 *   schema_version: number, token: string, complete: boolean, runs: RunRow[], removed: string[],
 *   total?: number, pending?: number, more?: boolean,
 * }} Overview With `complete` false only what has changed since the token that was sent.
 *
 * @typedef {{steps: number[], values: (number | null)[], times: number[] | null}} Curve
 * @typedef {{steps: number[], low: (number | null)[], high: (number | null)[]}} Band
 * @typedef {{steps: number[], values: (number | null)[]}} Limit
 * @typedef {{name: string, steps: number[], values: (number | null)[], limit: number | null}} Test
 * @typedef {{kind: string, step: number, to_step: number | null, title: string, text: string}} Mark
 * @typedef {{
 *   train: Curve, val: Curve, gap: Curve,
 *   like_for_like_gap: Curve | null, probe: Curve | null, learning_rate: Curve | null,
 * }} SeriesOfRun
 *
 * @typedef {{
 *   id: string, severity: string, message: string,
 *   onset_step?: number | null, alarm_step?: number | null, onset_range?: [number, number] | null,
 *   evidence?: Record<string, unknown>, speaks_for?: string[], speaks_against?: string[], experiment?: string,
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
 *   membership?: Record<string, unknown> | null,
 * }} Diagnosis
 * @typedef {{
 *   id: string, step: number | null, before: Record<string, unknown>, after: Record<string, unknown>,
 *   undone_step: number | null,
 * }} AppliedChange
 * @typedef {{
 *   schema_version: number, run: string, version: string | number, source: string | null, diagnosis: Diagnosis,
 *   series: SeriesOfRun, band: Band | null, limit: Limit | null, test: Test | null, marks: Mark[],
 *   alerts: Alert[], alerts_recorded: boolean, examples: Record<string, any> | null,
 *   membership: Record<string, any> | null, sampled: boolean, exact: boolean, exact_possible: boolean,
 *   tags: {train: string | null, val: string | null}, choices: string[], applied: AppliedChange[],
 * }} RunDetail
 * @typedef {{series: SeriesOfRun, band: Band | null, limit: Limit | null}} RunPart
 *
 * @typedef {RunRow & {series: {val: Curve, train: Curve, gap: Curve}, applied?: AppliedChange[]}} ComparedRun
 * @typedef {{
 *   base: string, other: string, difference: number | null, relative: number | null,
 *   standard_error: number | null, sure: boolean | null, reason: string | null,
 * }} Pairing `difference` is oriented: above 0, `other` is worse.
 * @typedef {{schema_version: number, runs: ComparedRun[], comparisons: Pairing[]}} Comparison The best run first.
 *
 * @typedef {{train?: string, val?: string, mode?: string, exact?: string}} Wish What to compare instead of what
 *   the names say, and whether to read every point.
 */

export {};
