/** The table of all runs, the worst first. */

import { h } from "./dom.js";
import { noMatch, noneJudged, noRuns } from "./empty.js";
import { curveName, sentence, step } from "./format.js";
import { sparkline } from "./sparkline.js";
import { badge, icon, severityMark, severityRank, VERDICT_NAMES, verdictLabel, verdictRank } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunRow} RunRow
 * @typedef {(a: RunRow, b: RunRow) => number} Order
 * @typedef {{id: string, title: string, numeric?: boolean, order?: Order, cell: (run: RunRow, router: import("./router.js").Router) => Node | string}} Column
 */

const PAGE = 200;

/** @type {Order} */
const byName = (a, b) => a.run.localeCompare(b.run, "en", { numeric: true });

/** @type {Order} */
const worstFirst = (a, b) =>
  severityRank(b.severity) - severityRank(a.severity) ||
  verdictRank(a.verdict) - verdictRank(b.verdict) ||
  byName(a, b);

/**
 * Ascending; unknown steps stay at the end.
 * @param {(run: RunRow) => number | null} pick
 * @returns {Order}
 */
const byNumber = (pick) => (a, b) => (pick(a) ?? Infinity) - (pick(b) ?? Infinity) || worstFirst(a, b);

/**
 * @param {(run: RunRow) => string} pick
 * @returns {Order}
 */
const byText = (pick) => (a, b) => pick(a).localeCompare(pick(b), "en", { numeric: true }) || worstFirst(a, b);

/** @param {RunRow} run */
const metricText = (run) => [run.train_tag, run.val_tag].filter(Boolean).join(" ");

/** @param {RunRow} run */
const advice = (run) => run.recommendation ?? run.message ?? "";

/** @type {Column[]} */
const COLUMNS = [
  { id: "verdict", title: "Verdict", order: worstFirst, cell: (run) => badge(run.verdict) },
  { id: "run", title: "Run", order: byName, cell: runCell },
  {
    id: "severity",
    title: "Severity",
    order: (a, b) => severityRank(b.severity) - severityRank(a.severity) || byName(a, b),
    cell: (run) => severityMark(run.severity),
  },
  {
    id: "onset",
    title: "Onset",
    numeric: true,
    order: byNumber((run) => run.onset_step),
    cell: (run) => step(run.onset_step),
  },
  {
    id: "best",
    title: "Best step",
    numeric: true,
    order: byNumber((run) => run.best_step),
    cell: (run) => step(run.best_step),
  },
  { id: "metric", title: "Compared", order: byText(metricText), cell: metricCell },
  {
    id: "advice",
    title: "First recommendation",
    order: byText((run) => run.recommendation ?? "\uffff"),
    cell: adviceCell,
  },
  { id: "spark", title: "Validation", cell: (run) => sparkline(run.sparkline, run.metrics.mode) },
];

/**
 * @param {import("./shell.js").Context} context
 * @returns {import("./shell.js").Page}
 */
export function createOverview({ feed, router }) {
  /** @type {RunRow[]} */
  let runs = [];
  const open = (/** @type {string} */ run) => router.change({ run });
  let sorted = { id: "verdict", down: false };
  let query = "";
  let limit = PAGE;
  /** @type {Set<string>} */
  const wanted = new Set();

  const filter = /** @type {HTMLInputElement} */ (
    h("input", {
      type: "search",
      class: "filter",
      placeholder: "Filter runs",
      "aria-label": "Filter runs",
      input: onFilter,
    })
  );
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Show verdicts" });
  const notice = h("div", {});
  const body = h("tbody", {});
  const heads = COLUMNS.map((column) => headCell(column, () => sortBy(column.id)));
  const table = h("table", { class: "runs" }, h("thead", {}, h("tr", {}, ...heads)), body);
  const below = h("div", { class: "below" });
  const status = h("span", { class: "quiet count", role: "status" });
  const bar = h("div", { class: "toolbar" }, chips, h("span", { class: "push" }), status, filter);
  const element = h("div", { class: "overview" }, bar, notice, h("div", { class: "scroll" }, table), below);

  function onFilter() {
    query = filter.value.trim().toLowerCase();
    limit = PAGE;
    draw();
  }

  /** @param {string} id */
  function sortBy(id) {
    sorted = { id, down: sorted.id === id && !sorted.down };
    draw();
  }

  /** @param {string} verdict */
  function toggle(verdict) {
    if (!wanted.delete(verdict)) wanted.add(verdict);
    draw();
  }

  function clear() {
    filter.value = query = "";
    wanted.clear();
    draw();
    filter.focus();
  }

  function draw() {
    const focused = document.activeElement?.closest("[data-run]")?.getAttribute("data-run");
    const order = COLUMNS.find((column) => column.id === sorted.id)?.order ?? worstFirst;
    const shown = runs.filter(matches).sort(order);
    if (sorted.down) shown.reverse();
    body.replaceChildren(...shown.slice(0, limit).map((run) => row(run, open, router)));
    heads.forEach((head, i) => {
      const mine = COLUMNS[i].id === sorted.id;
      if (COLUMNS[i].order) head.setAttribute("aria-sort", mine ? (sorted.down ? "descending" : "ascending") : "none");
    });
    chips.replaceChildren(...verdictChips());
    bar.hidden = table.hidden = runs.length === 0;
    table.hidden = shown.length === 0;
    status.textContent = shown.length < runs.length ? `${shown.length} of ${runs.length} runs` : "";
    notice.replaceChildren(...(runs.length ? [noneJudged(runs)] : [noRuns()]).filter((part) => part !== null));
    below.replaceChildren(...underneath(shown.length));
    if (focused) focusRun(focused);
  }

  /** @param {number} count */
  function underneath(count) {
    if (runs.length && !count) return [noMatch(query, clear)];
    if (count <= limit) return [];
    const more = () => {
      limit = Infinity;
      draw();
    };
    return [h("button", { type: "button", class: "plain", click: more }, `Show all ${count} runs`)];
  }

  function verdictChips() {
    return VERDICT_NAMES.map((verdict) => {
      const count = runs.filter((run) => run.verdict === verdict).length;
      if (!count) return null;
      const attributes = {
        type: "button",
        class: "chip",
        "data-verdict": verdict,
        "aria-pressed": String(wanted.has(verdict)),
      };
      const label = h("span", { class: "chip-label" }, verdictLabel(verdict));
      return h("button", { ...attributes, click: () => toggle(verdict) }, icon(verdict), h("b", {}, count), label);
    }).filter((chip) => chip !== null);
  }

  /** @param {RunRow} run */
  function matches(run) {
    if (wanted.size && !wanted.has(run.verdict)) return false;
    const text = `${run.run} ${run.verdict} ${run.severity ?? ""} ${metricText(run)} ${advice(run)}`.toLowerCase();
    return query.split(/\s+/).every((word) => text.includes(word));
  }

  /** @param {string} run */
  function focusRun(run) {
    const link = [...body.querySelectorAll("a[data-run]")].find((item) => item.getAttribute("data-run") === run);
    if (link instanceof HTMLElement) link.focus();
  }

  function update() {
    runs = feed.rows();
    draw();
  }
  update();
  return { element, update, redraw: () => {}, close: () => {}, focus: () => filter.focus() };
}

/**
 * @param {Column} column
 * @param {() => void} sort
 */
function headCell(column, sort) {
  const attributes = { scope: "col", class: `col-${column.id}${column.numeric ? " numeric" : ""}` };
  if (!column.order) return h("th", attributes, column.title);
  const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
  return h("th", attributes, h("button", { type: "button", click: sort }, column.title, arrow));
}

/**
 * @param {RunRow} run
 * @param {(run: string) => void} open
 * @param {import("./router.js").Router} router
 */
function row(run, open, router) {
  const choose = (/** @type {Event} */ event) => {
    const mouse = /** @type {MouseEvent} */ (event);
    // A new tab, or text being selected: leave it to the browser.
    if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey || String(getSelection())) return;
    event.preventDefault();
    open(run.run);
  };
  const cells = COLUMNS.map((column) =>
    h("td", { class: `col-${column.id}${column.numeric ? " numeric" : ""}` }, column.cell(run, router)),
  );
  return h("tr", { click: choose, "data-verdict": run.verdict }, ...cells);
}

/**
 * @param {RunRow} run
 * @param {import("./router.js").Router} router
 */
function runCell(run, router) {
  const name = run.run === "." || run.run === "" ? "(log folder itself)" : run.run;
  const link = h("a", { href: router.addressOf({ run: run.run }), target: "_top", "data-run": run.run, title: run.run }, name);
  const { alerts } = run;
  return h(
    "div",
    { class: "run-cell" },
    link,
    alerts
      ? h(
          "span",
          { class: "tag", title: "Alerts raised while the run was watched" },
          alerts === 1 ? "1 alert" : `${alerts} alerts`,
        )
      : null,
    run.sampled ? h("span", { class: "tag", title: "Judged from a sample of the points" }, "sampled") : null,
  );
}

/** @param {RunRow} run */
function metricCell(run) {
  if (!run.train_tag && !run.val_tag) return h("span", { class: "quiet" }, "nothing found");
  const missing = { val: "no validation", train: "no train" };
  const names = /** @type {const} */ (["val", "train"]).map((split) => {
    const tag = run[`${split}_tag`];
    const name = curveName(split, tag, run.metrics) ?? missing[split];
    return h("span", { class: tag ? `ink-${split}` : "quiet", title: tag ?? "" }, name);
  });
  return h("div", { class: "pair" }, ...names);
}

/** @param {RunRow} run */
function adviceCell(run) {
  if (run.recommendation) return h("span", { title: run.message ?? "" }, run.recommendation);
  if (run.verdict === "inconclusive" && run.message)
    return h("span", { class: "quiet" }, `Cannot judge: ${run.message}`);
  return h("span", { class: "quiet" }, run.verdict === "healthy" ? "nothing to change" : sentence(run.message ?? ""));
}
