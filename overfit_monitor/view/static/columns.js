/** The columns of the table of runs: what stands in them, and how they sort. */

import { h } from "./dom.js";
import { counted, curveName, NONE, number, percent, runName, sentence, step } from "./format.js";
import { sparkline } from "./sparkline.js";
import { badge, severityMark, severityRank, verdictRank } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunRow} RunRow
 * @typedef {(a: RunRow, b: RunRow) => number} Order
 * @typedef {{
 *   id: string, title: string, hint?: string, numeric?: boolean, down?: boolean,
 *   value?: (run: RunRow) => string | number | null, order?: Order,
 *   cell: (run: RunRow, address: (run: string) => string) => Node | string,
 * }} Column `value` sorts, with what is unknown at the end either way; with `down` the largest first. `order` sorts
 *   by more than a value.
 */

/** @type {Order} */
const byName = (a, b) => a.run.localeCompare(b.run, "en", { numeric: true });

/** @type {Order} */
export const worstFirst = (a, b) =>
  severityRank(b.severity) - severityRank(a.severity) ||
  verdictRank(a.verdict) - verdictRank(b.verdict) ||
  (b.loss_lost ?? -1) - (a.loss_lost ?? -1) ||
  byName(a, b);

/** @type {Column[]} */
export const COLUMNS = [
  {
    id: "verdict",
    title: "Verdict",
    hint: "The worst first: by severity, verdict and loss lost",
    order: worstFirst,
    cell: (run) => badge(run.verdict),
  },
  { id: "run", title: "Run", order: byName, cell: runCell },
  {
    id: "spark",
    title: "Curves",
    hint: "Validation, train fainter; the dot is the best validation value",
    cell: (run) => sparkline(run.sparkline, run.sparkline_train ?? [], run.metrics.mode),
  },
  {
    id: "severity",
    title: "Severity",
    down: true,
    value: (run) => severityRank(run.severity),
    cell: (run) => severityMark(run.severity),
  },
  {
    id: "onset",
    title: "Onset",
    hint: "Step at which it began",
    numeric: true,
    value: (run) => run.onset_step,
    cell: (run) => step(run.onset_step),
  },
  {
    id: "best",
    title: "Best step",
    hint: "The checkpoint to keep",
    numeric: true,
    value: (run) => run.best_step,
    cell: (run) => step(run.best_step),
  },
  {
    id: "lost",
    title: "Lost since best",
    hint: "How much worse the last validation value is than the best",
    numeric: true,
    down: true,
    value: (run) => run.loss_lost,
    cell: lostCell,
  },
  {
    id: "noise",
    title: "Noise",
    hint: "How much validation varies from evaluation to evaluation without a trend, as a share of the best value",
    numeric: true,
    down: true,
    value: (run) => run.noise,
    cell: (run) => (known(run.noise) ? `±${percent(run.noise)}` : NONE),
  },
  {
    id: "advice",
    title: "First recommendation",
    value: (run) => run.recommendation,
    cell: adviceCell,
  },
];

/**
 * The rows as a setting such as ``best`` or ``-best`` (downwards) orders them.
 * @param {RunRow[]} rows
 * @param {{id: string, down: boolean}} sort
 */
export function sorted(rows, { id, down }) {
  const column = COLUMNS.find((item) => item.id === id);
  const sign = down ? -1 : 1;
  const { value, order = worstFirst } = column ?? {};
  if (!value) return [...rows].sort((a, b) => sign * order(a, b));
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a) ?? null, value(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || worstFirst(a, b);
    const difference = typeof x === "number" ? x - Number(y) : x.localeCompare(String(y), "en", { numeric: true });
    return sign * difference || worstFirst(a, b);
  });
}

/** What the filter looks through. @type {WeakMap<RunRow, string>} */
const texts = new WeakMap();

/** @param {RunRow} run */
export function textOf(run) {
  const known = texts.get(run);
  if (known !== undefined) return known;
  const parts = [run.run, run.verdict ?? "pending", run.severity, run.train_tag, run.val_tag];
  const text = [...parts, adviceText(run), run.sampled && "sampled"].filter(Boolean).join(" ").toLowerCase();
  texts.set(run, text);
  return text;
}

/** @param {number | null | undefined} value */
const known = (value) => value !== null && value !== undefined;

/** @param {RunRow} run */
function adviceText(run) {
  if (run.verdict === null) return "";
  if (run.recommendation) return run.recommendation;
  const why = run.cannot_judge ?? (run.verdict === "inconclusive" ? run.message : null);
  if (why) return `Cannot judge: ${why}`;
  const plain = run.verdict === "healthy" && (run.severity === null || run.severity === "info");
  return plain ? "Nothing to change" : sentence(run.message ?? "");
}

/** @param {RunRow} run */
function adviceCell(run) {
  if (run.verdict === null) return h("span", { class: "quiet" }, "Not judged yet");
  const text = adviceText(run);
  return h("span", { class: run.recommendation ? "" : "quiet", title: run.message ?? text }, text);
}

/**
 * @param {RunRow} run
 * @param {(run: string) => string} address
 */
function runCell(run, address) {
  const name = runName(run.run);
  const link = h("a", { href: address(run.run), target: "_top", title: name }, name);
  return h(
    "div",
    { class: "run-cell" },
    h(
      "div",
      { class: "run-name" },
      link,
      run.alerts
        ? h("span", { class: "tag", title: "Alerts raised while the run was watched" }, counted(run.alerts, "alert"))
        : null,
      run.sampled
        ? h("span", { class: "tag", title: "Judged from the sample of its points that TensorBoard keeps" }, "sampled")
        : null,
    ),
    h("div", { class: "pair quiet" }, pairText(run)),
  );
}

/** @param {RunRow} run */
export function pairText(run) {
  const val = curveName("val", run.val_tag, run.metrics);
  const train = curveName("train", run.train_tag, run.metrics);
  if (!val && !train) return "no train or validation metric";
  return `${val ?? "no validation"} / ${train ?? "no train"}`;
}

/** @param {RunRow} run */
function lostCell(run) {
  const lost = run.loss_lost;
  if (!known(lost)) return NONE;
  const share = Math.min(1, Math.max(0, Number(lost)));
  const bar = h("i", { class: "lost-bar", "aria-hidden": "true" });
  bar.hidden = share < 0.02;
  bar.style.width = `${Math.round(100 * share)}%`;
  const title = `Best ${number(run.best_value)} at step ${step(run.best_step)}, last ${number(run.last_value)}`;
  return h("span", { class: "lost", title }, bar, h("span", {}, percent(lost)));
}
