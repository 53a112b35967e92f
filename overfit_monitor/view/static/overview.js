/** The table of all runs, the worst first. */

import { COLUMNS, sorted, textOf } from "./columns.js";
import { h } from "./dom.js";
import { saveJson, saveTable } from "./download.js";
import { noMatch, noneJudged, noRuns } from "./empty.js";
import { counted, runName } from "./format.js";
import { sign } from "./icons.js";
import { joined, parted } from "./router.js";
import { createRows } from "./rows.js";
import { icon, PENDING, VERDICT_NAMES, verdictLabel } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunRow} RunRow
 * @typedef {import("./router.js").State} State
 */

// As style/overview.css has it.
const ROW_HEIGHT = 50;
const TYPING_MS = 250;
// As many as the server compares.
export const MOST_COMPARED = 50;

/**
 * @param {import("./shell.js").Context} context
 * @returns {import("./shell.js").Page}
 */
export function createOverview({ feed, router }) {
  /** @type {RunRow[]} */
  let shown = [];
  let active = 0;
  let typing = 0;

  const filter = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", class: "filter", placeholder: "Filter runs", "aria-label": "Filter runs", input: typed })
  );
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Show verdicts" });
  const status = h("span", { class: "quiet count", role: "status" });
  const choice = h("div", { role: "region", "aria-label": "Chosen runs" });
  const notice = h("div", {});
  const body = h("tbody", { click: clicked, change: ticked, focusin: visited });
  const heads = COLUMNS.map(headCell);
  const every = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", "aria-label": `Compare all runs shown, ${MOST_COMPARED} at most`, title: "Choose all that are shown", change: chooseShown }));
  const check = h("th", { scope: "col", class: "col-check" }, h("label", {}, every));
  const table = h(
    "table",
    { class: "runs" },
    h("caption", { class: "unseen" }, "All runs, their verdicts and what to do. Arrow keys move from run to run."),
    h("colgroup", {}, ...["check", ...COLUMNS.map(({ id }) => id)].map((id) => h("col", { class: `col-${id}` }))),
    h("thead", {}, h("tr", { "aria-rowindex": 1 }, check, ...heads)),
    body,
  );
  const below = h("div", {});
  const search = h("label", { class: "search" }, sign("search"), filter);
  const bar = h("div", { class: "toolbar" }, search, chips, h("span", { class: "push" }), status);
  const title = h("h1", { class: "unseen", tabindex: -1 }, "Runs");
  const element = h("div", { class: "overview" }, title, bar, notice, table, below, choice);
  const rows = createRows(body, { height: ROW_HEIGHT, make: rowOf });

  const address = (/** @type {string} */ run) => router.addressOf({ run });
  const chosen = () => parted(router.state().runs);
  const wanted = () => new Set(parted(router.state().verdict));

  /** With what has been typed up to now. @type {typeof router.change} */
  function change(part, how) {
    clearTimeout(typing);
    router.change({ q: filter.value.trim() || null, ...part }, how);
  }

  function typed() {
    clearTimeout(typing);
    typing = window.setTimeout(() => change({}, { push: false }), TYPING_MS);
    draw();
  }

  /** @param {string} verdict */
  function toggle(verdict) {
    const all = wanted();
    if (!all.delete(verdict)) all.add(verdict);
    change({ verdict: joined([...all]) });
  }

  function clear() {
    filter.value = "";
    change({ verdict: null });
    draw();
    filter.focus();
  }

  /** @returns {{id: string, down: boolean}} */
  function sorting() {
    const { sort = "verdict" } = router.state();
    return { id: sort.replace(/^-/, ""), down: sort.startsWith("-") };
  }

  /** @param {import("./columns.js").Column} column */
  function sortBy({ id, down = false }) {
    const now = sorting();
    const turned = now.id === id ? !now.down : down;
    const sort = `${turned ? "-" : ""}${id}`;
    change({ sort: sort === "verdict" ? null : sort });
  }

  /** @param {string} run */
  function choose(run) {
    const names = chosen();
    const all = names.includes(run) ? names.filter((name) => name !== run) : [...names, run];
    if (all.length <= MOST_COMPARED) change({ runs: joined(all) }, { push: false });
    else draw(); // puts the tick back
  }

  function chooseShown() {
    const names = shown.slice(0, MOST_COMPARED).map(({ run }) => run);
    const rest = chosen().filter((name) => !names.includes(name));
    change({ runs: joined(every.checked ? [...names, ...rest].slice(0, MOST_COMPARED) : rest) }, { push: false });
  }

  /** @param {Event} event */
  function clicked(event) {
    const mouse = /** @type {MouseEvent} */ (event);
    const target = /** @type {Element} */ (event.target);
    const run = target.closest("tr")?.dataset.run;
    // A new tab, a tick, or text being selected: leave it to the browser.
    if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey || target.closest(".col-check") || run === undefined) return;
    if (String(getSelection()) && !target.closest("a")) return;
    event.preventDefault();
    change({ run });
  }

  /** @param {Event} event */
  function ticked(event) {
    const run = /** @type {Element} */ (event.target).closest("tr")?.dataset.run;
    if (run !== undefined) choose(run);
  }

  /** @param {Event} event */
  function visited(event) {
    const run = /** @type {Element} */ (event.target).closest("tr")?.dataset.run;
    active = Math.max(0, shown.findIndex((row) => row.run === run));
  }

  /** @param {import("./columns.js").Column} column */
  function headCell(column) {
    const { id, numeric, title: name, hint, value, order } = column;
    const attributes = { scope: "col", class: `col-${id}${numeric ? " numeric" : ""}`, title: hint };
    if (!value && !order) return h("th", attributes, name);
    const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
    return h("th", attributes, h("button", { type: "button", click: () => sortBy(column) }, name, arrow));
  }

  /** @param {RunRow} run */
  function rowOf(run) {
    const label = `Compare ${runName(run.run)}`;
    const box = h("input", { type: "checkbox", "aria-label": label, checked: chosen().includes(run.run) });
    const cells = COLUMNS.map((column) =>
      h("td", { class: `col-${column.id}${column.numeric ? " numeric" : ""}` }, column.cell(run, address)),
    );
    return h("tr", { "data-verdict": run.verdict ?? PENDING }, h("td", { class: "col-check" }, h("label", {}, box)), ...cells);
  }

  function draw() {
    const all = feed.rows();
    const verdicts = wanted();
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter((run) => {
      if (verdicts.size && !verdicts.has(run.verdict ?? PENDING)) return false;
      return !words.length || words.every((word) => textOf(run).includes(word));
    });
    const order = sorting();
    shown = sorted(found, order);
    rows.show(shown);
    table.setAttribute("aria-rowcount", String(shown.length + 1));
    heads.forEach((head, i) => {
      const direction = COLUMNS[i].id !== order.id ? "none" : order.down ? "descending" : "ascending";
      if (COLUMNS[i].value || COLUMNS[i].order) head.setAttribute("aria-sort", direction);
    });
    fillBar(all);
    table.hidden = shown.length === 0;
    notice.replaceChildren(...(all.length ? [noneJudged(all)] : [noRuns()]).filter((part) => part !== null));
    below.replaceChildren(...(all.length && !shown.length ? [noMatch(filter.value.trim(), clear)] : []));
  }

  /** @param {RunRow[]} all */
  function fillBar(all) {
    bar.hidden = all.length === 0;
    chips.replaceChildren(...chipsOf(all));
    const text = shown.length < all.length ? `${shown.length} of ${counted(all.length, "run")}` : "";
    if (status.textContent !== text) status.textContent = text;
    choice.replaceChildren(...choiceOf(chosen().filter((name) => feed.row(name))));
    const picked = new Set(chosen());
    every.checked = shown.length > 0 && shown.slice(0, MOST_COMPARED).every(({ run }) => picked.has(run));
    every.indeterminate = !every.checked && shown.some(({ run }) => picked.has(run));
    for (const box of body.querySelectorAll("input")) {
      box.checked = picked.has(box.closest("tr")?.dataset.run ?? "");
      box.disabled = !box.checked && picked.size >= MOST_COMPARED;
      box.closest("tr")?.classList.toggle("chosen", box.checked);
    }
  }

  /** @param {string[]} names */
  function choiceOf(names) {
    if (!names.length) return [];
    const few = names.length < 2;
    const text = few ? "1 run chosen, choose another" : `${names.length} runs chosen`;
    const go = h("button", { type: "button", class: "plain strong", disabled: few, click: compare }, sign("compare"), "Compare");
    const none = () => change({ runs: null }, { push: false });
    const drop = { type: "button", class: "bare", "aria-label": "Choose none", title: "Choose none", click: none };
    return [h("div", { class: "chosen-runs" }, h("span", {}, text), go, h("button", drop, sign("close")))];
  }

  /** @param {RunRow[]} all */
  function chipsOf(all) {
    const pressed = wanted();
    return [...VERDICT_NAMES, PENDING].flatMap((verdict) => {
      const count = all.filter((run) => (run.verdict ?? PENDING) === verdict).length;
      if (!count && !pressed.has(verdict)) return [];
      const attributes = { type: "button", class: "chip", "data-verdict": verdict, "aria-pressed": String(pressed.has(verdict)) };
      const label = h("span", { class: "chip-label" }, verdictLabel(verdict === PENDING ? null : verdict));
      return [h("button", { ...attributes, click: () => toggle(verdict) }, icon(verdict), h("b", {}, count), label)];
    });
  }

  function compare() {
    if (chosen().filter((name) => feed.row(name)).length > 1) change({ page: "compare" });
  }

  /** @param {number} index */
  function move(index) {
    active = Math.min(Math.max(0, index), shown.length - 1);
    rows.reveal(active)?.querySelector("a")?.focus({ preventScroll: true });
  }

  /** @param {number} by */
  const step = (by) => () => move(body.contains(document.activeElement) ? active + by : active);

  function route() {
    const { q = "" } = router.state();
    if (document.activeElement !== filter || !filter.value.trim()) filter.value = q;
    draw();
  }

  route();
  // Only now is the table's place on the page known.
  requestAnimationFrame(rows.refresh);
  return {
    element,
    update: draw,
    route,
    redraw: () => {},
    close: () => (clearTimeout(typing), rows.close()),
    focus: (before) => {
      const index = shown.findIndex((row) => row.run === before?.run);
      if (index >= 0) move(index);
      else title.focus();
    },
    keys: [
      { keys: ["ArrowDown", "j"], does: "Next run", run: step(1) },
      { keys: ["ArrowUp", "k"], does: "Previous run", run: step(-1) },
      { keys: ["Home"], does: "First run", run: () => move(0) },
      { keys: ["End"], does: "Last run", run: () => move(shown.length - 1) },
      { keys: ["x"], does: "Choose the run for a comparison", run: () => shown[active] && choose(shown[active].run) },
      { keys: ["c"], does: "Compare the chosen runs", run: compare },
      { keys: ["/"], does: "Filter", run: () => filter.focus() },
    ],
    downloads: () => [
      { label: "Table as CSV", save: () => saveTable("overfit-runs.csv", CSV, shown.map(csvRow)) },
      { label: "Table as JSON", save: () => saveJson("overfit-runs.json", shown) },
    ],
  };
}

const CSV = [
  ...["run", "verdict", "severity", "onset_step", "alarm_step", "best_step", "stop_step", "last_step", "evaluations"],
  ...["train_tag", "val_tag", "mode", "best_value", "last_value", "loss_lost", "noise", "recommendation"],
  ...["cannot_judge", "message", "sampled", "alerts"],
];

/** @param {RunRow} run */
function csvRow(run) {
  const all = /** @type {Record<string, unknown>} */ ({ ...run, mode: run.metrics.mode });
  return CSV.map((name) => all[name]);
}
